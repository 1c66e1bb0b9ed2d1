"""The whole of it, through the command line: training, export, tags; and the windows that a note is read in."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "matplotlib", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from linker.cli import app
from linker.corpus import GoldMention, GoldNote
from linker.detection.tagger import BEGIN, INSIDE, OUTSIDE, OnnxTagger
from linker.detection.windows import Reader
from linker.errors import InvalidInput
from linker.inference import load_tokenizer
from linker.records import Mention
from training import smoke
from training.detector import DetectorRecipe, Scorer, new_model, train_detector
from training.recipes import read_recipe
from training.tagging import UNKNOWN, annotated, is_held_out, labels, rows, united

RECIPE = "detector-smoke"
exporting = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
NOTE = (
    "History: acute kidney pain \U0001f600\r\nsince 2012,\tand bleeding of late. \u00e9te\u0301! "
    "No sign of chronic skin failure since 2012."
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    result = CliRunner().invoke(app, ["train", "detector", RECIPE, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"linker export {out}" in result.output
    return out


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "detector"
    result = CliRunner().invoke(app, ["export", str(trained), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "label agreement" in result.output
    return out


pytestmark = exporting


def test_the_smoke_recipe_learns_and_leaves_a_run(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    figures = [line["span F1"] for line in lines if "span F1" in line]
    assert figures[-1] > max(figures[0] + 0.5, 0.9)
    assert {path.suffix for path in (trained / "best").iterdir()} == {".json", ".safetensors"}
    assert read_recipe(trained / "recipe.toml", DetectorRecipe) == read_recipe(RECIPE, DetectorRecipe)
    assert "disorder, symptom" in (trained / "card.json").read_text()


def test_what_is_served_is_what_was_trained(trained: Path, exported: Path) -> None:
    """int8 and ONNX, it finds what the torch model does, at the note's own places."""
    recipe = read_recipe(RECIPE, DetectorRecipe).model_copy(update={"base": str(trained)})
    _, reader = new_model(recipe)
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(trained / "best")
    expected = Scorer(model, reader, recipe.types).tag(NOTE)
    tagger = OnnxTagger(exported)
    (got,) = tagger.tag([NOTE])
    assert tagger.types == ("disorder", "symptom")
    assert np.array_equal(got.places, expected.places)
    assert np.abs(got.probabilities - expected.probabilities).max() < 0.05
    ranked = np.sort(expected.probabilities, axis=2)
    decided = ranked[..., -1] - ranked[..., -2] > 0.1  # else rounding to int8 may decide otherwise
    assert decided.mean() > 0.9
    agree = got.probabilities.argmax(axis=2) == expected.probabilities.argmax(axis=2)
    assert agree[decided].all()
    assert "acute kidney pain" in [NOTE[b:e] for b, e in got.mentions(0)]


def test_an_answer_depends_on_neither_batch_nor_threads(exported: Path) -> None:
    notes = [NOTE, "", NOTE * 20, "History: acute skin pain since 2012."]
    alone = [OnnxTagger(exported).tag([note])[0] for note in notes]
    for together in (OnnxTagger(exported).tag(notes), OnnxTagger(exported, workers=3).tag(notes[::-1])[::-1]):
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one.places, other.places)
            assert np.array_equal(one.probabilities, other.probabilities)


def test_a_window_of_a_long_note_is_read_as_it_is_by_itself(exported: Path) -> None:
    tagger, long = OnnxTagger(exported), NOTE * 20
    reader = Reader(load_tokenizer(exported), max_length=64, stride=16)
    (whole,) = tagger.tag([long])
    windows = list(reader.windows(long))
    assert len(windows) > 10
    for window in windows:
        begin, end = window.pieces[0][0], window.pieces[-1][1]
        (alone,) = tagger.tag([long[begin:end]])
        own = [window.pieces[place] for place in window.own]
        places = whole.pieces(own[0][0], own[-1][1])
        assert np.array_equal(whole.places[places], own)
        assert np.array_equal(whole.places[places], alone.places[window.own.start : window.own.stop] + begin)
        assert np.array_equal(whole.probabilities[places], alone.probabilities[window.own.start : window.own.stop])


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(RECIPE, DetectorRecipe)
    schedule = recipe.schedule.model_copy(update={"max_steps": 12, "log_every": 3, "evaluate_every": 6})
    recipe = recipe.model_copy(update={"schedule": schedule})
    train_detector(recipe, tmp_path / "whole")
    scored = []

    def kill(self: Scorer, _: Any) -> dict[str, float]:
        scored.append(True)
        if len(scored) == 3:
            raise KeyboardInterrupt
        return {"span F1": 0.1 * len(scored)}

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "score", kill)
        with pytest.raises(KeyboardInterrupt):
            train_detector(recipe, tmp_path / "killed")
    train_detector(recipe, tmp_path / "killed", resume=True)
    states = [torch.load(tmp_path / run / "checkpoints/step-12/optimizer.pt") for run in ("whole", "killed")]
    assert all(
        torch.equal(one["exp_avg"], states[1]["state"][number]["exp_avg"]) for number, one in states[0]["state"].items()
    )


def gold(text: str, *found: tuple[str, str]) -> GoldNote:
    placed = ((Mention(word, text, text.find(word), text.find(word) + len(word)), kind) for word, kind in found)
    mentions = (GoldMention("n", (mention,), frozenset(), types=frozenset({kind})) for mention, kind in placed)
    return GoldNote("n", text, tuple(mentions))


def test_what_a_corpus_does_not_annotate_has_no_label() -> None:
    note = gold("renal pain after insulin", ("renal pain", "D"), ("pain", "D"), ("insulin", "C"))
    diseases = annotated(note, {"disease": frozenset({"D"})})
    places = [(0, 5), (6, 10), (11, 16), (17, 24)]
    assert labels(places, diseases, ["disease", "chemical"]).T.tolist() == [
        [BEGIN, INSIDE, OUTSIDE, OUTSIDE],
        [UNKNOWN] * 4,
    ]
    chemicals = annotated(note, {"chemical": frozenset({"C"})})
    ((both, times),) = united([(diseases, 2), (chemicals, 1)])
    assert times == 2
    assert labels(places, both, ["disease", "chemical"])[:, 1].tolist() == [OUTSIDE, OUTSIDE, OUTSIDE, BEGIN]


def test_rows_have_every_sentence_and_labels_at_first_tokens() -> None:
    recipe = read_recipe(RECIPE, DetectorRecipe)
    _, reader = new_model(recipe)
    notes = [(annotated(note, {"disorder": frozenset({"disorder"})}), 1) for note in smoke.invented_notes()]
    made = rows(notes, reader, ["disorder"], longest=64, seed=0)
    begins = sum(label == [BEGIN] for row in made["labels"] for label in row)
    assert begins == len(notes)
    assert all(len(ids) == len(wanted) for ids, wanted in zip(made["input_ids"], made["labels"], strict=True))


def test_the_same_notes_are_held_out_of_every_corpus() -> None:
    held_out = [name for name in map(str, range(1000)) if is_held_out(name, 0.2)]
    assert 120 < len(held_out) < 280
    assert all(is_held_out(name, 0.3) for name in held_out)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('base = "invented"\n', "corpus"),
        ('base = "invented"\n[[corpus]]\ncorpus = "c"\n', "types"),
        ('base = "invented"\nmax_length = 64\nstride = 64\n[[corpus]]\ncorpus = "c"\ntypes = { a = [] }\n', "stride"),
    ],
)
def test_a_recipe_that_cannot_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InvalidInput, match=told):
        read_recipe(tmp_path / "recipe.toml", DetectorRecipe)


def test_windows_longer_than_the_base_reads_are_told(tmp_path: Path) -> None:
    """The position table of `invented` has 64 rows."""
    text = 'base = "invented"\nmax_length = 65\nstride = 16\n[[corpus]]\ncorpus = "invented"\ntypes = { a = [] }\n'
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InvalidInput, match=r"^max_length: expected at most 64, which is what invented reads, got 65$"):
        train_detector(read_recipe(tmp_path / "recipe.toml", DetectorRecipe), tmp_path / "run")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", r"xz:2: "),
        ('{"doc_id": "2", "text": "a cold", "mentions": [{"mention": 3, "gold": []}]}', r"xz:2: mentions\[0\]"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_told(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "corpus.jsonl.xz"
    first = '{"doc_id": "1", "text": "a cold", "mentions": [{"begin": 2, "end": 6, "mention": "cold", "gold": []}]}'
    path.write_bytes(lzma.compress(f"{first}\n{line}\n".encode()))
    recipe = read_recipe(RECIPE, DetectorRecipe)
    bad = recipe.corpus[0].model_copy(update={"corpus": str(path), "types": {"disorder": frozenset()}})
    with pytest.raises(InvalidInput, match=told):
        train_detector(recipe.model_copy(update={"corpus": (bad,)}), tmp_path / "run")
    with pytest.raises(InvalidInput, match="no mention of drug"):
        path.write_bytes(lzma.compress(first.encode()))
        _ = bad.model_copy(update={"types": {"drug": frozenset({"D"})}}).notes()

"""A bundle for a language, in one command, on invented names: all of it (`long`), and its beginning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "matplotlib", "pytorch_metric_learning", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from linker.cli import app
from linker.corpus import read_corpus
from linker.errors import InvalidInput
from linker.manifest import read_manifest
from linker.pipeline import Linker
from linker.records import Mention
from ontologies.build import build
from ontologies.starter import ENCODER
from training.bases import card_from
from training.card import data_of
from training.dictionary import Ontology, read_entries, read_source
from training.errors import TrainingError
from training.language.chain import train_language
from training.language.recipe import SMOKE, LanguageRecipe, Work
from training.language.supervision import make_weak
from training.weak.corpus import Way

pytestmark = pytest.mark.filterwarnings("ignore:.*(SwigPy|swigvarlink):DeprecationWarning")


def changed(**fields: object) -> LanguageRecipe:
    return SMOKE.model_copy(update=fields)


def read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def table(path: Path, rows: list[tuple[str, str, str]]) -> tuple[Ontology, ...]:
    path.write_text("concept_id\tname\tlanguage\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return (Ontology(path=str(path)),)


def plain(folder: Path) -> Path:
    path = folder / "plain.txt"
    path.write_text("Tiene fallo agudo de riñón desde 2012, y dolor agudo de hígado.\n", encoding="utf-8")
    return path


@pytest.mark.long
def test_one_command_makes_a_judged_bundle_and_a_second_one_does_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "language", "--smoke", "--learning-curve", "--weak", str(plain(tmp_path)), "--out", str(out)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    figures = json.loads((out / "evaluation/figures.json").read_text())
    at = {(one["question"], one["stage"]): one["at"] for one in figures}
    assert at["es to en", "tuned"][24] > at["es to en", "base"][24]
    assert {"es to en", "en to es"} == {question for question, _ in at}
    assert "with cross-encoder" in (out / "evaluation/report.md").read_text()
    report = (out / "evaluation/report.md").read_text()
    assert "| names | 2 | 2 | 1 | none |" in report
    assert "and not from invented: where it learned names" in " ".join(report.split())
    assert "![](learning.png)" in report
    assert (out / "evaluation/learning.png").read_bytes().startswith(b"\x89PNG")
    points = json.loads((out / "learning/learning.json").read_text())
    assert [point["count"] for point in points if point["question"] == "es to en"] == [18, 35, 70, 140]
    assert points[-1]["at"]["25"] == at["en to es", "tuned"][24]
    manifest, _ = read_manifest(out / "bundle")
    assert set(manifest.languages) == {"en", "es"}
    (link,) = Linker.open(out / "bundle").link([Mention("dolor agudo de riñón")])
    assert link.candidates[0].concept_id == "INVENTED:002"

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = CliRunner().invoke(app, command, catch_exceptions=False)
    assert again.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before

    shutil.rmtree(out / "bundle")
    (out / "bundle.json").unlink()
    CliRunner().invoke(app, [*command, "--step", "bundle"])
    assert read_manifest(out / "bundle")[0].files == manifest.files


def test_names_are_split_and_the_base_learns_words(tmp_path: Path) -> None:
    facts = train_language(SMOKE, tmp_path, only=["names", "base"])
    assert facts["names"]["held_out"] == {"dev es": 20, "dev en": 60, "test es": 20, "test en": 60}
    learned = (tmp_path / "names/learn.tsv").read_text()
    judged = [json.loads(line)["mentions"][0]["mention"] for line in read(tmp_path / "names/test-es.jsonl")]
    assert not [name for name in judged if name in learned]
    assert facts["base"]["unknown"] == 0.0


def test_what_the_base_learned_from_goes_with_it(tmp_path: Path) -> None:
    """Its names were not held out, and who uses the model has to know of their licences."""
    train_language(changed(base="starter"), tmp_path, only=["names", "base"])
    card = card_from(str(tmp_path / "base/extended"))
    assert card.data == data_of(ENCODER)
    assert {"Mondo", "SNOMED CT Global Patient Set"} <= {data.name for data in card.data}


def test_notes_are_split_and_codes_that_nobody_has_are_listed(tmp_path: Path) -> None:
    notes = [
        {"doc_id": str(n), "text": None, "mentions": [{"mention": f"m {n}", "gold": [f"{n:03d}"]}]} for n in range(179)
    ]
    corpus = tmp_path / "notes.jsonl"
    corpus.write_text(
        "".join(
            json.dumps(note) + "\n" for note in [*notes, notes[0] | {"mentions": [{"mention": "m", "gold": ["999"]}]}]
        )
    )
    facts = train_language(changed(corpora=(str(corpus),), prefix="INVENTED"), tmp_path / "run", only=["names"])
    assert facts["names"]["notes"] == {"learn": 108, "dev": 36, "test": 36}
    assert facts["names"]["unknown_codes"] == {"INVENTED:999": 1}
    lines = [line for part in ("learn", "dev", "test") for line in read(tmp_path / f"run/names/{part}-notes.jsonl")]
    assert len(set(lines)) == 180
    with pytest.raises(InvalidInput, match="no gold id is in an ontology, 000 for one; say with --prefix"):
        train_language(changed(corpora=(str(corpus),)), tmp_path / "bare", only=["names"])
    assert not (tmp_path / "bare/names.json").exists()


def test_a_language_that_could_not_be_judged_is_refused(tmp_path: Path) -> None:
    rows = [(f"X:{n}", f"{word} {n}", tag) for n in range(30) for word, tag in (("pain", "en"), ("dolor", "es"))]
    few = changed(ontologies=table(tmp_path / "few.tsv", rows))
    with pytest.raises(InvalidInput, match="4 names in es can be held out to judge by, expected 20"):
        train_language(few, tmp_path / "run", only=["names"])


def test_a_base_that_cannot_read_the_language_is_refused_with_the_share(tmp_path: Path) -> None:
    rows = [
        (f"X:{n}", f"{word} {'абвгдежзик'[n % 10]}{n}", tag)
        for n in range(200)
        for word, tag in (("pain", "en"), ("боль", "ru"))
    ]
    recipe = changed(language="ru", ontologies=table(tmp_path / "ru.tsv", rows), vocabulary=0)
    with pytest.raises(
        TrainingError, match=r"invented: \d+% of the tokens of ru are unknown to its tokenizer; raise --voc"
    ):
        train_language(recipe, tmp_path / "run", only=["names", "base"])
    facts = train_language(recipe.model_copy(update={"vocabulary": 300}), tmp_path / "run", only=["names", "base"])
    assert facts["base"]["unknown_to_base"] > 0.5 > facts["base"]["unknown"]


def test_mentions_that_nobody_annotated_are_of_concepts_that_are_not_held_out(tmp_path: Path) -> None:
    texts = tmp_path / "all.txt"
    everything = read_entries(SMOKE.ontologies)
    spanish = {name.name: i for i, entry in everything.items() for name in entry.names if name.language == "es"}
    texts.write_text("".join(f"Tiene {name}.\n" for name in spanish), encoding="utf-8")
    recipe = changed(weak_by=(Way.NAMES,), weak_texts=(str(texts),))
    work = Work(recipe, tmp_path / "run")
    train_language(recipe, work.run, only=["names"])
    learned = set(read_entries([Ontology(path=str(work / "names" / "learn.tsv"))]))
    build([read_source(Ontology(path=str(work / "names" / "learn.tsv")))], work / "draft" / "learn", encoder=ENCODER)
    (work / "weak").mkdir()
    facts = make_weak(work, work / "weak")
    found = {code for mention in read_corpus(work / "weak" / "names.jsonl") for code in mention.gold}
    assert found == learned
    assert set(spanish.values()) - learned
    assert facts["names"]["mentions"] == len(learned)  # type: ignore[index]


def test_what_a_way_is_made_from_is_asked_for() -> None:
    for options, field in ((["--weak-by", "confident"], "--weak:"), (["--weak-by", "projection"], "--weak-corpus")):
        result = CliRunner().invoke(app, ["train", "language", "--smoke", "--out", "nowhere", *options])
        assert isinstance(result.exception, InvalidInput)
        assert field in str(result.exception)


def test_lang_and_ontology_are_asked_for() -> None:
    result = CliRunner().invoke(app, ["train", "language", "--out", "nowhere", "--lang", "es"])
    assert result.exit_code != 0
    assert isinstance(result.exception, InvalidInput | SystemExit)

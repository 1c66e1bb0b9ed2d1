"""The whole of it, through the command line: lists, training, export, a bundle with a reranker, links."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "matplotlib", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from linker.cli import app
from linker.errors import InvalidInput
from linker.evaluation import evaluate
from linker.options import Options
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.reranking import OnnxReranker
from ontologies.build import build
from ontologies.records import Name
from ontologies.starter import ENCODER
from training import smoke
from training.crossencoder import CrossEncoderRecipe, new_model, train_crossencoder
from training.lists import read_lists
from training.listwise import PairLogits
from training.recipes import read_recipe

RECIPE = "crossencoder-smoke"
exporting = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    result = CliRunner().invoke(app, ["train", "crossencoder", RECIPE, "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"linker export {out}" in result.output
    return out


def test_the_smoke_recipe_learns_and_leaves_a_run(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    assert all(line["acc@1"] >= line["retrieval"] for line in lines if "acc@1" in line)
    assert {path.suffix for path in (trained / "best").iterdir()} == {".json", ".safetensors"}
    assert read_recipe(trained / "recipe.toml", CrossEncoderRecipe) == read_recipe(RECIPE, CrossEncoderRecipe)
    report = json.loads((trained / "lists/report.json").read_text())
    assert report["gold invented"]["lists"] == len(smoke.invented_corpus()) - 1  # but for the exact hit


@exporting
def test_what_is_served_is_what_was_trained(trained: Path, tmp_path: Path) -> None:
    """Exported and in a bundle, the reranker reads the pairs that training wrote, and gives their logits."""
    model, out = tmp_path / "reranker", tmp_path / "bundle"
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{r.name}\n" for r in smoke.invented_source().records if isinstance(r, Name)))
    arguments = ["export", str(trained), "--out", str(model), "--precision", "fp32", "--names", str(names)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    build([smoke.invented_source()], out, encoder=ENCODER, reranker=model)
    linker, gold = Linker.open(out), smoke.invented_corpus()
    settings = json.loads((trained / "best/reranker.json").read_text())
    links = linker.link([m.parts[0] for m in gold], Options(rerank=RerankMode.ALWAYS, top_k=settings["depth"]))

    from sentence_transformers.cross_encoder import CrossEncoder

    torch_model = CrossEncoder(str(trained / "best"), activation_fn=torch.nn.Identity()).eval()
    logits = PairLogits(torch_model, max_length=settings["max_length"])
    dev = read_lists(trained / "lists/dev invented.jsonl.gz")
    for link, made in zip(links, dev, strict=True):
        with torch.inference_mode():
            expected = logits([(made.mention, c) for c in made.candidates]).tolist()
        served = [c.rerank_score for c in link.candidates]
        assert sorted(served) == pytest.approx(sorted(expected), abs=1e-4)
    figures = json.loads((trained / "card.json").read_text())["metrics"]
    assert evaluate(linker, gold).overall.acc_at_1 == pytest.approx(figures["invented"]["acc@1"])
    assert isinstance(linker.bundle.reranker, OnnxReranker)
    assert linker.bundle.reranker.policy.weight == settings["weight"]


def test_a_base_with_a_plain_vocabulary_reads_the_same_pairs(tmp_path: Path) -> None:
    """A folder with vocab.txt only, as older models have it, gives the tokens of one with tokenizer.json."""
    smoke.write_invented_base(tmp_path)

    def read() -> tuple[list[int], list[int]]:
        tokenizer = new_model(str(tmp_path)).tokenizer.backend_tokenizer
        encoding = tokenizer.encode("renal Ache", "acute kidney pain; renal colic")
        return encoding.ids, encoding.type_ids

    before = read()
    vocabulary = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.get)))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    assert read() == before


def test_a_resumed_run_trains_on_the_same_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = read_recipe(RECIPE, CrossEncoderRecipe)
    schedule = recipe.schedule.model_copy(update={"max_steps": 10, "log_every": 5, "evaluate_every": 5})
    recipe = recipe.model_copy(update={"schedule": schedule, "gold": recipe.gold[:1], "names": ()})
    from training import crossencoder

    fit, killed = crossencoder.fit, []

    def kill_once(*arguments: object) -> object:
        if not killed:
            killed.append(True)
            raise KeyboardInterrupt
        return fit(*arguments)

    monkeypatch.setattr(crossencoder, "fit", kill_once)
    with pytest.raises(KeyboardInterrupt):
        train_crossencoder(recipe, tmp_path / "run")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run/lists").iterdir()}
    train_crossencoder(recipe, tmp_path / "run", resume=True)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run/lists").iterdir()} == before
    assert (tmp_path / "run/state").read_text() == "done\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('base = "invented"\n', "dev"),
        ('base = "invented"\n[lists]\nperturbations = ["typos"]\n[[dev]]\ncorpus="c"\nbundle="b"\n', "typos"),
        ('base = "invented"\n[lists]\ncandidate = 3\n[[dev]]\ncorpus="c"\nbundle="b"\n', "candidate: unknown key"),
    ],
)
def test_a_recipe_that_cannot_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(InvalidInput, match=told):
        read_recipe(tmp_path / "recipe.toml", CrossEncoderRecipe)


def test_a_run_without_lists_is_told(tmp_path: Path) -> None:
    recipe = read_recipe(RECIPE, CrossEncoderRecipe).model_copy(update={"gold": (), "names": ()})
    with pytest.raises(InvalidInput, match="no training list"):
        train_crossencoder(recipe, tmp_path / "run")

"""The whole of it, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra `train`")
for package in ("accelerate", "datasets", "matplotlib", "pytorch_metric_learning", "sentence_transformers"):
    pytest.importorskip(package, reason="needs the extra `train`")

from linker.cli import app
from linker.errors import InvalidInput
from ontologies.records import Name
from training.bases import embed, load_base
from training.biencoder import BiencoderRecipe, train_biencoder
from training.recipes import read_recipe
from training.runs import Run
from training.smoke import invented_source

SHORT = """
base = "{base}"
seed = 1
merge_with_base = {merge}
[[source]]
path = "invented"
[[gold]]
corpus = "corpus.jsonl"
[[dev]]
name = "invented"
corpus = "invented"
ontology = {{ path = "invented" }}
[pairs]
limit = 64
[schedule]
batch_size = 16
learning_rate = 1e-3
evaluate_every = 4
log_every = 2
"""
GOLD = {"doc_id": "1", "text": None, "mentions": [{"mention": "my kidneys", "gold": ["INVENTED:000", "X:1"]}]}


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_smoke_recipe_learns_and_leaves_a_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = CliRunner().invoke(app, ["train", "biencoder", "smoke", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"linker export {out}" in result.output
    evaluations = {line["step"]: line["acc@1"] for line in lines(out) if "acc@1" in line}
    assert max(evaluations.values()) > evaluations[0] + 0.4
    files = {"recipe.toml", "metrics.jsonl", "curves.png", "best", "card.json", "state"}
    assert files <= {path.name for path in out.iterdir()}
    assert {path.suffix for path in (out / "best").rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert read_recipe(out / "recipe.toml", BiencoderRecipe) == read_recipe("smoke", BiencoderRecipe)


def test_a_second_stage_starts_from_the_first_and_merging_is_measured(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps(GOLD) + "\n")
    path = tmp_path / "recipe.toml"
    path.write_text(SHORT.format(base="invented", merge=0.0))
    first = train_biencoder(read_recipe(path, BiencoderRecipe), tmp_path / "first")
    report = json.loads((tmp_path / "first/data/report.json").read_text())
    assert report["unknown_gold"] == {"X:1": 1}
    path.write_text(SHORT.format(base=str(tmp_path / "first"), merge='"auto"') + "[mining]\nnegatives = 3\n")
    second = train_biencoder(read_recipe(path, BiencoderRecipe), tmp_path / "second")
    assert second.base == first.best
    assert second.best["acc@1"] >= second.outcome.best >= second.base["acc@1"]
    merged = [line["merge_with_base"] for line in lines(tmp_path / "second") if "merge_with_base" in line]
    assert merged == [0.0, 0.25, 0.5, 0.75]
    load_base(str(tmp_path / "second"))


def test_patience_without_dev_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('base = "invented"\n[[source]]\npath = "invented"\n[schedule]\npatience = 2\n')
    with pytest.raises(InvalidInput, match=r"expected a \[\[dev\]\]"):
        read_recipe(path, BiencoderRecipe)


def test_help_teaches_a_recipe_without_loading_torch() -> None:
    script = (
        "import sys; sys.argv = ['linker', 'train', '--help']\n"
        "from linker.cli import main\n"
        "try: main()\n"
        "finally: sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'matplotlib')))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert "[[source]]" in run.stdout
    assert "[schedule]" in run.stdout


def test_a_run_aligns_another_language_with_the_one_its_base_knows_and_resumes(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    text = SHORT.format(base="invented", merge='"auto"').replace("[pairs]\nlimit = 64", "[alignment]\nkeep = 0.3")
    path.write_text(text)
    with pytest.raises(InvalidInput, match=r"no \[\[gold\]\] and no \[mining\] beside \[alignment\]"):
        read_recipe(path, BiencoderRecipe)
    path.write_text(text.replace('[[gold]]\ncorpus = "corpus.jsonl"\n', ""))
    recipe = read_recipe(path, BiencoderRecipe)
    trained = train_biencoder(recipe, tmp_path / "run")
    report = json.loads((tmp_path / "run/data/report.json").read_text())
    assert report == {"names": 720, "pivots": 540, "rows": 180 + 54}
    checkpoint = Run(tmp_path / "run").last_checkpoint()
    assert checkpoint is not None
    assert margin(str(checkpoint[1])) > margin("invented") + 0.01
    (tmp_path / "run/state").write_text("failed\n")
    assert train_biencoder(recipe, tmp_path / "run", resume=True) == trained


def margin(model: str) -> float:
    """By how much Spanish names are nearer to an English name of their own concept than to those of others."""
    names = [record for record in invented_source().records if isinstance(record, Name)]
    first = {tag: [n.name for n in names if (n.language, n.term_type) == (tag, "preferred")] for tag in ("en", "es")}
    english, spanish = (embed(load_base(model), texts, bf16=False) for texts in first.values())
    cosine = spanish @ english.T
    return float(cosine.diagonal().mean() - cosine.mean())

"""`linker train weak`, from text to what a training of the cross-encoder reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.cli import app
from linker.corpus import read_corpus
from linker.errors import InvalidInput
from linker.pipeline import Linker

GOLD = (
    '{"doc_id": "1", "text": "Fever and cough.", "mentions": [{"begin": 0, "end": 5, "mention": "Fever", '
    '"gold": ["D005334"]}]}\n'
)
TRANSLATOR = """
def translate(texts):
    return [text.replace("Fever", "Fiebre").replace("and cough", "y tos") for text in texts]
"""


def test_names_in_text(tmp_path: Path, build_bundle: Callable[[str], Linker]) -> None:
    bundle = build_bundle("concept_id\tname\tlanguage\nX:1\tFever\ten\nX:1\tFiebre\tes\n").bundle
    (tmp_path / "notes.txt").write_text("Tiene fiebre.\n", encoding="utf-8")
    options = ["--text", str(tmp_path / "notes.txt"), "--bundle", str(bundle.path), "--out", str(tmp_path / "w.jsonl")]
    result = CliRunner().invoke(app, ["train", "weak", "--by", "names", "--lang", "es", *options])
    assert result.exit_code == 0
    assert "1 notes, 1 mentions, 1 concepts. Left out: none" in result.stdout
    [mention] = read_corpus(tmp_path / "w.jsonl")
    assert (mention.parts[0].text, mention.gold) == ("fiebre", {"X:1"})


def test_notes_in_another_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gold.jsonl").write_text(GOLD)
    (tmp_path / "toy_translator.py").write_text(TRANSLATOR)
    monkeypatch.chdir(tmp_path)
    command = ["train", "weak", "--by", "projection", "--lang", "es", "--prefix", "MESH", "--out", "w.jsonl"]
    options = ["--corpus", "gold.jsonl", "--translate", "toy_translator:translate"]
    assert CliRunner().invoke(app, [*command, *options]).exit_code == 0
    [mention] = read_corpus(tmp_path / "w.jsonl")
    assert (mention.parts[0].text, mention.parts[0].context) == ("Fiebre", "Fiebre y tos.")
    assert mention.gold == {"MESH:D005334"}


@pytest.mark.parametrize(("by", "field"), [("names", "--text"), ("confident", "--text"), ("projection", "--corpus, ")])
def test_what_is_missing_is_named(tmp_path: Path, by: str, field: str) -> None:
    result = CliRunner().invoke(app, ["train", "weak", "--by", by, "--lang", "es", "--out", str(tmp_path / "w.jsonl")])
    assert isinstance(result.exception, InvalidInput)
    assert result.exception.field.startswith(field)

"""DisTEMIST with the gold of its crosswalks."""

from __future__ import annotations

import importlib
import json
import lzma
import sys
from pathlib import Path
from types import ModuleType

import pytest

from linker.corpus import read_corpus
from ontologies.readers import read
from ontologies.readers.options import Options
from ontologies.records import Name

NOTES = [
    {
        "doc_id": "1",
        "text": "fiebre y tos",
        "mentions": [
            {"begin": 0, "end": 6, "mention": "fiebre", "gold": ["386661006"], "hpo": "HP:0001945", "mesh": "D005334"},
            {"begin": 9, "end": 12, "mention": "tos", "gold": ["49727002"], "hpo": "HP:1+HP:2"},
            {"begin": 0, "end": 12, "mention": "fiebre y tos", "gold": ["1", "2"], "hpo": "HP:3", "composite": True},
        ],
    },
    {"doc_id": "2", "text": "nada", "mentions": []},
]
NAMES = {
    "hpo_multilingual": ["HP:0001945\ten\tFever\tPT\t", "HP:0001945\tes\tFiebre\tPT\t", "HP:9\ten\tAtaxia\tPT\t"],
    "doid_en_es": ["DOID:1\ten\tataxia\tPT\t", "DOID:1\tes\tAtaxia de la marcha\tSY\t"],
    "icd10_multilingual": ["ICD10:R50\ten\tOther fever\tPT\t", "ICD10:R50\tes\tOtra fiebre\tPT\t"],
    "icd11_en_es": ["ICD11:1\ten\tFever\tPT\t", "ICD11:1\tes\tFiebre sin causa\tPT\t"],
    "mesh2024_en": ["MESH:D005334\ten\tFever\tPT\t", "MESH:D1\ten\tCalcimycin\tPT\t", "MESH:D2\ten\tNeoplasms\tPT\t"],
}
TREES = ["MESH:D005334\tMeSHTree:C23.888.119.344\ttree", "MESH:D1\tMeSHTree:D02.355\ttree"]


@pytest.fixture(scope="module")
def distemist() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        return importlib.import_module("distemist")


def pack(path: Path, lines: list[str]) -> None:
    path.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines).encode()))


def names(path: Path) -> set[tuple[str, str, str]]:
    return {(r.concept_id, r.name, r.language) for r in read(path, Options()).records if isinstance(r, Name)}


def test_mentions_get_the_gold_of_a_crosswalk_and_dictionaries_spanish_names(
    distemist: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "dev"):
        pack(tmp_path / f"{part}.jsonl.xz", [json.dumps(note) for note in NOTES])
    for table, lines in NAMES.items():
        pack(tmp_path / f"{table}.names.tsv.xz", lines)
    pack(tmp_path / "mesh2024_en.xrefs.tsv.xz", TREES)
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["distemist.py", str(tmp_path), str(tmp_path), "--out", str(out)])
    distemist.main()
    for target, gold in (("hpo", "HP:0001945"), ("mesh", "MESH:D005334")):
        (mention,) = read_corpus(out / f"dev.{target}.jsonl")
        assert (mention.parts[0].text, mention.gold, mention.misplaced) == ("fiebre", {gold}, False)
    english = {("HP:0001945", "Fever", "en"), ("HP:9", "Ataxia", "en")}
    assert names(out / "hpo.en.tsv") == english
    spanish = {
        ("HP:0001945", "Fiebre", "es"),
        ("HP:0001945", "Fiebre sin causa", "es"),
        ("HP:9", "Ataxia de la marcha", "es"),
    }
    assert names(out / "hpo.es.tsv") == english | spanish
    assert {name for _, name, _ in names(out / "mesh.es.tsv")} == {"Fever", "Fiebre", "Fiebre sin causa", "Neoplasms"}

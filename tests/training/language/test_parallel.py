"""Names of two languages: what is found, what is wrong with it, and what is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from linker.corpus import read_corpus
from linker.errors import InvalidInput
from linker.surface import normalise
from training.dictionary import Ontology, read_entries
from training.language.parallel import ask_for, collect, hold_out, without, write_names

ROWS = [
    ("X:1", "Renal failure", "en"), ("X:1", "Kidney failure", "en"), ("X:1", "Fallo renal", "es"),
    ("X:2", "Fever", "en"), ("X:2", "Fiebre", "es-MX"), ("X:2", "Febrícula", "es"), ("X:2", "Fieber", "de"),
    ("X:3", "Carcinoma", "en"), ("X:3", "Carcinoma", "es"),
    ("X:4", "Asthma", "en"), ("X:4", "астма", "es"),
    ("X:5", "Slight fever", "en"), ("X:5", "Febrícula", "es"),
    ("X:6", "Cough", "en"),
]  # fmt: skip


def table(folder: Path, rows: list[tuple[str, str, str]]) -> list[Ontology]:
    path = folder / "names.tsv"
    path.write_text("concept_id\tname\tlanguage\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return [Ontology(path=str(path))]


def test_what_ontologies_say_in_a_language_is_counted(tmp_path: Path) -> None:
    parallel, report = collect(table(tmp_path, ROWS), "es", "en")
    assert parallel.tags == ("es", "en")
    assert report.tags == {"en": 7, "es": 5, "es-MX": 1, "de": 1}
    assert (report.names, report.concepts, report.parallel) == (5, 4, 3)
    assert (report.untranslated, report.wrong_script, report.disagreeing) == (1, 1, 1)
    assert report.examples["wrong script"] == ["астма"]
    assert report.examples["disagreeing"] == ["febrícula: fever / slight fever"]
    assert "fieber" not in {normalise(name.name) for entry in parallel.entries.values() for name in entry.names}


def test_a_language_that_nobody_speaks_is_an_error_that_says_which_are_spoken(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no ontology has a name in nl; they have: en 7, es 5, es-MX 1, de 1"):
        collect(table(tmp_path, ROWS), "nl", "en")


def test_names_mostly_in_another_script_are_an_error(tmp_path: Path) -> None:
    rows = [("X:1", "астма", "es"), ("X:2", "боль", "es"), ("X:3", "Fiebre", "es")]
    with pytest.raises(InvalidInput, match="2 of 3 names tagged es have no Latin letter: is the tag right"):
        collect(table(tmp_path, rows), "es", "en")


def test_without_parallel_names_there_is_no_pivot_and_synonyms_are_asked_for(tmp_path: Path) -> None:
    rows = [(f"X:{n}", f"{word} {n}", "es") for n in range(8) for word in ("dolor", "pena")]
    parallel, _ = collect(table(tmp_path, rows), "es", "en")
    assert parallel.tags == ("es",)
    held = hold_out(parallel, 2, seed=1)
    asked = ask_for(parallel, held, "es")
    assert sorted(asked.mentions) == sorted(held)
    write_names(tmp_path / "known.tsv", parallel.entries.values(), ("es",), but=[asked])
    known = {
        name.name
        for entry in read_entries([Ontology(path=str(tmp_path / "known.tsv"))]).values()
        for name in entry.names
    }
    assert known.isdisjoint(name for names in asked.mentions.values() for name in names)
    assert len(known) + len(asked) == 16


def test_no_name_of_a_held_concept_is_learned(tmp_path: Path) -> None:
    rows = [(f"X:{n}", f"pain {n}", "en") for n in range(40)] + [(f"X:{n}", f"dolor {n}", "es") for n in range(40)]
    rows += [("X:99", "dolor 7", "es"), ("X:99", "another pain", "en")]
    parallel, _ = collect(table(tmp_path, rows), "es", "en")
    held = hold_out(parallel, 1000, seed=1)
    assert len(held) == 10
    learned = without(parallel, ["X:7"])
    assert {entry.concept_id for entry in learned} == set(parallel.entries) - {"X:7", "X:99"}


def test_questions_are_names_that_the_other_language_does_not_have(tmp_path: Path) -> None:
    parallel, _ = collect(table(tmp_path, ROWS), "es", "en")
    asked = ask_for(parallel, ["X:1", "X:2", "X:3"], "es")
    asked.write(tmp_path / "asked.jsonl")
    found = {(m.parts[0].text, *m.gold) for m in read_corpus(tmp_path / "asked.jsonl")}
    assert found == {("Fallo renal", "X:1"), ("Fiebre", "X:2"), ("Febrícula", "X:2")}
    assert [json.loads(line)["doc_id"] for line in (tmp_path / "asked.jsonl").read_text().splitlines()] == [
        "X:1",
        "X:2",
    ]

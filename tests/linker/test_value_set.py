from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.errors import InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Candidate, Link, MatchSource, NilReason
from linker.terminology import Terminology
from linker.value_set import Member, generalised, open_value_set, read_value_set, resolve

CLINIC = "http://example.org/CLINIC"


@pytest.fixture(scope="module")
def terminology(linker: Linker) -> Terminology:
    return linker.bundle.terminology


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Any], Path]:
    """A function from text or a JSON document to the path of a file of it."""

    def write(content: Any) -> Path:
        path = tmp_path / "value-set"
        raw = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
        return path

    return write


def compose(*codes: str, **more: Any) -> dict[str, Any]:
    return {"system": CLINIC, "concept": [{"code": code} for code in codes], **more}


def value_set(**fields: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", **fields}


def test_lines(file: Callable[[Any], Path]) -> None:
    path = file("\ufeff# ours\nCLINIC:0002\r\n\n  CLINIC:0001 \nCLINIC:0002\n")
    assert read_value_set(path) == [Member("CLINIC:0002", "line 2"), Member("CLINIC:0001", "line 4")]


def test_a_fhir_value_set_is_its_expansion_or_else_what_it_enumerates(file: Callable[[Any], Path]) -> None:
    document = value_set(
        compose={"include": [compose("1", "2"), {**compose("H0"), "system": "http://snomed.info/sct|x"}]}
    )
    assert [(m.concept_id, m.place) for m in read_value_set(file(document))] == [
        ("CLINIC:1", "compose.include[0].concept[0].code"),
        ("CLINIC:2", "compose.include[0].concept[1].code"),
        ("SNOMEDCT:H0", "compose.include[1].concept[0].code"),
    ]
    heading = {"abstract": True, "display": "x", "contains": [{"system": CLINIC, "code": "4"}]}
    document["expansion"] = {"contains": [{"system": CLINIC, "code": "3"}, heading, {"system": CLINIC, "code": "5"}]}
    members = read_value_set(file(document))
    assert [m.concept_id for m in members] == ["CLINIC:3", "CLINIC:4", "CLINIC:5"]
    assert members[1].place == "expansion.contains[1].contains[0].code"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "value-set: expected at least one id, got none"),
        ("# none\n", "expected at least one id, got none"),
        ("A:1\nA:1 | heart\n", "value-set: line 2: expected one id without white space"),
        (b"A:1\nA:\xff\n", "value-set: line 2: expected UTF-8, got byte 0xff"),
        ('{"a": 1,\n}', "value-set: line 2: expected JSON"),
        ("[" * 100_000, "value-set: expected JSON nested less deeply"),
        ([1], "value-set: expected an object, got [1]"),
        ({"resourceType": "CodeSystem"}, 'value-set: resourceType: expected "ValueSet", got "CodeSystem"'),
        ({}, 'resourceType: expected "ValueSet", got nothing'),
        (value_set(), "expected at least one id, got none"),
        (value_set(expansion=[]), "expansion: expected an object, got []"),
        (value_set(expansion={"contains": {}}), "expansion.contains: expected an array, got {}"),
        (value_set(expansion={"contains": [{"code": "1"}]}), "expansion.contains[0].system: expected a text"),
        (
            value_set(expansion={"contains": [{"system": "//", "code": "1"}]}),
            "contains[0].system: expected a code system URI",
        ),
        (value_set(expansion={"contains": [{"system": CLINIC, "code": 1}]}), "contains[0].code: expected a text"),
        (
            value_set(compose={"include": [compose("1")], "exclude": [compose("2")]}),
            "compose.exclude: expected an expansion",
        ),
        (value_set(compose={"include": [compose("1", filter=[{}])]}), "include[0].filter: expected an expansion"),
        (value_set(compose={"include": [{"valueSet": ["x"]}]}), "include[0].valueSet: expected an expansion"),
        (value_set(compose={"include": [{"system": CLINIC}]}), "include[0]: expected enumerated codes or an expansion"),
    ],
)
def test_what_is_no_value_set_is_refused_with_its_place(file: Callable[[Any], Path], content: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        read_value_set(file(content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_value_set(tmp_path / "nowhere")


def test_headings_of_any_depth_are_walked(file: Callable[[Any], Path]) -> None:
    entry: dict[str, Any] = {"system": CLINIC, "code": "1"}
    for _ in range(200):
        entry = {"abstract": True, "contains": [entry]}
    assert [m.concept_id for m in read_value_set(file(value_set(expansion={"contains": [entry]})))] == ["CLINIC:1"]


def test_unknown_ids_are_refused_with_the_place_of_the_first_or_counted(
    file: Callable[[Any], Path], terminology: Terminology
) -> None:
    path = file("CLINIC:0002\n" + "".join(f"CLINIC:9{n}\n" for n in range(7)))
    with pytest.raises(InvalidInput) as raised:
        open_value_set(path, terminology, lenient=False)
    assert raised.value.field == f"{path}: line 2"
    for said in ("CLINIC:90, CLINIC:91, CLINIC:92, CLINIC:93, CLINIC:94, ...", "(7 of 8 ids)", "--lenient"):
        assert said in raised.value.description
    ids, left_out = open_value_set(path, terminology, lenient=True)
    assert ids == {"CLINIC:0002"}
    assert [m.concept_id for m in left_out] == [f"CLINIC:9{n}" for n in range(7)]
    with pytest.raises(InvalidInput, match="2 of 2"):
        open_value_set(file("A:1\nA:2\n"), terminology, lenient=True)


def test_a_member_is_a_concept_or_its_exact_code(terminology: Terminology) -> None:
    rows, unknown = resolve([Member("DEMO:H1", "1"), Member("DEMO:R1", "2"), Member("CLINIC:0001", "3")], terminology)
    assert {terminology.concept_id(row) for row in rows} == {"CLINIC:0003", "CLINIC:0001"}
    assert [member.place for member in unknown] == ["2"]  # its relation is skos:broadMatch


@given(st.sets(st.integers(0, 15)), st.lists(st.integers(0, 15), unique=True), st.data())
def test_what_is_generalised_lies_inside_once_with_the_best_confidence(
    terminology: Terminology, members: set[int], found: list[int], data: st.DataObject
) -> None:
    sure = np.array(
        sorted(data.draw(st.lists(st.floats(0, 1), min_size=len(found), max_size=len(found))), reverse=True)
    )
    candidates = [
        Candidate(row, terminology.concept_id(row), "", f"name {row}", "", MatchSource.DENSE, 0.5, 0.5) for row in found
    ]
    answers, confidences = generalised(candidates, sure, frozenset(members), terminology)
    nearest = {row: terminology.hierarchy.nearest(row, members) for row in found}
    assert {a.concept for a in answers} == {row for row in nearest.values() if row is not None}
    assert len({a.concept for a in answers}) == len(answers) == len(confidences)
    assert confidences.tolist() == sorted(confidences, reverse=True)
    for answer, confidence in zip(answers, confidences, strict=True):
        merged = [place for place, row in enumerate(found) if nearest[row] == answer.concept]
        assert confidence == max(sure[place] for place in merged)
        origin = terminology.row(answer.generalised_from or answer.concept_id)
        assert (answer.matched_name, origin) == (f"name {origin}", found[merged[0]])
        assert (answer.generalised_from == "") == (origin == answer.concept)
        assert answer.preferred_name == ("" if origin == answer.concept else terminology.preferred_name(answer.concept))


def linked(linker: Linker, text: str, *ids: str, **more: Any) -> Link:
    return linker.link([text], Options(value_set=frozenset(ids), **more))[0]


def test_an_answer_says_what_it_was_generalised_from(linker: Linker) -> None:
    plain, general = linker.link(["heart attack"])[0], linked(linker, "heart attack", "CLINIC:0002", "CLINIC:0006")
    assert plain.concept is not None
    assert general.concept is not None
    assert (general.concept.concept_id, general.concept.generalised_from) == ("CLINIC:0002", "CLINIC:0003")
    assert (general.concept.preferred_name, general.concept.matched_name) == ("Heart disease", "Heart attack")
    assert general.concept.confidence == plain.concept.confidence
    assert [c.code for c in general.concept.codes] == ["H0"]
    inside = linked(linker, "heart attack", "CLINIC:0003", "CLINIC:0002")
    assert inside.concept is not None
    assert (inside.concept.concept_id, inside.concept.generalised_from) == ("CLINIC:0003", "")
    assert len({c.concept_id for c in general.candidates}) == len(general.candidates) <= 2


def test_nothing_inside_is_no_candidate(linker: Linker) -> None:
    link = linked(linker, "heart attack", "CLINIC:0016")
    assert all(c.concept_id == "CLINIC:0016" for c in link.candidates)
    assert linked(linker, "  ", "CLINIC:0016").nil_reason is NilReason.NO_CANDIDATE


def test_a_value_set_of_the_library_is_checked(linker: Linker) -> None:
    with pytest.raises(InvalidInput, match=r"^value_set: expected ids of current concepts of this bundle, got X:1"):
        linked(linker, "heart", "CLINIC:0001", "X:1")
    with pytest.raises(InvalidInput, match="^value_set: expected at least one id"):
        linked(linker, "heart")


def test_codes_asked_for_are_carried_with_relation_and_source(linker: Linker) -> None:
    [link] = linker.link(["heart attack"], Options(codes=("CLINIC", "OTHER")))
    assert link.concept is not None
    assert [(c.system, c.code, c.relation, c.source) for c in link.concept.codes] == [
        ("CLINIC", "0003", "skos:exactMatch", "CLINIC"),
        ("OTHER", "77", "skos:exactMatch", link.concept.codes[1].source),
    ]
    assert link.concept.codes[1].source
    with pytest.raises(InvalidInput, match=r"^codes\[1\]: expected a vocabulary of this bundle: CLINIC, DEMO, OTHER$"):
        linker.link(["x"], Options(codes=("DEMO", "NOPE")))

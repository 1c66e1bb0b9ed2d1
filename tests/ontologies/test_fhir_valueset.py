"""FHIR R4 value sets: displays become names, and whatever is wrong is named by its path in the document."""

import json

import pytest

from ontologies.errors import SourceError
from ontologies.readers.fhir_valueset import read_fhir_valueset
from ontologies.records import Concept, Name, TermType

SNOMED = "http://snomed.info/sct"


def valueset(*concepts, system=SNOMED, **fields):
    include = {"system": system, "concept": list(concepts)}
    return {"resourceType": "ValueSet", "compose": {"include": [include]}, **fields}


def written(tmp_path, document):
    path = tmp_path / "valueset.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def names(source):
    return [(r.concept_id, r.name, r.language, r.term_type) for r in source.records if isinstance(r, Name)]


def concepts(source):
    return {r.concept_id: r for r in source.records if isinstance(r, Concept)}


def test_a_fully_specified_name_gives_a_preferred_name_and_a_semantic_type(tmp_path):
    path = written(tmp_path, valueset({"code": "11", "display": "Grey (old) cough (finding)"}))
    source = read_fhir_valueset(path, language="en")
    assert concepts(source)["SNOMEDCT:11"].semantic_types == ("finding",)
    assert names(source) == [
        ("SNOMEDCT:11", "Grey (old) cough", "en", TermType.PREFERRED),
        ("SNOMEDCT:11", "Grey (old) cough (finding)", "en", TermType.FULLY_SPECIFIED),
    ]


def test_a_display_of_another_system_is_kept_as_it_is(tmp_path):
    path = written(tmp_path, valueset({"code": "A1", "display": "Cough (dry)"}, system="http://ward.example/cs/local"))
    source = read_fhir_valueset(path)
    assert names(source) == [("local:A1", "Cough (dry)", "", TermType.PREFERRED)]


def test_the_language_of_the_value_set_wins_over_the_callers(tmp_path):
    path = written(tmp_path, valueset({"code": "1", "display": "Husten"}, language="de"))
    assert names(read_fhir_valueset(path, language="en"))[0][2] == "de"


def test_designations_are_names_in_their_own_language(tmp_path):
    designation = [{"language": "es", "value": "tos"}, {"value": "Cough"}]
    path = written(tmp_path, valueset({"code": "1", "display": "Cough", "designation": designation}, language="en"))
    assert names(read_fhir_valueset(path))[1:] == [("SNOMEDCT:1", "tos", "es", TermType.SYNONYM)]


def test_an_expansion_is_read_instead_of_the_definition_at_every_depth(tmp_path):
    inner = {"system": SNOMED, "code": "2", "display": "Fever", "inactive": True}
    heading = {"abstract": True, "display": "Findings", "contains": [inner]}
    document = valueset({"code": "9", "display": "Not this"}, expansion={"contains": [heading]})
    found = concepts(read_fhir_valueset(written(tmp_path, document)))
    assert list(found) == ["SNOMEDCT:2"]
    assert found["SNOMEDCT:2"].retired


def test_the_release_is_what_the_value_set_says_of_itself(tmp_path):
    licence = "See https://creativecommons.org/licenses/by/4.0/"
    fields = {"version": "7", "date": "2021-06-05T00:00:00Z", "publisher": "P", "copyright": licence, "url": "http://u"}
    (release,) = read_fhir_valueset(written(tmp_path, valueset({"code": "1", "display": "x"}, **fields))).releases
    assert (release.source, release.version, release.date, release.licence) == (
        "SNOMEDCT",
        "7",
        "2021-06-05",
        "CC-BY-4.0",
    )
    assert release.attribution == f"P\n\n{licence}"
    assert len(release.sha256) == 64


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"resourceType": "CodeSystem"}, "resourceType"),
        ({"resourceType": "ValueSet"}, "compose.include"),
        ([], None),
        (valueset({"code": "1", "display": "x"}, {"display": "y"}), "compose.include[0].concept[1].code"),
        (valueset({"code": "1", "display": " "}), "compose.include[0].concept[0].display"),
        (valueset({"code": 1, "display": "x"}), "compose.include[0].concept[0].code"),
        (valueset({"code": "1", "display": "x"}, {"code": "1", "display": "y"}), "compose.include[0].concept[1].code"),
        (valueset({"code": "1", "display": "x"}, system=None), "compose.include[0].system"),
        (valueset("1"), "compose.include[0].concept[0]"),
        (valueset(), "compose.include[0]"),
        (
            {"resourceType": "ValueSet", "compose": {"include": [{"filter": [{"op": "is-a"}]}]}},
            "compose.include[0].filter",
        ),
        ({"resourceType": "ValueSet", "compose": {"exclude": [{}], "include": []}}, "compose.exclude"),
        ({"resourceType": "ValueSet", "expansion": {"contains": [{"code": "1"}]}}, "expansion.contains[0].system"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(tmp_path, document, field):
    path = written(tmp_path, document)
    with pytest.raises(SourceError) as caught:
        read_fhir_valueset(path)
    assert (caught.value.path, caught.value.field) == (str(path), field or "")


@pytest.mark.parametrize(("content", "line"), [(b'{\n"a": \xff\n}', 2), (b'{\n\n"a" 1}', 3), (b"", 1)])
def test_what_is_not_json_in_utf8_is_named_by_its_line(tmp_path, content, line):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"broken.json:{line}: expected") as caught:
        read_fhir_valueset(path)
    assert caught.value.line == line


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"absent\.json"):
        read_fhir_valueset(tmp_path / "absent.json")

"""FHIR R4 code systems: nesting and properties become hierarchy and retirement, whatever order the keys are in."""

import gzip
import json

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.fhir_codesystem import read_fhir_codesystem
from ontologies.readers.options import Options, Problems
from ontologies.records import Concept, Name, TermType

URL = "http://ward.example/CodeSystem/signs"
URI = "http://hl7.org/fhir/concept-properties#"


def codesystem(*concepts, **fields):
    return {"resourceType": "CodeSystem", "url": URL, "content": "complete", "concept": list(concepts), **fields}


def written(tmp_path, document):
    path = tmp_path / "codesystem.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document, indent=1), encoding="utf-8")
    return path


def concepts(source):
    return {record.concept_id: record for record in source.records if isinstance(record, Concept)}


def names(source):
    return [(n.concept_id, n.name, n.language, n.term_type) for n in source.records if isinstance(n, Name)]


TREE = {
    "code": "1",
    "display": "Sign",
    "definition": "What is seen.",
    "concept": [{"code": "11", "display": "Fever", "concept": [{"code": "111", "display": "Night fever"}]}],
}


def test_nesting_is_the_hierarchy(tmp_path):
    found = concepts(read_fhir_codesystem(written(tmp_path, codesystem(TREE)), Options()))
    assert {i: c.parents for i, c in found.items()} == {
        "signs:1": (),
        "signs:11": ("signs:1",),
        "signs:111": ("signs:11",),
    }
    assert (found["signs:1"].definition, found["signs:1"].line) == ("What is seen.", 6)


@pytest.mark.parametrize("meaning", ["grouped-by", "part-of"])
def test_nesting_that_is_no_generalisation_gives_no_parents(tmp_path, meaning):
    found = concepts(read_fhir_codesystem(written(tmp_path, codesystem(TREE, hierarchyMeaning=meaning)), Options()))
    assert all(c.parents == () for c in found.values())
    assert len(found) == 3


@pytest.mark.parametrize("declared_last", [False, True])
def test_properties_go_by_the_uri_they_are_declared_with(tmp_path, declared_last):
    gone = {"code": "2", "display": "Ague", "property": [{"code": "weg", "valueBoolean": True}]}
    kept = {"code": "3", "display": "Cough", "property": [{"code": "weg", "valueBoolean": False}]}
    retired = {"code": "4", "display": "Chill", "property": [{"code": "status", "valueCode": "retired"}]}
    child = {"code": "5", "display": "Dry cough", "property": [{"code": "up", "valueCode": "3"}]}
    document = codesystem(gone, kept, retired, child)
    declared = [{"code": "weg", "uri": f"{URI}inactive"}, {"code": "up", "uri": f"{URI}parent"}]
    document = document | {"property": declared} if declared_last else {"property": declared} | document
    found = concepts(read_fhir_codesystem(written(tmp_path, document), Options()))
    assert [i for i, c in found.items() if c.retired] == ["signs:2", "signs:4"]
    assert found["signs:5"].parents == ("signs:3",)


def test_designations_are_names_in_their_language_and_one_is_preferred_in_each(tmp_path):
    use = {"code": "preferredForLanguage"}
    designation = [
        {"language": "es", "use": use, "value": "fiebre"},
        {"language": "es", "use": use, "value": "calentura"},
        {"language": "en", "use": use, "value": "pyrexia"},
        {"value": "febrile state"},
    ]
    document = codesystem({"code": "1", "display": "Fever", "designation": designation}, language="en")
    assert names(read_fhir_codesystem(written(tmp_path, document), Options())) == [
        ("signs:1", "Fever", "en", TermType.PREFERRED),
        ("signs:1", "fiebre", "es", TermType.PREFERRED),
        ("signs:1", "calentura", "es", TermType.SYNONYM),
        ("signs:1", "pyrexia", "en", TermType.SYNONYM),
        ("signs:1", "febrile state", "en", TermType.SYNONYM),
    ]


def test_a_supplement_names_concepts_that_it_does_not_define(tmp_path):
    designation = [{"language": "de", "value": "Fieber"}]
    document = codesystem(
        {"code": "386661006", "designation": designation},
        content="supplement",
        supplements="http://snomed.info/sct|2026",
    )
    source = read_fhir_codesystem(written(tmp_path, document), Options())
    assert list(source.records) == [Name(concept_id="SNOMEDCT:386661006", name="Fieber", language="de", line=6)]
    assert source.releases[0].source == "SNOMEDCT"


def test_the_prefix_asked_for_is_put_before_the_codes(tmp_path):
    found = concepts(read_fhir_codesystem(written(tmp_path, codesystem(TREE)), Options(prefix="WARD")))
    assert "WARD:111" in found


def test_it_is_recognised_and_read_compressed(tmp_path):
    plain = written(tmp_path, codesystem(TREE))
    packed = tmp_path / "codesystem.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read(packed).records) == list(read(plain).records)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"resourceType": "ValueSet"}, "resourceType"),
        ([], "resourceType"),
        (codesystem(), "concept"),
        (codesystem(TREE, content="not-present"), "content"),
        (codesystem(TREE, url=None), "url"),
        (codesystem(TREE, content="supplement"), "supplements"),
        (codesystem({"display": "x"}), "concept[0].code"),
        (codesystem({"code": "1"}), "concept[0].display"),
        (codesystem(TREE, {"code": "111", "display": "x"}), "concept[1].code"),
        (codesystem(TREE, "x"), "concept[1]"),
        (codesystem({"code": "1", "display": "x", "concept": {}}), "concept[0].concept"),
        (codesystem({"code": "1", "display": "x", "designation": [{}]}), "concept[0].designation[0].value"),
        (
            codesystem({"code": "1", "display": "x", "property": [{"code": "parent"}]}),
            "concept[0].property[0].valueCode",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(tmp_path, document, field):
    path = written(tmp_path, document)
    with pytest.raises(SourceError) as caught:
        list(read_fhir_codesystem(path, Options()).records)
    assert (caught.value.path, caught.value.field) == (str(path), field)


def test_lenient_leaves_out_and_counts_what_has_no_name_or_comes_twice(tmp_path):
    problems = Problems(lenient=True)
    document = codesystem(TREE, {"code": "2"}, {"code": "1", "display": "again"})
    found = concepts(read_fhir_codesystem(written(tmp_path, document), Options(problems=problems)))
    assert list(found) == ["signs:1", "signs:11", "signs:111"]
    assert problems.counts == {"concepts without a name": 1, "repeated codes": 1}

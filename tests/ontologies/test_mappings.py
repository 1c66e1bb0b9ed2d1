"""SSSOM and FHIR ConceptMap: a mapping is told of both its sides, and means the same from each."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.fhir_conceptmap import read_fhir_conceptmap
from ontologies.readers.mappings import codes_of
from ontologies.readers.options import Options, Problems
from ontologies.readers.sssom import read_sssom
from ontologies.records import Code

METADATA = """# curie_map:
#   SX: http://purl.obolibrary.org/obo/SX_
#   m: http://identifiers.org/mesh/
#   OMIMPS: https://omim.org/phenotypicSeries/PS
#   w: http://ward.example/unknown/
# license: https://creativecommons.org/publicdomain/zero/1.0/
# mapping_set_id: http://purl.obolibrary.org/obo/sx/mappings/sx_mesh.sssom.tsv
# mapping_set_version: 2026-08-04
# comment: "it's: fine"
"""
COLUMNS = "subject_id\tsubject_label\tpredicate_id\tobject_id\tmapping_justification"
ROWS = """SX:1\tfever\tskos:exactMatch\tm:D005334\tsemapv:ManualMappingCuration
SX:2\t"a ""dry"" cough"\tskos:broadMatch\tSCTID:49727002\tsemapv:LexicalMatching
SX:3\tspots\toboInOwl:hasDbXref\tOMIMPS:100070\tsemapv:LexicalMatching
SX:4\tague\trdfs:subClassOf\tw:7\tsemapv:LexicalMatching
"""


def sssom(tmp_path, rows=ROWS, columns=COLUMNS, metadata=METADATA):
    path = tmp_path / "sx.sssom.tsv"
    path.write_text(f"{metadata}{columns}\n{rows}", encoding="utf-8")
    return path


def told(source):
    return [(c.concept_id, c.relation, f"{c.system}:{c.code}") for c in source.records]


def test_each_mapping_is_told_of_both_sides_in_the_prefixes_that_are_known(tmp_path):
    assert told(read_sssom(sssom(tmp_path), Options())) == [
        ("SX:1", "skos:exactMatch", "MESH:D005334"),
        ("MESH:D005334", "skos:exactMatch", "SX:1"),
        ("SX:2", "skos:broadMatch", "SNOMEDCT:49727002"),
        ("SNOMEDCT:49727002", "skos:narrowMatch", "SX:2"),
        ("SX:3", "oboInOwl:hasDbXref", "OMIM:PS100070"),
        ("OMIM:PS100070", "oboInOwl:hasDbXref", "SX:3"),
        ("SX:4", "rdfs:subClassOf", "w:7"),
    ]


def test_the_confidence_is_kept(tmp_path):
    columns = "subject_id\tpredicate_id\tobject_id\tconfidence"
    rows = "SX:1\tskos:exactMatch\tm:D1\t0.9\nSX:2\tskos:exactMatch\tm:D2\t\n"
    found = [(c.concept_id, c.confidence) for c in read_sssom(sssom(tmp_path, rows, columns), Options()).records]
    assert found == [("SX:1", 0.9), ("MESH:D1", 0.9), ("SX:2", None), ("MESH:D2", None)]


def test_only_of_what_is_built(tmp_path):
    assert {c.concept_id for c in read_sssom(sssom(tmp_path), Options(sources=("mesh",))).records} == {"MESH:D005334"}


def test_the_release_and_the_lines(tmp_path):
    source = read(sssom(tmp_path))
    (release,) = source.releases
    assert (release.source, release.version, release.date, release.licence) == (
        "sx_mesh",
        "2026-08-04",
        "2026-08-04",
        "CC0-1.0",
    )
    assert [code.line for code in source.records][:3] == [11, 11, 12]


def test_a_mapping_set_without_metadata(tmp_path):
    path = sssom(tmp_path, metadata="")
    assert told(read(path))[0] == ("SX:1", "skos:exactMatch", "m:D005334")


def test_what_is_no_mapping_is_left_out(tmp_path):
    columns = "subject_id\tpredicate_modifier\tpredicate_id\tobject_id\tsubject_type"
    rows = (
        "SX:1\tNot\tskos:exactMatch\tm:D1\t\n"
        "SX:2\t\tskos:exactMatch\tsssom:NoTermFound\t\n"
        "fever\t\tskos:exactMatch\tm:D1\trdfs literal\n"
    )
    assert told(read_sssom(sssom(tmp_path, rows, columns), Options())) == []


@pytest.mark.parametrize(
    ("rows", "columns", "metadata", "line", "field"),
    [
        ("", "subject_id\tobject_id", METADATA, 10, "predicate_id"),
        ("", "subject_id,predicate_id,object_id", METADATA, 10, "subject_id"),
        ("", "subject_id\tpredicate_id\tobject_id\tobject_id", METADATA, 10, "object_id"),
        ("SX:1\tskos:exactMatch\n", "subject_id\tpredicate_id\tobject_id", METADATA, 11, None),
        ("SX1\tskos:exactMatch\tm:D1\n", "subject_id\tpredicate_id\tobject_id", METADATA, 11, "subject_id"),
        ("SX:1\texact\tm:D1\n", "subject_id\tpredicate_id\tobject_id", METADATA, 11, "predicate_id"),
        ("SX:1\ta:b\t\n", "subject_id\tpredicate_id\tobject_id", METADATA, 11, "object_id"),
        ("SX:1\ta:b\thttp://x/y\n", "subject_id\tpredicate_id\tobject_id", METADATA, 11, "object_id"),
        ("SX:1\ta:b\tm:D1\t1.5\n", "subject_id\tpredicate_id\tobject_id\tconfidence", METADATA, 11, "confidence"),
        ("SX:1\ta:b\tm:D1\thigh\n", "subject_id\tpredicate_id\tobject_id\tconfidence", METADATA, 11, "confidence"),
        (ROWS, COLUMNS, "# curie_map:\n#  - a\n# b: [\n", 4, None),
        (ROWS, COLUMNS, "# curie_map: [a]\n", None, "curie_map"),
        (ROWS, COLUMNS, "# just words\n", 1, None),
    ],
)
def test_bad_mapping_sets(tmp_path, rows, columns, metadata, line, field):
    path = sssom(tmp_path, rows, columns, metadata)
    with pytest.raises(SourceError) as caught:
        list(read_sssom(path, Options()).records)
    assert (caught.value.path, caught.value.line, caught.value.field) == (str(path), line, field)


def test_lenient_leaves_out_and_counts_bad_rows(tmp_path):
    problems = Problems(lenient=True)
    rows = "SX:1\ta:b\tm:D1\nSX1\ta:b\tm:D1\nSX:1\n"
    path = sssom(tmp_path, rows, "subject_id\tpredicate_id\tobject_id")
    assert len(told(read_sssom(path, Options(problems=problems)))) == 1
    assert problems.counts == {"rows that are no mapping": 1, "rows of another width": 1}


PREDICATES = st.sampled_from(["skos:exactMatch", "skos:broadMatch", "skos:narrowMatch", "skos:relatedMatch", "x:other"])
PAIRS = st.tuples(st.sampled_from(["A", "B"]), st.text("0123456789", min_size=1))


@given(PAIRS, PREDICATES, PAIRS)
def test_turned_round_twice_is_the_mapping_itself(subject, predicate, target):
    there, *back = codes_of(subject, predicate, target, 1, Options())
    assert (there.concept_id, there.relation, there.system, there.code) == (":".join(subject), predicate, *target)
    for code in back:
        returned = list(codes_of(target, code.relation, subject, 1, Options()))
        assert returned == [code, there]


def conceptmap(*targets, **group):
    element = [{"code": "1", "target": list(targets)}]
    group = {"source": "http://snomed.info/sct", "target": "http://hl7.org/fhir/sid/icd-10", "element": element} | group
    return {"resourceType": "ConceptMap", "url": "http://u", "name": "WardMap", "version": "3", "group": [group]}


def written(tmp_path, document):
    path = tmp_path / "conceptmap.json"
    path.write_text(json.dumps(document, indent=1))
    return path


@pytest.mark.parametrize(
    ("equivalence", "there", "back"),
    [
        ("equivalent", "skos:exactMatch", "skos:exactMatch"),
        ("equal", "skos:exactMatch", "skos:exactMatch"),
        ("wider", "skos:broadMatch", "skos:narrowMatch"),
        ("subsumes", "skos:broadMatch", "skos:narrowMatch"),
        ("narrower", "skos:narrowMatch", "skos:broadMatch"),
        ("specializes", "skos:narrowMatch", "skos:broadMatch"),
        ("inexact", "skos:closeMatch", "skos:closeMatch"),
        ("relatedto", "skos:relatedMatch", "skos:relatedMatch"),
    ],
)
def test_an_equivalence_says_what_the_target_is_to_the_source(tmp_path, equivalence, there, back):
    source = read(written(tmp_path, conceptmap({"code": "R50", "equivalence": equivalence})))
    assert told(source) == [("SNOMEDCT:1", there, "ICD10:R50"), ("ICD10:R50", back, "SNOMEDCT:1")]
    assert (source.releases[0].source, source.releases[0].version) == ("WardMap", "3")


def test_no_mappings_and_conditional_ones(tmp_path):
    conditional = {"code": "R51", "equivalence": "equal", "dependsOn": [{"property": "http://sex", "value": "f"}]}
    document = conceptmap({"equivalence": "unmatched"}, {"code": "R50", "equivalence": "disjoint"}, conditional)
    assert told(read_fhir_conceptmap(written(tmp_path, document), Options())) == [
        ("SNOMEDCT:1", "skos:relatedMatch", "ICD10:R51"),
        ("ICD10:R51", "skos:relatedMatch", "SNOMEDCT:1"),
    ]


def test_each_group_has_its_own_systems_wherever_they_are_said(tmp_path):
    document = conceptmap({"code": "R50", "equivalence": "equal"})
    (first,) = document["group"]
    second = dict(reversed((first | {"target": "http://loinc.org|2.78"}).items()))
    document["group"].append(second)
    codes = told(read_fhir_conceptmap(written(tmp_path, document), Options(sources=("SNOMED",))))
    assert [code for _, _, code in codes] == ["ICD10:R50", "LOINC:R50"]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"resourceType": "ValueSet"}, "resourceType"),
        (conceptmap(element=[]), "group.element"),
        (conceptmap({"code": "R50"}), "group[0].element[0].target[0].equivalence"),
        (conceptmap({"code": "R50", "equivalence": "same"}), "group[0].element[0].target[0].equivalence"),
        (conceptmap({"equivalence": "equal"}), "group[0].element[0].target[0].code"),
        (conceptmap({"code": "R50", "equivalence": "equal"}, source=None), "group[0].source"),
        (conceptmap("R50"), "group[0].element[0].target[0]"),
    ],
)
def test_bad_concept_maps(tmp_path, document, field):
    with pytest.raises(SourceError) as caught:
        list(read_fhir_conceptmap(written(tmp_path, document), Options()).records)
    assert caught.value.field == field


def test_a_row_is_a_code_and_nothing_else(tmp_path):
    assert all(isinstance(record, Code) for record in read(sssom(tmp_path)).records)

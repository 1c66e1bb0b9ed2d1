from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.errors import InvalidInput, NotFound
from linker.pipeline import Linker
from linker.records import ConceptFilter, Successor
from linker.surface import normalise
from linker.terminology import Terminology
from ontologies.collecting import collect
from ontologies.records import Concept, Name, Record, Release, Replacement, Source


@pytest.fixture(scope="module")
def terminology(linker: Linker) -> Terminology:
    return linker.bundle.terminology


@pytest.fixture(scope="module")
def rows(clinic_tsv: Path) -> list[dict[str, str]]:
    with clinic_tsv.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_every_row_of_the_source_is_found(terminology: Terminology, rows: list[dict[str, str]]) -> None:
    for row in rows:
        record = terminology.concept(row["concept_id"])
        assert (row["name"], row["language"], row["term_type"]) in {
            (n.name, n.language, n.term_type) for n in record.names
        }
        found = {
            terminology.concept_id(int(terminology.concept_of_name[r]))
            for r in terminology.names_equal(normalise(row["name"]))
        }
        assert row["concept_id"] in found


def test_a_concept_has_what_its_source_says(terminology: Terminology) -> None:
    record = terminology.concept("CLINIC:0003")
    assert record.preferred_name == "Myocardial infarction"
    assert record.semantic_types == ("disorder",)
    assert record.parents == ("CLINIC:0002",)
    assert [(c.system, c.code) for c in record.codes] == [("DEMO", "H1"), ("OTHER", "77")]
    assert terminology.concept("CLINIC:0005").codes[0].relation == "skos:broadMatch"


@given(st.text())
def test_an_unknown_concept_is_not_found(terminology: Terminology, text: str) -> None:
    with pytest.raises(NotFound):
        terminology.concept("?" + text)


def test_an_id_that_is_no_text_is_not_found(terminology: Terminology) -> None:
    with pytest.raises(NotFound):
        terminology.concept("\udcff")


@given(st.text())
def test_names_equal_agrees_with_a_scan(terminology: Terminology, text: str) -> None:
    key = normalise(text)
    scan = [row for row in range(terminology.name_count) if key and normalise(terminology.name(row)) == key]
    assert sorted(terminology.names_equal(key)) == scan


@pytest.mark.parametrize("prefix", ["", "c", "co", "cold", "type", "zzz", "ç", "\U0010ffff"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_pages_walk_every_concept_once(terminology: Terminology, prefix: str, size: int) -> None:
    walked: list[tuple[str, int]] = []
    after = None
    while page := terminology.search(prefix, after=after, limit=size):
        assert len(page) <= size
        walked += page
        after = page[-1]
    key = normalise(prefix)
    wanted = {
        int(terminology.concept_of_name[row])
        for row in range(terminology.name_count)
        if key and normalise(terminology.name(row)).startswith(key)
    }
    assert sorted(concept for _, concept in walked) == sorted(wanted)
    assert walked == sorted(walked)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (ConceptFilter(semantic_types=frozenset({"substance"})), {"CLINIC:0007"}),
        (ConceptFilter(semantic_types=frozenset({"no such"})), set()),
        (ConceptFilter(vocabularies=frozenset({"OTHER"})), {"CLINIC:0003"}),
        (ConceptFilter(languages=frozenset({"es"})), {"CLINIC:0002", "CLINIC:0003", "CLINIC:0015"}),
        (
            ConceptFilter(languages=frozenset({"es"}), vocabularies=frozenset({"DEMO"})),
            {"CLINIC:0002", "CLINIC:0003", "CLINIC:0015"},
        ),
    ],
)
def test_a_filter_lets_through_what_it_says(terminology: Terminology, wanted: ConceptFilter, ids: set[str]) -> None:
    rows = terminology.name_mask(wanted).nonzero()[0]
    assert {terminology.concept_id(int(terminology.concept_of_name[row])) for row in rows} == ids


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (ConceptFilter(semantic_types=frozenset({"disorder", "disorders"})), r"^of\.semantic_types: .*: .*disorder, "),
        (ConceptFilter(vocabularies=frozenset({"DEMO", "DEMOS"})), r"^of\.vocabularies: .*: .*DEMO, OTHER"),
        (ConceptFilter(vocabularies=frozenset({""})), r"^of\.vocabularies: "),
    ],
)
def test_a_filter_by_what_the_bundle_lacks_says_what_there_is(
    terminology: Terminology, wanted: ConceptFilter, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        terminology.check_filter(wanted, path="of.")
    known = {"DEMO", "OTHER", "CLINIC"}
    terminology.check_filter(ConceptFilter(frozenset({"disorder"}), frozenset(known), frozenset({"tlh"})))


def test_a_vocabulary_is_also_that_of_the_concepts_own_id(terminology: Terminology) -> None:
    assert terminology.name_mask(ConceptFilter(vocabularies=frozenset({"CLINIC"}))).all()


def test_opening_copies_no_table_into_memory(tmp_path: Path) -> None:
    records: list[Record] = [Concept(concept_id="A:1")]
    records += [Name(concept_id="A:1", name=f"a name with the number {n}") for n in range(10_000)]
    collect([Source(path="a", releases=(Release(source="A"),), records=records)], folder=tmp_path / "tables")
    before = pa.total_allocated_bytes()
    opened = Terminology(tmp_path / "tables")
    assert pa.total_allocated_bytes() - before < 10_000 <= opened.name_count


def replaced(tmp_path: Path, *rows: tuple[str, str, str]) -> Terminology:
    """Of concepts A:1 and A:2, with A:0 retired, and what replaced what."""
    records: list[Record] = [
        Replacement(concept_id=old, replaced_by=new, relation=relation) for old, new, relation in rows
    ]
    for n in range(3):
        records += [Concept(concept_id=f"A:{n}", retired=n == 0), Name(concept_id=f"A:{n}", name=f"name {n}")]
    collect([Source(path="a", releases=(Release(source="A"),), records=records)], folder=tmp_path / "tables")
    return Terminology(tmp_path / "tables")


def test_replacements_are_followed_to_concepts_that_can_be_used(tmp_path: Path) -> None:
    terminology = replaced(
        tmp_path,
        ("A:0", "A:2", "POSSIBLY"),
        ("O:1", "O:2", "MERGED"),
        ("O:2", "A:0", "SAME"),
        ("O:2", "A:1", "SAME"),
        ("O:3", "O:4", "SAME"),
    )
    assert terminology.replaced_by("O:1") == (
        Successor("A:1", ("MERGED", "SAME")),
        Successor("A:2", ("MERGED", "SAME", "POSSIBLY")),
    )
    assert terminology.concept("A:0").replaced_by == (Successor("A:2", ("POSSIBLY",)),)
    assert terminology.replaced_by("O:3") == terminology.replaced_by("O:9") == terminology.replaced_by("A:1") == ()
    with pytest.raises(NotFound, match="replaced by A:1, A:2"):
        terminology.concept("O:1")


def test_ways_that_meet_are_walked_once(tmp_path: Path) -> None:
    """Two ways at each of thirty steps would be a billion."""
    steps = [(f"O:{n}", f"O:{n + 1}{side}", "x") for n in range(30) for side in ("", "'")]
    steps += [(f"O:{n}'", f"O:{n + 1}", "x") for n in range(1, 31)]
    terminology = replaced(tmp_path, *steps, ("O:30", "A:1", "x"), ("O:31", "A:2", "x"))
    assert {successor.concept_id for successor in terminology.replaced_by("O:0")} == {"A:1", "A:2"}


def test_a_vocabulary_goes_by_its_aliases(build_bundle) -> None:
    linker = build_bundle(
        "concept_id\tname\tlanguage\tterm_type\tcodes\nA:1\theart\ten\tpreferred\tMESH:D006321\nA:2\tear\ten\tpreferred\t\n"
    )
    mask = linker.bundle.terminology.name_mask(ConceptFilter(vocabularies=frozenset({"MSH"})))
    assert mask.tolist() == [True, False]


def named(tmp_path: Path, *names: str) -> Terminology:
    """A concept of each name: A:0, A:1 ..."""
    records: list[Record] = [Concept(concept_id=f"A:{n}") for n in range(len(names))]
    records += [Name(concept_id=f"A:{n}", name=name) for n, name in enumerate(names)]
    collect([Source(path="a", releases=(Release(source="A"),), records=records)], folder=tmp_path / "tables")
    return Terminology(tmp_path / "tables")


@pytest.mark.parametrize(
    ("mention", "found"),
    [
        ("papá", [0]),
        ("papa", [1]),  # as it stands, before what differs in accents
        ("pápa", [0, 1]),
        ("infeccion", [2]),
        ("INFECCIÓN", [2]),
        ("haematom", [3]),
        ("Hamatom", [3]),
        ("ano", []),  # ñ is a letter of its own
        ("Ödem", [5]),
    ],
)
def test_names_that_differ_in_accents_alone(tmp_path: Path, mention: str, found: list[int]) -> None:
    terminology = named(tmp_path, "papá", "papa", "Infección", "Hämatom", "año", "Oedem")
    assert [int(terminology.concept_of_name[row]) for row in terminology.names_alike(normalise(mention))] == found


def test_accents_make_no_name_equal(tmp_path: Path) -> None:
    terminology = named(tmp_path, "infección", "糖尿病")
    assert terminology.names_equal("infeccion") == []
    assert terminology.names_equal("infección") == [0]


@pytest.mark.parametrize("prefix", ["infecc", "infecció", "infeccio", "INFECCION V", "１型", "1型 糖尿"])
def test_a_prefix_finds_names_in_any_script_with_and_without_accents(tmp_path: Path, prefix: str) -> None:
    terminology = named(tmp_path, "Infección viral", "１型糖尿病", "other")
    assert [concept for _, concept in terminology.search(prefix)] == [0 if prefix[0] in "iI" else 1]

"""The tables against an oracle that holds everything in memory, and what becomes of records that do not fit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.accents import unaccented
from linker.language import UNDETERMINED
from linker.surface import normalise
from linker.tables import CROSSWALK_SCHEMA, TABLES
from ontologies import joining, spilling
from ontologies.collecting import Tables, collect
from ontologies.errors import BuildError, SourceError
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType

IDS = [f"A:{n}" for n in range(6)]
ids = st.sampled_from(IDS)
names = st.builds(
    Name,
    concept_id=ids,
    name=st.sampled_from(
        ["Heart", "heart", "heart-attack", "Heart attack", "Herz", "été", "\U0001f600", "ﬁn", "--", "…"]
    ),
    language=st.sampled_from(["", "en", "de"]),
    term_type=st.sampled_from(TermType),
    source=st.sampled_from(["", "X"]),
)
codes = st.builds(
    Code,
    concept_id=ids,
    system=st.sampled_from(["S", "T"]),
    code=st.sampled_from(["1", "10", "2"]),
    relation=st.sampled_from(["skos:exactMatch", "skos:closeMatch"]),
    source=st.sampled_from(["", "X"]),
    confidence=st.sampled_from([None, 0.5, 1.0]),
)
texts = st.lists(st.sampled_from(["b", "a", "c"]), max_size=3).map(tuple)


@st.composite
def concepts(draw: st.DrawFn) -> Concept:
    number = draw(st.integers(0, len(IDS) - 1))
    above = draw(st.lists(st.sampled_from([*IDS[:number], "B:nowhere"]), max_size=3))
    return Concept(
        concept_id=IDS[number],
        semantic_types=draw(texts),
        definition=draw(st.sampled_from(["", "one", "other"])),
        parents=tuple(above),
        retired=draw(st.booleans()),
    )


records = st.lists(st.one_of(names, codes, concepts()), max_size=40)


def source(records: Iterable[Record], path: str = "a.tsv", release: str = "A") -> Source:
    return Source(path=path, releases=(Release(source=release),), records=records)


def expected(given: list[tuple[Record, str]]) -> dict[str, list[dict[str, Any]]]:
    """What the tables should be, of records with the release they come from."""
    told = [name for name, _ in given if isinstance(name, Name)]
    defined = {c.concept_id for c, _ in given if isinstance(c, Concept)} & {name.concept_id for name in told}
    found: dict[str, list[dict[str, Any]]] = {"concepts": [], "names": [], "crosswalk": [], "exact": []}
    for row, concept_id in enumerate(sorted(defined)):
        parts = [c for c, _ in given if isinstance(c, Concept) and c.concept_id == concept_id]
        kept: dict[tuple[str, str], tuple[Name, str]] = {}
        for name, origin in given:
            if isinstance(name, Name) and name.concept_id == concept_id and (key := normalise(name.name)):
                spoken = name.language or UNDETERMINED
                known = kept.setdefault((key, spoken), (name, origin))
                if name.term_type.rank < known[0].term_type.rank:
                    kept[key, spoken] = (name, origin)
        shown = sorted(kept.values(), key=lambda item: item[0].term_type is not TermType.PREFERRED)
        first = next(name.name for name in told if name.concept_id == concept_id)
        retired = all(part.retired for part in parts)
        parents = dict.fromkeys(parent for part in parts for parent in part.parents if parent in defined)
        found["concepts"].append(
            {
                "concept_id": concept_id,
                "preferred_name": shown[0][0].name if shown else first,
                "semantic_types": list(dict.fromkeys(kind for part in parts for kind in part.semantic_types)),
                "definition": next((part.definition for part in parts if part.definition), ""),
                "parents": list(parents),
                "retired": retired,
            }
        )
        origins: dict[tuple[str, str, str], tuple[str, float | None]] = {}
        for code, origin in given:
            if isinstance(code, Code) and code.concept_id == concept_id:
                key = (code.system, code.code, code.relation)
                origins.setdefault(key, (code.source or origin, code.confidence))
        found["crosswalk"] += [
            dict(zip((*CROSSWALK_SCHEMA.names,), (row, *key, *told), strict=True))
            for key, told in sorted(origins.items())
        ]
        for (key, spoken), (name, origin) in sorted(kept.items(), key=lambda i: (i[1][0].term_type.rank, i[0])):
            if not retired:
                for text in (key, *unaccented(key)):
                    entry = {"normalised": text, "name": len(found["names"]), "respelled": text != key}
                    found["exact"].append(entry)
                found["names"].append(
                    {
                        "name": name.name,
                        "concept": row,
                        "language": spoken,
                        "term_type": str(name.term_type),
                        "source": name.source or origin,
                    }
                )
    found["exact"].sort(key=lambda entry: (entry["normalised"], entry["respelled"], entry["name"]))
    return found


@settings(max_examples=40)
@given(records, records, st.integers(1, 3), st.integers(1, 9))
def test_the_tables_are_those_of_an_oracle(
    first: list[Record], second: list[Record], threads: int, buffered: int
) -> None:
    """Whatever the threads, and where the rows are cut into row groups."""
    wanted = expected([*((r, "A") for r in first), *((r, "B") for r in second)])
    sources = [source(first), source(second, "b.tsv", "B")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spilling, "_BUFFERED", buffered)
        if not wanted["names"]:
            with pytest.raises(BuildError, match="no name to link to"):
                collect(sources, lenient=True)
            return
        tables = collect(sources, lenient=True, threads=threads)
    assert {table: getattr(tables, table).to_pylist() for table in wanted} == wanted
    assert tables.skipped == sum(isinstance(r, Name) and not normalise(r.name) for r in [*first, *second])


def many() -> Iterable[Record]:
    for n in range(30_000):
        yield Concept(concept_id=f"A:{n}", parents=(f"A:{n // 3}",) if n else (), semantic_types=("x", f"y{n % 7}"))
        yield from (Name(concept_id=f"A:{n}", name=f"Name {n % 9999} {m}") for m in range(3))
        yield Code(concept_id=f"A:{n}", system=f"S{n % 5}", code=str(n))


def test_the_files_do_not_depend_on_threads_memory_or_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str, threads: int) -> dict[str, bytes]:
        collect([source(many())], folder=tmp_path / name, threads=threads)
        return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}

    plain = files("plain", 1)
    assert sorted(plain) == sorted(TABLES)
    monkeypatch.setattr(joining, "MEMORY", "80MB")
    monkeypatch.setattr(joining, "_BATCH", 5000)
    monkeypatch.setattr(spilling, "_BUFFERED", 777)
    assert files("small", 4) == plain


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] *folder?"
    tables = collect([source([Concept(concept_id="A:1"), Name(concept_id="A:1", name="heart")])], folder=folder)
    assert len(tables.names) == 1


DEFINED = [Concept(concept_id="A:1", line=1), Name(concept_id="A:1", name="heart", line=1)]


def test_a_source_may_only_name_and_map_what_another_defines() -> None:
    others = [Name(concept_id="A:1", name="Herz", language="de"), Code(concept_id="A:1", system="S", code="1")]
    tables = collect([source(others, "b.tsv", "B"), source(DEFINED)])
    assert tables.names["name"].to_pylist() == ["heart", "Herz"]
    assert len(tables.crosswalk) == 1


def test_what_a_translation_or_mapping_says_of_concepts_that_are_not_built_is_counted() -> None:
    """Such a source tells of a whole vocabulary, whichever part of it is built: that is no mistake of its rows."""
    others = [Name(concept_id="A:0", name="x"), *(Code(concept_id="A:0", system="S", code=c) for c in "12")]
    kept = [Name(concept_id="A:1", name="Herz", language="de"), Code(concept_id="A:1", system="S", code="3")]
    for lenient in (False, True):
        tables = collect([source([*others, *kept], "b.tsv", "B"), source(DEFINED)], lenient=lenient)
        assert (tables.joined.unclaimed_names, tables.joined.unclaimed_codes) == (1, 2)
        assert tables.names["name"].to_pylist() == ["heart", "Herz"]
        assert tables.crosswalk["code"].to_pylist() == ["3"]
        assert not tables.problems.counts


def test_a_mapping_alone_has_nothing_to_link_to() -> None:
    with pytest.raises(BuildError, match="no name to link to"):
        collect([source([Code(concept_id="A:0", system="S", code="1")])])


B = [Concept(concept_id="A:1")]  # what tells of concepts without defining any would be a mapping, see above
BAD: dict[str, tuple[list[Record], str, str]] = {
    "an unknown concept is named": (
        [*B, Code(concept_id="A:0", system="S", code="1", line=3), Name(concept_id="A:0", name="x", line=7)],
        "b.tsv:7: concept_id: names or codes of 'A:0', which no source defines",
        "concepts that no source defines",
    ),
    "an unknown concept is coded": (
        [*B, *(Code(concept_id="A:0", system="S", code="1", line=line) for line in (7, 8))],
        "b.tsv:7: concept_id: names or codes of 'A:0', which no source defines",
        "concepts that no source defines",
    ),
    "no name": (
        [
            Concept(concept_id="A:0", line=7),
            Concept(concept_id="A:2", parents=("A:0",)),
            Name(concept_id="A:2", name="y"),
        ],
        "b.tsv:7: name: 'A:0' has no name; expected at least one",
        "concepts without a name",
    ),
    "no parent": (
        [Concept(concept_id="A:2", parents=("A:1", "A:9"), line=7), Name(concept_id="A:2", name="y")],
        "b.tsv:7: parents: expected the parent of A:2 to be a concept of this build, got A:9",
        "parents that no source defines",
    ),
    "a circle": (
        [
            Replacement(concept_id="O:0", replaced_by="O:1", line=6),
            Replacement(concept_id="O:1", replaced_by="O:2", line=7),
            Replacement(concept_id="O:2", replaced_by="O:1", line=8),
        ],
        "b.tsv:7: replaced_by: expected replacements that end somewhere, got O:1 -> O:2 -> O:1",
        "replacements in a circle",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_hold_together_is_refused_or_counted(what: str) -> None:
    records, message, kind = BAD[what]
    sources = [source(DEFINED), source(records, "b.tsv", "B")]
    with pytest.raises(SourceError) as caught:
        collect(sources)
    assert str(caught.value).startswith(message)
    tables = collect(sources, lenient=True)
    assert list(tables.problems.counts) == [kind]
    assert message in [str(error)[: len(message)] for error in tables.problems.examples[kind]]
    assert "A:0" not in tables.concepts["concept_id"].to_pylist()
    assert all(parent == "A:1" for parents in tables.concepts["parents"].to_pylist() for parent in parents)
    assert len(tables.replacements) == 0


def test_the_first_of_many_problems_is_the_one_told() -> None:
    """Missing parents in the order of the sources; ids that are no concepts in theirs."""
    records = [Name(concept_id=f"A:{n}", name="x", line=n) for n in (5, 3, 4)]
    with pytest.raises(SourceError, match="'A:3'"):
        collect([source([*DEFINED, *records])])
    orphans = [Concept(concept_id=f"A:{n}", parents=("B:1",), line=n) for n in (5, 3, 4)]
    with pytest.raises(SourceError, match=r"a\.tsv:5: .* of A:5 "):
        collect([source([*DEFINED, *orphans, *records])])


def test_replacements_are_sorted_and_told_once() -> None:
    rows = [("O:2", "A:1", "SAME_AS"), ("O:1", "O:2", "RB"), ("O:2", "A:1", "SAME_AS"), ("O:1", "A:1", "RB")]
    told = [Replacement(concept_id=old, replaced_by=new, relation=relation) for old, new, relation in rows]
    tables: Tables = collect([source([*DEFINED, *told])])
    assert [tuple(row.values()) for row in tables.replacements.to_pylist()] == sorted(set(rows))


def test_nothing_of_the_work_is_left_but_the_tables() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = collect([source(DEFINED)], folder=Path(folder) / "tables")
        assert {path.suffix for path in (Path(folder) / "tables").iterdir()} == {".arrow"}
    assert tables.names["name"].to_pylist() == ["heart"]


def test_a_retired_concept_without_a_name_is_left_out_and_counted() -> None:
    records = [
        Concept(concept_id="A:0"),
        Name(concept_id="A:0", name="x"),
        Concept(concept_id="A:1", retired=True),
        Replacement(concept_id="A:1", replaced_by="A:0"),
    ]
    tables = collect([source(records)])
    assert tables.concepts["concept_id"].to_pylist() == ["A:0"]
    assert tables.replacements["concept_id"].to_pylist() == ["A:1"]
    assert tables.joined.nameless == 1


def test_a_lenient_build_keeps_the_parents_outside_of_a_circle() -> None:
    records: list[Record] = [
        Concept(concept_id=f"A:{n}", parents=p)
        for n, p in enumerate(((), ("A:2", "A:0"), ("A:1",), ("A:1",), ("A:4",)))
    ]
    records += [Name(concept_id=f"A:{n}", name=f"n{n}") for n in range(5)]
    tables = collect([source(records)], lenient=True)
    assert tables.concepts["parents"].to_pylist() == [[], ["A:0"], [], ["A:1"], []]
    assert tables.problems.counts == {"parent in a circle of concepts": 3}

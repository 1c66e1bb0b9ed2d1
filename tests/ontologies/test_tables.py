"""The neutral tables: what is written is read back, the same records give the same bytes, and errors name the row."""

import json
import tempfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers.tables import read_tables, write_tables
from ontologies.records import Code, Concept, Name, Release, Replacement, Source, TermType

texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
ids = st.sampled_from(["A:1", "A:2", "B:1"])
many = st.lists(texts, max_size=2).map(tuple)
concepts = st.builds(
    Concept, concept_id=ids, semantic_types=many, definition=texts | st.just(""), parents=many, retired=st.booleans()
)
names = st.builds(
    Name, concept_id=ids, name=texts, language=st.sampled_from(["", "en"]), term_type=st.sampled_from(TermType)
)
codes = st.builds(Code, concept_id=ids, system=texts, code=texts, relation=texts)
replacements = st.builds(Replacement, concept_id=ids, replaced_by=ids, relation=texts | st.just(""))
releases = st.builds(Release, source=texts, version=texts, attribution=st.text(st.characters(codec="utf-8")))
sources = st.builds(
    Source,
    path=st.just("x"),
    releases=st.lists(releases, min_size=1, max_size=2).map(tuple),
    records=st.lists(concepts | names | codes | replacements, max_size=12).map(tuple),
)
SMALL = Source(
    path="x",
    releases=(Release(source="A"),),
    records=(
        Concept(concept_id="A:1"),
        Name(concept_id="A:1", name="grey"),
        Code(concept_id="A:1", system="S", code="1"),
    ),
)


@given(sources)
def test_what_is_written_is_read_back(source):
    with tempfile.TemporaryDirectory() as folder:
        write_tables(folder, source)
        read = read_tables(folder)
        found = [replace(record, line=0) for record in read.records]
        assert read.releases == source.releases
        assert list(read.records) == list(read.records)
    for kind in (Concept, Name, Code, Replacement):
        expected = [record for record in source.records if isinstance(record, kind)]
        expected.sort(key=lambda record: record.concept_id)
        assert [record for record in found if isinstance(record, kind)] == expected


def test_the_same_records_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        write_tables(tmp_path / folder, SMALL)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["codes.parquet", "concepts.parquet", "names.parquet", "releases.json"]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


@pytest.fixture
def folder(tmp_path):
    write_tables(tmp_path, SMALL)
    return tmp_path


@pytest.mark.parametrize("file", ["codes.parquet", "concepts.parquet", "names.parquet", "releases.json"])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(SourceError) as caught:
        read_tables(folder)
    assert caught.value.path == str(folder / file)


def test_a_table_of_replacements_that_is_no_longer_true_goes(folder):
    replaced = Replacement(concept_id="A:0", replaced_by="A:1", relation="SAME_AS")
    write_tables(folder, replace(SMALL, records=(*SMALL.records, replaced)))
    assert [replace(r, line=0) for r in read_tables(folder).records if isinstance(r, Replacement)] == [replaced]
    write_tables(folder, SMALL)
    assert not [r for r in read_tables(folder).records if isinstance(r, Replacement)]


def rewrite(path, **columns):
    table = pq.read_table(path)
    kept = {name: table[name] for name in table.column_names} | columns
    pq.write_table(pa.table({name: column for name, column in kept.items() if column is not None}), path)


@pytest.mark.parametrize(
    ("file", "column", "values"),
    [
        ("names.parquet", "language", None),
        ("names.parquet", "name", pa.array([7])),
        ("concepts.parquet", "parents", pa.array(["A:2"])),
        ("codes.parquet", "code", pa.array([22298006])),
    ],
)
def test_a_wrong_column_is_named_before_any_row_is_read(folder, file, column, values):
    rewrite(folder / file, **{column: values})
    with pytest.raises(SourceError) as caught:
        read_tables(folder)
    assert (caught.value.path, caught.value.field) == (str(folder / file), column)


@pytest.mark.parametrize(
    ("file", "column", "value"),
    [
        ("concepts.parquet", "concept_id", " "),
        ("names.parquet", "name", ""),
        ("names.parquet", "name", None),
        ("names.parquet", "term_type", "nickname"),
        ("codes.parquet", "system", ""),
    ],
)
def test_a_wrong_row_is_named_by_its_number(folder, file, column, value):
    rewrite(folder / file, **{column: pa.array([value], pa.string())})
    with pytest.raises(SourceError) as caught:
        list(read_tables(folder).records)
    assert (caught.value.path, caught.value.line, caught.value.field) == (str(folder / file), 1, column)


def test_optional_columns_may_be_absent_and_strings_may_be_dictionaries(folder):
    rewrite(folder / "concepts.parquet", definition=None, retired=None)
    rewrite(folder / "codes.parquet", relation=None, system=pa.array(["S"]).dictionary_encode())
    assert [replace(record, line=0) for record in read_tables(folder).records] == list(SMALL.records)


@pytest.mark.parametrize("size", [0, 3, 60])
def test_a_truncated_table_is_named(folder, size):
    path = folder / "names.parquet"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SourceError, match=r"names\.parquet"):
        list(read_tables(folder).records)


@pytest.mark.parametrize(
    ("document", "field"),
    [([], None), ([{"version": "1"}], "[0].source"), ([{"source": "A", "verison": "1"}], "[0].verison"), ({}, "[]")],
)
def test_wrong_releases_are_named(folder, document, field):
    (folder / "releases.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read_tables(folder)
    assert (caught.value.path, caught.value.field) == (str(folder / "releases.json"), field)

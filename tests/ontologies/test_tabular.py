"""`read_tabular`: what is written is read back, from each format, and each way a file can be wrong."""

import contextlib
import csv
import gzip
import hashlib
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.tabular import COLUMNS, read_tabular
from ontologies.records import Code, Concept, Name, Release, TermType

HEADER = "concept_id\tname\tlanguage\tterm_type\tsemantic_type\tcodes\tparents\tdefinition\n"
FULL = (
    HEADER
    + "X:1\tfever\ten\tpreferred\tsign|finding\tSCTID:386661006|ICD-10:R50=skos:broadMatch\tX:2|X:3\tHot. Really.\n"
    + "X:1\tfiebre\tes\tpreferred\t\t\t\t\n"
    + "X:1\t pyrexia \ten\t\tsign|finding\tFyler:1\t\t\n"
    + "X:2\tsign (finding)\ten\tfully_specified\t\t\t\t\n"
)
FULL_RECORDS = [
    Concept(
        concept_id="X:1",
        semantic_types=("sign", "finding"),
        definition="Hot. Really.",
        parents=("X:2", "X:3"),
        line=2,
    ),
    Name(concept_id="X:1", name="fever", language="en", term_type=TermType.PREFERRED, line=2),
    Code(concept_id="X:1", system="SNOMEDCT", code="386661006", line=2),
    Code(concept_id="X:1", system="ICD10", code="R50", relation="skos:broadMatch", line=2),
    Name(concept_id="X:1", name="fiebre", language="es", term_type=TermType.PREFERRED, line=3),
    Name(concept_id="X:1", name="pyrexia", language="en", line=4),
    Code(concept_id="X:1", system="Fyler", code="1", line=4),
    Concept(concept_id="X:2", line=5),
    Name(concept_id="X:2", name="sign (finding)", language="en", term_type=TermType.FULLY_SPECIFIED, line=5),
]


def write(folder, text, name="t.tsv"):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_parquet(folder, columns, name="t.parquet"):
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def read(path, **options):
    return list(read_tabular(path, **options).records)


def names(path, **options):
    return [(r.concept_id, r.name, r.language) for r in read(path, **options) if isinstance(r, Name)]


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        read(path, **options)
    assert caught.value.path == str(path)
    return caught.value


# What is read


def test_every_column(tmp_path):
    assert read(write(tmp_path, FULL)) == FULL_RECORDS


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.tsv.gz", gzip.compress),
        ("t.tsv.xz", lzma.compress),
        ("t.txt", lambda text: text),
        ("t.tsv", lambda text: b"\xef\xbb\xbf" + text),
        ("t.tsv", lambda text: text.replace(b"\n", b"\r\n")),
        ("t.tsv", lambda text: text.removesuffix(b"\n")),
        ("t.csv", lambda text: text.replace(b"\t", b",")),
        ("t.csv", lambda text: b"\xef\xbb\xbf" + text.replace(b"\t", b",").replace(b"\n", b"\r\n")),
        ("t.csv.xz", lambda text: lzma.compress(text.replace(b"\t", b","))),
    ],
)
def test_the_same_table_in_other_wrapping(tmp_path, name, pack):
    assert read(write(tmp_path, pack(FULL.encode()), name)) == FULL_RECORDS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_of_any_string_type_with_its_row_numbers(tmp_path, kind):
    columns = {
        "definition": pa.nulls(2),
        "name": pa.array(["fever", "chill"]).cast(kind),
        "concept_id": pa.array(["X:1", "X:1"]).cast(kind),
        "language": pa.array(["en", None]).cast(kind),
    }
    path = write_parquet(tmp_path, columns)
    assert names(path, language="de") == [("X:1", "fever", "en"), ("X:1", "chill", "de")]
    assert [record.line for record in read(path)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("X:1\tfever", [("X:1", "fever", "und")]),
        ("X:1\tfever\ten", [("X:1", "fever", "en")]),
        ("X:1\tfever\ten\tsign", [("X:1", "fever", "en")]),
        ("X:1\tfever\t\tsign\tMESH:D005334", [("X:1", "fever", "und")]),
    ],
)
def test_without_a_header_columns_go_by_position(tmp_path, row, expected):
    path = write(tmp_path, f"{row}\n\n{row}\n")
    assert names(path, language="und") == expected * 2
    assert read(path)[0].semantic_types == (("sign",) if "sign" in row else ())


def test_concept_ids_are_kept_as_they_are(tmp_path):
    path = write(tmp_path, "C567755|613097\tSTHAG6\n8000/0\tNeoplasia benigna\n")
    assert [n[0] for n in names(path)] == ["C567755|613097", "8000/0"]


def test_a_prefix_is_put_before_ids_that_have_none(tmp_path):
    path = write(tmp_path, "concept_id\tname\tparents\nD1|2\tx\tD3|MESH:D4\nMESH:D5\ty\t\n")
    concepts = [r for r in read(path, prefix="MESH") if isinstance(r, Concept)]
    assert [(c.concept_id, c.parents) for c in concepts] == [("MESH:D1|2", ("MESH:D3", "MESH:D4")), ("MESH:D5", ())]


def test_release(tmp_path):
    path = write(tmp_path, lzma.compress(FULL.encode()), "my.words.tsv.xz")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_tabular(path).releases == (Release(source="my.words", sha256=digest),)
    assert read_tabular(path, prefix="MY").releases == (Release(source="MY", sha256=digest),)


def test_duplicate_rows_are_not_an_error(tmp_path):
    path = write(tmp_path, HEADER + "X:1\tx\ten\tpreferred\tsign\tA:1\tX:2\td\n" * 2)
    assert [type(record) for record in read(path)] == [Concept, Name, Code, Name, Code]


def test_text_that_looks_like_quoting_is_text_in_a_tsv(tmp_path):
    assert names(write(tmp_path, 'X:1\t"fever\nX:1\ta "b" c\n')) == [("X:1", '"fever', ""), ("X:1", 'a "b" c', "")]


def test_a_csv_field_may_hold_commas_quotes_and_newlines(tmp_path):
    path = write(tmp_path, 'X:1,"a, ""b""\nc"\nX:2,d\n', "t.csv")
    assert names(path) == [("X:1", 'a, "b"\nc', ""), ("X:2", "d", "")]
    assert [record.line for record in read(path)] == [1, 1, 3, 3]


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hans-CN", "es-419", "sl-rozaj", "de-CH-1996", "en-x-lay", "x-own"])
def test_well_formed_language_tags(tmp_path, tag):
    assert names(write(tmp_path, f"X:1\tfever\t{tag}\n")) == [("X:1", "fever", tag)]


# Properties

CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff"))
VALUE = CELL.map(str.strip).filter(lambda text: any(char.isprintable() and char != " " for char in text))
ATOM = st.text("abcXYZ0123456789.-/", min_size=1, max_size=6)
CODES = st.lists(st.builds("{}:{}".format, st.sampled_from(["MESH", "Fyler"]), ATOM), max_size=2)
NAME = st.tuples(VALUE, st.sampled_from(["", "en", "pt-BR"]), st.sampled_from(["", "synonym", "related"]), CODES)
CONCEPT = st.fixed_dictionaries(
    {
        "semantic_type": st.lists(ATOM, max_size=2),
        "parents": st.lists(ATOM, max_size=2),
        "definition": CELL.map(str.strip),
        "names": st.lists(NAME, min_size=1, max_size=3),
    }
)
TERMINOLOGY = st.dictionaries(VALUE, CONCEPT, min_size=1, max_size=4)


def rows_of(terminology):
    """One row a name; what belongs to the concept stands in its first row."""
    for concept_id, concept in terminology.items():
        own = ("|".join(concept["semantic_type"]), "|".join(concept["parents"]), concept["definition"])
        for name, language, term_type, codes in concept["names"]:
            types, parents, definition = own
            cells = (concept_id, name, language, term_type, types, "|".join(codes), parents, definition)
            yield dict(zip(COLUMNS, cells, strict=True))
            own = ("", "", "")


def records_of(terminology):
    for concept_id, concept in terminology.items():
        yield Concept(
            concept_id=concept_id,
            semantic_types=tuple(concept["semantic_type"]),
            parents=tuple(concept["parents"]),
            definition=concept["definition"],
        )
        for name, language, term_type, codes in concept["names"]:
            yield Name(concept_id=concept_id, name=name, language=language, term_type=TermType(term_type or "synonym"))
            for code in codes:
                system, _, local = code.partition(":")
                yield Code(concept_id=concept_id, system=system, code=local)


def without_lines(records):
    return [str(record).partition(", line=")[0] for record in records]


@settings(max_examples=40, deadline=None)
@given(TERMINOLOGY, st.permutations(COLUMNS))
def test_what_is_written_is_read_whatever_the_format(tmp_path_factory, terminology, columns):
    folder = tmp_path_factory.getbasetemp()
    rows = [[row[column] for column in columns] for row in rows_of(terminology)]
    tsv = write(folder, "".join("\t".join(row) + "\n" for row in [columns, *rows]), "p.tsv")
    with (folder / "p.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([columns, *rows])
    parquet = write_parquet(folder, dict(zip(columns, zip(*rows, strict=True), strict=True)), "p.parquet")
    expected = without_lines(records_of(terminology))
    for path in (tsv, folder / "p.csv", parquet):
        assert without_lines(read(path)) == expected


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["f.tsv", "f.csv", "f.tsv.gz", "f.csv.xz", "f.parquet"]))
def test_any_bytes_are_records_or_a_source_error(tmp_path_factory, content, name):
    path = write(tmp_path_factory.getbasetemp(), content, name)
    with contextlib.suppress(SourceError):
        read(path)


# What is refused


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("", None, None, "empty file"),
        ("\n\n", None, None, "empty file"),
        ("concept_id\tname\n", None, None, "only a header"),
        ("X:1\n", 1, "name", "2 to 5 columns"),
        ("X:1\ta\ten\tsign\tA:1\textra\n", 1, None, "2 to 5 columns"),
        ("X:1\ta\nX:1\n", 2, "name", "expected 2 columns (concept_id, name), got 1"),
        ("X:1\ta\nX:1\tb\ten\n", 2, None, "got 3"),
        (HEADER + "X:1\ta\ten\n", 2, "term_type", "got 3"),
        ("X:1\ta\n\tb\n", 2, "concept_id", "expected a value"),
        ("X:1\ta\nX:2\t\n", 2, "name", "expected a value"),
        ("X:1\t \u00a0 \n", 1, "name", "expected a value"),
        ("X:1\t\x01\u200b\n", 1, "name", "expected a value"),
        ("X:1\ta\0b\n", 1, "name", "NUL"),
        ("concept_id\tname\tcolour\nX:1\ta\tred\n", 1, "colour", "semantic_type"),
        ("concept_id\tname\tname\nX:1\ta\tb\n", 1, "name", "twice"),
        ("id\tname\nX:1\ta\n", 1, "concept_id", "expected this column, got id, name"),
        ("concept_id\tterm\nX:1\ta\n", 1, "name", "expected this column"),
        ("concept_id\tname\tterm_type\nX:1\ta\tPT\n", 2, "term_type", "preferred, fully_specified, synonym, related"),
        ("concept_id\tname\tcodes\nX:1\ta\tD005334\n", 2, "codes", "PREFIX:code"),
        ("concept_id\tname\tcodes\nX:1\ta\tA:1|\n", 2, "codes", "each side"),
        ("concept_id\tname\tcodes\nX:1\ta\tA:1=broad\n", 2, "codes", "predicate"),
        ("concept_id\tname\tparents\nX:1\ta\tX:2||X:3\n", 2, "parents", "each side"),
        ("X:1\ta\ten\nX:1\ta\ten_US\n", 2, "language", "'en_US'"),
        ("X:1\tA:1\txref\n", 1, "language", "no header row"),
        ("concept_id\tname\tterm_type\nX:1\ta\tpreferred\nX:1\tb\tpreferred\n", 3, "name", "another on line 2"),
        ("concept_id\tname\tdefinition\nX:1\ta\td\nX:2\ta\te\nX:1\tb\tother\n", 4, "definition", "(line 2)"),
        ("concept_id\tname\tparents\nX:1\ta\t\nX:1\tb\tX:2\n", 3, "parents", "(line 2)"),
        ("X:1\ta\nX:1\tcafé\n".encode("latin-1"), 2, None, "0xe9 at byte 8"),
        ("X:1\ta\n".encode("utf-16"), 1, None, "expected UTF-8"),
    ],
)
def test_bad_tsv(tmp_path, text, line, field, message):
    error = failure(write(tmp_path, text))
    assert (error.line, error.field) == (line, field)
    assert message in str(error)


def test_one_preferred_name_in_each_language_is_fine_and_may_be_repeated(tmp_path):
    rows = "X:1\ta\ten\tpreferred\nX:1\tb\tes\tpreferred\nX:1\ta\ten\tpreferred\n"
    assert len(names(write(tmp_path, "concept_id\tname\tlanguage\tterm_type\n" + rows))) == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('X:1,"a\n', 1, "by line 1"),
        ('X:1,a\nX:2,"b\nX:3,c\nX:4,d\n', 2, "by line 4"),
        ('X:1,"a\nb","c\nd\n', 2, "by line 3"),
        ('X:1,"a ""b""\nc\n', 1, "closing quote"),
        ('X:1,a\nX:2,"b' + "c\n" * 100_000, 2, "closing quote"),
        ('X:1,a\nX:2,"b"c\n', 2, "RFC 4180"),
    ],
)
def test_bad_csv(tmp_path, text, line, message):
    error = failure(write(tmp_path, text, "t.csv"))
    assert error.line == line
    assert message in str(error)


@pytest.mark.parametrize(("name", "pack"), [("t.tsv.gz", gzip.compress), ("t.csv.xz", lzma.compress)])
def test_truncated_or_damaged_archives(tmp_path, name, pack):
    text = "".join(f"X:{i},{hashlib.sha256(bytes(i)).hexdigest()}\n" for i in range(2000))
    packed = pack((text if "csv" in name else text.replace(",", "\t")).encode())
    for content in (packed[:-9], packed[: len(packed) // 2], packed[:1000] + b"\0" * 99 + packed[1099:], b"not packed"):
        error = failure(write(tmp_path, content, name))
        assert error.line is not None
        assert "truncated or damaged" in str(error)


def test_truncated_or_damaged_parquet(tmp_path):
    path = write_parquet(tmp_path, {"concept_id": ["X:1"] * 999, "name": [f"name {i}" for i in range(999)]})
    whole = path.read_bytes()
    for content in (whole[:-9], whole[: len(whole) // 2], b"PAR1", b"", b"X:1\tfever\n"):
        assert "whole Parquet file" in str(failure(write(tmp_path, content, "t.parquet")))
    error = failure(write(tmp_path, whole[:40] + b"\xff" * 400 + whole[440:], "t.parquet"))
    assert error.line == 1


@pytest.mark.parametrize(
    ("columns", "line", "field", "message"),
    [
        ({"concept_id": ["1"]}, None, "name", "expected this column"),
        ({"concept_id": [1], "name": ["a"]}, None, "concept_id", "column of strings, got int64"),
        ({"concept_id": ["1"], "name": [["a"]]}, None, "name", "column of strings, got list"),
        ({"concept_id": ["1"], "name": ["a"], "tui": ["b"]}, None, "tui", "one of the columns"),
        ({"concept_id": ["1", None], "name": ["a", "b"]}, 2, "concept_id", "expected a value"),
        ({"concept_id": ["1"], "name": ["a"], "language": ["e n"]}, 1, "language", "BCP-47"),
        ({"concept_id": pa.array([], pa.string()), "name": pa.array([], pa.string())}, None, None, "at least one row"),
    ],
)
def test_bad_parquet(tmp_path, columns, line, field, message):
    error = failure(write_parquet(tmp_path, columns))
    assert (error.line, error.field) == (line, field)
    assert message in str(error)


def test_parquet_strings_that_are_not_utf8(tmp_path):
    values = pa.array([b"a", b"caf\xe9"]).view(pa.string())
    error = failure(write_parquet(tmp_path, {"concept_id": ["1", "2"], "name": values}))
    assert (error.line, error.field) == (2, "name")
    assert "0xe9" in str(error)


def test_a_language_that_the_caller_gets_wrong(tmp_path):
    error = failure(write(tmp_path, FULL), language="en_US")
    assert (error.line, error.field) == (None, "language")


def test_not_a_file(tmp_path):
    assert "a directory" in str(failure(tmp_path))
    assert "no such file" in str(failure(tmp_path / "none.tsv"))


def test_a_header_is_checked_before_the_rows_are_asked_for(tmp_path):
    with pytest.raises(SourceError, match="one of the columns"):
        read_tabular(write(tmp_path, "concept_id\tname\tcolour\n"))


def test_lenient_rows(tmp_path):
    path = tmp_path / "t.tsv"
    rows = [
        b"concept_id\tname\tlanguage",
        b"A:1\tfever\tnot a tag",
        b"A:1\tague\ten",
        b"A:2\tni\xf1o\tes",
        b"A:3\t\ten",
    ]
    path.write_bytes(b"\n".join([*rows, b"A:4\tcough\ten", b""]))
    problems = Problems(lenient=True)
    found = list(read_tabular(path, problems=problems).records)
    assert [r.concept_id for r in found if isinstance(r, Concept)] == ["A:1", "A:4"]
    assert [r.name for r in found if isinstance(r, Name)] == ["ague", "cough"]
    assert problems.counts == {"rows that are not UTF-8": 1, "rows that are not what they should be": 2}
    assert [e.line for e in problems.examples["rows that are not what they should be"]] == [2, 5]

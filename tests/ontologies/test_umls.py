"""`read_umls`: what each file of a Metathesaurus adds, each filter, and each way a release can be wrong."""

import bz2
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontologies.collecting import collect
from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.circles import CIRCULAR
from ontologies.readers.options import Options, Problems
from ontologies.readers.rrf.layout import STRANGER
from ontologies.records import Code, Concept, Name, Replacement, TermType

SNOMED, MESH, SPANISH = "SNOMEDCT_US", "MSH", "MSHSPA"


def atom(
    cui, name, *, lat="ENG", sab=SNOMED, tty="SY", code="1", ts="S", stt="VO", ispref="N", suppress="N", level="9"
):
    fields = [cui, lat, ts, "L1", stt, "S1", ispref, "A1", "", code, "", sab, tty, code, name, level, suppress, "256"]
    return "|".join(fields) + "|"


NAMES = [
    atom("C0000001", "Heart attack invented", ts="P", stt="PF", ispref="Y", sab=MESH, tty="ET", code="D1"),
    atom("C0000001", "Invented infarction", tty="PT", code="101"),
    atom("C0000001", "Invented infarction (disorder)", tty="FN", code="101"),
    atom("C0000001", "Infarto inventado", lat="SPA", sab=SPANISH, tty="MH", code="D1"),
    atom("C0000001", "Old infarction", tty="OP", code="102", suppress="O"),
    atom("C0000002", "Invented drug", sab="HPO", tty="PT", code="HP:0000002", ts="P", stt="PF", ispref="Y"),
    atom("C0000002", "Invented drug", sab="MTH", tty="PN", code="NOCODE"),
    atom("C0000003", "Only old", tty="OP", code="103", suppress="O"),
]
TYPES = [
    "C0000001|T047|B2.2.1.2.1|Disease or Syndrome|AT1|256|",
    "C0000001|T033|A2.2|Finding|AT2|256|",
    "C0000002|T121|A1.4.1.1.1|Pharmacologic Substance|AT3|256|",
    "C0000003|T047|B2.2.1.2.1|Disease or Syndrome|AT4|256|",
]


def write(folder, *, crlf=False, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        ending = "\r\n" if crlf else "\n"
        (folder / f"{name}.RRF").write_bytes("".join(line + ending for line in lines).encode())
    return folder


@pytest.fixture
def release(tmp_path):
    return write(tmp_path / "2026AA" / "META", MRCONSO=NAMES, MRSTY=TYPES).parent


def records(path, kind=None, **options):
    return [r for r in read(path, Options(**options)).records if kind is None or isinstance(r, kind)]


def names(path, **options):
    return [(r.concept_id, r.name, r.language) for r in records(path, Name, **options)]


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        records(path, **options)
    return caught.value


def lenient():
    return Problems(lenient=True)


# What is read


def test_a_concept_with_its_names_types_and_codes(release):
    found = records(release)
    assert found[0] == Concept(concept_id="UMLS:C0000001", semantic_types=("Disease or Syndrome", "Finding"), line=1)
    assert found[1:5] == [
        Name(concept_id="UMLS:C0000001", name=name, language=language, term_type=kind, source=source, line=line)
        for name, language, kind, source, line in [
            ("Heart attack invented", "en", TermType.PREFERRED, MESH, 1),
            ("Invented infarction", "en", TermType.SYNONYM, SNOMED, 2),
            ("Invented infarction (disorder)", "en", TermType.FULLY_SPECIFIED, SNOMED, 3),
            ("Infarto inventado", "es", TermType.PREFERRED, SPANISH, 4),
        ]
    ]
    assert found[5:7] == [
        Code(concept_id="UMLS:C0000001", system="MESH", code="D1", source=MESH, line=1),
        Code(concept_id="UMLS:C0000001", system="SNOMEDCT", code="101", source=SNOMED, line=2),
    ]


def test_a_name_once_and_a_code_without_its_prefix(release):
    assert [r for r in records(release) if r.concept_id == "UMLS:C0000002"][1:] == [
        Name(
            concept_id="UMLS:C0000002", name="Invented drug", language="en", term_type=TermType.PREFERRED,
            source="HPO", line=6,
        ),
        Code(concept_id="UMLS:C0000002", system="HP", code="0000002", source="HPO", line=6),
    ]  # fmt: skip


def test_only_the_names_are_needed(tmp_path):
    assert len(records(write(tmp_path, MRCONSO=NAMES), Concept)) == 2


@pytest.mark.parametrize("wrap", [lambda lines: [line.removesuffix("|") for line in lines], lambda lines: lines])
@pytest.mark.parametrize("crlf", [False, True])
def test_exports_without_a_last_delimiter_or_with_other_line_ends(tmp_path, release, wrap, crlf):
    other = write(tmp_path / "other", MRCONSO=wrap(NAMES), MRSTY=wrap(TYPES), crlf=crlf)
    assert records(other) == records(release)


def test_compressed_files_and_a_file_given_itself(tmp_path, release):
    meta = release / "META"
    for name in ("MRCONSO.RRF", "MRSTY.RRF"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + (meta / name).read_bytes()))
    assert records(tmp_path / "MRCONSO.RRF.gz") == records(meta / "MRCONSO.RRF") == records(release)


def test_rows_of_a_concept_that_lie_apart_are_brought_together(tmp_path, release):
    mixed = write(tmp_path / "mixed", MRCONSO=NAMES[::2] + NAMES[1::2], MRSTY=TYPES[::-1])
    assert len(records(mixed, Concept)) == 2
    assert sorted(names(mixed)) == sorted(names(release))
    preferred = [r.name for r in records(mixed, Name) if r.term_type is TermType.PREFERRED]
    assert preferred == ["Heart attack invented", "Infarto inventado", "Invented drug"]
    lines = {r.name: r.line for r in records(mixed, Name)}
    assert lines["Invented infarction"] == 5  # its place in the file


def test_rows_that_lie_apart_in_a_compressed_file(tmp_path):
    content = "\n".join(NAMES[::2] + NAMES[1::2]).encode()
    (tmp_path / "MRCONSO.RRF.gz").write_bytes(gzip.compress(content))
    assert "together" in str(failure(tmp_path))


def test_a_rank_prefers_another_name(release):
    write(release / "META", MRRANK=["0400|SNOMEDCT_US|PT|N|", "0300|SNOMEDCT_US|FN|N|", "0200|MSH|ET|N|"])
    first = next(iter(records(release, Name)))
    assert (first.name, first.term_type) == ("Invented infarction", TermType.PREFERRED)


def test_definitions_parents_and_replacements(release):
    write(
        release / "META",
        MRDEF=[
            "C0000001|A1|AT1||MSHSPA|Un infarto inventado.|N||",
            "C0000001|A1|AT2||MSH|An invented infarction.|N||",
            "C0000002|A1|AT3||MSH|An old definition.|O||",
        ],
        MRREL=[
            "C0000001|A1|AUI|PAR|C0000002|A2|AUI||R1||MSH|MSH|||N||",
            "C0000002|A2|AUI|CHD|C0000001|A1|AUI||R2||MSH|MSH|||N||",
            "C0000001|A1|AUI|RB|C0000002|A2|AUI||R3||MSH|MSH|||N||",
            "C0000001|A1|AUI|PAR|C0000001|A2|AUI||R4||MSH|MSH|||N||",
            "C0000001|A1|AUI|PAR|C0000003|A2|AUI||R5||MSH|MSH|||N||",
        ],
        MRCUI=[
            "C0000009|2019AB|SY|||C0000001|Y|",
            "C0000008|2019AB|DEL||||N|",
            "C0000007|2019AB|RB|||C0000003|Y|",
        ],
    )
    found = records(release)
    assert found[-3:] == [
        Concept(concept_id="UMLS:C0000001", definition="An invented infarction."),
        Concept(concept_id="UMLS:C0000001", parents=("UMLS:C0000002",)),
        Replacement(concept_id="UMLS:C0000009", replaced_by="UMLS:C0000001", relation="SY"),
    ]
    spanish = [r.definition for r in records(release, Concept, languages=("es",)) if r.definition]
    assert spanish == ["Un infarto inventado."]
    assert collect([read(release)]).concepts["parents"].to_pylist() == [["UMLS:C0000002"], []]


@settings(deadline=None, max_examples=60)
@given(pairs=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=25))
def test_the_hierarchy_has_no_circle_and_all_that_is_on_none(tmp_path_factory, pairs):
    folder = write(
        tmp_path_factory.mktemp("u"),
        MRCONSO=[atom(f"C000000{n}", f"name {n}") for n in range(1, 10)],
        MRREL=[
            f"C000000{c}|A|AUI|PAR|C000000{p}|A|AUI||R||MSH|{SNOMED}|||N||".replace("MSH", SNOMED) for c, p in pairs
        ],
    )
    options = Options()
    source = read(folder, options)
    found = {
        (int(r.concept_id[-1]), int(parent[-1]))
        for r in source.records
        if isinstance(r, Concept)
        for parent in r.parents
    }
    reach = {(c, p) for c, p in pairs if c != p}
    for middle in range(1, 10):
        reach |= {(a, b) for a in range(1, 10) for b in range(1, 10) if (a, middle) in reach and (middle, b) in reach}
    expected = {(c, p) for c, p in pairs if c != p and (p, c) not in reach}
    assert found == expected
    assert options.problems.counts[CIRCULAR] == len({(c, p) for c, p in pairs if c != p} - expected)


def test_versions_and_licences(release):
    row = "C1|C2|MSH2026_1|MSH|Medical Subject Headings|MSH|2026_1||||||scc|0|1|1||||ENG|UTF-8|{}|Y|ssn|Cite MeSH.|"
    older = row.replace("2026_1", "2025_1").format("N")
    (release / "META" / "release.dat").write_text("umls.release.name=2026AA\numls.release.date=20260504\n")
    write(release / "META", MRSAB=[older, row.format("Y")])
    whole, *vocabularies = read(release).releases
    assert (whole.source, whole.version, whole.date) == ("UMLS", "2026AA", "2026-05-04")
    assert [r.source for r in vocabularies] == ["HPO", "MSH", "MSHSPA", "MTH", "SNOMEDCT_US"]
    mesh, snomed = vocabularies[1], vocabularies[4]
    assert (mesh.version, mesh.attribution) == ("2026_1", "Cite MeSH.")
    assert mesh.licence.endswith("restriction level 0")
    assert snomed.licence.endswith("restriction level 9")  # as MRCONSO says
    assert [r.source for r in read(release, Options(sources=("MSH",))).releases] == ["UMLS", "MSH"]
    write(release / "META", MRSAB=[older.replace("|N|Y|", "|Y|Y|"), row.format("Y")])
    error = failure(release)
    assert error.field == "CURVER"
    assert "MSH2025_1 and MSH2026_1" in str(error)


# Filters


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sources": (MESH, SPANISH)}, ["Heart attack invented", "Infarto inventado"]),
        ({"languages": ("es",)}, ["Infarto inventado"]),
        ({"languages": ("es", "en"), "sources": (MESH, SPANISH)}, ["Infarto inventado", "Heart attack invented"]),
        ({"term_types": ("PT",)}, ["Invented infarction", "Invented drug"]),
        ({"semantic_types": ("T121",)}, ["Invented drug"]),
        ({"semantic_types": ("Pharmacologic Substance",)}, ["Invented drug"]),
        ({"semantic_groups": ("CHEM",)}, ["Invented drug"]),
        ({"semantic_groups": ("DISO",), "term_types": ("FN",)}, ["Invented infarction (disorder)"]),
        ({"suppressed": True, "term_types": ("OP",)}, ["Old infarction", "Only old"]),
    ],
)
def test_filters(release, options, expected):
    assert [name for _, name, _ in names(release, **options)] == expected


def test_a_filter_by_language_keeps_the_codes_of_other_languages(release):
    codes = {(r.system, r.code) for r in records(release, Code, languages=("es",))}
    assert codes == {("MESH", "D1"), ("SNOMEDCT", "101")}


@pytest.mark.parametrize(
    ("options", "field", "listed"),
    [
        ({"sources": ("ICD10CM",)}, "SAB", "HPO, MSH, MSHSPA, MTH, SNOMEDCT_US"),
        ({"term_types": ("XX",)}, "TTY", "ET, FN, MH, OP, PN, PT"),
        ({"semantic_types": ("T999",)}, "TUI", "T033 Finding, T047 Disease or Syndrome, T121"),
        ({"semantic_groups": ("DISEASES",)}, None, "DISO"),
        ({"languages": ("fr",)}, None, "en, es"),
    ],
)
def test_a_filter_for_what_is_not_there_says_what_is(release, options, field, listed):
    error = failure(release, problems=lenient(), **options)
    assert error.field == field
    assert listed in str(error)


def test_a_filter_by_semantic_type_needs_them(tmp_path):
    assert "MRSTY.RRF" in str(failure(write(tmp_path, MRCONSO=NAMES), semantic_groups=("DISO",)))


# What is wrong


def test_two_versions_in_one_folder(release):
    write(release.parent / "2026AB" / "META", MRCONSO=NAMES)
    error = failure(release.parent)
    assert "2026AA/META/MRCONSO.RRF, 2026AB/META/MRCONSO.RRF" in str(error)
    assert read(release).releases


def test_another_delimiter(tmp_path):
    error = failure(write(tmp_path, MRCONSO=[line.replace("|", "\t") for line in NAMES]), problems=lenient())
    assert error.line == 1
    assert "18 columns separated by |" in str(error)


@pytest.mark.parametrize(("file", "line"), [("MRCONSO", NAMES[1]), ("MRSTY", TYPES[1])])
def test_missing_columns_in_every_row(release, file, line):
    write(release / "META", **{file: [line.rpartition("|")[0].rpartition("|")[0].rpartition("|")[0]]})
    error = failure(release, problems=lenient())
    assert error.path.endswith(f"{file}.RRF")
    assert error.line == 1


LATIN = atom("C0000001", "café").encode("latin-1")


@pytest.mark.parametrize(
    ("row", "kind", "field", "message"),
    [
        (LATIN, "text that is not UTF-8", "STR", "0xe9 at byte 4"),
        (atom("C0000001", "x").encode() + b"more|", "row with the wrong number of columns", None, "got 19"),
        (b"C0000001|ENG|", "row with the wrong number of columns", None, "got 2"),
        (atom("C0000001", " ").encode(), "row without a name", "STR", "got none"),
        (atom("0000001", "x").encode(), "concept id that is none", "CUI", "'0000001'"),
        (atom("C0000001", "x", lat="?").encode(), "language that is none", "LAT", "'?'"),
    ],
)
def test_a_bad_row_is_an_error_or_left_out_and_counted(tmp_path, row, kind, field, message):
    (tmp_path / "MRCONSO.RRF").write_bytes("\n".join(NAMES[:2]).encode() + b"\n" + row + b"\n")
    error = failure(tmp_path)
    assert (error.path, error.line, error.field) == (str(tmp_path / "MRCONSO.RRF"), 3, field)
    assert message in str(error)
    problems = lenient()
    assert len(names(tmp_path, problems=problems)) == 2
    assert problems.counts == {kind: 1}


def test_rows_about_unknown_concepts_are_counted(release):
    write(
        release / "META",
        MRSTY=[*TYPES, "C0999999|T047|B2|Disease or Syndrome|AT|256|"],
        MRREL=["C0000001|A1|AUI|PAR|C0999999|A2|AUI||R1||MSH|MSH|||N||"],
        MRDEF=["C0999999|A1|AT1||MSH|What is it?|N||"],
    )
    error = failure(release)
    assert (error.line, error.field) == (5, "CUI")
    problems = lenient()
    assert records(release, problems=problems)
    assert problems.counts == {STRANGER: 3}


def test_an_empty_file(tmp_path):
    assert "empty" in str(failure(write(tmp_path, MRCONSO=[])))


@pytest.mark.parametrize(("ending", "compress"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress)])
def test_files_in_parts_are_read_as_one(release, ending, compress):
    """As the full release has them, cut anywhere."""
    wanted = records(release)
    file = release / "META" / "MRCONSO.RRF"
    content = file.read_bytes()
    for part, piece in (("aa", content[:70]), ("ab", content[70:75]), ("ac", content[75:])):
        file.with_name(f"MRCONSO.RRF.{part}{ending}").write_bytes(compress(piece))
    file.unlink()
    assert read(release).path.endswith(f"MRCONSO.RRF.aa{ending}")
    assert records(release) == wanted

"""`read_loinc`: the table, translations and replacements of a release, and each way it can be wrong."""

import csv
import io

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.options import Options, Problems
from ontologies.records import Concept, Name, Replacement, TermType

NAMED = """
LOINC_NUM COMPONENT PROPERTY TIME_ASPCT SYSTEM SCALE_TYP METHOD_TYP CLASS DefinitionDescription STATUS
CONSUMER_NAME RELATEDNAMES2 SHORTNAME LONG_COMMON_NAME DisplayName
"""
COLUMNS = NAMED.split()
ROWS = [
    {
        "LOINC_NUM": "1-8",
        "COMPONENT": "Inventase",
        "PROPERTY": "CCnc",
        "TIME_ASPCT": "Pt",
        "SYSTEM": "Ser",
        "SCALE_TYP": "Qn",
        "CLASS": "CHEM",
        "DefinitionDescription": 'An "invented" enzyme,\nof no use',
        "STATUS": "ACTIVE",
        "CONSUMER_NAME": "Inventase, Blood",
        "RELATEDNAMES2": "Point in time; Serum",
        "SHORTNAME": "Inventase Ser",
        "LONG_COMMON_NAME": "Inventase [Activity/volume] in Serum",
    },
    {"LOINC_NUM": "2-6", "COMPONENT": "Old", "CLASS": "MICRO", "STATUS": "DEPRECATED", "LONG_COMMON_NAME": "Old test"},
]


def table(rows, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "Loinc_2.99"
    (folder / "LoincTable").mkdir(parents=True)
    (folder / "LoincTable" / "Loinc.csv").write_text(table(ROWS))
    (folder / "LoincTable" / "MapTo.csv").write_text('"LOINC","MAP_TO","COMMENT"\n"2-6","1-8",""\n"3-4","9-9",""\n')
    variants = folder / "AccessoryFiles" / "LinguisticVariants"
    variants.mkdir(parents=True)
    translated = [{"LOINC_NUM": "1-8", "COMPONENT": "inventasa", "LONG_COMMON_NAME": "Inventasa en suero"}]
    (variants / "esES12LinguisticVariant.csv").write_text(table(translated, [*COLUMNS[:7], "LONG_COMMON_NAME"]))
    return folder


def records(path, kind=None, **options):
    return [r for r in read(path, Options(**options)).records if kind is None or isinstance(r, kind)]


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        records(path, **options)
    return caught.value


def test_records(release):
    found = records(release)
    assert found[0] == Concept(
        concept_id="LOINC:1-8", semantic_types=("CHEM",), definition='An "invented" enzyme,\nof no use', line=2
    )
    assert [(r.concept_id, r.name, r.language, r.term_type) for r in found if isinstance(r, Name)] == [
        ("LOINC:1-8", "Inventase [Activity/volume] in Serum", "en", TermType.PREFERRED),
        ("LOINC:1-8", "Inventase, Blood", "en", TermType.SYNONYM),
        ("LOINC:1-8", "Inventase Ser", "en", TermType.SYNONYM),
        ("LOINC:1-8", "Inventase:CCnc:Pt:Ser:Qn", "en", TermType.FULLY_SPECIFIED),
        ("LOINC:2-6", "Old test", "en", TermType.PREFERRED),
        ("LOINC:2-6", "Old", "en", TermType.FULLY_SPECIFIED),
        ("LOINC:1-8", "Inventasa en suero", "es-ES", TermType.PREFERRED),
        ("LOINC:1-8", "inventasa", "es-ES", TermType.FULLY_SPECIFIED),
    ]
    assert [r.concept_id for r in found if isinstance(r, Concept) and r.retired] == ["LOINC:2-6"]
    assert found[-1] == Replacement(concept_id="LOINC:2-6", replaced_by="LOINC:1-8")


def test_version_and_licence(release):
    (said,) = read(release).releases
    assert (said.source, said.version) == ("LOINC", "2.99")
    assert "Regenstrief" in said.attribution


def test_the_table_itself(release, tmp_path):
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "copy.csv").write_text(table(ROWS))
    assert len(records(tmp_path / "alone" / "copy.csv", Concept)) == 2


def test_filters(release):
    assert {r.concept_id for r in records(release, Concept, semantic_types=("MICRO",))} == {"LOINC:2-6"}
    assert {r.name for r in records(release, Name, languages=("es",))} == {"Inventasa en suero", "inventasa"}
    assert {r.concept_id for r in records(release, Concept, languages=("es",))} == {"LOINC:1-8"}
    assert "CHEM, MICRO" in str(failure(release, semantic_types=("X",)))


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (table(ROWS).replace('","', '";"'), None, "RFC 4180"),
        (table(ROWS).replace('","', "\t").replace('"', ""), "LOINC_NUM", "comma-separated"),
        (table(ROWS, [c for c in COLUMNS if c != "CLASS"]), "CLASS", "expected this column"),
        (table([]), None, "at least one row"),
        (table(ROWS).rstrip().removesuffix('"'), None, "closing quote"),
    ],
)
def test_a_bad_table(release, content, field, message):
    (release / "LoincTable" / "Loinc.csv").write_text(content)
    error = failure(release, problems=Problems(lenient=True))
    assert error.field == field
    assert message in str(error)


@pytest.mark.parametrize(
    ("row", "field"),
    [('"1-8"' + ',"x"' * 14, "LOINC_NUM"), ('"x"' + ',"x"' * 14, "LOINC_NUM"), ('"3-4","x"', None)],
)
def test_a_bad_row(release, row, field):
    (release / "LoincTable" / "Loinc.csv").write_text(table(ROWS) + row + "\n")
    error = failure(release)
    assert (error.line, error.field) == (5, field)
    problems = Problems(lenient=True)
    assert len(records(release, Concept, problems=problems)) == 2
    assert sum(problems.counts.values()) == 1


def test_two_releases(release):
    other = release.parent / "Loinc_2.98"
    other.mkdir()
    (other / "Loinc.csv").write_text(table(ROWS))
    assert "Loinc_2.98/Loinc.csv, Loinc_2.99/LoincTable/Loinc.csv" in str(failure(release.parent))

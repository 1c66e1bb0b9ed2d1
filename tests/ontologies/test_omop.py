"""`read_omop`: what each table of an Athena download adds, each filter, and each way a download can be wrong."""

import gzip

import pytest

from ontologies.collecting import collect
from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.circles import CIRCULAR
from ontologies.readers.omop import STRANGER
from ontologies.readers.options import Options, Problems
from ontologies.records import Code, Concept, Name, Replacement, TermType

TABLES = {
    "CONCEPT": """
concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code start end invalid_reason
101 Blue_"fever" Condition SNOMED Disorder S 5001 19700101 20991231 -
102 Fever Condition SNOMED Disorder S 5000 19700101 20991231 -
201 Fever,_blue Condition ICD10CM 5-char_billing_code - A00.0 19700101 20991231 -
301 Old_fever Condition SNOMED Disorder - 4999 19700101 20991231 U
401 Bluol Drug RxNorm_Extension Ingredient S OMOP1 19700101 20991231 -
901 Spanish_language Language SNOMED Qualifier_Value - 77 19700101 20991231 -
""",
    "CONCEPT_SYNONYM": """
concept_id concept_synonym_name language_concept_id
101 Azure_fever 4180186
101 Fiebre_azul 901
102 Fiebre 901
102 Febris 0
""",
    "CONCEPT_RELATIONSHIP": """
concept_id_1 concept_id_2 relationship_id valid_start_date valid_end_date invalid_reason
101 102 Is_a 19700101 20991231 -
102 101 Subsumes 19700101 20991231 -
101 101 Maps_to 19700101 20991231 -
201 101 Maps_to 19700101 20991231 -
201 102 Maps_to 19700101 20991231 D
301 102 Concept_replaced_by 19700101 20991231 -
""",
    "VOCABULARY": """
vocabulary_id vocabulary_name vocabulary_reference vocabulary_version vocabulary_concept_id
None OMOP_Standardized_Vocabularies x v5.0_30-AUG-30 44819096
SNOMED SNOMED x 2030-01-31 44819097
""",
}


def table(text):
    """Blanks are tabs, _ blanks, - nothing."""
    rows = [["" if cell == "-" else cell for cell in row.split()] for row in text.strip().splitlines()]
    header, *body = ["\t".join(row) for row in rows]
    return "\n".join([header, *(row.replace("_", " ") for row in body)]) + "\n"


def write(folder, names=tuple(TABLES), **changed):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.csv").write_text(changed.get(name, table(TABLES[name])))
    return folder


def records(path, kind=None, **options):
    return [r for r in read(path, Options(**options)).records if kind is None or isinstance(r, kind)]


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        records(path, **options)
    return caught.value


def test_records(tmp_path):
    found = records(write(tmp_path))
    assert found[:3] == [
        Concept(concept_id="OMOP:101", semantic_types=("Condition", "Disorder"), line=2),
        Name(
            concept_id="OMOP:101",
            name='Blue "fever"',
            language="en",
            term_type=TermType.PREFERRED,
            source="SNOMED",
            line=2,
        ),
        Code(concept_id="OMOP:101", system="SNOMEDCT", code="5001", source="SNOMED", line=2),
    ]
    assert [r.concept_id for r in found if isinstance(r, Concept) and r.retired] == ["OMOP:301"]
    assert "RxNorm_Extension" in {r.system for r in found if isinstance(r, Code)}
    assert found[18:] == [
        Name(concept_id="OMOP:101", name="Azure fever", language="en", source="SNOMED"),
        Name(concept_id="OMOP:101", name="Fiebre azul", language="es", source="SNOMED"),
        Name(concept_id="OMOP:102", name="Fiebre", language="es", source="SNOMED"),
        Name(concept_id="OMOP:102", name="Febris", source="SNOMED"),
        Code(concept_id="OMOP:201", system="SNOMEDCT", code="5001", relation="skos:closeMatch", source="OMOP"),
        Code(concept_id="OMOP:101", system="ICD10CM", code="A00.0", relation="skos:closeMatch", source="OMOP"),
        Replacement(concept_id="OMOP:301", replaced_by="OMOP:102", relation="Concept replaced by"),
        Concept(concept_id="OMOP:101", parents=("OMOP:102",)),
    ]
    assert len(collect([read(tmp_path)]).concepts) == 6


def test_only_concepts_are_needed(tmp_path):
    assert len(records(write(tmp_path, ["CONCEPT"]), Concept)) == 6


def test_a_compressed_table_itself(tmp_path):
    write(tmp_path / "plain", ["CONCEPT"])
    (tmp_path / "concept.csv.gz").write_bytes(gzip.compress((tmp_path / "plain" / "CONCEPT.csv").read_bytes()))
    assert records(tmp_path / "concept.csv.gz") == records(tmp_path / "plain")


def test_versions(tmp_path):
    releases = read(write(tmp_path)).releases
    assert [(r.source, r.version) for r in releases] == [
        ("OMOP", "v5.0 30-AUG-30"),
        ("ICD10CM", ""),
        ("RxNorm Extension", ""),
        ("SNOMED", "2030-01-31"),
    ]
    assert len(read(tmp_path, Options(sources=("SNOMED",))).releases) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sources": ("ICD10CM",)}, ["OMOP:201"]),
        ({"semantic_types": ("Drug",)}, ["OMOP:401"]),
        ({"semantic_types": ("Qualifier Value", "Drug")}, ["OMOP:401", "OMOP:901"]),
        ({"languages": ("es",)}, ["OMOP:101", "OMOP:102"]),
        ({"languages": ("la",), "language": "la"}, ["OMOP:102"]),
    ],
)
def test_filters(tmp_path, options, expected):
    found = records(write(tmp_path), **options)
    assert sorted({r.concept_id for r in found if isinstance(r, Concept)}) == expected
    assert {r.concept_id for r in found if isinstance(r, Name)} == set(expected)
    assert collect([read(tmp_path, Options(**options))], language="la")


def test_a_filter_by_vocabulary_keeps_the_codes_of_others(tmp_path):
    codes = records(write(tmp_path), Code, sources=("SNOMED",))
    assert ("OMOP:101", "ICD10CM", "A00.0") in {(r.concept_id, r.system, r.code) for r in codes}


def test_a_circle_is_left_out_and_counted(tmp_path):
    circle = table(TABLES["CONCEPT_RELATIONSHIP"]) + "102\t101\tIs a\t1\t2\t\n"
    options = Options()
    source = read(write(tmp_path, CONCEPT_RELATIONSHIP=circle), options)
    assert not [r for r in source.records if isinstance(r, Concept) and r.parents]
    assert options.problems.counts[CIRCULAR] == 2


@pytest.mark.parametrize(
    ("options", "field", "listed"),
    [
        ({"sources": ("ICD9CM",)}, "vocabulary_id", "ICD10CM, RxNorm Extension, SNOMED"),
        ({"semantic_types": ("X",)}, "domain_id", "Condition"),
    ],
)
def test_a_filter_for_what_is_not_there_says_what_is(tmp_path, options, field, listed):
    error = failure(write(tmp_path), **options)
    assert error.field == field
    assert listed in str(error)


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda text: text.replace("\t", ","), None, "tabs"),
        (lambda text: text.replace("concept_code", "code"), "concept_code", "expected this column"),
        (lambda text: text.partition("\n")[0], None, "only a header"),
        (lambda text: text + text.splitlines()[1] + "\n", "concept_id", "each concept once"),
    ],
)
def test_a_bad_table_is_refused_even_where_rows_may_be_bad(tmp_path, change, field, message):
    folder = write(tmp_path, CONCEPT=change(table(TABLES["CONCEPT"])))
    error = failure(folder, problems=Problems(lenient=True))
    assert error.field == field
    assert message in str(error)


def test_two_downloads(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert "a/CONCEPT.csv, b/CONCEPT.csv" in str(failure(tmp_path))


ROW = "501\tX\tCondition\tSNOMED\tDisorder\tS\t6000\t1\t2\t"


@pytest.mark.parametrize(
    ("row", "kind", "field"),
    [
        (ROW.replace("501", "x1"), "concept id that is none", "concept_id"),
        (ROW.replace("\tX\t", "\t \t"), "row without a name", "concept_name"),
        (ROW.replace("6000", ""), "row without a code", "concept_code"),
        (ROW + "\tmore", "row with the wrong number of columns", None),
        (ROW.replace("X", "caf\xe9"), "text that is not UTF-8", None),
    ],
)
def test_a_bad_row_is_an_error_or_left_out_and_counted(tmp_path, row, kind, field):
    (write(tmp_path) / "CONCEPT.csv").write_bytes((table(TABLES["CONCEPT"]) + row + "\n").encode("latin-1"))
    error = failure(tmp_path)
    assert (error.line, error.field) == (8, field)
    problems = Problems(lenient=True)
    assert len({r.concept_id for r in records(tmp_path, Concept, problems=problems)}) == 6
    assert problems.counts == {kind: 1}


def test_rows_about_unknown_concepts(tmp_path):
    changed = {
        "CONCEPT_SYNONYM": table(TABLES["CONCEPT_SYNONYM"]) + "999\tX\t0\n",
        "CONCEPT_RELATIONSHIP": table(TABLES["CONCEPT_RELATIONSHIP"]) + "101\tnone\tIs a\t1\t2\t\n",
    }
    error = failure(write(tmp_path, **changed))
    assert (error.line, error.field) == (6, "CONCEPT_SYNONYM.concept_id")
    problems = Problems(lenient=True)
    assert records(tmp_path, problems=problems)
    assert problems.counts == {STRANGER: 2}

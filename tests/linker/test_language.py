"""Which language a note is in, and that nothing is guessed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from linker.language import UNDETERMINED, LanguageDetector, _model, is_tag, speaks

NOTES = {
    "en": "67-year-old woman admitted with chest pain. No fever, no cough. She takes metformin for type 2 diabetes.",
    "es": "Mujer de 67 años que ingresa por dolor torácico. Sin fiebre ni tos. Toma metformina por diabetes tipo 2.",
    "fr": "Femme de 67 ans admise pour douleur thoracique. Pas de fièvre ni de toux. Metformine pour un diabète.",
    "de": "67-jährige Patientin mit Thoraxschmerz. Kein Fieber, kein Husten. Metformin wegen Diabetes Typ 2.",
    "pt": "Mulher de 67 anos internada por dor no peito. Sem febre nem tosse. Usa metformina por diabetes tipo 2.",
}


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(["en", "es-MX", "fr", "DE", "pt_BR", "tlh"])


@pytest.mark.parametrize("language", NOTES)
def test_notes_are_told_apart(detector: LanguageDetector, language: str) -> None:
    note = NOTES[language]
    assert detector.detect(note) == language
    assert detector.detect(note.upper()) == language
    assert detector.detect(note.replace(" ", "\r\n\t")) == language


@pytest.mark.parametrize(
    "note", ["", " \n" * 5000, "asma", "HTA, DM2", "12/05 120/80 37.2", "[**Name**]", "\ud800", "😀"]
)
def test_what_is_in_doubt_is_not_guessed(detector: LanguageDetector, note: str) -> None:
    assert detector.detect(note) == UNDETERMINED


def test_only_the_languages_asked_for_are_answers() -> None:
    assert LanguageDetector(["en", "fr"]).detect(NOTES["es"]) in {"en", "fr", UNDETERMINED}
    assert LanguageDetector(["tlh"]).detect(NOTES["en"]) == UNDETERMINED
    assert LanguageDetector([]).detect(NOTES["en"]) == UNDETERMINED


def test_detectors_of_different_languages_do_not_disturb_each_other() -> None:
    detectors = [LanguageDetector(["en", "es"]), LanguageDetector(["en", "pt"]), LanguageDetector(NOTES)] * 10
    notes = list(NOTES.values())
    alone = [[LanguageDetector(d._languages).detect(note) for note in notes] for d in detectors]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda d: [d.detect(note) for note in notes], detectors)) == alone


@given(st.text(max_size=200))
def test_any_text_has_one_answer(detector: LanguageDetector, note: str) -> None:
    assert detector.detect(note) == detector.detect(note)
    assert detector.detect(note) in {*NOTES, UNDETERMINED}


def test_the_beginning_of_a_long_note_decides(detector: LanguageDetector) -> None:
    note = NOTES["es"] * 30
    assert detector.detect(note + NOTES["en"] * 10_000) == "es"


def test_the_model_is_read_as_its_library_does() -> None:
    theirs = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    assert [_model().rank(note) for note in NOTES.values()] == [theirs.rank(note) for note in NOTES.values()]


@pytest.mark.parametrize("tag", ["es", "es-MX", "zh-Hans-CN", "und", "ES", "nds"])
def test_tags(tag: str) -> None:
    assert is_tag(tag)
    assert speaks(tag, tag.partition("-")[0].swapcase())


@pytest.mark.parametrize("text", ["", "spanish", "es_MX", "es-", "x-ours", "-es", "es MX", "e", "es\n", "espanol", "é"])
def test_other_texts_are_none(text: str) -> None:
    assert not is_tag(text)


def test_a_region_speaks_its_language_and_not_the_other_way() -> None:
    assert [speaks(*pair) for pair in (("es-MX", "es"), ("es", "es-MX"), ("est", "es"), ("es", "ES"))] == [
        True,
        False,
        False,
        True,
    ]

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import Linker, Mention
from linker.abbreviations import definitions, expand, in_full
from linker.corpus import GoldMention
from linker.outcomes import judge


@pytest.mark.parametrize(
    ("text", "defined"),
    [
        ("Chronic renal failure (CRF) since May.", {"CRF": "Chronic renal failure"}),
        ("on CPAP (continuous positive airway pressure)", {"CPAP": "continuous positive airway pressure"}),
        ("an ataxia-telangiectasia [A-T] carrier", {"A-T": "ataxia-telangiectasia"}),
        ("non-small cell lung cancer (NSCLC; n = 12)", {"NSCLC": "non-small cell lung cancer"}),
        ("attenuated adenomatous polyposis coli (AAPC)", {"AAPC": "attenuated adenomatous polyposis coli"}),
        ("transposition of the great arteries (TGA)", {"TGA": "transposition of the great arteries"}),
        ("von Willebrand factor (vWF)", {"vWF": "von Willebrand factor"}),
        ("the arteries (TA)", {"TA": "the arteries"}),  # there is nothing better
        ("infarto agudo de miocardio (IAM)", {"IAM": "infarto agudo de miocardio"}),
        ("insuficiencia renal crónica (IRC)", {"IRC": "insuficiencia renal crónica"}),
        ("EPOC (enfermedad pulmonar obstructiva crónica)", {"EPOC": "enfermedad pulmonar obstructiva crónica"}),
        ("índice de masa corporal (IMC)", {"IMC": "índice de masa corporal"}),
        ("Angina inestable (ÁI), médula ósea (MO)", {"ÁI": "Angina inestable", "MO": "médula ósea"}),
        ("edema de extremidades inferiores (EEII)", {"EEII": "extremidades inferiores"}),
        ("desprendimiento de retina (DR)", {"DR": "desprendimiento de retina"}),
        ("hepatocarcinoma (HCC, por sus siglas en inglés)", {"HCC": "hepatocarcinoma"}),
        ("antígeno prostático específico (PSA)", {}),  # the letters are those of another language
        ("insuffisance rénale chronique (IRC)", {"IRC": "insuffisance rénale chronique"}),
        ("œdème aigu du poumon (OAP)", {"OAP": "œdème aigu du poumon"}),
        ("un électrocardiogramme (ECG)", {"ECG": "électrocardiogramme"}),
        ("BPCO (bronchopneumopathie chronique obstructive)", {"BPCO": "bronchopneumopathie chronique obstructive"}),
        ("diabète de type 2 (DT2)", {"DT2": "diabète de type 2"}),
        ("koronare Herzkrankheit (KHK)", {"KHK": "koronare Herzkrankheit"}),
        ("Übelkeit, Ösophagusvarizen (OV)", {"OV": "Ösophagusvarizen"}),
        ("periphere arterielle Verschlusskrankheit (pAVK)", {"pAVK": "periphere arterielle Verschlusskrankheit"}),
        ("type 2 diabetes mellitus\n(T2DM)", {"T2DM": "type 2 diabetes mellitus"}),
        ("glucose-6-phosphate dehydrogenase (G6PD) deficiency", {"G6PD": "glucose-6-phosphate dehydrogenase"}),
        ("heart failure (HF), later hay fever (HF)", {"HF": "heart failure"}),  # as it does first
        ("cold sores (mild)", {}),  # no capital
        ("Seen for chronic pain. Renal failure (CRF)", {}),  # not over the end of a sentence
        ("patients (CRF)", {}),
        ("(CRF) (HF)", {}),
        ("the MI (MI)", {}),  # says nothing
        ("", {}),
    ],
)
def test_definitions(text: str, defined: dict[str, str]) -> None:
    assert definitions(text) == defined


@pytest.mark.parametrize(
    ("mention", "full"),
    [
        ("CRF", "chronic renal failure"),
        ("CRFs", "chronic renal failure"),
        ("end-stage CRF, severe", "end-stage chronic renal failure, severe"),
        ("chronic renal failure (CRF)", "chronic renal failure"),
        ("CRF (chronic renal failure", "chronic renal failure"),  # so a name "CRF - chronic renal failure" is found
        ("CRF - Chronic renal failure", "Chronic renal failure"),
        ("crf", "crf"),  # as defined, to the letter
        ("CRFX", "CRFX"),
        ("A-T", "ataxia-telangiectasia"),
        ("A", "A"),
    ],
)
def test_expand(mention: str, full: str) -> None:
    defined = {"CRF": "chronic renal failure", "A-T": "ataxia-telangiectasia"}
    assert expand(mention, defined) == full
    assert expand(mention, {}) == mention


def test_a_mention_asks_for_its_own_words_however_much_a_note_defines() -> None:
    class Defined(dict[str, str]):
        def __iter__(self) -> Iterator[str]:
            raise AssertionError("every definition is read for every mention: a long note takes quadratic time")

        items = values = keys = __iter__  # type: ignore[assignment]

    assert expand("acute CRF (chronic renal failure)", Defined(CRF="chronic renal failure")) == (
        "acute chronic renal failure)"
    )


@given(st.text("ABabÁ ()[].;-\n1", max_size=80))
def test_a_long_form_stands_in_the_text_and_spells_its_short_form(text: str) -> None:
    for short_form, long_form in definitions(text).items():
        assert long_form in " ".join(text.split())
        letters = iter(plain(long_form))
        assert all(letter in letters for letter in plain(short_form) if letter.isalnum())
        assert plain(long_form)[0] == plain(short_form)[0] or "-" in long_form.split()[0]


def plain(text: str) -> str:
    return text.lower().replace("á", "a")


def test_the_place_in_the_context_stays() -> None:
    context = "Heart attack (HA); HA again"
    assert in_full([Mention("HA", context, 19, 21)]) == [Mention("Heart attack", context, 19, 21)]


def test_a_mention_is_linked_as_its_context_defines_it(linker: Linker) -> None:
    context = "Known type 2 diabetes (TD). TD is well controlled."
    alone, defined, whole = linker.link([Mention("TD"), Mention("TD", context, 28, 30), Mention("type 2 diabetes")])
    assert defined.expansion == "type 2 diabetes"
    assert alone.expansion == whole.expansion == ""
    assert [c.concept_id for c in defined.candidates] == [c.concept_id for c in whole.candidates]
    assert defined.candidates[0].confidence == whole.candidates[0].confidence
    assert alone.candidates[0].confidence < whole.candidates[0].confidence


def test_the_exact_baseline_takes_the_mention_as_written(linker: Linker) -> None:
    concept = linker.link(["type 2 diabetes"])[0].candidates[0].concept_id
    gold = GoldMention("n", (Mention("TD", "type 2 diabetes (TD)", 17, 19),), frozenset({concept}))
    (outcome,) = judge(linker, [gold])
    assert outcome.right
    assert outcome.exact_rank > 1
    assert not outcome.seen

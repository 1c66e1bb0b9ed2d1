"""British and American spellings are one name; words that only look British keep their letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.spelling import american, british
from linker.surface import normalise

VARIANTS = (
    "anaemia anemia, haematuria hematuria, haemorrhagic hemorrhagic, ischaemic ischemic, hypoglycaemia hypoglycemia, "
    "leukaemia leukemia, leucocytosis leukocytosis, oedema edema, oesophagus esophagus, oestrogen estrogen, "
    "diarrhoea diarrhea, dyspnoea dyspnea, foetus fetus, coeliac celiac, amoebic amebic, paediatric pediatric, "
    "orthopaedic orthopedic, anaesthesia anesthesia, gynaecological gynecological, caecum cecum, faecal fecal, "
    "aetiology etiology, naevus nevus, tumour tumor, behavioural behavioral, humour humor, fibre fiber, "
    "generalised generalized, immunisation immunization, sulphonamide sulfonamide, aluminium aluminum"
)
ALIKE = (
    "academia academic epidemic endemic systemic poem shoe does disease exercise raised arise premise promise "
    "humoral tumoral color colorectal colorado restore phobia lecithin premium leucine chromatin laboratory"
)

OF_OTHER_LANGUAGES = (
    "academia epidemia poema sistema aéreo coeficiente sulfato leucemia tumoral humoral color dolor favor "  # Spanish
    "poêle noeud coeur douleur humeur tumeur généralisée localisée métastase laboratoire "  # French
    "aerosol trauma praemolar poliomyelitis oedem leukozyten ikterus haut neurose"  # German
)


@pytest.mark.parametrize("pair", VARIANTS.split(", "))
def test_variants_are_one_name(pair: str) -> None:
    over_there, over_here = pair.split()
    assert american(over_there) == over_here
    assert british(over_here) == over_there
    assert normalise(f"Severe {over_there.upper()}") == normalise(f"severe {over_here}")


@pytest.mark.parametrize("word", f"{ALIKE} {OF_OTHER_LANGUAGES}".split())
def test_other_words_keep_their_letters(word: str) -> None:
    assert american(word) == word


@given(st.text(alphabet="aehimoprstuz "))
def test_what_is_american_stays(text: str) -> None:
    assert american(american(text)) == american(text)

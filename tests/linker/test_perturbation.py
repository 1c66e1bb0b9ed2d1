from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.errors import InvalidInput
from linker.perturbation import PERTURBATIONS, perturb
from linker.surface import normalise

SEEDS = range(40)
WORDS = [
    "acute",
    "haemorrhage",
    "of",
    "lung,",
    "LUNG",
    "type",
    "2",
    "(disorder)",
    "non-small",
    "and",
    "NOS",
    "w/",
    "İß",
    "é",
]
CLINICAL = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


@pytest.mark.parametrize("name", PERTURBATIONS)
@given(text=st.one_of(st.text(), CLINICAL), seed=st.integers(0, 99))
def test_a_variant_says_something_else_and_always_the_same(name: str, text: str, seed: int) -> None:
    variant = perturb(name, text, seed)
    assert perturb(name, text, seed) == variant
    if variant is not None:
        assert variant != text
        assert normalise(variant) or name == "case"
        assert (normalise(variant) == normalise(text)) == (name in ("case", "spelling"))


def variants(name: str, text: str) -> set[str | None]:
    return {perturb(name, text, seed) for seed in SEEDS}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("case", "Lung cancer", {"LUNG CANCER", "Lung Cancer", "lung cancer"}),
        ("word_order", "Leukemia, Myeloid, Acute", {"Acute Myeloid Leukemia"}),
        ("word_order", "cancer of the lung", {"lung cancer"}),
        ("word_order", "lung cancer", {"cancer of the lung", "cancer, lung"}),
        ("word_order", "diabetes mellitus", {None}),
        ("word_order", "nausea, vomiting and pain", {None}),
        ("plural", "tumors of the lung", {"tumor of the lung"}),
        ("plural", "Carcinomas", {"Carcinoma"}),
        ("plural", "metastasis", {"metastases"}),
        ("plural", "diseases", {"disease"}),
        ("plural", "thrombi", {"thrombus"}),
        ("plural", "headaches", {"headache"}),
        ("plural", "Biopsy, Needle", {"Biopsies, Needle"}),
        ("plural", "diabetes", {None}),
        ("plural", "arthritis", {None}),
        ("hyphen", "non-small cell", {"nonsmall cell"}),
        ("hyphen", "postoperative", {"post-operative"}),
        ("hyphen", "posterior uveitis", {None}),
        ("spelling", "Leukaemia", {"Leukemia"}),
        ("spelling", "HEMORRHAGE", {"HAEMORRHAGE"}),
        ("spelling", "generalized edema", {"generalised oedema"}),
        ("spelling", "paediatric tumour", {"pediatric tumor"}),
        ("spelling", "dyspnea", {"dyspnoea"}),
        ("spelling", "colorectal chemotherapy, systemic epidemic laboratory restriction", {None}),
        ("abbreviation", "type 2 diabetes", {"type II diabetes"}),
        ("abbreviation", "Chronic pain & fever", {"Chr pain & fever", "Chronic pain and fever"}),
        ("acronym", "chronic obstructive pulmonary disease", {"COPD"}),
        ("acronym", "lung cancer", {None}),
        ("qualifier", "Asthma, unspecified", {"Asthma"}),
        ("qualifier", "Asthma (disorder)", {"Asthma"}),
        ("qualifier", "bipolar affective disorder", {"bipolar affective"}),
        ("modifier", "", {None}),
    ],
)
def test_known_variants(name: str, text: str, expected: set[str | None]) -> None:
    assert variants(name, text) == expected


def test_a_slip_is_one_slip_and_keeps_the_first_letter() -> None:
    slips = variants("typo", "asthma dm")
    assert len(slips) > 5
    for slip in slips:
        assert slip is not None
        assert slip.startswith("a")
        assert slip.endswith(" dm")
        assert abs(len(slip) - len("asthma dm")) <= 1
    assert variants("typo", "dm of ear") == {None}


def test_a_qualifier_is_added_where_there_is_none() -> None:
    assert "migraine, NOS" in variants("qualifier", "migraine")
    assert all(v is not None and v.startswith("migraine") for v in variants("qualifier", "migraine"))
    assert "aspirin disorder" not in variants("qualifier", "aspirin")


def test_an_unknown_perturbation_is_told() -> None:
    with pytest.raises(InvalidInput, match="expected one of typo"):
        perturb("dialect", "lung", 0)


def test_a_modifier_adds_words_and_repeats_none() -> None:
    for text in ("severe anemia", "stage II lung cancer", "pain on the left"):
        for variant in variants("modifier", text):
            assert variant is not None
            assert text in variant
            added = normalise(variant.replace(text, " ")).split()
            assert added
            assert variant.endswith(text) == set(added).isdisjoint(normalise(text).split()) or variant.startswith(text)

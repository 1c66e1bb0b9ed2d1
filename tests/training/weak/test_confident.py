"""Self-training: only what a calibrated linker is sure of, and never what it could look up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.decision import UNFITTED
from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.surface import normalise
from training.weak.confident import NAMED, ByConfidence, surest

TEXTS = [
    "She has severe hypertensive disease and chest pain.",
    "Admitted with acute myocardial infarct and diabetes mellitus of type 2.",
    "No asthma bronchiale; heart attack in 2012.",
]


def test_links_are_sure_and_none_is_a_name(linker: Linker) -> None:
    corpus = ByConfidence(linker, TEXTS, precision=0.6).corpus()
    mentions = [mention for note in corpus.notes for mention in note.mentions]
    assert mentions
    assert corpus.left_out[NAMED] >= 2
    terminology = linker.bundle.terminology
    for mention in mentions:
        assert not terminology.names_alike(normalise(mention.parts[0].text))
        (link,) = linker.link(mention.parts)
        assert link.concept is not None
        assert {link.concept.concept_id} == mention.gold
    assert corpus == ByConfidence(linker, TEXTS, precision=0.6).corpus()


def test_a_higher_precision_takes_no_more(linker: Linker) -> None:
    sizes = [
        len([m for note in ByConfidence(linker, TEXTS, precision=p).corpus().notes for m in note.mentions])
        for p in (0.5, 0.7, 0.8)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_what_nobody_calibrated_or_could_reach_is_refused(linker: Linker) -> None:
    with pytest.raises(InvalidInput, match="nobody has fitted its confidences.*linker train calibrate"):
        ByConfidence(Linker(replace(linker.bundle, calibration=UNFITTED)), TEXTS)
    with pytest.raises(InvalidInput, match="expected more than 0 and at most 1, got 0"):
        ByConfidence(linker, TEXTS, precision=0)
    with pytest.raises(InvalidInput, match="no links that are no names reach 0.9999; the surest of"):
        ByConfidence(linker, TEXTS, precision=0.9999).corpus()


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0.05, 1))
def test_the_surest_average_to_the_precision_and_one_more_would_not(confidences: list[float], precision: float) -> None:
    try:
        least = surest(confidences, precision)
    except InvalidInput:
        assert max(confidences, default=0.0) < precision + 1e-9
        return
    taken = sorted((one for one in confidences if one >= least), reverse=True)
    assert sum(taken) / len(taken) >= precision - 1e-9
    if below := [one for one in confidences if one < least]:
        more = [*taken, *(one for one in below if one == max(below))]
        assert sum(more) / len(more) < precision + 1e-9

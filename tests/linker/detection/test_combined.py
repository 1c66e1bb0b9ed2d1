"""Names and a model together: what each is asked for, and what neither may do to the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import ConceptFilter, Linker, Options
from linker.annotation import Annotator
from linker.detection.choice import Detect, detector_of
from linker.detection.tagger import BEGIN, INSIDE, OUTSIDE, Tagged
from linker.detection.windows import pieces_of
from linker.notes import Note


class Words:
    """Tags what patterns find, each a type, surely."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self.types = tuple(patterns)
        self._patterns = [re.compile(pattern) for pattern in patterns.values()]

    def tag(self, notes: Sequence[str]) -> list[Tagged]:
        return [self._tag(note) for note in notes]

    def _tag(self, note: str) -> Tagged:
        places = np.array(list(pieces_of(note)), dtype=np.int64).reshape(-1, 2)
        labels = np.full((len(places), len(self.types)), OUTSIDE)
        tagged = Tagged(places, np.zeros((len(places), len(self.types), 3), np.float32))
        for kind, pattern in enumerate(self._patterns):
            for found in pattern.finditer(note):
                pieces = tagged.pieces(*found.span())
                labels[pieces, kind] = INSIDE
                labels[pieces.start : pieces.start + 1, kind] = BEGIN
        np.put_along_axis(tagged.probabilities, labels[..., None], 1.0, axis=2)
        return tagged


NAMES = ["asthma", "pneumonia", "breast cancer", "ovarian cancer", "gastric ulcer", "affected", "floating spleens"]
DISEASE = (
    r"(?:(?:severe )?(?:gastric|breast|ovarian) (?:ulcer|cancer)s?|(?<!on )asthma|pneumonia|rare ulcer\w*)(?! society)"
)


@pytest.fixture(scope="module")
def diseases(build_bundle) -> Linker:
    rows = "".join(f"D:{n}\t{name}\tdisorder\n" for n, name in enumerate(NAMES))
    return build_bundle("concept_id\tname\tsemantic_type\n" + rows)


@pytest.fixture(scope="module")
def tests(build_bundle) -> Linker:
    names = ["sodium level", "potassium level", "asthma score", "affected"]
    return build_bundle("concept_id\tname\n" + "".join(f"L:{n}\t{name}\n" for n, name in enumerate(names)))


def found(linker: Linker, note: str, **options) -> list[str]:
    tagger = Words({"disease": DISEASE, "place": "Paris", "drug": "(?<=on )[Aa](sthma|STHMA)"})
    detector = detector_of(linker.bundle, tagger=tagger, **options)
    return [span.text(note) for span in detector.detect([note])[0]]


@pytest.mark.parametrize(
    ("note", "mentions"),
    [
        ("a rare ulceration, asthma", ["rare ulceration", "asthma"]),  # no name spells the first
        ("a severe gastric ulcer", ["severe gastric ulcer"]),  # the model says where it begins
        ("both were affected by asthma", ["asthma"]),  # a name of a type that it knows, and none here
        ("the asthma society", []),
        ("now on asthma", []),  # something else of that name
        ("now on ASTHMA", []),
        ("the ASTHMA society", ["ASTHMA"]),  # in capitals the model may not know it
        ("had floating spleens", ["floating spleens"]),  # it does not know that name at all
        ("(rare ulcer: asthma)", ["rare ulcer", "asthma"]),
        ("in Paris", []),  # of no type that the bundle is about
        ("breast and ovarian cancer", ["breast cancer", "ovarian cancer"]),  # its parts, not the whole
        ("[**asthma**] rare [**ulcer**] ulcer", []),
        ("\ufeffasthma\u200b\r\n\U0001f600 rare ulcer\r\n", ["asthma", "rare ulcer"]),
        ("", []),
    ],
)
def test_what_names_and_model_find_together(diseases: Linker, note: str, mentions: list[str]) -> None:
    assert found(diseases, note) == mentions


def test_each_alone(diseases: Linker) -> None:
    note = "affected by a rare ulcer"
    assert found(diseases, note, detect=Detect.NAMES) == ["affected"]
    assert found(diseases, note, detect=Detect.MODEL) == ["rare ulcer"]


def test_what_the_model_does_not_know_is_found_as_before(tests: Linker) -> None:
    note = "sodium level of the affected, with a rare ulcer"
    assert found(tests, note) == found(tests, note, detect=Detect.NAMES) == ["sodium level", "affected"]


def test_a_filter_that_leaves_nothing_finds_nothing(diseases: Linker) -> None:
    assert found(diseases, "asthma", wanted=ConceptFilter(frozenset({"substance"}))) == []


pieces = ["asthma", " ", "rare ulcer", "breast", "and", "ovarian cancer", "e\u0301", "\U0001f600", "\r\n", "[**", "**]"]
words = st.sampled_from(pieces)


@given(st.lists(words, max_size=30).map("".join) | st.text(max_size=60))
def test_spans_lie_in_the_note_sorted(diseases: Linker, note: str) -> None:
    detector = detector_of(diseases.bundle, tagger=Words({"disease": DISEASE}))
    spans = detector.detect([note])[0]
    assert spans == sorted(spans)
    assert all(0 <= begin < end <= len(note) for span in spans for begin, end in span.pieces)
    assert detector.detect(["asthma", note])[1] == spans


@pytest.mark.parametrize("least", [0.0, 0.97])
def test_names_stand_in_for_a_proposal_that_no_concept_fits(diseases: Linker, least: float) -> None:
    note = "known asthma attack clinic asthma, later a pneumonia"
    proposal = note[note.index("asthma") : note.index(",")]
    annotator = Annotator(diseases, tagger=Words({"disease": f"{proposal}|asthma|pneumonia"}))
    options = Options(min_confidence=least)
    shown = annotator.annotate([note], options)[0].mentions
    names = ["asthma", "asthma"] if least else [proposal]
    assert [m.span.text(note) for m in shown] == [*names, "pneumonia"]
    assert [m.span for m in shown] == sorted(m.span for m in shown)
    (found,) = annotator.find(annotator.parts(Note(note)), options)
    together = annotator.link(found, options)[0]
    assert [annotator.link([mention], options)[0][0] for mention in found] == together  # as a server may cut them


def test_a_proposal_that_fits_no_concept_is_not_shown(diseases: Linker) -> None:
    note = "asthma and zzxqv; zzxqv"
    annotator = Annotator(diseases, tagger=Words({"disease": "asthma|zzxqv"}))
    shown = annotator.annotate([note])[0].mentions
    assert [m.span.text(note) for m in shown if m.link.concept is None] == []
    assert [m.span.text(note) for m in shown][:1] == ["asthma"]

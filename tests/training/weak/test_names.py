"""Names in plain text: which are taken for gold mentions, and which are left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.corpus import read_corpus
from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.surface import normalise
from training.weak.corpus import REPEATED
from training.weak.names import AMBIGUOUS, NO_OTHER_NAME, ByNames

NAMES = """concept_id\tname\tlanguage
X:1\tFever\ten
X:1\tFiebre\tes
X:1\tHipertermia\tes
X:2\tAbdominal pain\ten
X:2\tDolor abdominal\tes
X:3\tCervical pain\ten
X:3\tCervicalgia\tes
X:4\tPain of the cervix\ten
X:4\tCervicalgia\tes-MX
X:5\tAstenia\tes
"""
TEXTS = [
    "Ingresa por fiebre y DOLOR ABDOMINAL de dos días.",
    "Cervicalgia desde ayer, con astenia; fever is English.",
    *(f"Fiebre el día {day}." for day in range(20)),
]


@pytest.fixture(scope="module")
def linker(build_bundle: Callable[[str], Linker]) -> Linker:
    return build_bundle(NAMES)


def made(linker: Linker, seed: int = 1) -> ByNames:
    return ByNames(linker.bundle, TEXTS, language="es", seed=seed)


def test_a_mention_is_a_name_in_the_language_that_means_one_concept_with_other_names(linker: Linker) -> None:
    corpus = made(linker).corpus()
    found = {(m.parts[0].text, *m.gold) for note in corpus.notes for m in note.mentions}
    assert {(normalise(text), gold) for text, gold in found} == {("fiebre", "X:1"), ("dolor abdominal", "X:2")}
    assert corpus.left_out[AMBIGUOUS] == corpus.left_out[NO_OTHER_NAME] == 1
    terminology = linker.bundle.terminology
    for text, gold in found:
        rows = terminology.names_alike(normalise(text))
        assert {terminology.concept_id(int(terminology.concept_of_name[row])) for row in rows} == {gold}


def test_one_form_comes_a_few_times_at_most_and_the_seed_says_which(linker: Linker) -> None:
    one, same, other = (made(linker, seed).corpus() for seed in (1, 1, 2))
    assert one == same != other
    fevers = [m for note in one.notes for m in note.mentions if m.gold == {"X:1"}]
    assert len(fevers) == 4
    assert one.left_out[REPEATED] == 21 - 4


def test_what_is_written_is_read_as_a_gold_corpus(linker: Linker, tmp_path: Path) -> None:
    corpus = made(linker).corpus()
    corpus.write(tmp_path / "weak.jsonl")
    mentions = read_corpus(tmp_path / "weak.jsonl")
    assert mentions == [mention for note in corpus.notes for mention in note.mentions]
    assert not any(mention.misplaced for mention in mentions)


def test_a_corpus_without_a_mention_is_refused_and_says_what_was_left_out(linker: Linker, tmp_path: Path) -> None:
    corpus = ByNames(linker.bundle, ["Cervicalgia."], language="es").corpus()
    with pytest.raises(InvalidInput, match="would have no mention; .*1 name of several concepts"):
        corpus.write(tmp_path / "weak.jsonl")


def test_a_language_that_the_bundle_has_no_name_in(linker: Linker) -> None:
    with pytest.raises(InvalidInput, match="has no name in fr, only in en, es"):
        ByNames(linker.bundle, TEXTS, language="fr")

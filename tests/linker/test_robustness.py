from __future__ import annotations

import pytest

from linker import Linker, Mention
from linker.corpus import GoldMention
from linker.latency import measure_latency, sampled
from linker.outcomes import judge
from linker.perturbation import PERTURBATIONS
from linker.robustness import measure_robustness


def placed(before: str, text: str, after: str, concept_id: str) -> GoldMention:
    context = before + text + after
    return GoldMention("n", (Mention(text, context, len(before), len(before) + len(text)),), frozenset({concept_id}))


MENTIONS = [
    placed("He had a ", "heart attack", " in May.", "CLINIC:0003"),
    placed("", "hypertension", "", "CLINIC:0011"),
    placed("On ", "metformin", ".", "CLINIC:0015"),  # wrong as it is
    GoldMention("m", (Mention("asthma"), Mention("MI")), frozenset({"CLINIC:0015", "CLINIC:0003"})),
    GoldMention("m", (Mention("asthma"),), frozenset()),
]


def test_a_perturbation_is_measured_where_it_applies_and_in_its_context(linker: Linker) -> None:
    done: list[int] = []
    outcomes = judge(linker, MENTIONS)
    measured = {r.perturbation: r for r in measure_robustness(linker, MENTIONS, outcomes, advance=done.append)}
    assert sum(done) == len(MENTIONS) * len(PERTURBATIONS)
    assert measured["case"].mentions == 4  # all but the one without gold
    assert measured["case"].clean == pytest.approx(2 / 4)
    assert measured["case"].kept == 1.0  # case makes no difference to names
    assert measured["abbreviation"].mentions == 1
    assert "hyphen" not in measured
    for result in measured.values():
        assert 0 <= result.perturbed <= 1


def test_the_same_seed_measures_the_same(linker: Linker) -> None:
    outcomes = judge(linker, MENTIONS)
    assert measure_robustness(linker, MENTIONS, outcomes) == measure_robustness(linker, MENTIONS, outcomes)


def test_latency_is_of_a_sample(linker: Linker) -> None:
    done: list[int] = []
    latency = measure_latency(linker, MENTIONS, advance=done.append)
    assert sum(done) == sampled(MENTIONS) == 2 * len(MENTIONS)
    assert 0 < latency.p50_ms <= latency.p95_ms
    assert latency.mentions_per_s > 0

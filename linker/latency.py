"""Latency: what linking costs on this machine, one mention at a time and in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter

import numpy as np

from linker.corpus import GoldMention
from linker.options import Options
from linker.pipeline import Linker
from linker.records import RerankMode

ALONE = 200  # mentions linked one by one
TOGETHER = 1024  # mentions linked in batches
BATCH = 64


@dataclass(frozen=True, slots=True)
class Latency:
    """p50_ms, p95_ms: milliseconds for a mention linked alone. mentions_per_s: in batches of 64."""

    p50_ms: float
    p95_ms: float
    mentions_per_s: float


def sampled(mentions: Sequence[GoldMention]) -> int:
    """How many of the mentions are timed, alone and again in batches."""
    return min(ALONE, len(mentions)) + min(TOGETHER, len(mentions))


def measure_latency(
    linker: Linker,
    mentions: Sequence[GoldMention],
    *,
    rerank: RerankMode = RerankMode.AUTO,
    seed: int = 0,
    advance: Callable[[int], object] = int,
) -> Latency:
    """Time a sample of the mentions, drawn with `seed`. `advance` is called with those done since the last call."""
    parts = [mention.parts[0] for mention in mentions]
    options, rng = Options(rerank=rerank), Random(seed)  # noqa: S311 - a sample, no secret
    linker.link(parts[:1], options)  # the first call pays for what is mapped and allocated once
    alone = []
    for part in rng.sample(parts, min(ALONE, len(parts))):
        started = perf_counter()
        linker.link([part], options)
        alone.append(1000 * (perf_counter() - started))
        advance(1)
    together = rng.sample(parts, min(TOGETHER, len(parts)))
    started = perf_counter()
    for start in range(0, len(together), BATCH):
        linker.link(together[start : start + BATCH], options)
    elapsed = perf_counter() - started
    advance(len(together))
    p50, p95 = np.percentile(alone, [50, 95])
    return Latency(float(p50), float(p95), len(together) / elapsed)

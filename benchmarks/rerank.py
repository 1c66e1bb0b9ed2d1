"""What a reranker is worth, and what it costs: one table a corpus, under each policy of who is read and how.

    python benchmarks/rerank.py --bundle medic --corpus ncbi/dev.jsonl.xz [--bundle ... --corpus ...] [--reranker DIR]

retrieval only: no reranker. rerank everything: every mention is read, the score alone decides. protected: as that, but
a unique exact hit keeps its place. fused: every mention is read, support + weight x score decides. fused,
protected: both. gated: as that, and what retrieval alone is surer of than the gate of the bundle's calibration is not
read either; this is what the pipeline does. Each candidate is scored once; the policies are those of linker.reranking.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from linker import Linker, RerankMode
from linker.console import progress
from linker.corpus import GoldMention, read_corpus
from linker.outcomes import linked, worst_rank
from linker.records import Candidate
from linker.reranking import OnnxReranker, Policy
from linker.surface import normalise

BATCH = 256
COLUMNS = ("policy", "acc@1", "seen", "unseen", "pairs a mention", "mentions read")


@dataclass(frozen=True, slots=True)
class Part:
    """One surface form: its candidates as retrieved, and the same with their scores."""

    retrieved: list[Candidate]
    scored: list[Candidate]

    @property
    def confidence(self) -> float:
        return self.retrieved[0].confidence if self.retrieved else 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A gold mention with its parts."""

    gold: frozenset[str]
    seen: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """acc@1 over all, seen and unseen mentions (nan where there are none); pairs and share of mentions read."""

    acc_at_1: float
    seen: float
    unseen: float
    pairs: float
    read: float


def rows(linker: Linker, judged: Sequence[Judged]) -> dict[str, Row]:
    """The rows of the table by their name. The bundle of `linker` has a reranker."""
    assert linker.bundle.reranker is not None
    everything, shipped = Policy(weight=math.inf, protect=False), linker.bundle.reranker.policy
    return {
        "retrieval only": row(judged, shipped, gate=-1.0),
        "rerank everything": row(judged, everything),
        "protected": row(judged, replace(everything, protect=True)),
        "fused": row(judged, replace(shipped, protect=False)),
        "fused, protected": row(judged, shipped),
        "gated": row(judged, shipped, gate=linker.bundle.calibration.gate),
    }


def judge(linker: Linker, mentions: Sequence[GoldMention]) -> Iterator[Judged]:
    """Each mention that has a gold, all its candidates scored. The bundle of `linker` has a reranker."""
    terminology, reranker = linker.bundle.terminology, linker.bundle.reranker
    assert reranker is not None
    for mention, links in linked(linker, mentions, rerank=RerankMode.NEVER):
        retrieved = [list(link.candidates) for link in links]
        parts = tuple(map(Part, retrieved, reranker.score(mention.parts, retrieved)))
        seen = all(terminology.names_alike(normalise(part.text)) for part in mention.parts)
        yield Judged(mention.gold, seen, parts)


def row(judged: Sequence[Judged], policy: Policy, *, gate: float = 1.0) -> Row:
    """gate: what retrieval is surer of is not read; below 0 nothing is."""
    right, pairs, read = [], 0, 0
    for mention in judged:
        orders = []
        for part in mention.parts:
            if policy.leaves(part.retrieved) or part.confidence > gate:
                orders.append(part.retrieved)
                continue
            orders.append(policy.order(part.scored))
            pairs += sum(candidate.rerank_score is not None for candidate in part.scored)
            read += 1
        right.append(max(worst_rank(order, mention.gold) for order in orders) == 1)
    hits, seen = np.array(right, dtype=float), np.array([mention.seen for mention in judged])
    parts = sum(len(mention.parts) for mention in judged)
    return Row(_mean(hits), _mean(hits[seen]), _mean(hits[~seen]), pairs / parts, read / parts)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def table(corpus: str, linker: Linker, judged: Sequence[Judged]) -> str:
    """Markdown. The bundle of `linker` has a reranker."""
    assert linker.bundle.reranker is not None
    weight, gate = linker.bundle.reranker.policy.weight, linker.bundle.calibration.gate
    seen = sum(mention.seen for mention in judged)
    lines = [
        f"### {corpus}: {len(judged):,} mentions, {seen:,} seen; weight {weight:g}, gate {gate:.4f}",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * (len(COLUMNS) - 1)}",
    ]
    for name, r in rows(linker, judged).items():
        figures = f"{r.acc_at_1:.4f} | {r.seen:.4f} | {r.unseen:.4f} | {r.pairs:.2f} | {r.read:.1%}"
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def opened(bundle: str, reranker: Path | None) -> Linker:
    """The linker of a bundle, with another reranker than its own if one is given."""
    linker = Linker.open(bundle)
    if reranker is not None:
        other = OnnxReranker(reranker, names_of=linker.bundle.terminology.names, workers=2)
        return Linker(replace(linker.bundle, reranker=other))
    if linker.bundle.reranker is None:
        raise SystemExit(f"{bundle}: has no reranker; give --reranker")
    return linker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", action="append", required=True, help="once a corpus, in the same order")
    parser.add_argument("--corpus", action="append", required=True, type=Path)
    parser.add_argument("--prefix", default="", help="vocabulary of bare gold ids")
    parser.add_argument("--reranker", type=Path, help="an exported cross-encoder instead of the bundle's")
    parser.add_argument("--out", type=Path, help="also write the tables there, as Markdown")
    options = parser.parse_args()
    if len(options.bundle) != len(options.corpus):
        parser.error(f"expected as many --bundle as --corpus, got {len(options.bundle)} and {len(options.corpus)}")
    tables = []
    for bundle, corpus in zip(options.bundle, options.corpus, strict=True):
        linker = opened(bundle, options.reranker)
        mentions = [mention for mention in read_corpus(corpus, prefix=options.prefix) if mention.gold]
        judged: list[Judged] = []
        with progress("Scoring", len(mentions), "mentions") as advance:
            for start in range(0, len(mentions), BATCH):
                judged += judge(linker, mentions[start : start + BATCH])
                advance(len(mentions[start : start + BATCH]))
        tables.append(table(f"{corpus.parent.name} {corpus.name.split('.')[0]}", linker, judged))
        print(f"{tables[-1]}\n", flush=True)
    if options.out:
        options.out.write_text("\n\n".join(tables) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What became of each gold mention: the rank of the right concept, the answer, and what went wrong.

Ties: a concept counts at its worst tied rank, so that nothing is won by the order among equals. A composite mention
is right when every part is (the protocol of BioSyn, Sung et al. 2020): its worst part speaks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isinf

from linker.corpus import GoldMention
from linker.options import Options
from linker.pipeline import Linker
from linker.records import TIERS, Candidate, Link, MatchSource, Mention, RerankMode
from linker.surface import normalise
from linker.terminology import Terminology

RECALL_DEPTH = 64
KEPT = 5  # candidates kept of each answer
BATCH = 256


class Fault(StrEnum):
    """What kept a mention from being right, or its right concept from being the answer."""

    NOT_IN_BUNDLE = "gold not in the bundle"
    NOT_RETRIEVED = f"gold not among {RECALL_DEPTH}"
    SHARED_NAME = "name shared with another concept"  # gold bears the very name, and so does what came first
    RANKED_LOWER = "gold ranked lower"
    NIL_THOUGH_RIGHT = "NIL, though right first"
    ANSWERED_NIL = "answered, though gold is NIL"


@dataclass(frozen=True, slots=True)
class Answer:
    """The first candidates for one surface form, best first, with their confidences; nil: it was answered NIL."""

    concept_ids: tuple[str, ...]
    confidences: tuple[float, ...]
    nil: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one gold mention.

    position: of the mention in its note, from 0. rank: of the first right concept, from 1, infinite where it is not
    among the candidates; exact_rank: the same among exact hits of the mention as written, as the baseline without any
    model has it. seen: is the surface form, as written, a name in the bundle? reachable: does the bundle have a gold
    id? types: semantic types of the gold concepts. pairs: that the cross-encoder read. answers: one for each part.
    """

    note_id: str
    position: int
    gold: frozenset[str]
    rank: float
    exact_rank: float
    seen: bool
    reachable: bool
    types: tuple[str, ...]
    pairs: int
    fault: Fault | None
    answers: tuple[Answer, ...]

    @property
    def right(self) -> bool:
        """Is every part right, whether or not it was sure enough to be the answer?"""
        return self.rank == 1

    @property
    def confidence(self) -> float:
        """Of the first candidate; the least of the parts', 0 without a candidate."""
        return min(a.confidences[0] if a.confidences else 0.0 for a in self.answers)

    @property
    def nil(self) -> bool:
        """Was every part answered NIL?"""
        return all(answer.nil for answer in self.answers)


def judge(
    linker: Linker,
    mentions: Sequence[GoldMention],
    *,
    rerank: RerankMode = RerankMode.AUTO,
    depth: int = RECALL_DEPTH,
    batch: int = BATCH,
    advance: Callable[[int], object] = int,
) -> list[Outcome]:
    """Link every gold mention and see what becomes of it among the first `depth` candidates, in order.

    `batch` changes the speed and nothing else.
    """
    terminology = linker.bundle.terminology
    concepts = terminology.concepts_by_id({concept_id for mention in mentions for concept_id in mention.gold})
    positions = Counter[str]()
    outcomes = []
    for start in range(0, len(mentions), batch):
        for mention, links in linked(linker, mentions[start : start + batch], rerank=rerank, depth=depth):
            written = [_as_written(linker, link) for link in links]
            outcomes.append(_outcome(terminology, concepts, positions[mention.note_id], mention, links, written))
            positions[mention.note_id] += 1
        advance(min(batch, len(mentions) - start))
    return outcomes


def linked(
    linker: Linker, mentions: Sequence[GoldMention], *, rerank: RerankMode, depth: int = RECALL_DEPTH
) -> Iterator[tuple[GoldMention, list[Link]]]:
    """Each mention with a link for each of its parts, all in one batch, `depth` candidates deep."""
    parts = [part for mention in mentions for part in mention.parts]
    links = iter(linker.link(parts, Options(top_k=depth, rerank=rerank)))
    for mention in mentions:
        yield mention, [next(links) for _ in mention.parts]


def mention_rank(links: Sequence[Link], gold: frozenset[str]) -> float:
    """Rank of the first right concept of a mention's worst part."""
    return max(worst_rank(link.candidates, gold) for link in links)


def identifiers(candidate: Candidate) -> set[str]:
    """Every id by which gold may name the candidate: its id (alternates apart, `C567755|613097`) and its codes."""
    return {*candidate.concept_id.split("|"), *(f"{code.system}:{code.code}" for code in candidate.codes)}


def worst_rank(candidates: Sequence[Candidate], gold: frozenset[str]) -> float:
    """Rank, from 1, of the first right candidate, counted at the end of its tie; infinite without one."""
    for position, candidate in enumerate(candidates):
        if not gold.isdisjoint(identifiers(candidate)):
            tied = [c for c in candidates[position:] if _scores(c) == _scores(candidate)]
            wrong = [c for c in tied if gold.isdisjoint(identifiers(c))]
            return float(position + 1 + len(wrong))
    return inf


def _scores(candidate: Candidate) -> tuple[object, ...]:
    return candidate.source, candidate.support, candidate.rerank_score, candidate.confidence


def _exact_rank(candidates: Sequence[Candidate], gold: frozenset[str]) -> float:
    """Worst tied rank among exact hits alone, in the order of their term types: whatever the reranker made of them."""
    hits = [
        (TIERS.get(c.term_type, 1), not gold.isdisjoint(identifiers(c)))
        for c in candidates
        if c.source is MatchSource.EXACT
    ]
    best = min((tier for tier, right in hits if right), default=None)
    return inf if best is None else 1.0 + sum(tier <= best and not right for tier, right in hits)


def _outcome(
    terminology: Terminology,
    concepts: Mapping[str, Sequence[int]],
    position: int,
    mention: GoldMention,
    links: Sequence[Link],
    written: Sequence[Link],
) -> Outcome:
    rows = [row for concept_id in mention.gold for row in concepts.get(concept_id, ())]
    ranks = [worst_rank(link.candidates, mention.gold) for link in links]
    answers = tuple(_answer(link) for link in links)
    outcome = Outcome(
        note_id=mention.note_id,
        position=position,
        gold=mention.gold,
        rank=max(ranks),
        exact_rank=max(_exact_rank(link.candidates, mention.gold) for link in written),
        seen=all(terminology.names_alike(normalise(part.text)) for part in mention.parts),
        reachable=bool(rows),
        types=tuple(sorted({kind for row in rows for kind in terminology.semantic_types(row)})),
        pairs=sum(c.rerank_score is not None for link in links for c in link.candidates),
        fault=None,
        answers=answers,
    )
    return replace(outcome, fault=_fault(outcome, links[ranks.index(outcome.rank)]))


def _as_written(linker: Linker, link: Link) -> Link:
    """The link without what the context says of its abbreviations, which the baseline does not know."""
    if not link.expansion:
        return link
    return linker.link([Mention(link.mention.text)], Options(top_k=RECALL_DEPTH, rerank=RerankMode.NEVER))[0]


def _answer(link: Link) -> Answer:
    kept = link.candidates[:KEPT]
    return Answer(tuple(c.concept_id for c in kept), tuple(c.confidence for c in kept), link.nil_reason is not None)


def _fault(outcome: Outcome, worst: Link) -> Fault | None:
    """worst: the link of the part that speaks for the mention."""
    if not outcome.gold:
        return None if outcome.nil else Fault.ANSWERED_NIL
    if not outcome.reachable:
        return Fault.NOT_IN_BUNDLE
    if isinf(outcome.rank):
        return Fault.NOT_RETRIEVED
    if outcome.rank > 1:
        shared = not isinf(_exact_rank(worst.candidates, outcome.gold))
        return Fault.SHARED_NAME if shared else Fault.RANKED_LOWER
    return Fault.NIL_THOUGH_RIGHT if outcome.nil else None


@dataclass(frozen=True, slots=True)
class Miss:
    """A wrong first candidate, with the mention's text: for corpora that may be shown.

    answer: (concept id, preferred name). gold: the same for each gold id, without a name where the bundle lacks it.
    """

    mention: str
    confidence: float
    fault: str
    answer: tuple[str, str]
    gold: tuple[tuple[str, str | None], ...]


def worst_misses(
    linker: Linker, mentions: Sequence[GoldMention], outcomes: Sequence[Outcome], count: int
) -> list[Miss]:
    """The `count` wrong first candidates of the highest confidence, one for each distinct mention text and answer."""
    wrong = [(m, o) for m, o in zip(mentions, outcomes, strict=True) if o.gold and not o.right and o.confidence > 0]
    wrong.sort(key=lambda pair: (-pair[1].confidence, pair[1].note_id, pair[1].position))
    distinct: dict[tuple[str, tuple[Answer, ...]], tuple[GoldMention, Outcome]] = {}
    for mention, outcome in wrong:
        distinct.setdefault((_text(mention), outcome.answers), (mention, outcome))
    worst = list(distinct.values())[:count]
    terminology = linker.bundle.terminology
    concepts = terminology.concepts_by_id({concept_id for _, outcome in worst for concept_id in outcome.gold})

    def named(concept_id: str) -> tuple[str, str | None]:
        rows = concepts.get(concept_id)
        return concept_id, terminology.preferred_name(rows[0]) if rows else None

    def answered(outcome: Outcome) -> tuple[str, str]:
        ids = [answer.concept_ids[0] for answer in outcome.answers]
        return "; ".join(ids), "; ".join(terminology.preferred_name(terminology.row(i)) for i in ids)

    return [
        Miss(_text(m), o.confidence, str(o.fault), answered(o), tuple(named(i) for i in sorted(o.gold)))
        for m, o in worst
    ]


def _text(mention: GoldMention) -> str:
    return "|".join(part.text for part in mention.parts)

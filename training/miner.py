"""Mining of training lists with the bi-encoder, through the linker itself: candidates as the reranker will meet them.

They come from gold corpora, or from a bundle alone: there the mention is a name of a concept, which is then hidden, so
that the concept stands under the best of its other names and no string equality is learned. So are names that stand in
text (`from_matched`). The gold is put in where
it was missed, and taken away from a share of the lists, whose right answer is then "none of these".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from linker.abbreviations import in_full
from linker.console import progress
from linker.corpus import GoldMention
from linker.errors import InvalidInput
from linker.options import Options
from linker.outcomes import identifiers
from linker.perturbation import perturb
from linker.pipeline import Linker
from linker.records import Candidate, Embeddings, MatchSource, Mention, RerankMode
from linker.reranking import is_certain, write_candidate, write_mention
from linker.retrieval import smooth_maximum
from linker.surface import normalise
from linker.terminology import Terminology
from training.lists import CandidateList, Shape, Tally

BATCH = 256
EXACT_MATCH = "skos:exactMatch"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A name as a mention. names: normalised, those of the concept that are not to be seen."""

    mention: Mention
    names: frozenset[str]
    concept: int


class Miner:
    """Makes the lists of one bundle; the same seed gives the same lists."""

    def __init__(self, linker: Linker, shape: Shape, *, seed: int) -> None:
        self._linker = linker
        self._terminology = linker.bundle.terminology
        self._shape = shape
        self._rng = Random(seed)  # noqa: S311 - no secret
        self.tally = Tally()

    def from_gold(self, mentions: Sequence[GoldMention], *, limit: int = 0) -> list[CandidateList]:
        """Training lists of gold mentions, each distinct mention and gold once; at most `limit`, at random, if not 0.

        Mentions whose gold the bundle lacks are left out and tallied; an empty gold is a list without a right answer.
        """
        simple = [mention for mention in mentions if len(mention.parts) == 1]
        rows = self._terminology.concepts_by_id({id_ for mention in simple for id_ in mention.gold})
        lists: dict[tuple[str, frozenset[str]], CandidateList] = {}
        for batch, found in self._retrieved(simple, lambda mention: mention.parts[0]):
            missed = [
                (_read(mention.parts[0]).text, _first(rows, mention.gold), frozenset[str]())
                for mention, candidates in zip(batch, found, strict=True)
                if not any(_right(candidates, mention.gold))
            ]
            inserted = iter(self._under_best_name(missed))
            for mention, candidates in zip(batch, found, strict=True):
                own = None if any(_right(candidates, mention.gold)) else next(inserted)
                self._add(lists, mention, candidates, own)
        made = list(lists.values())
        if limit and len(made) > limit:
            made = [made[row] for row in sorted(self._rng.sample(range(len(made)), limit))]
            self.tally.lists = limit
        return made

    def _add(
        self,
        lists: dict[tuple[str, frozenset[str]], CandidateList],
        mention: GoldMention,
        candidates: list[Candidate],
        own: Candidate | None,
    ) -> None:
        key = (self._write(mention.parts[0]), mention.gold)
        gold = mention.gold | _equivalents(candidates, mention.gold)
        if key in lists:
            self.tally.repeated += 1
        elif mention.gold and own is None and not any(_right(candidates, mention.gold)):
            self.tally.missing.update(mention.gold)
        elif is_certain(candidates) and self._rng.random() >= self._shape.certain_share:
            self.tally.certain_left_out += 1
        else:
            self.tally.inserted += own is not None
            whole = self._with(own, candidates)
            right = [candidate is own or fits for candidate, fits in zip(whole, _right(whole, gold), strict=True)]
            lists[key] = self._list(mention.parts[0], whole, right)
            self.tally.lists += 1

    def from_names(self, count: int) -> list[CandidateList]:
        """At most `count` training lists from the names of the bundle, of concepts with two names or more.

        A name that several concepts share makes no list, since it says nothing about which of them is meant.
        """
        return self._without_names(self._hidden_names(count))

    def from_matched(self, mentions: Sequence[GoldMention], *, limit: int = 0) -> list[CandidateList]:
        """Training lists of gold mentions that are names of their concept, each with that name hidden.

        Mentions of which nothing is left in the bundle are left out and tallied. At most `limit`, at random, if not 0.
        """
        chosen = list(mentions)
        if limit and len(chosen) > limit:
            chosen = [chosen[row] for row in sorted(self._rng.sample(range(len(chosen)), limit))]
        rows = self._terminology.concepts_by_id({id_ for mention in chosen for id_ in mention.gold})
        hidden = []
        for mention in chosen:
            concept = _first(rows, mention.gold)
            if concept is None:
                self.tally.missing.update(mention.gold)
            else:
                part = mention.parts[0]
                hidden.append(_Hidden(part, hidden_forms(self._terminology, normalise(part.text)), concept))
        return self._without_names(hidden)

    def _without_names(self, hidden: Sequence[_Hidden]) -> list[CandidateList]:
        lists = []
        for batch, found in self._retrieved(hidden, lambda one: one.mention):
            owns = self._under_best_name([(one.mention.text, one.concept, one.names) for one in batch])
            for one, own, candidates in zip(batch, owns, found, strict=True):
                others = [c for c in candidates if c.concept != one.concept]
                # An altered name may have become the name of something else.
                if own is None or any(c.source is MatchSource.EXACT for c in others):
                    continue
                whole = self._with(own, others)
                right = _right(whole, _exact_ids(replace(own, codes=self._terminology.codes(one.concept))))
                lists.append(self._list(one.mention, whole, right, hidden=one.names))
                self.tally.lists += 1
        return lists

    def _hidden_names(self, count: int) -> list[_Hidden]:
        terminology, shape = self._terminology, self._shape
        chosen: list[_Hidden] = []
        rows = list(range(terminology.name_count))
        self._rng.shuffle(rows)
        for row in rows:
            if len(chosen) == count:
                break
            name, concept = terminology.name(row), int(terminology.concept_of_name[row])
            key = normalise(name)
            sharing = {int(terminology.concept_of_name[other]) for other in terminology.names_equal(key)}
            if sharing != {concept} or len({normalise(n) for n in terminology.names(concept)}) < 2:
                continue
            if shape.perturbations and self._rng.random() < shape.perturbed_share:
                how = self._rng.choice(shape.perturbations)
                name = perturb(how, name, self._rng.randrange(1 << 30)) or name
            if normalise(name):
                chosen.append(_Hidden(Mention(name), frozenset({key, normalise(name)}), concept))
        if not chosen:
            raise InvalidInput("no concept with two names of its own: nothing to learn from", field="ontology.bundle")
        return chosen

    def dev(self, mentions: Sequence[GoldMention]) -> list[CandidateList]:
        """A list for each part of each mention that has a gold, as the pipeline meets it: nothing put in or taken."""
        parts = [
            (part, mention.gold, group)
            for group, mention in enumerate(mention for mention in mentions if mention.gold)
            for part in mention.parts
        ]
        lists = []
        for batch, found in self._retrieved(parts, lambda part: part[0]):
            for (part, gold, group), candidates in zip(batch, found, strict=True):
                made = self._written(part, candidates, _right(candidates, gold))
                lists.append(replace(made, certain=is_certain(candidates), group=group))
        self.tally.lists += len(lists)
        return lists

    def _retrieved(
        self, items: Sequence[T], mention_of: Callable[[T], Mention]
    ) -> Iterator[tuple[Sequence[T], list[list[Candidate]]]]:
        """Batches of `items`, each with its candidates."""
        options = Options(top_k=self._shape.candidates, rerank=RerankMode.NEVER)
        with progress("Mining candidates", len(items), "mentions") as advance:
            for start in range(0, len(items), BATCH):
                batch = items[start : start + BATCH]
                links = self._linker.link([mention_of(item) for item in batch], options)
                yield batch, [list(link.candidates) for link in links]
                advance(len(batch))

    def _under_best_name(self, wanted: Sequence[tuple[str, int | None, frozenset[str]]]) -> list[Candidate | None]:
        """Each (mention, concept row, normalised names to hide) as a candidate under its name nearest the mention."""
        embeddings, _ = self._linker.bundle.encoder.encode([normalise(text) for text, _, _ in wanted])
        return [
            None if concept is None else self._own(concept, hidden, embedding)
            for (_, concept, hidden), embedding in zip(wanted, embeddings, strict=True)
        ]

    def _own(self, concept: int, hidden: frozenset[str], embedding: Embeddings) -> Candidate | None:
        """The concept as retrieval would find it for a mention's unit row, (dimension,), without its hidden names."""
        terminology = self._terminology
        rows = [row for row in terminology.name_rows(concept) if normalise(terminology.name(row)) not in hidden]
        if not rows:
            return None
        similarities = self._linker.bundle.retriever.similarities(embedding, rows)
        best = int(similarities.argmax())
        own = self._candidate(concept, terminology.name(rows[best]), hidden)
        return replace(own, similarity=float(similarities[best]), support=float(smooth_maximum(similarities)))

    def _candidate(self, concept: int, name: str, hidden: frozenset[str]) -> Candidate:
        preferred = self._terminology.preferred_name(concept)
        return Candidate(
            concept=concept,
            concept_id=self._terminology.concept_id(concept),
            preferred_name=name if normalise(preferred) in hidden else preferred,
            matched_name=name,
            term_type="synonym",
            source=MatchSource.DENSE,
            similarity=0.0,
            support=0.0,
            semantic_types=self._terminology.semantic_types(concept),
        )

    def _with(self, own: Candidate | None, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates and `own` by support, no more than a list may have; `own` always stays."""
        if own is None:
            return candidates
        kept = candidates[: self._shape.candidates - 1]
        return sorted([*kept, own], key=lambda c: (-c.support, c.concept_id))

    def _list(
        self,
        mention: Mention,
        candidates: list[Candidate],
        right: Sequence[bool],
        *,
        hidden: frozenset[str] = frozenset(),
    ) -> CandidateList:
        """The list as written, or, by the seeded share, the same without its gold."""
        if self._rng.random() < self._shape.none_share and not all(right):
            self.tally.removed += any(right)
            candidates = [c for c, fits in zip(candidates, right, strict=True) if not fits]
            right = [False] * len(candidates)
        return self._written(mention, candidates, right, hidden=hidden)

    def _written(
        self,
        mention: Mention,
        candidates: Sequence[Candidate],
        right: Sequence[bool],
        *,
        hidden: frozenset[str] = frozenset(),
    ) -> CandidateList:
        return CandidateList(
            mention=self._write(mention),
            candidates=tuple(self._describe(candidate, hidden) for candidate in candidates),
            supports=tuple(round(candidate.support, 6) for candidate in candidates),
            right=tuple(right),
        )

    def _write(self, mention: Mention) -> str:
        return write_mention(_read(mention), context=self._shape.context)

    def _describe(self, candidate: Candidate, hidden: frozenset[str]) -> str:
        names = self._terminology.names(candidate.concept) if self._shape.other_names else []
        shown = [name for name in names if normalise(name) not in hidden]
        return write_candidate(candidate, names=shown, other_names=self._shape.other_names)


def hidden_forms(terminology: Terminology, form: str) -> frozenset[str]:
    """The normalised names by which a normalised mention would be an exact hit, and the mention itself."""
    return frozenset({form, *(normalise(terminology.name(row)) for row in terminology.names_alike(form))})


def _read(mention: Mention) -> Mention:
    """As the pipeline has it read."""
    return in_full([mention])[0]


def _first(rows: Mapping[str, Sequence[int]], gold: frozenset[str]) -> int | None:
    """Row of a concept that the gold names; None where the bundle lacks it."""
    return next((rows[id_][0] for id_ in sorted(gold) if id_ in rows), None)


def _right(candidates: Sequence[Candidate], gold: frozenset[str]) -> list[bool]:
    return [not gold.isdisjoint(identifiers(candidate)) for candidate in candidates]


def _exact_ids(candidate: Candidate) -> frozenset[str]:
    """Ids that mean the very same: the candidate's own, and its codes in an exact match."""
    codes = (f"{code.system}:{code.code}" for code in candidate.codes if code.relation == EXACT_MATCH)
    return frozenset({*candidate.concept_id.split("|"), *codes})


def _equivalents(candidates: Sequence[Candidate], gold: frozenset[str]) -> frozenset[str]:
    """Ids of the right candidates: what another vocabulary calls the same is no wrong answer."""
    right = (c for c, fits in zip(candidates, _right(candidates, gold), strict=True) if fits)
    return frozenset[str]().union(*map(_exact_ids, right))

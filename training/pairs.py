"""Pairs of names that mean the same: what a bi-encoder learns from, out of nothing but ontologies.

Positives are two names of one concept, or of two concepts that an exact crosswalk joins one to one. Names are as the
encoder meets them: normalised. A perturbed name (`linker.perturbation`) is one more name of its concept, so that
concepts with a single name teach something too. What may never be a negative of what is told in `training.groups`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from random import Random

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from linker.console import progress
from linker.corpus import GoldMention
from linker.perturbation import PERTURBATIONS
from linker.surface import normalise
from ontologies.records import Name
from training.dictionary import Entry
from training.errors import TrainingError
from training.groups import group_numbers, matches
from training.recipes import Section, Share

Numbers = NDArray[np.int32]


class PairOptions(Section):
    """Which pairs are made.

    per_concept: at most so many synonym pairs a concept (SapBERT: 50). per_mention: at most so many names paired with a
    gold mention. limit: at most so many pairs in all, drawn at random; 0 is all. languages: BCP-47 tags of the names
    used, "es" takes "es-MX" too; empty is every language. cross_lingual: pair names of different languages.
    augmentation: for each perturbation the share of names that it gives one more pair.
    """

    per_concept: int = Field(default=50, ge=1)
    per_mention: int = Field(default=5, ge=1)
    limit: int = Field(default=0, ge=0)
    languages: tuple[str, ...] = ()
    cross_lingual: bool = True
    augmentation: dict[str, Share] = Field(default_factory=dict)

    @field_validator("augmentation")
    @classmethod
    def _known(cls, rates: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(rates.keys() - PERTURBATIONS.keys()):
            raise ValueError(f"no such perturbation: {', '.join(unknown)}; expected {', '.join(PERTURBATIONS)}")
        return rates


@dataclass(slots=True)
class Names:
    """Names by number, every name of the ontologies among them.

    texts: normalised. concepts: a number for each concept. groups: names of one group are never negatives.
    """

    texts: list[str] = field(default_factory=list)
    concepts: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

    def add(self, text: str, concept: int, group: int) -> int:
        """Append a name; its number."""
        self.texts.append(text)
        self.concepts.append(concept)
        self.groups.append(group)
        return len(self.texts) - 1

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """What became of the names. dropped: how many names, variants or pairs were left out, by reason.

    unknown_gold: gold ids that no concept has, with how many mentions each.
    """

    concepts: int
    one_name_concepts: int
    names: int
    pairs: int
    synonym_pairs: int
    crosswalk_pairs: int
    augmented_pairs: int
    gold_pairs: int
    groups: int
    largest_group: int
    dropped: Mapping[str, int]
    unknown_gold: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Pairs:
    """rows: (pairs, 2) int32, the numbers of two names of one meaning."""

    names: Names
    rows: Numbers
    report: PairReport


def make_pairs(
    entries: Mapping[str, Entry], options: PairOptions, *, seed: int, gold: Sequence[GoldMention] = ()
) -> Pairs:
    """The pairs of `entries` and, where there are any, of gold mentions with the names of their concepts.

    The same for the same concepts, options and seed. Raises `TrainingError` where there is no pair, with what to do.
    """
    return _Maker(entries, options, seed, gold).pairs()


class _Maker:
    def __init__(
        self, entries: Mapping[str, Entry], options: PairOptions, seed: int, gold: Sequence[GoldMention]
    ) -> None:
        self._options, self._seed = options, seed
        self._dropped: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._names = Names()
        self._rows: dict[tuple[int, int], None] = {}
        self._seen: set[tuple[str, str]] = set()
        spoken = {concept_id: self._spoken(entry) for concept_id, entry in entries.items()}
        self._spelled = {concept_id: names for concept_id, names in spoken.items() if names}
        self._entries = {concept_id: entries[concept_id] for concept_id in self._spelled}
        self._mentions, self._unknown_gold = self._placed(gold)
        forms = [[*self._spelled[i], *self._mentions.get(i, ())] for i in self._entries]
        self._group = dict(zip(self._entries, group_numbers(list(self._entries.values()), forms), strict=True))
        self._concept = {concept_id: row for row, concept_id in enumerate(self._entries)}
        # The group of every form: what has one can be a name or a variant of that group only.
        self._owner = {form: self._group[i] for i, texts in zip(self._entries, forms, strict=True) for form in texts}
        self._number: dict[tuple[str, str], int] = {}

    def _spoken(self, entry: Entry) -> dict[str, Name]:
        """The names in the wanted languages, by normalised form."""
        names: dict[str, Name] = {}
        for name in entry.names:
            if not speaks(name.language, self._options.languages):
                self._dropped["name in another language"] += 1
            elif normalise(name.name) in names:
                self._dropped["same name after normalisation"] += 1
            else:
                names[normalise(name.name)] = name
        return names

    def _placed(self, gold: Sequence[GoldMention]) -> tuple[dict[str, dict[str, None]], Counter[str]]:
        """The surface forms of gold mentions by concept, and how many mentions have each id that nobody has."""
        owner = {part: concept_id for concept_id, entry in self._entries.items() for part in entry.ids}
        owner |= {part: concept_id for concept_id in self._entries for part in concept_id.split("|")}
        mentions: dict[str, dict[str, None]] = {}
        unknown: Counter[str] = Counter()
        for mention in gold:
            unknown.update(mention.gold - owner.keys())
            known = sorted({owner[i] for i in mention.gold & owner.keys()})
            form = normalise(mention.parts[0].text)
            if len(mention.parts) > 1:
                self._dropped["composite gold mention"] += 1
            elif known and form:
                for concept_id in known:
                    mentions.setdefault(concept_id, {})[form] = None
            else:
                self._dropped["gold mention without a known concept"] += 1
        return mentions, unknown

    def pairs(self) -> Pairs:
        for concept_id, forms in self._spelled.items():
            for form in forms:
                self._name(concept_id, form)
        partners: dict[str, list[str]] = {}
        for one, other in matches(self._entries):
            partners.setdefault(one, []).append(other)
        with progress("Pairing names", len(self._entries), "concepts") as advance:
            for concept_id in self._entries:
                random = Random(f"{self._seed} {concept_id}")  # noqa: S311 - no secret
                self._pair_synonyms(concept_id, partners.get(concept_id, ()), random)
                self._pair_mentions(concept_id, random)
                self._pair_variants(concept_id, random)
                advance(1)
        rows = np.array(list(self._rows), dtype=np.int32).reshape(-1, 2)
        if not len(rows):
            raise TrainingError(self._why_none())
        if self._options.limit and len(rows) > self._options.limit:
            self._dropped["pair over the limit"] = len(rows) - self._options.limit
            rows = rows[np.sort(np.random.default_rng(self._seed).permutation(len(rows))[: self._options.limit])]
        return Pairs(self._names, rows, self._report(len(rows)))

    def _pair_synonyms(self, concept_id: str, partners: Sequence[str], random: Random) -> None:
        own = list(self._spelled[concept_id].items())
        pool = [(concept_id, one, other) for one, other in combinations(own, 2)]
        for partner in partners:
            pool += [
                (partner, *pair) for pair in product(own, self._spelled[partner].items()) if pair[0][0] != pair[1][0]
            ]
        allowed = [entry for entry in pool if self._may_pair(entry[1][1], entry[2][1])]
        self._dropped["pair across languages"] += len(pool) - len(allowed)
        chosen = allowed
        if len(allowed) > self._options.per_concept:
            self._dropped["pair over the cap of its concept"] += len(allowed) - self._options.per_concept
            chosen = random.sample(allowed, self._options.per_concept)
        for other_id, (form, _), (other_form, _) in chosen:
            kind = "synonym" if other_id == concept_id else "crosswalk"
            self._add(kind, self._name(concept_id, form), self._name(other_id, other_form))

    def _may_pair(self, one: Name, other: Name) -> bool:
        return self._options.cross_lingual or _primary(one.language) == _primary(other.language)

    def _pair_mentions(self, concept_id: str, random: Random) -> None:
        forms = list(self._spelled[concept_id])
        for mention in self._mentions.get(concept_id, ()):
            others = [form for form in forms if form != mention]
            for form in random.sample(others, min(self._options.per_mention, len(others))):
                self._add("gold", self._name(concept_id, mention), self._name(concept_id, form))

    def _pair_variants(self, concept_id: str, random: Random) -> None:
        names = self._spelled[concept_id]
        for (form, name), (kind, rate) in product(names.items(), sorted(self._options.augmentation.items())):
            if random.random() >= rate:
                continue
            variant = normalise(PERTURBATIONS[kind](name.name, random) or "")
            if not variant or variant == form:
                continue
            if variant in self._owner:
                self._dropped["variant that is a name already"] += 1
                continue
            self._owner[variant] = self._group[concept_id]
            original = random.choice([other for other, spoken in names.items() if self._may_pair(name, spoken)])
            self._add("augmented", self._name(concept_id, variant), self._name(concept_id, original))

    def _name(self, concept_id: str, form: str) -> int:
        number = self._number.get((concept_id, form))
        if number is None:
            number = self._names.add(form, self._concept[concept_id], self._group[concept_id])
            self._number[concept_id, form] = number
        return number

    def _add(self, kind: str, one: int, other: int) -> None:
        texts = self._names.texts
        spelled = (min(texts[one], texts[other]), max(texts[one], texts[other]))
        if spelled in self._seen:
            self._dropped["pair that another concept has"] += 1
            return
        self._seen.add(spelled)
        self._rows[one, other] = None
        self._counts[kind] += 1

    def _why_none(self) -> str:
        if not self._entries:
            wanted = ", ".join(self._options.languages)
            languages = f" in pairs.languages ({wanted})" if wanted else ""
            return f"no pairs: the ontologies have no name{languages}; add a [[source]] or change the languages"
        if all(len(names) == 1 for names in self._spelled.values()):
            return (
                f"no pairs: each of the {len(self._entries):,} concepts has one name only. Add a [[source]] with "
                "synonyms or translations, or switch on [pairs.augmentation], for example typo = 0.5"
            )
        return "no pairs: names differ in language only; set pairs.cross_lingual = true or add synonyms"

    def _report(self, pairs: int) -> PairReport:
        return PairReport(
            concepts=len(self._entries),
            one_name_concepts=sum(len(names) == 1 for names in self._spelled.values()),
            names=sum(map(len, self._spelled.values())),
            pairs=pairs,
            synonym_pairs=self._counts["synonym"],
            crosswalk_pairs=self._counts["crosswalk"],
            augmented_pairs=self._counts["augmented"],
            gold_pairs=self._counts["gold"],
            groups=len(set(self._group.values())),
            largest_group=max(Counter(self._group.values()).values()),
            dropped={reason: n for reason, n in sorted(self._dropped.items()) if n},
            unknown_gold=dict(sorted(self._unknown_gold.items())),
        )


def _primary(tag: str) -> str:
    return tag.lower().partition("-")[0]


def speaks(tag: str, wanted: Sequence[str]) -> bool:
    """Whether a BCP-47 tag is one of `wanted` or a kind of it, "es-MX" of "es"; all are where none is wanted."""
    return not wanted or any(
        tag.lower() == want.lower() or tag.lower().startswith(f"{want.lower()}-") for want in wanted
    )

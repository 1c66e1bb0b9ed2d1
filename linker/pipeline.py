"""The walk: mentions are read in full, normalised, encoded, retrieved for, reranked and decided, in this order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from functools import lru_cache, partial
from time import perf_counter_ns

from linker.abbreviations import in_full
from linker.bundle import Bundle, open_bundle
from linker.bundles import DEFAULT, bundle_path
from linker.cache import Cache
from linker.decision import confidences, decide
from linker.options import DEFAULTS, Options
from linker.records import Candidate, ConceptFilter, Link, Mention, RerankMode
from linker.reranking import is_named
from linker.surface import normalise
from linker.value_set import generalised, known_members

CACHED = 4096  # mentions; clinical text repeats itself, and 20 candidates take some 9 kB
_VALUE_SETS_KEPT = 16  # a handful serve a whole service; callers must not grow memory
# Of the threshold. Of 379 proposals of a detector on development sets that retrieval was less sure of than that, the
# cross-encoder brought none to the threshold.
_HOPE = 0.5
_USUAL_DEPTH = 20  # candidates; a mention with more of them takes the place of several


@dataclass(frozen=True, slots=True)
class _Resolved:
    """Options as a bundle understands them. systems: prefixes as it spells them; members: rows of concepts."""

    options: Options
    systems: tuple[str, ...]
    members: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class _Retrieved:
    """Candidates as retrieved. truncated: the encoder saw only the beginning of the name."""

    candidates: list[Candidate]
    truncated: bool


_NOTHING = _Retrieved([], truncated=False)


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one batch went, in nanoseconds; detect_ns: finding mentions, where that was its work.

    cached: mentions that were neither encoded nor searched for.
    """

    encode_ns: int = 0
    search_ns: int = 0
    rerank_ns: int = 0
    decide_ns: int = 0
    cached: int = 0
    detect_ns: int = 0

    @property
    def stages(self) -> dict[str, int]:
        """The time of each stage that there was, in their order."""
        stages = {
            "detect": self.detect_ns,
            "encode": self.encode_ns,
            "search": self.search_ns,
            "rerank": self.rerank_ns,
            "decide": self.decide_ns,
        }
        return {stage: took for stage, took in stages.items() if took}

    def __add__(self, other: Timings) -> Timings:
        return Timings(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


NO_TIME = Timings()


class Linker:
    """Links mentions to the concepts of one bundle. Safe to share between threads.

    Candidates of the mentions met last are remembered. Nothing else changes, and no answer depends on it.

    >>> linker = Linker.open()  # doctest: +SKIP
    >>> linker.link(["heart attack"])[0].concept.concept_id  # doctest: +SKIP
    'SNOMEDCT:22298006'
    """

    def __init__(self, bundle: Bundle, *, cached: int = CACHED) -> None:
        """cached: mentions to remember, 0 for none."""
        self.bundle = bundle
        self._cache: Cache[tuple[str, int, ConceptFilter], _Retrieved] = Cache(cached * _USUAL_DEPTH)
        self._members = lru_cache(_VALUE_SETS_KEPT)(partial(known_members, terminology=bundle.terminology))

    @classmethod
    def open(
        cls, bundle: str | os.PathLike[str] = DEFAULT, *, workers: int | None = None, cached: int = CACHED
    ) -> Linker:
        """Verify and open a bundle, given as a directory or a name; the default is the starter.

        workers: threads that share a batch; None takes every core. cached: mentions to remember, 0 for none.
        Raises `BundleError` and its kinds, naming the file.
        """
        return cls(open_bundle(bundle_path(os.fspath(bundle)), workers=workers or os.cpu_count() or 1), cached=cached)

    def link(self, mentions: Iterable[Mention | str], options: Options = DEFAULTS) -> list[Link]:
        """One link for each mention, in order. A batch is the only call: one mention is a list of one.

        Raises `InvalidInput` naming the field; nothing else depends on what a mention says.
        """
        return self.link_timed(mentions, options)[0]

    def check(self, options: Options) -> None:
        """Raise `InvalidInput` where an option is out of its range, or names what the bundle does not have."""
        self._resolve(options)

    def link_timed(self, mentions: Iterable[Mention | str], options: Options) -> tuple[list[Link], Timings]:
        """As `link`, with the time each room took."""
        batch = [m if isinstance(m, Mention) else Mention(m) for m in mentions]
        for position, mention in enumerate(batch):
            mention.check(f"mentions[{position}]")
        return self.link_as_read(batch, in_full(batch), options)

    def link_as_read(
        self,
        batch: Sequence[Mention],
        readings: Sequence[Mention],
        options: Options,
        *,
        guessed: Sequence[bool] | None = None,
    ) -> tuple[list[Link], Timings]:
        """As `link_timed`, where the caller knows how each mention reads, as `linker.abbreviations.in_full` says it.

        For who has many mentions of one long note, and has looked for its abbreviations once. guessed: which may be no
        mentions at all, (n,). Of those that are no names and hopeless, the order of candidates tells nobody anything,
        and the cross-encoder is spared them (unless it is to read everything).
        """
        asked = self._resolve(options)
        names = [normalise(reading.text) for reading in readings]
        retrieved, timings = self._retrieve(names, options)
        started = perf_counter_ns()
        found = [retrieved[name].candidates for name in names]
        candidates = self._rerank(readings, found, options, guessed or [False] * len(batch))
        reranked = perf_counter_ns()
        links = [
            replace(
                self._decided(mention, candidates[row], asked),
                truncated=retrieved[names[row]].truncated,
                expansion="" if readings[row].text == mention.text else readings[row].text,
            )
            for row, mention in enumerate(batch)
        ]
        return links, replace(timings, rerank_ns=reranked - started, decide_ns=perf_counter_ns() - reranked)

    def _retrieve(self, names: Sequence[str], options: Options) -> tuple[dict[str, _Retrieved], Timings]:
        """What is retrieved for each distinct name, from memory where it is there."""
        depth = max(options.top_k, self.bundle.calibration.depth)
        keys = {name: (name, depth, options.filter) for name in names}
        known = self._cache.known(keys.values())
        missing = [name for name, key in keys.items() if name and key not in known]

        started = perf_counter_ns()
        embeddings, truncated = self.bundle.encoder.encode(missing)
        encoded = perf_counter_ns()
        found = self.bundle.retriever.retrieve(missing, embeddings, depth=depth, wanted=options.filter)
        searched = perf_counter_ns()

        new = {keys[name]: _Retrieved(*one) for name, *one in zip(missing, found, truncated.tolist(), strict=True)}
        self._cache.keep(new, size=max(depth, _USUAL_DEPTH))
        retrieved = {name: known.get(key) or new.get(key, _NOTHING) for name, key in keys.items()}
        cached = sum(keys[name] in known for name in names)
        return retrieved, Timings(encoded - started, searched - encoded, 0, 0, cached)

    def _rerank(
        self,
        mentions: Sequence[Mention],
        candidates: list[list[Candidate]],
        options: Options,
        guessed: Sequence[bool],
    ) -> list[list[Candidate]]:
        reranker = self.bundle.reranker
        if reranker is None or options.rerank is RerankMode.NEVER:
            return candidates
        policy, gate, least = reranker.policy, self.bundle.calibration.gate, self._hopeless(options)
        if options.rerank is RerankMode.ALWAYS:
            policy, gate, least = replace(policy, protect=False), 1.0, 0.0
        rows = [
            row
            for row, found in enumerate(candidates)
            if not policy.leaves(found)
            and (least if guessed[row] and not is_named(found) else 0.0) <= self._sure(found) <= gate
        ]
        scored = reranker.score([mentions[row] for row in rows], [candidates[row] for row in rows])
        reordered = {row: policy.order(found) for row, found in zip(rows, scored, strict=True)}
        return [reordered.get(row, found) for row, found in enumerate(candidates)]

    def _hopeless(self, options: Options) -> float:
        """What retrieval is less sure of than this comes to no concept, whatever the cross-encoder says."""
        if options.value_set is not None:
            return 0.0  # candidates may become one, and that likely enough
        least = self.bundle.calibration.threshold if options.min_confidence is None else options.min_confidence
        return _HOPE * least

    def _sure(self, candidates: Sequence[Candidate]) -> float:
        """Confidence of the first candidate as retrieved, in [0, 1]."""
        return float(confidences(candidates, self.bundle.calibration)[0])

    def _decided(self, mention: Mention, candidates: Sequence[Candidate], asked: _Resolved) -> Link:
        sure, options = confidences(candidates, self.bundle.calibration), asked.options
        if asked.members is not None:
            candidates, sure = generalised(candidates, sure, asked.members, self.bundle.terminology)
        reason = decide(sure, self.bundle.calibration, min_confidence=options.min_confidence)
        shown = zip(candidates[: options.top_k], sure.tolist(), strict=False)
        return Link(mention, tuple(self._shown(c, p, asked) for c, p in shown), reason)

    def _shown(self, candidate: Candidate, confidence: float, asked: _Resolved) -> Candidate:
        terminology, languages = self.bundle.terminology, asked.options.shown_in
        codes = terminology.codes(candidate.concept, asked.systems)
        name = terminology.name_in(languages, candidate.concept) if languages else candidate.preferred_name
        return replace(candidate, preferred_name=name, confidence=confidence, codes=codes)

    def _resolve(self, options: Options) -> _Resolved:
        options.check()
        self.bundle.terminology.check_filter(options.filter)
        members = None if options.value_set is None else self._members(options.value_set)
        return _Resolved(options, self.bundle.terminology.known_vocabularies(options.codes, field="codes"), members)

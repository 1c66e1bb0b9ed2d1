"""Reranking: a cross-encoder reads mention and candidate together and reorders what retrieval left uncertain.

This is the one place that says how a pair is written; training reads and writes the same text. What must survive comes
first on both sides, because a pair that is too long loses the end of its longer side: the mention before its context,
which has `@` in the mention's place; the matched name before the preferred name, the semantic types and other names.

The score is the log-odds of the candidate against "none of these". It is fused with retrieval's support, never put
in its place: published rerankers lose points on mentions that are verbatim names. A mention that is a name of exactly
one concept, verbatim or but for one letter, keeps its candidates' order. (So does one that retrieval alone is sure of:
`Calibration.gate`.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from linker.inference import Session, batches, load_tokenizer, read_number
from linker.records import Candidate, MatchSource, Mention
from linker.surface import normalise

CONTEXT = 128  # characters on each side of the mention that a cross-encoder may see
_PLACE = "@"  # one token in every vocabulary

NamesOf = Callable[[int], Sequence[str]]  # row of a concept -> its names


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which mentions a cross-encoder may reorder, and what its score weighs.

    weight: of the score beside the support; infinite: the score alone decides. protect: the only concept of the
    mention's name keeps its place.
    """

    weight: float
    protect: bool = True

    def leaves(self, candidates: Sequence[Candidate]) -> bool:
        """Are the candidates left in their order, however sure of it retrieval is?"""
        return not candidates or (self.protect and is_certain(candidates))

    def order(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates best first. Those without a score keep their place behind the others; ties go by id."""
        scored = sorted((c for c in candidates if c.rerank_score is not None), key=self._rank)
        return scored + [c for c in candidates if c.rerank_score is None]

    def _rank(self, candidate: Candidate) -> tuple[float, str]:
        score = candidate.rerank_score or 0.0
        fused = score if math.isinf(self.weight) else candidate.support + self.weight * score
        return -fused, candidate.concept_id


class Reranker(Protocol):
    """Anything that scores a mention against its candidates."""

    @property
    def policy(self) -> Policy:
        """What it was tuned for."""

    def score(self, mentions: Sequence[Mention], candidates: Sequence[list[Candidate]]) -> list[list[Candidate]]:
        """Each list in its order, with the `rerank_score` of its first candidates."""


def is_certain(candidates: Sequence[Candidate]) -> bool:
    """Is there nothing for a reranker to decide: no candidate, one, or one alone that has the mention for a name?"""
    named = sum(c.source is not MatchSource.DENSE for c in candidates)
    return len(candidates) < 2 or named == 1


def is_named(candidates: Sequence[Candidate]) -> bool:
    """Is the mention a name of any of them?"""
    return any(candidate.source is not MatchSource.DENSE for candidate in candidates)


class OnnxReranker:
    """A cross-encoder exported to ONNX.

    Its config: `max_length` (tokens of a pair), `depth` (candidates scored), `context` (characters on each side of the
    mention), `other_names` (of a concept, beside the matched and the preferred one), and the `weight` of its
    policy.
    """

    def __init__(self, directory: Path, *, names_of: NamesOf, workers: int = 1) -> None:
        """Load the cross-encoder; `workers` threads share it within one call. Raises `BundleCorrupt`."""
        self.policy = Policy(weight=read_number(directory, "weight"))
        self._depth, self._context, self._other_names = (
            int(read_number(directory, key)) for key in ("depth", "context", "other_names")
        )
        self._names_of = names_of
        self._tokenizer = load_tokenizer(directory)
        self._session = Session(directory / "model.onnx")
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rerank") if workers > 1 else None

    def score(self, mentions: Sequence[Mention], candidates: Sequence[list[Candidate]]) -> list[list[Candidate]]:
        """See `Reranker`. Only the first `depth` candidates are scored."""
        pairs = [
            (written, self._written(candidate))
            for mention, found in zip(mentions, candidates, strict=True)
            for written in [write_mention(mention, context=self._context)]
            for candidate in found[: self._depth]
        ]
        distinct = {pair: row for row, pair in enumerate(dict.fromkeys(pairs))}
        logits = self._logits(list(distinct)).tolist()
        scores = iter([logits[distinct[pair]] for pair in pairs])
        return [
            [replace(c, rerank_score=next(scores)) for c in found[: self._depth]] + found[self._depth :]
            for found in candidates
        ]

    def _written(self, candidate: Candidate) -> str:
        names = self._names_of(candidate.concept) if self._other_names else ()
        return write_candidate(candidate, names=names, other_names=self._other_names)

    def _logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """One logit a pair, (n,) float32."""
        encodings = encode_pairs(self._tokenizer, pairs)
        logits = np.empty(len(pairs), dtype=np.float32)

        def run(rows: list[int]) -> None:
            logits[rows] = self._session.run([encodings[row] for row in rows]).reshape(len(rows))

        work = list(batches(encodings))
        spread = map if self._pool is None or len(work) == 1 else self._pool.map
        for _ in spread(run, work):
            pass
        return logits


def encode_pairs(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
    """Token ids and types of each pair; `tokenizer` cuts the end of the longer side of what is too long."""
    encodings: list[Encoding] = tokenizer.encode_batch_fast(list(pairs))
    return encodings


def write_mention(mention: Mention, *, context: int = CONTEXT) -> str:
    """The mention, and after it at most `context` characters of whole words on each side, `@` in the mention's place.

    >>> write_mention(Mention("cold", "She had a cold in May.", 10, 14))
    'cold | She had a @ in May.'
    """
    if mention.begin is None or mention.end is None:
        around = _head(mention.context, 2 * context)
    else:
        # No more of a long note is taken than tells whether there is more.
        before = mention.context[max(0, mention.begin - context - 1) : mention.begin]
        after = mention.context[mention.end : mention.end + context + 1]
        around = f"{_tail(before, context)}{_PLACE}{_head(after, context)}"
    return f"{mention.text} | {around}" if around.strip(f"{_PLACE} ") else mention.text


def _head(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length + 1].rpartition(" ")[0]


def _tail(text: str, length: int) -> str:
    return text if len(text) <= length else text[-length - 1 :].partition(" ")[2]


def write_candidate(candidate: Candidate, *, names: Sequence[str] = (), other_names: int = 0) -> str:
    """The matched name, the preferred name where it differs, the semantic types, and up to `other_names` of `names`."""
    shown = {normalise(name): name for name in (candidate.preferred_name, candidate.matched_name)}
    own = [candidate.matched_name, *(name for name in shown.values() if name != candidate.matched_name)]
    others = [name for key, name in {normalise(name): name for name in names}.items() if key not in shown]
    types = f" ({', '.join(candidate.semantic_types)})" if candidate.semantic_types else ""
    return "; ".join(["; ".join(own) + types, *others[:other_names]])

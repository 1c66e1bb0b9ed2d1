"""Reranking: a cross-encoder reads mention and candidate together and reorders what retrieval left uncertain.

The mention is marked in its context (`[M] ... [/M]` as plain text, so that any tokenizer has it), the candidate is its
name and semantic types. The score is fused with retrieval's, never put in its place: published rerankers lose points on
mentions that are verbatim names. A mention that is verbatim a name of exactly one concept keeps its candidates' order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linker.inference import Session, batches, load_tokenizer, read_number
from linker.records import Candidate, MatchSource, Mention

CONTEXT = 128  # characters on each side of the mention that the cross-encoder may see


class Reranker(Protocol):
    """Anything that scores a mention against its candidates."""

    def rerank(self, mentions: Sequence[Mention], candidates: Sequence[list[Candidate]]) -> list[list[Candidate]]:
        """Each list reordered, best first: a permutation of what came in."""


def is_certain(candidates: Sequence[Candidate]) -> bool:
    """Is there nothing for a reranker to decide: no candidate, one, or a unique exact hit?"""
    exact = sum(c.source is MatchSource.EXACT for c in candidates)
    return len(candidates) < 2 or exact == 1


class OnnxReranker:
    """A cross-encoder exported to ONNX.

    Its config: `max_length` (tokens), `depth` (candidates scored), `weight` (of the score beside the similarity).
    """

    def __init__(self, directory: Path) -> None:
        """Load the cross-encoder. Raises `BundleCorrupt`."""
        self._depth = int(read_number(directory, "depth"))
        self._weight = read_number(directory, "weight")
        self._tokenizer = load_tokenizer(directory)
        self._session = Session(directory / "model.onnx")

    def rerank(self, mentions: Sequence[Mention], candidates: Sequence[list[Candidate]]) -> list[list[Candidate]]:
        """See `Reranker`. Only the first `depth` candidates are scored; the others keep their place behind them."""
        pairs = [
            (_marked(mention), _described(candidate))
            for mention, found in zip(mentions, candidates, strict=True)
            for candidate in found[: self._depth]
        ]
        scores = iter(self._scores(pairs).tolist())
        reranked = []
        for found in candidates:
            scored = [replace(c, rerank_score=next(scores)) for c in found[: self._depth]]
            scored.sort(key=self._rank)
            reranked.append(scored + found[self._depth :])
        return reranked

    def _rank(self, candidate: Candidate) -> tuple[float, str]:
        return -(candidate.similarity + self._weight * (candidate.rerank_score or 0.0)), candidate.concept_id

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Logits, (n,) float32."""
        encodings = self._tokenizer.encode_batch_fast(list(pairs))
        scores = np.empty(len(pairs), dtype=np.float32)
        for rows in batches(encodings):
            scores[rows] = self._session.run([encodings[row] for row in rows]).reshape(len(rows))
        return scores


def _marked(mention: Mention) -> str:
    if mention.begin is None or mention.end is None:
        return f"[M] {mention.text} [/M] {mention.context[: 2 * CONTEXT]}".strip()
    before = mention.context[max(0, mention.begin - CONTEXT) : mention.begin]
    after = mention.context[mention.end : mention.end + CONTEXT]
    return f"{before}[M] {mention.text} [/M]{after}"


def _described(candidate: Candidate) -> str:
    types = f" ({', '.join(candidate.semantic_types)})" if candidate.semantic_types else ""
    return candidate.matched_name + types

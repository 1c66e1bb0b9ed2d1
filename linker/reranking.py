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

from linker.encoding import TOKENS_PER_BATCH, load_tokenizer, read_config
from linker.inference import Session
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
    """A cross-encoder exported to ONNX: `model.onnx`, `tokenizer.json` and `config.json` in one directory.

    config: `max_length` (tokens), `depth` (candidates scored), `weight` (of the score beside the similarity).
    """

    def __init__(self, directory: Path) -> None:
        """Load the cross-encoder. Raises `BundleCorrupt`."""
        config = read_config(directory)
        self._depth = int(str(config["depth"]))
        self._weight = float(str(config["weight"]))
        self._session = Session(directory / "model.onnx")
        self._tokenizer = load_tokenizer(directory)
        self._tokenizer.enable_truncation(int(str(config["max_length"])))

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
        """Logits, (n,) float32. Pairs of one length share a batch, as in `linker.encoding`."""
        encodings = self._tokenizer.encode_batch(list(pairs))
        scores = np.empty(len(pairs), dtype=np.float32)
        for length in sorted({len(e) for e in encodings}):
            rows = [row for row, encoding in enumerate(encodings) if len(encoding) == length]
            size = max(1, TOKENS_PER_BATCH // length)
            for part in (rows[i : i + size] for i in range(0, len(rows), size)):
                ids = np.array([encodings[row].ids for row in part], dtype=np.int64)
                types = np.array([encodings[row].type_ids for row in part], dtype=np.int64)
                feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
                scores[part] = self._session.run(feeds).reshape(len(part))
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

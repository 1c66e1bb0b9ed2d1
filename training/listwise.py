"""A listwise loss with an outside option, and the logits of pairs that it and dev need.

The loss is a softmax over the candidates of a list and "none of these", whose logit is 0, so that a score is a log-odds
against none. A list with several right candidates asks for their joint probability (the listwise softmax of Cao et al.,
2007, with the outside option of McFadden, 1974).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.cross_encoder import CrossEncoder
from tokenizers import Tokenizer
from torch import Tensor, nn

from linker.reranking import encode_pairs
from training.fusion import Scored, scored
from training.lists import CandidateList

_TOKENS_PER_CHUNK = 1024  # what stays in the cache: 4,096 are an eighth slower


class PairLogits:
    """The logits of pairs, read as serving reads them: same text, same tokens, cut at the same place."""

    def __init__(self, model: CrossEncoder, *, max_length: int) -> None:
        self.model = model
        self._tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        """(n,) float32. Pairs of like length run together, padded to the longest of their chunk and no further."""
        encodings = encode_pairs(self._tokenizer, pairs)
        order = sorted(range(len(pairs)), key=lambda row: -len(encodings[row]))
        logits, start = [], 0
        while start < len(order):
            length = len(encodings[order[start]])
            rows = order[start : start + max(1, _TOKENS_PER_CHUNK // length)]
            logits.append(self._run([encodings[row] for row in rows], length))
            start += len(rows)
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order, dtype=torch.long)] = torch.arange(len(order))
        return torch.cat(logits)[back.to(self.model.device)]

    def _run(self, encodings: Sequence[Any], length: int) -> Tensor:
        ids, types, mask = np.zeros((3, len(encodings), length), dtype=np.int64)
        for row, encoding in enumerate(encodings):
            size = len(encoding)
            ids[row, :size], types[row, :size], mask[row, :size] = encoding.ids, encoding.type_ids, 1
        features = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
        on_device = {name: torch.from_numpy(values).to(self.model.device) for name, values in features.items()}
        output: Tensor = self.model(on_device)["scores"].reshape(-1).float()
        return output


class ListwiseLoss(nn.Module):  # type: ignore[misc]
    """Negative log-likelihood of what is right in each list, or of "none", whose logit is 0.

    prior: weight of a candidate's support, less the highest of its list, beside its score: with it, a score learns
    what to add to retrieval.
    """

    def __init__(self, logits: PairLogits, *, prior: float = 0.0) -> None:
        super().__init__()
        self.model = logits.model  # the trainer optimises the parameters of its loss
        self._logits, self._prior = logits, prior

    def forward(self, inputs: Sequence[Any], labels: Sequence[Tensor], **_: object) -> Tensor:
        """A scalar. inputs: n mentions, the candidates of each, their supports; labels: 1 where right, else 0."""
        mentions, candidates, supports = inputs
        pairs = [(mention, c) for mention, found in zip(mentions, candidates, strict=True) for c in found]
        scores = self._logits(pairs).split([len(found) for found in candidates])
        losses = []
        for given, near, label in zip(scores, supports, labels, strict=True):
            gaps = given.new_tensor(near) - max(near)
            losses.append(list_loss(given + self._prior * gaps, label.to(given.device).bool()))
        return torch.stack(losses).mean()


def list_loss(scores: Tensor, right: Tensor) -> Tensor:
    """-log p(what is right) of one list. scores: (k,) log-odds against none, k >= 1; right: (k,) bool."""
    none = scores.new_zeros(1)
    gold = scores[right].logsumexp(0) if right.any() else none[0]
    return torch.cat([scores, none]).logsumexp(0) - gold


def score_lists(logits: PairLogits, lists: Sequence[CandidateList]) -> Scored:
    """Dev lists with the scores of the model as it is now; what is certain is not scored."""
    pairs = [[(made.mention, c) for c in made.candidates] if not made.certain else [] for made in lists]
    distinct = {pair: row for row, pair in enumerate(dict.fromkeys(pair for given in pairs for pair in given))}
    training, values = logits.model.training, np.zeros(0)
    if distinct:
        logits.model.eval()
        with torch.inference_mode():
            values = logits(list(distinct)).cpu().numpy().astype(np.float64)
        logits.model.train(training)
    scores: list[NDArray[np.float64]] = [values[[distinct[pair] for pair in given]] for given in pairs]
    return scored(lists, scores)

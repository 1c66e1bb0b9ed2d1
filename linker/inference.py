"""Exported models: a directory of `model.onnx`, `tokenizer.json` and `config.json`. The one home of ONNX Runtime.

A session has one thread and runs on the thread that calls it; parallelism is several callers sharing the session and
its weights. Two threads inside a session lose to two callers, and the sums of one thread do not depend on timing.

Only texts of the same token length share a batch. There is then no padding at all, hence nothing whose amount could
change a sum, and none of the work that padding wastes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Tokenizer

from linker.errors import BundleCorrupt

FILES = ("config.json", "model.onnx", "tokenizer.json")
TOKENS_PER_BATCH = 512  # larger batches leave the cache: 2,048 tokens a run are 13 % slower a name


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI instructions products of unsigned and signed bytes may saturate; this keeps them exact there too.
    options.add_session_config_entry("session.x64quantprecision", "1")
    # Models are optimised when they are exported; doing it again at load only costs the opening of a bundle.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Batches differ in shape from call to call: an arena that grows with each of them never gives memory back.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options


class Tokens(Protocol):
    """A text as a model takes it: an encoding of the tokenizers library, or what stands for one."""

    def __len__(self) -> int:
        """How many tokens it has."""

    @property
    def ids(self) -> list[int]:
        """Its tokens."""

    @property
    def type_ids(self) -> list[int]:
        """The segment of each."""


class Session:
    """An ONNX model ready to run. Safe to call from several threads at once."""

    def __init__(self, path: Path) -> None:
        """Load the model at `path`; raises `BundleCorrupt` when ONNX Runtime cannot."""
        try:
            self._session = ort.InferenceSession(str(path), _options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no base below Exception
            raise BundleCorrupt(f"{path}: expected an ONNX model, ONNX Runtime says {type(error).__name__}") from error
        self.inputs = tuple(i.name for i in self._session.get_inputs())
        self._output = self._session.get_outputs()[0].name

    def run(self, encodings: Sequence[Tokens]) -> NDArray[np.float32]:
        """The model's first output for encodings of one length; inputs the model does not declare are left out."""
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        feeds: dict[str, NDArray[np.int64]] = {"input_ids": ids}
        if "attention_mask" in self.inputs:
            feeds["attention_mask"] = np.ones_like(ids)
        if "token_type_ids" in self.inputs:
            feeds["token_type_ids"] = np.array([encoding.type_ids for encoding in encodings], dtype=np.int64)
        return np.asarray(self._session.run([self._output], feeds)[0], dtype=np.float32)


def batches(encodings: Sequence[Tokens]) -> Iterator[list[int]]:
    """Rows that are run together: of one token length, at most `TOKENS_PER_BATCH` tokens or one row."""
    rows_by_length: defaultdict[int, list[int]] = defaultdict(list)
    for row, encoding in enumerate(encodings):
        rows_by_length[len(encoding)].append(row)
    # Longest first: the last batches to finish are then the short ones, and several workers end together.
    for length in sorted(rows_by_length, reverse=True):
        rows = rows_by_length[length]
        size = max(1, TOKENS_PER_BATCH // max(1, length))
        yield from (rows[start : start + size] for start in range(0, len(rows), size))


def read_config(directory: Path) -> Mapping[str, object]:
    """The `config.json` of a model directory. Raises `BundleCorrupt`."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{path}: expected a model's config.json ({type(error).__name__})") from error
    if not isinstance(config, dict):
        raise BundleCorrupt(f"{path}: expected a JSON object")
    return config


def read_number(directory: Path, key: str) -> float:
    """A number of the `config.json` of a model directory. Raises `BundleCorrupt`."""
    value = read_config(directory).get(key)
    if not isinstance(value, int | float):
        raise BundleCorrupt(f"{directory / 'config.json'}: {key}: expected a number, got {type(value).__name__}")
    return value


def load_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of a model directory, without padding, cutting at its `max_length`. Raises `BundleCorrupt`."""
    path = directory / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise BundleCorrupt(f"{path}: expected a tokenizer.json of the tokenizers library") from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(read_number(directory, "max_length")))
    return tokenizer

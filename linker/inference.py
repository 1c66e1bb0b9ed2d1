"""The one home of ONNX Runtime.

A session has one thread and runs on the thread that calls it; parallelism is several callers sharing the session and
its weights. Two threads inside a session lose to two callers, and the sums of one thread do not depend on timing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from linker.errors import BundleCorrupt


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

    def run(self, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """The model's first output; inputs the model does not declare are left out."""
        wanted = {name: feeds[name] for name in self.inputs}
        return np.asarray(self._session.run([self._output], wanted)[0], dtype=np.float32)

"""The torch side of an export: a model folder read, and traced to a fused fp32 ONNX graph."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from onnxruntime.transformers import optimizer
from tokenizers import Tokenizer
from transformers import AutoModel

_OPSET = 17  # the last whose ReduceMax takes its axes as attributes, as training.quantise writes them


class ExportError(Exception):
    """The base model cannot be exported, or its export is too far from it."""


@dataclass(frozen=True, slots=True)
class Base:
    """A model folder as read."""

    encoder: torch.nn.Module
    tokenizer: Tokenizer
    weights_sha256: str


class SentenceEncoder(torch.nn.Module):  # type: ignore[misc]
    """Token ids and mask, both (n, length), to unit rows (n, dimension): the mean of the last layer, normalised.

    Both sums are products of matrices, text by text: ONNX Runtime's reductions add in another order when n is 1,
    and a vector would then depend on whether its text came alone.
    """

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Embed a batch, (n, dimension) float32."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        # The mean's divisor is left out: it cancels in the normalisation.
        total = torch.matmul(attention_mask.unsqueeze(1).to(hidden.dtype), hidden)
        square = torch.matmul(total, total.transpose(1, 2))
        return (total / square.clamp(min=1e-24).sqrt()).squeeze(1)


def read_base(base: Path) -> Base:
    """Load a Hugging Face or sentence-transformers folder, from safetensors only. Raises ExportError."""
    weights = base / "model.safetensors"
    if not weights.is_file():
        raise ExportError(f"{base}: expected a model folder with model.safetensors; other weight formats can run code")
    pooling = base / "1_Pooling" / "config.json"
    if pooling.is_file() and not json.loads(pooling.read_bytes()).get("pooling_mode_mean_tokens", False):
        raise ExportError(f"{pooling}: expected mean pooling")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # Eager attention is the form that ONNX Runtime's optimizer recognises.
    encoder = AutoModel.from_pretrained(base, use_safetensors=True, local_files_only=True, attn_implementation="eager")
    return Base(encoder.eval(), tokenizer, hashlib.sha256(weights.read_bytes()).hexdigest())


def to_onnx(encoder: torch.nn.Module) -> onnx.ModelProto:
    """Trace the encoder with pooling and normalisation, and fuse it: `input_ids` in, `embedding` out, fp32."""
    shape = encoder.config
    fused = optimizer.optimize_model(
        _trace(encoder),
        "bert",
        num_heads=shape.num_attention_heads,
        hidden_size=shape.hidden_size,
        opt_level=0,
        use_gpu=False,
    )
    return _without_mask(fused.model)


def _trace(encoder: torch.nn.Module) -> onnx.ModelProto:
    buffer = io.BytesIO()
    batch = {0: "n", 1: "length"}
    example = torch.arange(1000, 1014).reshape(2, 7) % encoder.config.vocab_size
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter announces its successor, which fuses less well
        torch.onnx.export(
            SentenceEncoder(encoder).eval(),
            (example, torch.ones_like(example)),
            buffer,
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": batch, "attention_mask": batch, "embedding": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _without_mask(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with `attention_mask` all ones instead of an input: it is needed to fuse, not to serve."""
    graph = model.graph
    one = onnx.helper.make_tensor("one", onnx.TensorProto.INT64, [1], [1])
    nodes = [
        onnx.helper.make_node("Shape", ["input_ids"], ["mask_shape"]),
        onnx.helper.make_node("ConstantOfShape", ["mask_shape"], ["attention_mask"], value=one),
        *graph.node,
    ]
    inputs = [graph_input for graph_input in graph.input if graph_input.name != "attention_mask"]
    unmasked = onnx.helper.make_graph(nodes, graph.name, inputs, list(graph.output), list(graph.initializer))
    return onnx.helper.make_model(unmasked, opset_imports=list(model.opset_import), ir_version=model.ir_version)

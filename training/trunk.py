"""The transformer trunk of a BERT-family ONNX graph, read back as plain numpy weights.

ONNX Runtime's transformer optimizer fuses an exported BERT into four operators; this module walks that fused
graph and hands out its weights, so that `training.quantise` can write the same arithmetic with int8 products.
Every weight matrix is (inputs, outputs): a row vector is multiplied from the left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Floats = NDArray[np.float32]

_FUSED = ("EmbedLayerNormalization", "Attention", "BiasGelu", "SkipLayerNormalization")
_LAYER = ["Attention", "MatMul", "SkipLayerNormalization", "MatMul", "BiasGelu", "MatMul", "SkipLayerNormalization"]


class TrunkError(Exception):
    """The graph is not a fused BERT-family trunk."""


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation's affine part: `gain` and `shift`, both (dim,)."""

    gain: Floats
    shift: Floats


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer, post-norm as in BERT.

    `query_key_value` (dim, 3 * dim), `attention_out` (dim, dim), `up` (dim, inner), `down` (inner, dim), each with
    its bias; `attention_norm` and `output_norm` follow the two residual sums.
    """

    query_key_value: Floats
    query_key_value_bias: Floats
    attention_out: Floats
    attention_out_bias: Floats
    attention_norm: Norm
    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats
    output_norm: Norm


@dataclass(frozen=True, slots=True)
class Trunk:
    """Embeddings and layers, with the tensor names that tie them to the rest of the graph.

    `words` (vocabulary, dim), `positions` (longest, dim), `segments` (kinds, dim). `segment_ids` and `mask` name
    int32 tensors computed from the graph's inputs, or are None where the graph has one segment or no padding.
    """

    words: Floats
    positions: Floats
    segments: Floats
    norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float
    input_ids: str
    segment_ids: str | None
    mask: str | None
    output: str


def read_trunk(model: onnx.ModelProto) -> Trunk:
    """Read the trunk of `model`, a graph fused by ONNX Runtime's optimizer for BERT; TrunkError if it is not one."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    fused = [node for node in model.graph.node if node.op_type in _FUSED or _is_linear(node, weights)]
    kinds = [node.op_type for node in fused]
    count = kinds.count("Attention")
    end = 1 + len(_LAYER) * count
    if count == 0 or kinds[:end] != ["EmbedLayerNormalization", *_LAYER * count]:
        raise TrunkError(f"expected a BERT trunk: EmbedLayerNormalization and layers of {_LAYER}, got {kinds[:end]}")
    embedding, steps = fused[0], iter(fused[1:end])
    layers = tuple(_read_layer(steps, weights) for _ in range(count))
    made = _made_from(model, {graph_input.name for graph_input in model.graph.input})
    return Trunk(
        words=weights[embedding.input[2]],
        positions=weights[embedding.input[3]],
        segments=weights[embedding.input[4]],
        norm=Norm(weights[embedding.input[5]], weights[embedding.input[6]]),
        layers=layers,
        heads=int(_attribute(fused[1], "num_heads")),
        epsilon=_attribute(embedding, "epsilon"),
        input_ids=embedding.input[0],
        segment_ids=_if_given(embedding, 1, made, {"token_type_ids"}),
        mask=_if_given(embedding, 7, made, {"attention_mask"}),
        output=fused[end - 1].output[0],
    )


def _read_layer(steps: Iterator[onnx.NodeProto], weights: Mapping[str, Floats]) -> Layer:
    attention, attention_out, attention_norm, up, gelu, down, output_norm = (next(steps) for _ in range(7))
    return Layer(
        query_key_value=weights[attention.input[1]],
        query_key_value_bias=weights[attention.input[2]],
        attention_out=weights[attention_out.input[1]],
        attention_out_bias=weights[attention_norm.input[4]],
        attention_norm=Norm(weights[attention_norm.input[2]], weights[attention_norm.input[3]]),
        up=weights[up.input[1]],
        up_bias=weights[gelu.input[1]],
        down=weights[down.input[1]],
        down_bias=weights[output_norm.input[4]],
        output_norm=Norm(weights[output_norm.input[2]], weights[output_norm.input[3]]),
    )


def _is_linear(node: onnx.NodeProto, weights: Mapping[str, Floats]) -> bool:
    return node.op_type == "MatMul" and node.input[1] in weights


def _attribute(node: onnx.NodeProto, name: str) -> float:
    found = [helper.get_attribute_value(each) for each in node.attribute if each.name == name]
    if not found:
        raise TrunkError(f"expected {node.op_type} to carry {name!r}")
    return float(found[0])


def _made_from(model: onnx.ModelProto, sources: set[str]) -> dict[str, set[str]]:
    """For every tensor, the graph inputs whose VALUES it depends on (a Shape looks at none)."""
    made = {name: {name} for name in sources}
    for node in model.graph.node:
        seen = set() if node.op_type == "Shape" else set().union(*(made.get(name, set()) for name in node.input))
        made.update((name, seen) for name in node.output)
    return made


def _if_given(node: onnx.NodeProto, index: int, made: Mapping[str, set[str]], wanted: set[str]) -> str | None:
    """The node's input at `index`, if it is computed from one of the `wanted` graph inputs."""
    name = node.input[index] if index < len(node.input) else ""
    return name if made.get(name, set()) & wanted else None

"""Int8 for a BERT-family ONNX graph, with one activation scale a token, so that a row never depends on its batch.

Dynamic int8 usually takes one activation scale a tensor, which makes an embedding depend on its batch neighbours.
Here each token row has its own scale and each output channel of a weight its own (token-wise and channel-wise
scales: ZeroQuant, Yao et al. 2022, arXiv:2206.01861; vector-wise: LLM.int8(), Dettmers et al. 2022,
arXiv:2208.07339). The products are exact integer sums, so they are the same bits in any batch. Outlier channels are
evened out between activations and weights before rounding (SmoothQuant, Xiao et al. 2022, arXiv:2211.10438).
What costs time besides the products is passes over memory, so the float32 part is arranged to need few:
- Query, key and value are one product. The key's bias cancels in the softmax and the value's moves behind it.
- Layer normalisation's affine part moves into the weights that read it. The normalisation itself is written as
  InstanceNormalization over token rows, which ONNX Runtime vectorises (ten times its LayerNormalization here).
- After GELU, which is never below -0.17, the zero point is low: nearly the full range is left for positive values.
Words are an int8 table with one scale for each 64 columns of a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from training.trunk import Floats, Layer, Norm, Trunk, read_trunk

MICROSOFT = "com.microsoft"
SMOOTHING = 0.7  # SmoothQuant's migration strength: the share of an outlier that the weights take over
_ZERO = 128  # uint8 zero point of a symmetric activation
_GELU_ZERO = 24  # uint8 zero point after GELU; 24 of 255 steps are below zero
_GELU_LOWEST = 0.17  # GELU's minimum is -0.16997
_WORD_BLOCK = 64  # columns of a word embedding that share a scale
_TINY = 1e-8

Peaks = Mapping[str, Floats]  # product name -> largest |activation| of each input channel, (inputs,)


class Linear(Protocol):
    """Writes `tensor` (tokens, inputs) times `weight` (inputs, outputs) under `name`; returns the product's name."""

    def __call__(self, graph: Graph, tensor: str, weight: Floats, name: str, *, after_gelu: bool) -> str:
        """Add the nodes to `graph`; `after_gelu` says that no activation is far below zero."""


@dataclass(slots=True)
class Graph:
    """Nodes and constants being written."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: ArrayLike, kind: type[np.generic] = np.float32) -> str:
        """Add a constant once; a second constant of the same name is taken to be the same."""
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, dtype=kind), name)
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: object) -> str:
        """Add a node with one output and return that output's name."""
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output


def quantise(model: onnx.ModelProto, peaks: Peaks, *, max_length: int) -> onnx.ModelProto:
    """Rewrite the trunk of `model` in int8 and keep its inputs, its head and its outputs.

    `model` is fp32, fused by ONNX Runtime's optimizer; `peaks` are the largest values that the outputs of `tapped`
    reach on calibration names. A sequence longer than `max_length` tokens is refused by the graph. Raises TrunkError
    for a graph that is not of the BERT family.
    """
    trunk = read_trunk(model)
    graph = Graph()
    _TrunkWriter(graph, trunk, write_int8, peaks).write(max_length)
    return _replace(model, graph, trunk, list(model.graph.output))


def tapped(model: onnx.ModelProto, *, max_length: int) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The same rewrite in fp32 whose only outputs are the inputs of its products: (graph, product names).

    Output i is (tokens, inputs) float32 and belongs to product i.
    """
    trunk = read_trunk(model)
    graph = Graph()
    taps: dict[str, onnx.ValueInfoProto] = {}

    def write_float(graph: Graph, tensor: str, weight: Floats, name: str, *, after_gelu: bool) -> str:  # noqa: ARG001
        tap = graph.add("Identity", [tensor], f"{name}/tap")
        taps[name] = helper.make_tensor_value_info(tap, TensorProto.FLOAT, ["tokens", weight.shape[0]])
        return graph.add("MatMul", [tensor, graph.constant(f"{name}/weight", weight)], name)

    _TrunkWriter(graph, trunk, write_float, {}).write(max_length)
    return _replace(model, graph, trunk, list(taps.values())), tuple(taps)


def int8_columns(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Symmetric int8 with one scale a column: (inputs, outputs) -> the same shape, and scales (outputs,)."""
    scale = np.maximum(np.abs(weight).max(axis=0), _TINY) / 127
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


def smoothing(peak: Floats, weight: Floats, strength: float = SMOOTHING) -> Floats:
    """Factors (inputs,) that the activation is multiplied and the weight's rows divided by, geometric mean 1.

    SmoothQuant, equation 4: the factor is max|weight|^(1-strength) / max|activation|^strength, channel by channel.
    """
    reach = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    factor = reach ** (1 - strength) / np.maximum(peak, 1e-5) ** strength
    return np.asarray(factor / np.exp(np.log(factor).mean()), dtype=np.float32)


def write_int8(graph: Graph, tensor: str, weight: Floats, name: str, *, after_gelu: bool) -> str:
    """Scale each token row to uint8, multiply by the int8 weight, scale the sums back."""
    zero = _GELU_ZERO if after_gelu else _ZERO
    scale = _token_scale(graph, tensor, name, after_gelu=after_gelu)
    # MatMulIntegerToFloat wants a scalar zero point, QuantizeLinear along an axis wants one for each row.
    scalar_zero = graph.constant(f"zero_{zero}", zero, np.uint8)
    rows = graph.add("QuantizeLinear", [tensor, scale, f"zeros_{zero}"], f"{name}/uint8", axis=0)
    packed, column_scale = int8_columns(weight)
    factors = [
        graph.constant("one", 1.0),
        graph.constant(f"{name}/column_scale", column_scale),
    ]
    weights = graph.constant(f"{name}/weight", packed, np.int8)
    sums = graph.add("MatMulIntegerToFloat", [rows, weights, *factors, scalar_zero], f"{name}/sums", domain=MICROSOFT)
    column = graph.add("Unsqueeze", [scale, graph.constant("axis_1", [1], np.int64)], f"{name}/scale_column")
    return graph.add("Mul", [sums, column], name)


def _token_scale(graph: Graph, tensor: str, name: str, *, after_gelu: bool) -> str:
    """One scale for each row of `tensor` (tokens, inputs): the width of a uint8 step, (tokens,)."""
    if after_gelu:
        steps = 255 - _GELU_ZERO
        largest, least = tensor, graph.constant("least_gelu", [_GELU_LOWEST * steps / _GELU_ZERO])
    else:
        steps = 127
        largest, least = graph.add("Abs", [tensor], f"{name}/abs"), graph.constant("least", [_TINY])
    peak = graph.add("ReduceMax", [largest], f"{name}/peak", axes=[1], keepdims=0)
    floored = graph.add("Max", [peak, least], f"{name}/floored")
    return graph.add("Mul", [floored, graph.constant(f"step_{steps}", [1 / steps])], f"{name}/scale")


@dataclass(frozen=True, slots=True)
class _TrunkWriter:
    """Writes a trunk into `graph`. Token rows are kept as one matrix (tokens, dim), tokens = n * length."""

    graph: Graph
    trunk: Trunk
    linear: Linear
    peaks: Peaks

    def write(self, max_length: int) -> None:
        self._write_shapes()
        rows, norm = self._normalise(self._write_embeddings(max_length), "embeddings"), self.trunk.norm
        for index, layer in enumerate(self.trunk.layers):
            rows, norm = self._write_layer(rows, norm, layer, f"layer{index}")
        scaled = self._affine(rows, norm.gain, norm.shift, "last")
        self.graph.add("Reshape", [scaled, "batched_shape"], self.trunk.output)

    def _write_shapes(self) -> None:
        """Tensors that only the shape of the input decides, each made once for the whole graph."""
        graph = self.graph
        minus_one = graph.constant("minus_one", [-1], np.int64)
        graph.add("Shape", [self.trunk.input_ids], "ids_shape")
        graph.add("Concat", ["ids_shape", minus_one], "batched_shape", axis=0)
        flat = graph.add("Reshape", [self.trunk.input_ids, minus_one], "flat_ids")
        tokens = graph.add("Shape", [flat], "tokens")
        for zero in (_ZERO, _GELU_ZERO):
            value = helper.make_tensor("value", TensorProto.UINT8, [1], [zero])
            graph.add("ConstantOfShape", [tokens], f"zeros_{zero}", value=value)
        for name, number in (("unit_gain", 1.0), ("no_shift", 0.0)):
            value = helper.make_tensor("value", TensorProto.FLOAT, [1], [number])
            graph.add("ConstantOfShape", [tokens], name, value=value)
        graph.constant("rows_shape", [-1, self.trunk.words.shape[1]], np.int64)
        graph.constant("instances_shape", [1, -1, self.trunk.words.shape[1]], np.int64)

    def _write_embeddings(self, max_length: int) -> str:
        """Word + position + segment, before their normalisation: (n, length, dim)."""
        graph, trunk = self.graph, self.trunk
        positions = trunk.positions[:max_length]
        if trunk.segment_ids is None:
            positions = positions + trunk.segments[0]
        bounds = [graph.constant("one_index", [1], np.int64), graph.constant("two_index", [2], np.int64)]
        length = graph.add("Slice", ["ids_shape", *bounds], "length")
        first = graph.constant("first", [0], np.int64)
        places = graph.add("Slice", [graph.constant("positions", positions), first, length, first], "places")
        total = graph.add("Add", [self._write_words(), places], "placed_words")
        if trunk.segment_ids is not None:
            table = graph.constant("segments", trunk.segments)
            segments = graph.add("Gather", [table, trunk.segment_ids], "segment_rows")
            total = graph.add("Add", [total, segments], "placed_segments")
        return total

    def _write_words(self) -> str:
        """Look words up in the int8 table and scale them back: (n, length, dim)."""
        graph, words = self.graph, self.trunk.words
        vocabulary, dim = words.shape
        width = _WORD_BLOCK if dim % _WORD_BLOCK == 0 else dim
        columns = words.reshape(-1, width).T
        packed, scale = int8_columns(columns)
        blocks = (vocabulary, dim // width, width)
        table = graph.constant("words", packed.T.reshape(blocks), np.int8)
        scales = graph.constant("word_scales", scale.reshape(vocabulary, dim // width, 1))
        rows = graph.add("Gather", [table, self.trunk.input_ids], "word_int8")
        steps = graph.add("Gather", [scales, self.trunk.input_ids], "word_steps")
        numbers = graph.add("Cast", [rows], "word_float", to=TensorProto.FLOAT)
        scaled = graph.add("Mul", [numbers, steps], "word_blocks")
        shape = graph.constant("words_shape", [0, 0, dim], np.int64)
        return graph.add("Reshape", [scaled, shape], "word_rows")

    def _write_layer(self, rows: str, norm: Norm, layer: Layer, name: str) -> tuple[str, Norm]:
        """One layer from normalised rows and the affine part they still lack, to the same of the next layer."""
        attended, bias = self._write_attention(rows, norm, layer, f"{name}/attention")
        kept = self._affine(rows, norm.gain, norm.shift + bias, f"{name}/attention/residual")
        total = self.graph.add("Add", [attended, kept], f"{name}/attention/total")
        rows, norm = self._normalise(total, f"{name}/attention"), layer.attention_norm
        changed = self._write_feed_forward(rows, norm, layer, f"{name}/feed_forward")
        kept = self._affine(rows, norm.gain, norm.shift + layer.down_bias, f"{name}/feed_forward/residual")
        total = self.graph.add("Add", [changed, kept], f"{name}/feed_forward/total")
        return self._normalise(total, f"{name}/feed_forward"), layer.output_norm

    def _write_attention(self, rows: str, norm: Norm, layer: Layer, name: str) -> tuple[str, Floats]:
        """Self-attention and its output product, without the output bias, which is returned beside it."""
        graph, dim = self.graph, self.trunk.words.shape[1]
        bias = layer.query_key_value_bias + norm.shift @ layer.query_key_value
        weight = norm.gain[:, None] * layer.query_key_value
        # Softmax weights sum to one, so a constant added to every value comes out of the attention unchanged...
        bias_out: Floats = layer.attention_out_bias + np.dot(bias[2 * dim :], layer.attention_out)
        # ...and a factor on a value channel comes out as that factor: smoothing the attention's output is free.
        factor = self._factor(f"{name}/out", layer.attention_out)
        weight = np.concatenate([weight[:, : 2 * dim], weight[:, 2 * dim :] * factor], axis=1)
        product = self._product(rows, weight, f"{name}/query_key_value")
        batched = graph.add("Reshape", [product, "batched_shape"], f"{name}/batched")
        parts = [f"{name}/query_unbiased", f"{name}/key", f"{name}/value"]
        thirds = graph.constant("thirds", [dim] * 3, np.int64)
        graph.nodes.append(helper.make_node("Split", [batched, thirds], parts, axis=2))
        # A bias on the keys adds the same to all scores of a query, which softmax ignores.
        query = graph.add("Add", [parts[0], graph.constant(f"{name}/query_bias", bias[:dim])], f"{name}/query")
        mask = [] if self.trunk.mask is None else ["", self.trunk.mask]
        inputs = [query, *parts[1:], *mask]
        heads = self.trunk.heads
        mixed = graph.add("MultiHeadAttention", inputs, f"{name}/mixed", domain=MICROSOFT, num_heads=heads)
        flat = graph.add("Reshape", [mixed, "rows_shape"], f"{name}/mixed_rows")
        out = self.linear(graph, flat, layer.attention_out / factor[:, None], f"{name}/out", after_gelu=False)
        return out, bias_out

    def _write_feed_forward(self, rows: str, norm: Norm, layer: Layer, name: str) -> str:
        """Up, GELU, down, without the last bias."""
        graph = self.graph
        up = self._product(rows, norm.gain[:, None] * layer.up, f"{name}/up")
        bias = graph.constant(f"{name}/up_bias", layer.up_bias + norm.shift @ layer.up)
        inner = graph.add("Gelu", [graph.add("Add", [up, bias], f"{name}/biased")], f"{name}/inner", domain=MICROSOFT)
        return self.linear(graph, inner, layer.down, f"{name}/down", after_gelu=True)

    def _product(self, rows: str, weight: Floats, name: str) -> str:
        """Normalised rows times a weight that already holds the norm's gain, smoothed where peaks are known."""
        if name not in self.peaks:
            return self.linear(self.graph, rows, weight, name, after_gelu=False)
        factor = self._factor(name, weight)
        smooth = self.graph.add("Mul", [rows, self.graph.constant(f"{name}/smoothing", factor)], f"{name}/smooth")
        return self.linear(self.graph, smooth, weight / factor[:, None], name, after_gelu=False)

    def _factor(self, name: str, weight: Floats) -> Floats:
        peak = self.peaks.get(name)
        return np.ones(weight.shape[0], np.float32) if peak is None else smoothing(peak, weight)

    def _normalise(self, tensor: str, name: str) -> str:
        """Zero mean and unit variance for each token row, without gain and shift: (tokens, dim)."""
        graph = self.graph
        instances = graph.add("Reshape", [tensor, "instances_shape"], f"{name}/instances")
        inputs = [instances, "unit_gain", "no_shift"]
        normal = graph.add("InstanceNormalization", inputs, f"{name}/normal", epsilon=self.trunk.epsilon)
        return graph.add("Reshape", [normal, "rows_shape"], f"{name}/normal_rows")

    def _affine(self, rows: str, gain: Floats, shift: Floats, name: str) -> str:
        scaled = self.graph.add("Mul", [rows, self.graph.constant(f"{name}/gain", gain)], f"{name}/scaled")
        return self.graph.add("Add", [scaled, self.graph.constant(f"{name}/shift", shift)], name)


def _replace(
    model: onnx.ModelProto, written: Graph, trunk: Trunk, outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """`model` with its trunk's nodes replaced by `written`; what no output needs is left out."""
    nodes = list(model.graph.node)
    first = next(i for i, node in enumerate(nodes) if node.op_type == "EmbedLayerNormalization")
    last = next(i for i, node in enumerate(nodes) if trunk.output in node.output)
    # What stands between the two of the old trunk is needed by nothing now, or computes a mask and must stay.
    joined = [*nodes[:first], *written.nodes, *nodes[first + 1 : last], *nodes[last + 1 :]]
    nodes = _needed(joined, {output.name for output in outputs})
    used = {name for node in nodes for name in node.input}
    constants = [*model.graph.initializer, *written.constants.values()]
    graph = helper.make_graph(
        nodes,
        "encoder",
        list(model.graph.input),
        outputs,
        [constant for constant in constants if constant.name in used],
    )
    return helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def _needed(nodes: Sequence[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes, in order, that `wanted` tensors are computed from."""
    needed, chosen = set(wanted), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            chosen.append(node)
            needed.update(node.input)
    return chosen[::-1]

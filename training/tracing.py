"""The torch side of an export: a model folder read, and traced to a fused fp32 ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import onnx
import torch
import transformers
from onnxruntime.transformers import optimizer
from tokenizers import Tokenizer

from training.checkpoint import (
    CONFIG,
    WEIGHTS,
    CheckpointError,
    Kind,
    Pooling,
    check_folder,
    longest_of,
    pooling_of,
    read_object,
    read_tokenizer,
    sha256,
)

_OPSET = 17  # the last whose ReduceMax takes its axes as attributes, as training.quantise writes them
_ENCODERS = ("bert", "camembert", "roberta", "xlm-roberta")
_RERANKERS = ("bert",)


class Graph(Protocol):
    """A torch module to trace: the ids named by `inputs`, each (n, length) int64, and a mask; one output."""

    inputs: ClassVar[tuple[str, ...]]
    output: ClassVar[str]
    output_axes: ClassVar[dict[int, str]]

    def __call__(self, *ids_and_mask: torch.Tensor) -> torch.Tensor:
        """Run a batch, (n, width) float32, or (n, length, width)."""


class SentenceEncoder(torch.nn.Module):  # type: ignore[misc]
    """Token ids and mask, both (n, length), to unit rows (n, dimension): the last layer pooled and normalised.

    All sums are products of matrices, text by text: ONNX Runtime's reductions add in another order when n is 1,
    and a vector would then depend on whether its text came alone.
    """

    inputs: ClassVar[tuple[str, ...]] = ("input_ids",)
    output: ClassVar[str] = "embedding"
    output_axes: ClassVar[dict[int, str]] = {0: "n"}

    def __init__(self, encoder: torch.nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Embed a batch, (n, dimension) float32."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if self.pooling is Pooling.CLS:
            pooled = hidden[:, :1]
        else:  # the mean's divisor is left out: it cancels in the normalisation
            pooled = torch.matmul(attention_mask.unsqueeze(1).to(hidden.dtype), hidden)
        square = torch.matmul(pooled, pooled.transpose(1, 2))
        return (pooled / square.clamp(min=1e-24).sqrt()).squeeze(1)


class PairScorer(torch.nn.Module):  # type: ignore[misc]
    """Token ids, segment ids and mask, each (n, length), to logits (n, 1): BERT's pooler and classifier.

    The weights stand left of the first tokens' rows (n, dimension, 1): n products of one shape, whose sums do not
    depend on n.
    """

    inputs: ClassVar[tuple[str, ...]] = ("input_ids", "token_type_ids")
    output: ClassVar[str] = "score"
    output_axes: ClassVar[dict[int, str]] = {0: "n"}

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = model.bert
        self.pooler = model.bert.pooler.dense
        self.classifier = model.classifier

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """Score a batch of pairs, (n, 1) float32."""
        ids = {"input_ids": input_ids, "token_type_ids": token_type_ids, "attention_mask": attention_mask}
        first = self.encoder(**ids).last_hidden_state[:, 0].unsqueeze(2)
        pooled = torch.tanh(torch.matmul(self.pooler.weight, first) + self.pooler.bias.unsqueeze(1))
        return (torch.matmul(self.classifier.weight, pooled) + self.classifier.bias.unsqueeze(1)).squeeze(2)


class TokenTagger(torch.nn.Module):  # type: ignore[misc]
    """Token ids and mask, both (n, length), to the logits of each token, (n, length, labels)."""

    inputs: ClassVar[tuple[str, ...]] = ("input_ids",)
    output: ClassVar[str] = "logits"
    output_axes: ClassVar[dict[int, str]] = {0: "n", 1: "length"}

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = model.base_model
        self.classifier = model.classifier

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Tag a batch, (n, length, labels) float32."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        logits: torch.Tensor = self.classifier(hidden)
        return logits


@dataclass(frozen=True, slots=True)
class Base:
    """A model folder as read. `shape` is the transformers configuration; `pooling` is None where there is a head."""

    folder: Path
    kind: Kind
    pooling: Pooling | None
    graph: Graph
    shape: Any
    tokenizer: Tokenizer
    weights_sha256: str

    @property
    def longest(self) -> int:
        """The most tokens a text may have."""
        return longest_of(self.shape)


def read_encoder(folder: Path, *, pooling: Pooling | None = None) -> Base:
    """Load a sentence encoder, from safetensors only; `pooling` is for a folder that states none.

    Raises CheckpointError: see `check_folder`; another architecture; no pooling, or another than `pooling`.
    """
    check_folder(folder)
    stated = pooling_of(folder)
    if stated and pooling and stated is not pooling:
        raise CheckpointError(f"{folder}: the model states {stated} pooling, and {pooling} was asked for")
    chosen = stated or pooling
    if chosen is None:
        raise CheckpointError(
            f"{folder}: states no pooling (1_Pooling/{CONFIG}); say which: --pooling cls (SapBERT) or --pooling mean"
        )
    model = _load(folder, transformers.AutoModel, _ENCODERS, may_lack="pooler.")
    return _base(folder, Kind.ENCODER, chosen, SentenceEncoder(model, chosen), model.config)


def read_reranker(folder: Path) -> Base:
    """Load a cross-encoder with one logit, from safetensors only.

    Raises CheckpointError: see `check_folder`; another architecture, several logits, or a tokenizer without pairs.
    """
    check_folder(folder)
    model = _load(folder, transformers.AutoModelForSequenceClassification, _RERANKERS)
    if model.config.num_labels != 1:
        raise CheckpointError(f"{folder}: expected a cross-encoder with one logit, got {model.config.num_labels}")
    base = _base(folder, Kind.RERANKER, None, PairScorer(model), model.config)
    if set(base.tokenizer.encode("a", "b").type_ids) != {0, 1}:
        raise CheckpointError(f"{folder}: the tokenizer does not tell the two texts of a pair apart (post_processor)")
    return base


def read_detector(folder: Path) -> Base:
    """Load a token classifier, from safetensors only.

    Raises CheckpointError: see `check_folder`; another architecture.
    """
    check_folder(folder)
    model = _load(folder, transformers.AutoModelForTokenClassification, _ENCODERS)
    return _base(folder, Kind.DETECTOR, None, TokenTagger(model), model.config)


def _base(folder: Path, kind: Kind, pooling: Pooling | None, graph: Any, shape: Any) -> Base:
    tokenizer = read_tokenizer(folder)
    if (tokens := tokenizer.get_vocab_size()) > shape.vocab_size:
        raise CheckpointError(f"{folder}: the tokenizer has {tokens} tokens, and the model only {shape.vocab_size}")
    return Base(folder, kind, pooling, graph.eval(), shape, tokenizer, sha256(folder / WEIGHTS))


def _load(folder: Path, loader: Any, families: Sequence[str], *, may_lack: str | None = None) -> Any:
    """The model of `folder`; weights named `may_lack`... may be missing, which transformers would fill at random."""
    family = read_object(folder / CONFIG).get("model_type")
    if family not in families:
        raise CheckpointError(f"{folder / CONFIG}: model_type: expected {' or '.join(families)}, got {family!r}")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # what its report of missing weights says, our errors say
    try:
        # Eager attention is the form that ONNX Runtime's optimizer recognises.
        model, loaded = loader.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # transformers and safetensors raise many kinds
        raise CheckpointError(f"{folder}: transformers cannot load it: {type(error).__name__}: {error}") from error
    missing = sorted(key for key in loaded["missing_keys"] if may_lack is None or not key.startswith(may_lack))
    if missing:
        raise CheckpointError(
            f"{folder / WEIGHTS}: is of another architecture than {CONFIG} says: {len(missing)} weights are missing, "
            f"the first is {missing[0]}"
        )
    return model


def to_onnx(base: Base) -> onnx.ModelProto:
    """Trace the model with its head and fuse it, fp32: `base.graph.inputs` in, `base.graph.output` out."""
    fused = optimizer.optimize_model(
        _trace(base),
        "bert",
        num_heads=base.shape.num_attention_heads,
        hidden_size=base.shape.hidden_size,
        opt_level=0,
        use_gpu=False,
    )
    return _without_mask(fused.model)


def _trace(base: Base) -> onnx.ModelProto:
    graph = base.graph
    buffer = io.BytesIO()
    ids = torch.arange(1000, 1014).reshape(2, 7) % base.shape.vocab_size
    segments = (torch.arange(7) > 3).long().expand(2, 7)
    examples = {"input_ids": ids, "token_type_ids": segments}
    batch = {0: "n", 1: "length"}
    inputs = [*graph.inputs, "attention_mask"]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter announces its successor, which fuses less well
        torch.onnx.export(
            graph,
            (*(examples[name] for name in graph.inputs), torch.ones_like(ids)),
            buffer,
            input_names=inputs,
            output_names=[graph.output],
            dynamic_axes=dict.fromkeys(inputs, batch) | {graph.output: graph.output_axes},
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

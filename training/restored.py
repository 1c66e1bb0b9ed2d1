"""Weights of torch from an exported encoder, so that training can go on from one that is shipped, or served.

`training.quantise` moved gains, shifts and smoothing factors between the products of a trunk; this moves them back, to
a BERT that computes the same. Three biases cannot be told apart from the shifts beside them and are put there. What
int8 rounded stays rounded.

    python -m training.restored ontologies/starter/encoder --out base
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from linker.console import stderr
from linker.errors import InvalidInput, LinkerError
from linker.publishing import publish
from training.checkpoint import CONFIG, EXPORTED, CheckpointError, Pooling, is_exported, read_object, read_tokenizer
from training.trunk import Floats

_FORMAT = "medlinker-encoder/1"
_SPECIAL = ("pad", "unk", "cls", "sep", "mask")

Weights = dict[str, torch.Tensor]


def restore(exported: Path, out: Path) -> None:
    """Write the encoder of the folder `exported` to the folder `out` as a model of sentence-transformers.

    Raises CheckpointError: it is no encoder that `linker export --precision int8` wrote.
    """
    config = read_object(exported / CONFIG) if is_exported(exported) else {}
    if config.get("format") != _FORMAT or config.get("precision") != "int8":
        raise CheckpointError(
            f"{exported}: expected an encoder that `linker export` wrote in int8, {_FORMAT}, got "
            f"{config.get('format', 'none')}, {config.get('precision', 'no precision')}. Start from the run that it "
            "was made from"
        )
    trunk = _Written(exported / EXPORTED)
    tokenizer = read_tokenizer(exported)
    with torch.no_grad():
        model = BertModel(trunk.config(), add_pooling_layer=False)
        model.load_state_dict(trunk.weights())
    out.mkdir(parents=True, exist_ok=True)
    longest, dimension = int(config["max_length"]), int(config["dimension"])
    _wrapped(tokenizer, longest).save_pretrained(out)
    model.save_pretrained(out)
    _write_modules(out, Pooling(config["pooling"]), longest, dimension)


def _write_modules(out: Path, pooling: Pooling, longest: int, dimension: int) -> None:
    """What sentence-transformers adds to a plain transformer, in its format up to 5, which later ones read."""
    modes = {f"pooling_mode_{name}": pooling in name for name in ("cls_token", "mean_tokens")}
    files: dict[str, object] = {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        ],
        "sentence_bert_config.json": {"max_seq_length": longest, "do_lower_case": False},
        f"1_Pooling/{CONFIG}": {"word_embedding_dimension": dimension, **modes},
    }
    (out / "1_Pooling").mkdir()
    for name, value in files.items():
        (out / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _wrapped(tokenizer: Tokenizer, longest: int) -> PreTrainedTokenizerFast:
    special = {f"{name}_token": f"[{name.upper()}]" for name in _SPECIAL}
    known = {name: token for name, token in special.items() if tokenizer.token_to_id(token) is not None}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **known)


class _Written:
    """The constants of a graph that `training.quantise` wrote, read as the weights of a BERT."""

    def __init__(self, path: Path) -> None:
        try:
            model = onnx.load(str(path))
        except Exception as error:  # protobuf's DecodeError, OSError
            raise CheckpointError(f"{path}: expected an ONNX model ({type(error).__name__}: {error})") from error
        self._path = path
        self._nodes = {node.op_type: node for node in model.graph.node}
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._layers = sum(name.endswith("/attention/query_bias") for name in self._constants)
        if "words" not in self._constants or not self._layers:
            raise CheckpointError(f"{path}: expected a trunk as `linker export` writes it in int8, and found another")

    def config(self) -> BertConfig:
        """The shape of it."""
        words, positions = self._words(), self._constants["positions"]
        return BertConfig(
            vocab_size=len(words),
            hidden_size=words.shape[1],
            num_hidden_layers=self._layers,
            num_attention_heads=int(self._attribute("MultiHeadAttention", "num_heads")),
            intermediate_size=self._floats("layer0/feed_forward/up_bias").shape[0],
            max_position_embeddings=len(positions),
            layer_norm_eps=float(self._attribute("InstanceNormalization", "epsilon")),
        )

    def weights(self) -> Weights:
        """The state of a `BertModel` without a pooler."""
        words = self._words()
        segments = self._constants.get("segments", np.zeros((2, words.shape[1]), np.float32))
        state: dict[str, NDArray[Any]] = {
            "embeddings.word_embeddings.weight": words,
            "embeddings.position_embeddings.weight": self._floats("positions"),
            "embeddings.token_type_embeddings.weight": segments,
            **self._norm("layer0/attention/residual", "embeddings.LayerNorm"),
        }
        for number in range(self._layers):
            after = f"layer{number + 1}/attention/residual" if number + 1 < self._layers else "last"
            here = f"encoder.layer.{number}"
            state |= self._attention(f"layer{number}/attention", f"{here}.attention")
            state |= self._norm(f"layer{number}/feed_forward/residual", f"{here}.attention.output.LayerNorm")
            state |= self._feed_forward(f"layer{number}/feed_forward", here)
            state |= self._norm(after, f"{here}.output.LayerNorm")
        return {name: torch.from_numpy(np.array(value, np.float32, order="C")) for name, value in state.items()}

    def _attention(self, name: str, to: str) -> dict[str, Floats]:
        weight, shift = self._after_norm(f"{name}/query_key_value", f"{name}/residual")
        # The graph has no bias but the query's, which holds what the shift adds. A key's changes no softmax; a value's
        # is in the shift of the residual, where it stays: here it takes back what the shift would add again.
        biases = -(shift @ weight)
        dim = len(shift)
        biases[:dim] += self._floats(f"{name}/query_bias")
        state: dict[str, Floats] = {}
        for part, at in zip(("query", "key", "value"), range(0, 3 * dim, dim), strict=True):
            state[f"{to}.self.{part}.weight"] = weight[:, at : at + dim].T
            state[f"{to}.self.{part}.bias"] = biases[at : at + dim]
        return state | self._without_bias(f"{name}/out", f"{to}.output.dense")

    def _feed_forward(self, name: str, to: str) -> dict[str, Floats]:
        weight, shift = self._after_norm(f"{name}/up", f"{name}/residual")
        state = {
            f"{to}.intermediate.dense.weight": weight.T,
            f"{to}.intermediate.dense.bias": self._floats(f"{name}/up_bias") - shift @ weight,
        }
        return state | self._without_bias(f"{name}/down", f"{to}.output.dense")

    def _without_bias(self, name: str, to: str) -> dict[str, Floats]:
        """A product whose bias is in the shift of the residual beside it."""
        weight = self._weight(name)
        return {f"{to}.weight": weight.T, f"{to}.bias": np.zeros(weight.shape[1], np.float32)}

    def _after_norm(self, name: str, norm: str) -> tuple[Floats, Floats]:
        """The weight of a product of normalised rows without the gain it holds, and the shift of the norm."""
        gain = self._floats(f"{norm}/gain")
        # Where a gain is 0 the weight's row was, too, and any gain gives it back.
        weight = self._weight(name) / np.where(gain == 0, 1, gain)[:, None]
        return np.asarray(weight, np.float32), self._floats(f"{norm}/shift")

    def _norm(self, name: str, to: str) -> dict[str, Floats]:
        return {f"{to}.weight": self._floats(f"{name}/gain"), f"{to}.bias": self._floats(f"{name}/shift")}

    def _weight(self, name: str) -> Floats:
        """The weight (inputs, outputs) of a product, with the smoothing of what it reads undone."""
        weight = self._floats(f"{name}/weight") * self._floats(f"{name}/column_scale")
        smoothing = self._constants.get(f"{name}/smoothing")
        return weight if smoothing is None else np.asarray(smoothing[:, None] * weight, np.float32)

    def _words(self) -> Floats:
        blocks = self._floats("words") * self._floats("word_scales")
        return np.asarray(blocks.reshape(len(blocks), -1), np.float32)

    def _floats(self, name: str) -> Floats:
        try:
            return np.asarray(self._constants[name], np.float32)
        except KeyError:
            raise CheckpointError(f"{self._path}: expected a constant {name!r}, as `linker export` writes") from None

    def _attribute(self, operator: str, name: str) -> float:
        found = [helper.get_attribute_value(each) for each in self._nodes[operator].attribute if each.name == name]
        return float(found[0])


def main(
    exported: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `linker export` wrote.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A model of sentence-transformers; a new folder.")],
) -> None:
    """Write an exported encoder as one that training and sentence-transformers read."""
    try:
        if out.exists():
            raise InvalidInput(f"expected a new folder, and {out} is there", field="out")
        with publish(out) as folder:
            restore(exported, folder)
    except LinkerError as error:
        stderr.print(f"{error}", style="red")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)

"""Export a sentence encoder of the BERT family: safetensors in, one ONNX file with pooling inside out.

    python -m training.export BASE --out DIR [--precision int8|fp32] [--names FILE]

The graph takes `input_ids` (n, length) int64 and gives `embedding` (n, dimension) float32 unit rows. It takes no
attention mask: a batch holds texts of one token length, so there is nothing to mask.
The export is compared with the torch model it came from before anything is written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnxruntime as ort
import torch
import typer
from numpy.typing import NDArray
from tokenizers import Tokenizer

from training.invented import invented_names
from training.quantise import Peaks, quantise, tapped
from training.tracing import Base, ExportError, SentenceEncoder, read_base, to_onnx
from training.trunk import Floats, TrunkError

FORMAT = "medlinker-encoder/1"
_CALIBRATION_NAMES = 600
_TOKENS_PER_RUN = 2048
_LEAST_COSINE = {"int8": 0.99, "fp32": 0.9999}
_HOW_INT8 = {
    "int8": """,
then rewritten to int8: one scale an output channel of a weight, one a token of an activation (computed while
running), smoothed between the two; the word table has one scale for each 64 columns. A vector is the same bits in
any batch, order and thread""",
    "fp32": "",
}
_FILES = ("model.onnx", "tokenizer.json", "config.json", "MODEL_CARD.md")


class Precision(StrEnum):
    """Number format of the exported weights and products."""

    INT8 = "int8"
    FP32 = "fp32"


@dataclass(frozen=True, slots=True)
class Parity:
    """How close an export is to the torch model: cosines over `names` names, and nearest neighbours kept."""

    names: int
    worst_cosine: float
    mean_cosine: float
    top1_agreement: float


def export(
    base: Path,
    out: Path,
    *,
    precision: Precision = Precision.INT8,
    name: str = "",
    licence: str = "unknown",
    max_length: int = 128,
    names: Sequence[str] = (),
) -> Parity:
    """Export the model folder `base` to the folder `out`; the same input gives the same bytes.

    `names` are what parity is measured on; invented ones without it. Raises ExportError: not a safetensors model of
    the BERT family with mean pooling, or parity below the limit, in which case nothing is written.
    """
    source = read_base(base)
    model = to_onnx(source.encoder)
    if precision is Precision.INT8:
        model = _to_int8(model, source, max_length)
    parity = measure_parity(source, model, names or _every(invented_names(), 1000), max_length)
    if parity.worst_cosine < _LEAST_COSINE[precision]:
        limit = _LEAST_COSINE[precision]
        raise ExportError(f"{base}: worst cosine to torch is {parity.worst_cosine:.5f}, expected {limit} or more")
    config = {
        "format": FORMAT,
        "name": name or base.name,
        "licence": licence,
        "dimension": int(source.encoder.config.hidden_size),
        "max_length": max_length,
        "pooling": "mean",
        "normalised": True,
        "lowercase": _lowercases(source.tokenizer),
        "precision": precision.value,
        "base_weights_sha256": source.weights_sha256,
    }
    _write(out, model, source.tokenizer, config, parity)
    return parity


def _to_int8(model: onnx.ModelProto, source: Base, max_length: int) -> onnx.ModelProto:
    names = _every(invented_names(), _CALIBRATION_NAMES)
    batches = _by_length(_token_ids(source.tokenizer, names, max_length))
    try:
        return quantise(model, measure_peaks(model, batches, max_length), max_length=max_length)
    except TrunkError as error:
        raise ExportError(f"cannot be made int8: {error}. Try --precision fp32") from error


def measure_peaks(model: onnx.ModelProto, batches: Sequence[NDArray[np.int64]], max_length: int) -> Peaks:
    """The largest absolute value of every input channel of every product, over `batches` of token ids."""
    probe, products = tapped(model, max_length=max_length)
    session = _session(probe)
    peaks: dict[str, Floats] = {}
    for batch in batches:
        for product, values in zip(products, session.run(None, {"input_ids": batch}), strict=True):
            peak = np.abs(values).max(axis=0)
            peaks[product] = np.maximum(peaks.get(product, peak), peak)
    return peaks


def measure_parity(source: Base, model: onnx.ModelProto, names: Sequence[str], max_length: int) -> Parity:
    """Encode `names` with torch and with `model`, in batches of one token length, and compare."""
    session, reference = _session(model), SentenceEncoder(source.encoder).eval()
    exact, ours = [], []
    for batch in _by_length(_token_ids(source.tokenizer, names, max_length)):
        with torch.inference_mode():
            tokens = torch.from_numpy(batch)
            exact.append(reference(tokens, torch.ones_like(tokens)).numpy())
        ours.append(session.run(None, {"input_ids": batch})[0])
    expected, got = np.concatenate(exact), np.concatenate(ours)
    cosines = np.einsum("nd,nd->n", expected, got)
    return Parity(len(names), float(cosines.min()), float(cosines.mean()), _top1_agreement(expected, got))


def _top1_agreement(expected: Floats, got: Floats) -> float:
    """The share of rows whose nearest other row is the same in both."""
    kept = 0
    for rows in np.array_split(np.arange(len(expected)), max(1, len(expected) // 1000)):
        nearest = []
        for vectors in (expected, got):
            similarity = vectors[rows] @ vectors.T
            similarity[np.arange(len(rows)), rows] = -2
            nearest.append(similarity.argmax(axis=1))
        kept += int((nearest[0] == nearest[1]).sum())
    return kept / len(expected)


def _every(names: Sequence[str], count: int) -> list[str]:
    """About `count` names, spread evenly over `names`."""
    return list(names[:: max(1, len(names) // count)])


def _token_ids(tokenizer: Tokenizer, names: Sequence[str], max_length: int) -> list[list[int]]:
    tokenizer.enable_truncation(max_length)
    encodings = tokenizer.encode_batch(list(names))
    tokenizer.no_truncation()  # the tokenizer is written without settings of its own
    return [encoding.ids for encoding in encodings]


def _by_length(token_ids: Sequence[list[int]]) -> list[NDArray[np.int64]]:
    """Batches (n, length) of one token length each."""
    return list(_batches(sorted(token_ids, key=len)))


def _batches(ordered: Sequence[list[int]]) -> Iterator[NDArray[np.int64]]:
    start = 0
    while start < len(ordered):
        length = len(ordered[start])
        stop = start
        while stop < len(ordered) and len(ordered[stop]) == length and (stop - start) * length < _TOKENS_PER_RUN:
            stop += 1
        yield np.array(ordered[start:stop], dtype=np.int64)
        start = stop


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _lowercases(tokenizer: Tokenizer) -> bool:
    return bool((json.loads(tokenizer.to_str()).get("normalizer") or {}).get("lowercase", False))


def _write(out: Path, model: onnx.ModelProto, tokenizer: Tokenizer, config: dict[str, object], parity: Parity) -> None:
    """Write the folder beside `out` and rename it into place; an encoder that is there already is replaced."""
    if out.exists() and not {path.name for path in out.iterdir()} <= set(_FILES):
        raise ExportError(f"{out}: expected no folder, or one with nothing but {', '.join(_FILES)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        fresh, old = Path(scratch) / "fresh", Path(scratch) / "old"
        fresh.mkdir()
        (fresh / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (fresh / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
        (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (fresh / "MODEL_CARD.md").write_text(_card(config, parity), encoding="utf-8")
        if out.exists():
            out.rename(old)
        fresh.rename(out)


def _card(config: dict[str, object], parity: Parity) -> str:
    """The model card: where the encoder comes from, what it gives, how far it is from its base."""
    how = _HOW_INT8[str(config["precision"])]
    return f"""# Sentence encoder: {config["name"]}

- Base: {config["name"]}, BERT family. Weights sha-256: `{config["base_weights_sha256"]}`
- Licence of the weights: {config["licence"]}
- Format: `{config["format"]}`, ONNX with ONNX Runtime's own operators, {config["precision"]}

## In and out
`input_ids` (n, length) int64, texts of one token length, at most {config["max_length"]} tokens -> `embedding`
(n, {config["dimension"]}) float32: the mean over all tokens, of length 1. There is no attention mask and no padding.
Load it without graph optimisation: it is optimised already.

## How it was made
`python -m training.export`: traced with torch, fused by ONNX Runtime's transformer optimizer{how}.
It is calibrated on invented names only. The base was not trained further.

## Parity with the torch model
| names | worst cosine | mean cosine | nearest neighbour kept |
|---|---|---|---|
| {parity.names} | {parity.worst_cosine:.4f} | {parity.mean_cosine:.5f} | {parity.top1_agreement:.1%} |

## Limits
- What the base does badly, this does badly: it embeds what a name says, not what a clinician means by it.
- A similarity orders candidates; it is not a probability.
- int8 products can saturate on x86 processors without VNNI instructions: measure parity there before relying on it.
- An index belongs to the encoder that made it. Vectors of the base, or of another precision, are close, not equal.
"""


def main(
    base: Annotated[
        Path, typer.Argument(help="Model folder of Hugging Face or sentence-transformers, with model.safetensors.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write. An exported encoder that is there is replaced.")],
    precision: Annotated[
        Precision, typer.Option(help="int8: a quarter of the size, several times the speed. fp32: the reference.")
    ] = Precision.INT8,
    names: Annotated[
        Path | None, typer.Option(help="Names to measure parity on, UTF-8, one a line. Invented names without it.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the base, for config.json. The folder's name without it.")] = "",
    licence: Annotated[str, typer.Option(help="SPDX licence of the weights, for config.json.")] = "unknown",
    max_length: Annotated[int, typer.Option(min=8, help="Longest text in tokens; the graph refuses more.")] = 128,
) -> None:
    """Export a BERT-family sentence encoder to one ONNX file with mean pooling and normalisation inside.

    Nothing is written when the worst cosine to the torch model is below 0.99 (int8) or 0.9999 (fp32).

    Example: python -m training.export models/minilm --out encoder --licence Apache-2.0
    """
    try:
        given = names.read_text(encoding="utf-8").splitlines() if names else []
        chosen = [line for line in given if line.strip()]
        parity = export(base, out, precision=precision, name=name, licence=licence, max_length=max_length, names=chosen)
    except (ExportError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{out}: worst cosine {parity.worst_cosine:.5f}, mean {parity.mean_cosine:.6f}, "
        f"nearest neighbour kept {parity.top1_agreement:.1%}, over {parity.names} names"
    )


if __name__ == "__main__":
    typer.run(main)

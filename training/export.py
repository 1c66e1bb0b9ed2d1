"""Export an encoder, a cross-encoder or a token classifier of the BERT family: safetensors in, one ONNX file out.

An encoder takes `input_ids` (n, length) int64 and gives `embedding` (n, dimension) float32 unit rows. A reranker takes
`input_ids` and `token_type_ids` and gives `score` (n, 1) float32, the logit of a pair. A detector takes `input_ids` and
gives `logits` (n, length, 3 x types) float32, of outside, beginning and inside for each type. There is no attention
mask: a batch holds texts of one token length, so there is nothing to mask.
The export is run as it will be served and compared with the torch model before it takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from linker.console import progress
from linker.decision import FILE as CALIBRATION
from linker.errors import InvalidInput, LinkerError
from linker.inference import batches
from linker.publishing import publish
from training.card import Card, write_card
from training.checkpoint import Kind, sha256
from training.invented import invented_names
from training.parity import Parity, listed, measure
from training.precision import Precision
from training.quantise import Peaks, quantise, tapped
from training.tracing import Base, to_onnx
from training.trunk import Floats, TrunkError

SETTINGS: Mapping[Kind, Mapping[str, type[Any] | UnionType]] = {
    Kind.ENCODER: {},
    Kind.RERANKER: dict.fromkeys(("depth", "context", "other_names", "weight"), int | float),
    Kind.DETECTOR: {"types": list, "stride": int},
}
_CARD = "MODEL_CARD.md"
_FILES = ("model.onnx", "tokenizer.json", "config.json", _CARD)
_CALIBRATION_NAMES = 600
_PARITY_NAMES = 1000

Feeds = Mapping[str, NDArray[np.int64]]


class ExportError(LinkerError):
    """The model cannot be exported, or its export is too far from it."""


def export(
    base: Base,
    out: Path,
    *,
    card: Card,
    precision: Precision = Precision.INT8,
    max_length: int = 128,
    names: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
    drop_calibration: bool = False,
) -> Parity:
    """Export `base` to the folder `out`, which is replaced in one step; the same input gives the same bytes.

    names: what parity is measured on; invented ones without it. settings: more of config.json, SETTINGS of its kind:
    see `linker.reranking` and `linker.detection.tagger`. A calibration.json in `out` was fitted with the model there:
    it stays when model and tokenizer come out the same, byte for byte; otherwise `drop_calibration` says that it may
    go.

    Raises InvalidInput: an argument does not fit the model, `out` holds other things or a calibration that would go;
    ExportError: the model cannot be made int8, parity is below its limit, or `out` cannot be written. Nothing is
    written then.
    """
    _check(base, out, max_length, settings or {})
    model = to_onnx(base)
    if precision is Precision.INT8:
        model = _to_int8(model, base, max_length)
    config = _config(base, card, precision, max_length) | dict(settings or {})
    try:
        with publish(out) as folder:
            (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
            (folder / "tokenizer.json").write_text(base.tokenizer.to_str(), encoding="utf-8")
            (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            _keep_calibration(out, folder, drop=drop_calibration)
            parity = measure(base, folder, names or every(invented_names(), _PARITY_NAMES), precision)
            if failed := [figure for figure in parity.figures if not figure.holds]:
                raise ExportError(f"{base.folder}: the export is too far from the torch model: {failed[0]}")
            (folder / _CARD).write_text(_card(base, card, config, parity, folder), encoding="utf-8")
    except OSError as error:
        raise ExportError(f"{out}: cannot be written: {error.strerror or error}") from error
    return parity


def _check(base: Base, out: Path, max_length: int, settings: Mapping[str, object]) -> None:
    if not 8 <= max_length <= base.longest:
        raise InvalidInput(
            f"expected 8 to {base.longest}, the most {base.folder} reads, got {max_length}", field="max_length"
        )
    for name, kind in SETTINGS[base.kind].items():
        if not isinstance(settings.get(name), kind):
            expected = getattr(kind, "__name__", "number")
            raise InvalidInput(f"expected a {expected}, got {settings.get(name)!r}", field=f"settings.{name}")
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - {*_FILES, CALIBRATION}):
        raise InvalidInput(f"expected no folder, or one with nothing but an exported model, got {out}", field="out")


def _keep_calibration(old: Path, new: Path, *, drop: bool) -> None:
    path = old / CALIBRATION
    if not path.is_file() or drop:
        return
    if any(not (old / name).is_file() or sha256(old / name) != sha256(new / name) for name in _FILES[:2]):
        raise InvalidInput(
            f"{path} was fitted with the model that is there and does not fit another: give --drop-calibration to "
            f"remove it, and fit one for the new model",
            field="out",
        )
    (new / CALIBRATION).write_bytes(path.read_bytes())


def _config(base: Base, card: Card, precision: Precision, max_length: int) -> dict[str, object]:
    head: dict[str, object] = {}
    if base.kind is Kind.ENCODER:
        head = {"dimension": int(base.shape.hidden_size), "pooling": str(base.pooling), "normalised": True}
    return {
        "format": f"medlinker-{base.kind}/1",
        "name": card.name,
        "licence": card.licence,
        "max_length": max_length,
        **head,
        "lowercase": _lowercases(base.tokenizer),
        "precision": precision.value,
        "weights_sha256": base.weights_sha256,
        "data": [asdict(data) for data in card.data],
    }


def _lowercases(tokenizer: Tokenizer) -> bool:
    return bool((json.loads(tokenizer.to_str()).get("normalizer") or {}).get("lowercase", False))


def _to_int8(model: onnx.ModelProto, base: Base, max_length: int) -> onnx.ModelProto:
    names = every(invented_names(), _CALIBRATION_NAMES)
    pairs = zip(names, names[1:] + names[:1], strict=True)
    texts: Mapping[Kind, Sequence[Any]] = {
        Kind.ENCODER: names,
        Kind.RERANKER: list(pairs),
        Kind.DETECTOR: listed(names),
    }
    base.tokenizer.enable_truncation(max_length)
    encodings = base.tokenizer.encode_batch_fast(texts[base.kind])
    base.tokenizer.no_truncation()  # the tokenizer is written without settings of its own
    feeds = [_feeds(base, [encodings[row] for row in rows]) for rows in batches(encodings)]
    try:
        return quantise(model, measure_peaks(model, feeds, max_length), max_length=max_length)
    except TrunkError as error:
        raise ExportError(f"{base.folder}: cannot be made int8: {error}. Try --precision fp32") from error


def _feeds(base: Base, encodings: Sequence[Encoding]) -> Feeds:
    ids = {
        "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
        "token_type_ids": np.array([encoding.type_ids for encoding in encodings], dtype=np.int64),
    }
    return {name: ids[name] for name in base.graph.inputs}


def measure_peaks(model: onnx.ModelProto, feeds: Sequence[Feeds], max_length: int) -> Peaks:
    """The largest absolute value of every input channel of every product, over `feeds` of the graph's inputs."""
    probe, products = tapped(model, max_length=max_length)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    peaks: dict[str, Floats] = {}
    with progress("Measuring activations", len(feeds), "batches") as advance:
        for batch in feeds:
            for product, values in zip(products, session.run(None, dict(batch)), strict=True):
                peak = np.abs(values).max(axis=0)
                peaks[product] = np.maximum(peaks.get(product, peak), peak)
            advance(1)
    return peaks


def every(names: Sequence[str], count: int) -> list[str]:
    """About `count` names, spread evenly over `names`."""
    return list(names[:: max(1, len(names) // count)])


_HOW_INT8 = """,
then rewritten to int8: one scale an output channel of a weight, one a token of an activation (computed while
running), smoothed between the two; the word table has one scale for each 64 columns. An output is the same bits in
any batch, order and thread"""

_LIMITS = {
    Kind.ENCODER: (
        "It embeds what a name says, not what a clinician means by it.",
        "A similarity orders candidates; it is not a probability.",
        "An index belongs to the encoder that made it. Vectors of another model or precision are close, not equal.",
    ),
    Kind.RERANKER: (
        "A logit orders the candidates of one mention; it is not a probability.",
        "It reads pairs as `linker.reranking` writes them, and no others.",
    ),
    Kind.DETECTOR: (
        "It finds what its training data call a mention; other kinds of notes have others.",
        "It reads notes as `linker.detection.windows` says, and answers at the first token of each piece.",
    ),
}
_INT8_LIMIT = "int8 products can saturate on x86 processors without VNNI instructions: measure parity there."


def _card(base: Base, card: Card, config: Mapping[str, Any], parity: Parity, folder: Path) -> str:
    limits = _LIMITS[base.kind] + ((_INT8_LIMIT,) if config["precision"] == Precision.INT8 else ())
    hashes = {name: sha256(folder / name) for name in _FILES if name != _CARD}
    names = " | ".join((parity.of, *(figure.name for figure in parity.figures)))
    values = " | ".join((f"{parity.count:,}", *(f"{figure.value:.5g}" for figure in parity.figures)))
    table = f"| {names} |\n|{'---|' * (len(parity.figures) + 1)}\n| {values} |"
    return write_card(card, config=config, about=_about(base, config), parity=table, hashes=hashes, limits=limits)


def _about(base: Base, config: Mapping[str, Any]) -> str:
    """Markdown: what goes in and comes out, and how the file was made."""
    gives = "`score` (n, 1) float32: the logit of a pair"
    if base.kind is Kind.DETECTOR:
        gives = f"`logits`\n(n, length, {3 * len(config['types'])}) float32: outside, beginning and inside of "
        gives += ", ".join(f"`{kind}`" for kind in config["types"])
    if base.kind is Kind.ENCODER:
        what = "the mean over all tokens" if config["pooling"] == "mean" else "the first token's row"
        gives = f"`embedding`\n(n, {config['dimension']}) float32: {what}, of length 1"
    takes = " and ".join(f"`{name}`" for name in base.graph.inputs)
    how = _HOW_INT8 if config["precision"] == Precision.INT8 else ""
    return f"""## In and out
{takes} (n, length) int64, of one token length, at most {config["max_length"]} tokens -> {gives}.
There is no attention mask and no padding. Load it without graph optimisation: it is optimised already.

## How it was made
`linker export`: traced with torch, fused by ONNX Runtime's transformer optimizer{how}.
Its activations are measured on invented names only."""

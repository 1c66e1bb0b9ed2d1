"""`linker export`: from a trained torch model to what a bundle holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from linker.console import stderr
from linker.errors import InvalidInput
from training.card import Card, find_card
from training.checkpoint import Kind, Pooling, find_model, kind_of, read_object
from training.cli.extra import train_extra
from training.precision import Precision

SETTINGS = {Kind.RERANKER: "reranker.json", Kind.DETECTOR: "detector.json"}  # what training leaves beside weights
_LEFT = {
    Kind.RERANKER: ("crossencoder", "numbers weight, depth, context, other_names and perhaps max_length"),
    Kind.DETECTOR: ("detector", "types, a list of names, and numbers max_length and stride"),
}
_MAX_LENGTH = 128


def export(  # noqa: PLR0913, PLR0917 - the options of a command
    model: Annotated[
        str,
        typer.Argument(
            help="Run folder of `linker train`, model folder with model.safetensors, or id on Hugging Face."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write. An exported model that is there is replaced.")],
    kind: Annotated[Kind | None, typer.Option(help="By the architecture in config.json without it.")] = None,
    precision: Annotated[
        Precision, typer.Option(help="int8: a quarter of the size, several times the speed. fp32: the reference.")
    ] = Precision.INT8,
    names: Annotated[
        Path | None, typer.Option(help="Names to measure parity on, UTF-8, one a line. Invented names without it.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the model. That of card.json, or of MODEL, without it.")] = "",
    licence: Annotated[str, typer.Option(help="SPDX licence of the weights. That of card.json without it.")] = "",
    max_length: Annotated[
        int | None,
        typer.Option(help=f"Tokens of the longest text or pair. {_MAX_LENGTH}, or that of --settings, without it."),
    ] = None,
    pooling: Annotated[Pooling | None, typer.Option(help="For an encoder that states none: cls for SapBERT.")] = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="JSON of a reranker or detector. What `linker train` left beside MODEL's weights without it."
        ),
    ] = None,
    drop_calibration: Annotated[
        bool,
        typer.Option("--drop-calibration", help="Remove the calibration.json that was fitted with the model replaced."),
    ] = False,
) -> None:
    """Export an encoder, a cross-encoder or a token classifier of the BERT family to ONNX, and compare it with torch.

    Nothing is written when the export is too far from torch: an encoder's vector below a cosine of 0.99 (int8) or
    0.9999 (fp32); a reranker with another first candidate in a tenth (int8) or a hundredth (fp32) of lists of 16; a
    detector with another label for one token in fifty (int8) or a thousand (fp32).

    Example: linker export runs/encoder --out models/encoder
    """
    lines = _read_names(names)
    folder = find_model(model)
    kind = kind or kind_of(folder)
    given = _read_settings(settings or folder / SETTINGS[kind], kind) if kind in SETTINGS else {}
    longest = max_length or int(str(given.get("max_length", _MAX_LENGTH)))
    card = _named(find_card(folder), name=name, model=model, licence=licence)
    with train_extra("export"):
        from training.export import export as write
        from training.tracing import Base, read_detector, read_encoder, read_reranker
    read: Mapping[Kind, Callable[[Path], Base]] = {
        Kind.ENCODER: partial(read_encoder, pooling=pooling),
        Kind.RERANKER: read_reranker,
        Kind.DETECTOR: read_detector,
    }
    parity = write(
        read[kind](folder),
        out,
        card=card,
        precision=precision,
        max_length=longest,
        names=lines,
        settings={key: value for key, value in given.items() if key != "max_length"},
        drop_calibration=drop_calibration,
    )
    stderr.print(f"{out}: {parity}", soft_wrap=True)


def _read_names(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: expected a file of UTF-8 lines: {error}", field="names") from error
    if len(names) < 2:
        raise InvalidInput(f"{path}: expected two names or more, one a line, got {len(names)}", field="names")
    return names


def _read_settings(path: Path, kind: Kind) -> Mapping[str, object]:
    if not path.is_file():
        command, fields = _LEFT[kind]
        raise InvalidInput(
            f"{path}: expected what `linker train {command}` leaves there: a JSON object of {fields}", field="settings"
        )
    return read_object(path)


def _named(card: Card, *, name: str, model: str, licence: str) -> Card:
    """The card with what the command line says, and a name in any case."""
    return replace(card, name=name or card.name or Path(model).name, licence=licence or card.licence)

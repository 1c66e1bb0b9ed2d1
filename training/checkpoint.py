"""A model folder of Hugging Face or sentence-transformers, as a base is read from: safetensors only, never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linker.errors import LinkerError

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
_PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.ckpt")


class CheckpointError(LinkerError):
    """A model folder cannot be used for what it was given for."""


def check_folder(folder: Path) -> None:
    """Raise CheckpointError unless `folder` holds weights in safetensors, a configuration and a fast tokenizer."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: expected a model folder with {CONFIG}, {TOKENIZER} and {WEIGHTS}")
    if not (folder / WEIGHTS).is_file():
        if pickles := [name for name in _PICKLES if (folder / name).is_file()]:
            raise CheckpointError(
                f"{folder / pickles[0]}: a pickle can run code and is not read; expected {WEIGHTS}. Convert it where "
                f"you trust it: AutoModel.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)"
            )
        if (folder / f"{WEIGHTS}.index.json").is_file():
            raise CheckpointError(f"{folder}: the weights are in several files; expected one, {WEIGHTS}")
        raise CheckpointError(f"{folder}: expected a model folder with {WEIGHTS}, and there is none")
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder}: expected a model folder with {CONFIG}, and there is none")
    if not (folder / TOKENIZER).is_file():
        raise CheckpointError(
            f"{folder}: the base has no {TOKENIZER}. Where it has a slow tokenizer (vocab.txt), write the fast one "
            f"beside it: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )


def read_json(path: Path) -> Any:
    """The JSON of `path`. Raises CheckpointError."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: expected JSON ({type(error).__name__}: {error})") from error


def read_object(path: Path) -> Mapping[str, Any]:
    """The JSON object of `path`. Raises CheckpointError."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

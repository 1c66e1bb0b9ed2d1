"""A model folder of Hugging Face or sentence-transformers, as models are read from: safetensors only, never pickle.

Pooling and modules are read in the formats of sentence-transformers up to 5 (`pooling_mode_mean_tokens: true`) and of
6 (`pooling_mode: "mean"`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from linker.errors import LinkerError
from ontologies.starter import ENCODER

WEIGHTS = "model.safetensors"
EXPORTED = "model.onnx"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
_VOCABULARY = "vocab.txt"  # of a slow WordPiece tokenizer, which transformers turns into a fast one
_MODULES = "modules.json"
_PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.ckpt")
_FETCHED = (
    WEIGHTS,
    CONFIG,
    TOKENIZER,
    _VOCABULARY,
    _MODULES,
    "*_config.json",
    "special_tokens_map.json",
    "*/config.json",
)
STARTER = "starter"
_INSIDE = ("best", "model", "encoder")  # where a run keeps what it made, and a bundle what it encodes with
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


class CheckpointError(LinkerError):
    """A model folder cannot be used for what it was given for."""


class Kind(StrEnum):
    """What a model does: embed one text, score a pair of texts, or find mentions in a text."""

    ENCODER = "encoder"
    RERANKER = "reranker"
    DETECTOR = "detector"


_HEADS = {"ForSequenceClassification": Kind.RERANKER, "ForTokenClassification": Kind.DETECTOR}


class Pooling(StrEnum):
    """How an encoder makes one vector of the last layer: the mean over all tokens, or the first token's row."""

    MEAN = "mean"
    CLS = "cls"


def place_of(model: str) -> str:
    """`model` as it is, and for `starter`, where that is no folder, the encoder of the starter bundle."""
    return str(ENCODER) if model == STARTER and not Path(model).exists() else model


def is_exported(folder: Path) -> bool:
    """Whether `folder` holds a model that `linker export` wrote, and not one of the hub with an ONNX file beside it."""
    return all((folder / name).is_file() for name in (EXPORTED, CONFIG)) and not (folder / WEIGHTS).is_file()


def find_model(model: str) -> Path:
    """The folder of `model`: a model folder, a run or a bundle with one in it, `starter`, or an id of the Hugging Face
    Hub.

    Of a Hub model only safetensors, tokenizer and configuration are downloaded. Raises CheckpointError.
    """
    folder = Path(place_of(model))
    if folder.is_dir():
        inside = (folder / name for name in _INSIDE if not (folder / CONFIG).is_file())
        return next((path for path in inside if (path / CONFIG).is_file()), folder)
    if folder.exists() or not _HUB_ID.fullmatch(model):
        raise CheckpointError(
            f"{model}: expected a folder of a model, a run or a bundle, or an id of the Hugging Face Hub"
        )
    return _download(model)


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(model, allow_patterns=list(_FETCHED)))
    except Exception as error:  # among them those of whatever HTTP library the Hub's client uses
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{model}: there is no such folder, and the Hugging Face Hub does not give it ({type(error).__name__}: "
            f"{reason}). Where there is no network, download it elsewhere and give its folder"
        ) from error
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{model}: has no {WEIGHTS} on the Hugging Face Hub; other weight formats can run code")
    return folder


def check_folder(folder: Path) -> None:
    """Raise CheckpointError unless `folder` holds weights in safetensors, a configuration and a tokenizer."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: expected a model folder with {CONFIG}, {TOKENIZER} and {WEIGHTS}")
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(_no_weights(folder))
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder}: expected a model folder with {CONFIG}, and there is none")
    if not (folder / TOKENIZER).is_file() and not (folder / _VOCABULARY).is_file():
        raise CheckpointError(
            f"{folder}: has no tokenizer: expected {TOKENIZER} (or {_VOCABULARY}). Write the one the model was trained "
            f"with beside it: AutoTokenizer.from_pretrained(...).save_pretrained(...)"
        )


def _no_weights(folder: Path) -> str:
    if pickles := [name for name in _PICKLES if (folder / name).is_file()]:
        return (
            f"{folder / pickles[0]}: a pickle can run code and is not read; expected {WEIGHTS}. Where you trust it, "
            f"convert it: AutoModel.from_pretrained(...).save_pretrained(...)"
        )
    if (folder / f"{WEIGHTS}.index.json").is_file():
        return f"{folder}: the weights are in several files; expected one {WEIGHTS}"
    if is_exported(folder):
        return (
            f"{folder}: is exported, and {WEIGHTS} is what is wanted here; an encoder in int8 is turned back by "
            f"python -m training.restored {folder} --out FOLDER"
        )
    return f"{folder}: expected a model folder with {WEIGHTS}, and there is none"


def read_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of `folder`, without padding and truncation. Raises CheckpointError."""
    path = folder / TOKENIZER
    try:
        if path.is_file():
            tokenizer = Tokenizer.from_file(str(path))
        else:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    except Exception as error:  # the tokenizers library raises bare Exception
        raise CheckpointError(f"{path}: expected a tokenizer of the tokenizers library: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def kind_of(folder: Path) -> Kind:
    """What the model in `folder` does, by the architecture its config.json names. Raises CheckpointError."""
    path = folder / CONFIG
    names = read_object(path).get("architectures") or []
    if not names:
        raise CheckpointError(f"{path}: architectures: expected the name of one, got none; say --kind")
    return next((kind for head, kind in _HEADS.items() if str(names[0]).endswith(head)), Kind.ENCODER)


def pooling_of(folder: Path) -> Pooling | None:
    """The pooling that sentence-transformers' modules state, None where nothing does.

    Raises CheckpointError: another pooling than mean and cls, or a module that an export would leave out.
    """
    path = folder / "1_Pooling" / CONFIG
    if (folder / _MODULES).is_file():
        modules = {str(module["type"]).rpartition(".")[2]: module["path"] for module in read_json(folder / _MODULES)}
        if others := sorted(modules.keys() - {"Transformer", "Pooling", "Normalize"}):
            raise CheckpointError(f"{folder / _MODULES}: {', '.join(others)}: expected Transformer, Pooling, Normalize")
        path = folder / modules.get("Pooling", "1_Pooling") / CONFIG
    if not path.is_file():
        return None
    modes = _pooling_modes(read_object(path))
    if len(modes) != 1 or modes[0] not in set(Pooling):
        raise CheckpointError(f"{path}: expected mean or cls pooling, got {' + '.join(modes) or 'none'}")
    return Pooling(modes[0])


def _pooling_modes(config: Mapping[str, Any]) -> list[str]:
    stated = config.get("pooling_mode")
    if stated is not None:
        return [stated] if isinstance(stated, str) else list(stated)
    flags = (key for key, value in config.items() if key.startswith("pooling_mode_") and value)
    return [flag.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token") for flag in flags]


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


def longest_of(shape: Any) -> int:
    """The most tokens that a model of this transformers configuration reads."""
    # RoBERTa counts positions from the padding id on, plus one.
    unused = 0 if shape.model_type == "bert" else shape.pad_token_id + 1
    return int(shape.max_position_embeddings) - unused

"""Sentence encoders in torch: opened with checks, embedding names, saved. What a run starts from and leaves behind."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from linker.console import progress
from linker.errors import InvalidInput
from linker.records import Embeddings
from training import smoke
from training.card import Card, data_of
from training.checkpoint import EXPORTED, WEIGHTS, check_folder, find_model, is_exported, longest_of, sha256
from training.errors import TrainingError
from training.restored import restore
from training.trainer import quiet

_SLICE = 4096  # names embedded between two steps of the progress bar
_BATCH = 128
_UNTRAINED = ("pooler.",)  # weights that no sentence encoder uses, and that many bases therefore lack


def load_base(base: str, *, max_length: int = 0) -> SentenceTransformer:
    """A sentence encoder: a run (its best model), a model folder, the name of a model on the hub, an encoder that was
    exported in int8, a bundle or `starter` (theirs), or `invented`.

    Weights are read from safetensors and ONNX only; a plain transformer gets mean pooling. Raises `TrainingError` or
    `CheckpointError`: no such model, no tokenizer, or weights that are not those of the architecture in its config;
    `InvalidInput`: it does not read `max_length` tokens.
    """
    model = _loaded(base)
    if max_length and max_length > (longest := longest_of(model[0].auto_model.config)):
        raise InvalidInput(
            f"expected at most {longest}, which is what {base} reads, got {max_length}", field="max_length"
        )
    return model


def _loaded(base: str) -> SentenceTransformer:
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "base"
        if _is_invented(base):
            with quiet():
                smoke.write_invented_base(made)
            return _opened(made)
        folder = check_base(base)
        if not is_exported(folder):
            return _opened(folder)
        with quiet():
            restore(folder, made)
        return _opened(made)


def check_base(base: str) -> Path:
    """The folder of a base that is not `invented`. Raises CheckpointError where nothing can be loaded from it."""
    folder = find_model(base)
    if not is_exported(folder):
        check_folder(folder)
    return folder


def card_from(base: str) -> Card:
    """The beginning of the card of what is made from a base: its name, the digest of its weights, where it is not made
    anew each time, and what it learned from.
    """
    name = Path(base).name if Path(base).exists() else base
    if _is_invented(base):
        return Card(base=name)
    folder = find_model(base)
    weights = folder / (EXPORTED if is_exported(folder) else WEIGHTS)
    return Card(base=name, base_sha256=sha256(weights), data=data_of(folder))


def _is_invented(base: str) -> bool:
    return base == smoke.NAME and not Path(base).exists()


def _opened(folder: Path) -> SentenceTransformer:
    try:
        with quiet():
            unused = _unused_weights(folder)
            model = SentenceTransformer(str(folder), model_kwargs={"use_safetensors": True}, local_files_only=True)
            _zero(model[0].auto_model, unused)
    except TrainingError:
        raise
    except Exception as error:  # the libraries raise OSError, ValueError, RuntimeError, KeyError and SafetensorError
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"{folder}: cannot be opened as a sentence encoder: {reason}") from error
    _check_vocabulary(model, folder)
    return model


def _unused_weights(base: Path) -> list[str]:
    """The weights that the checkpoint lacks and no sentence encoder uses. Refuses one that lacks others."""
    _, report = AutoModel.from_pretrained(base, use_safetensors=True, output_loading_info=True)
    unused = sorted(key for key in report["missing_keys"] if key.startswith(_UNTRAINED))
    if missing := sorted(report["missing_keys"] - set(unused)):
        raise TrainingError(
            f"{base}: a checkpoint of another architecture: its weights lack {len(missing)} that its config.json asks "
            f"for, {missing[0]} first. Use the config.json that belongs to the weights"
        )
    return unused


def _zero(model: torch.nn.Module, names: Sequence[str]) -> None:
    """What was not in the checkpoint is random after loading; the same base gives the same model."""
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).zero_()


def _check_vocabulary(model: SentenceTransformer, base: Path) -> None:
    known = model[0].auto_model.get_input_embeddings().num_embeddings
    if len(model.tokenizer) > known:
        raise TrainingError(
            f"{base}: the tokenizer has {len(model.tokenizer):,} entries, the model knows {known:,}; "
            "use the tokenizer that the model was trained with"
        )


def save_model(model: SentenceTransformer, folder: Path, *, max_length: int) -> None:
    """Write the model, in safetensors, as one that reads `max_length` tokens."""
    trained_with, model.max_seq_length = model.max_seq_length, max_length
    try:
        with quiet():
            model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
    finally:
        model.max_seq_length = trained_with


def embed(model: SentenceTransformer, texts: Sequence[str], *, bf16: bool, what: str = "") -> Embeddings:
    """Embeddings, (n, dimension) float32 unit rows; with `what`, under a progress bar of that name."""
    order = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
    found: Embeddings | None = None
    bar = progress(what, len(texts), "names") if what else nullcontext(lambda _: None)
    with bar as advance:
        for start in range(0, len(order), _SLICE):
            rows = order[start : start + _SLICE]
            with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
                vectors = model.encode(
                    [texts[row] for row in rows], batch_size=_BATCH, convert_to_tensor=True, show_progress_bar=False
                )
            unit = torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy()
            found = np.empty((len(texts), unit.shape[1]), dtype=np.float32) if found is None else found
            found[rows] = unit
            advance(len(rows))
    return np.empty((0, 0), dtype=np.float32) if found is None else found


Weights = dict[str, torch.Tensor]


def weights_of(model: SentenceTransformer) -> Weights:
    """A copy of the model's weights."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def interpolated(trained: Mapping[str, Any], base: Mapping[str, Any], share: float) -> Weights:
    """`share` of the base's weights and the rest of the trained ones (WiSE-FT, Wortsman et al. 2022, eq. 1)."""
    return {
        name: torch.lerp(tensor, base[name].to(tensor.device), share) if tensor.is_floating_point() else tensor
        for name, tensor in trained.items()
    }

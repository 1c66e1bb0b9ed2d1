"""Prune a WordPiece vocabulary to what the names of ontologies and clinical text use.

    python -m training.vocabulary BASE --texts FILE... --size 16000 --out DIR

Half of a 6x384 encoder is its table of words. A word that is dropped is spelled with smaller pieces by WordPiece's
greedy longest match; a word whose pieces are all kept is spelled as before, since its longest known prefixes are the
same ones. The rows that stay are copied, so such a text has the very embedding it had.
"""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import typer
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Tokenizer

from linker.console import stderr
from linker.errors import InvalidInput, LinkerError
from linker.publishing import publish
from training.checkpoint import CONFIG, TOKENIZER, WEIGHTS, CheckpointError, check_folder, read_object, read_tokenizer

_CHUNK = 20_000  # texts tokenised at once
_WORD_TABLE = "word_embeddings.weight"
# Tensors with a row for each word: the table itself and, in a checkpoint that still has it, the masked-word head.
_ROWS_OF_WORDS = (_WORD_TABLE, "predictions.bias", "predictions.decoder.weight", "predictions.decoder.bias")
_SETTINGS = "tokenizer_config.json"
_COPIED = (
    "config_sentence_transformers.json",
    "modules.json",
    "reranker.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning kept: tokens before and after, and which share of the texts' tokens, and of the texts, is left."""

    tokens_before: int
    tokens: int
    occurrences_kept: float
    texts_kept: float


def prune(base: Path, texts: Iterable[str], out: Path, *, size: int) -> Pruned:
    """Write a copy of the model folder `base` to `out` whose vocabulary is the `size` tokens most used in `texts`.

    What they do not use goes, but special and added tokens stay, and so do the single letters of Latin and Greek,
    digits, punctuation and symbols, alone and as continuations. Ties go to the older id; ids keep their order. Raises
    CheckpointError: not a safetensors model with a WordPiece tokenizer; InvalidInput: `size` below 1, no texts, or
    `out` is taken.
    """
    if size < 1:
        raise InvalidInput(f"expected 1 or more, got {size}", field="size")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"expected a new or an empty folder, and {out} is neither", field="out")
    check_folder(base)
    counter = read_tokenizer(base)
    tokenizer = json.loads(counter.to_str())
    if (kind := tokenizer["model"]["type"]) != "WordPiece":
        raise CheckpointError(f"{base}: expected a WordPiece tokenizer, as BERT has, got {kind}")
    uses = _count(counter, texts)
    kept = _kept(tokenizer, uses.counts, size)
    with publish(out) as folder:
        _write(base, folder, tokenizer, kept)
    return Pruned(len(uses.counts), len(kept), *uses.shares(kept))


@dataclass(frozen=True, slots=True)
class _Uses:
    """The tokens of texts, one text after another: `tokens` (occurrences,), `lengths` (texts,), `counts` (ids,)."""

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]

    def shares(self, kept: Sequence[int]) -> tuple[float, float]:
        """The share of token occurrences that are of `kept` tokens, and of texts that have no others."""
        is_kept = np.zeros(len(self.counts), dtype=np.bool_)
        is_kept[kept] = True
        gone = np.concatenate([[0], np.cumsum(~is_kept[self.tokens])])
        ends = np.cumsum(self.lengths)
        whole = gone[ends] == gone[ends - self.lengths]
        return 1 - float(gone[-1]) / max(1, len(self.tokens)), float(whole.mean())


def _count(tokenizer: Tokenizer, texts: Iterable[str]) -> _Uses:
    tokens: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    for chunk in _chunks(texts):
        encodings = tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
        tokens.extend(np.array(encoding.ids, dtype=np.int32) for encoding in encodings)
        lengths.extend(len(encoding.ids) for encoding in encodings)
    if not lengths:
        raise InvalidInput("expected names or notes to count tokens in, got none", field="texts")
    flat = np.concatenate(tokens)
    counts = np.bincount(flat, minlength=tokenizer.get_vocab_size(with_added_tokens=True))
    return _Uses(flat, np.array(lengths, dtype=np.int64), counts)


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _kept(tokenizer: Mapping[str, Any], counts: NDArray[np.int64], size: int) -> list[int]:
    """The old ids that stay, in their order."""
    prefix = tokenizer["model"]["continuing_subword_prefix"]
    always = {added["id"] for added in tokenizer["added_tokens"]}
    always |= {index for token, index in tokenizer["model"]["vocab"].items() if _spells(token.removeprefix(prefix))}
    most_used = np.argsort(-counts, kind="stable")[:size]
    return sorted(always | set(most_used[counts[most_used] > 0].tolist()))


def _spells(text: str) -> bool:
    """Is `text` one character that words of clinical text in Latin and Greek letters are spelled with?"""
    if len(text) != 1:
        return False
    return unicodedata.category(text)[0] in "NPS" or unicodedata.name(text, "").startswith(
        ("LATIN ", "GREEK ", "MICRO ")
    )


def _write(base: Path, folder: Path, tokenizer: dict[str, Any], kept: Sequence[int]) -> None:
    new = {old: index for index, old in enumerate(kept)}
    _write_weights(base / WEIGHTS, folder / WEIGHTS, kept)
    write_json(folder / TOKENIZER, _renumbered(tokenizer, new))
    config = dict(read_object(base / CONFIG))
    ids = {key: new[value] for key, value in config.items() if key.endswith("_token_id") and value in new}
    write_json(folder / CONFIG, config | ids | {"vocab_size": len(kept)})
    if (base / _SETTINGS).is_file():
        settings = dict(read_object(base / _SETTINGS))
        if added := settings.get("added_tokens_decoder"):
            settings["added_tokens_decoder"] = {str(new[int(old)]): token for old, token in added.items()}
        write_json(folder / _SETTINGS, settings)
    copy_settings(base, folder)


def copy_settings(base: Path, folder: Path) -> None:
    """Copy what does not depend on the vocabulary: modules of sentence-transformers, a reranker's weight, licences."""
    for path in sorted(base.iterdir()):
        if path.is_file() and path.name in _COPIED:
            shutil.copyfile(path, folder / path.name)
        elif path.is_dir() and path.name[:1].isdigit():  # a module of sentence-transformers: pooling, normalisation
            shutil.copytree(path, folder / path.name)


def _write_weights(base: Path, path: Path, kept: Sequence[int]) -> None:
    """The tensors of `base` with the kept rows of those that have a row for each word."""
    with safe_open(base, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - not a mapping
        metadata = stored.metadata()
    tables = [name for name in tensors if name.endswith(_WORD_TABLE)]
    if len(tables) != 1:
        raise CheckpointError(f"{base}: expected one table of words, *.{_WORD_TABLE}, got {tables or 'none'}")
    rows = len(tensors[tables[0]])
    if rows <= kept[-1]:
        raise CheckpointError(f"{base}: the tokenizer has token {kept[-1]}, and the table of words only {rows} rows")
    for name, tensor in tensors.items():
        if name.endswith(_ROWS_OF_WORDS):
            tensors[name] = tensor[list(kept)].contiguous()
    path.write_bytes(save(tensors, metadata))


def _renumbered(tokenizer: dict[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """The tokenizer.json with the tokens of `new` only, old id -> new id, wherever it names an id."""
    vocabulary = tokenizer["model"]["vocab"]
    model = tokenizer["model"] | {"vocab": {token: new[old] for token, old in vocabulary.items() if old in new}}
    changed = {
        "model": model,
        "added_tokens": [added | {"id": new[added["id"]]} for added in tokenizer["added_tokens"]],
        "post_processor": _renumbered_template(tokenizer["post_processor"], new),
    }
    return tokenizer | changed


def _renumbered_template(post_processor: dict[str, Any] | None, new: Mapping[int, int]) -> dict[str, Any] | None:
    match post_processor:
        case None:
            return None
        case {"type": "TemplateProcessing", "special_tokens": tokens}:
            renumbered = {key: token | {"ids": [new[old] for old in token["ids"]]} for key, token in tokens.items()}
            return post_processor | {"special_tokens": renumbered}
        case {"type": "BertProcessing", "sep": [sep, sep_id], "cls": [cls, cls_id]}:
            return post_processor | {"sep": [sep, new[sep_id]], "cls": [cls, new[cls_id]]}
        case _:
            kind = post_processor.get("type")
            raise CheckpointError(
                f"{TOKENIZER}: post_processor: expected TemplateProcessing or BertProcessing, got {kind}"
            )


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON that people can read."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_texts(paths: Sequence[Path]) -> Iterator[str]:
    """The lines of UTF-8 files, plain, .gz or .xz, that are not blank. Raises InvalidInput."""
    for path in paths:
        try:
            with _open(path) as lines:
                yield from (line.strip() for line in lines if line.strip())
        except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path}: expected lines of UTF-8, plain, .gz or .xz: {error}", field="texts") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def main(
    base: Annotated[Path, typer.Argument(help="Model folder with model.safetensors and a WordPiece tokenizer.json.")],
    texts: Annotated[list[Path], typer.Option(help="Lines of text, UTF-8, .gz or .xz too; give it several times.")],
    out: Annotated[Path, typer.Option(help="The folder to write: a new or an empty one.")],
    size: Annotated[int, typer.Option(min=1, help="How many of the most used tokens to keep.")] = 16_000,
) -> None:
    """Prune the vocabulary of BASE to the tokens most used in the texts.

    Example: python -m training.vocabulary models/minilm --texts names.txt.xz --texts notes.txt --out pruned
    """
    try:
        pruned = prune(base, read_texts(texts), out, size=size)
    except LinkerError as error:
        stderr.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    stderr.print(
        f"{out}: {pruned.tokens:,} of {pruned.tokens_before:,} tokens; spelled as before: "
        f"{pruned.occurrences_kept:.2%} of token occurrences, {pruned.texts_kept:.2%} of texts",
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)

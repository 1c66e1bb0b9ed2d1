"""Extend the vocabulary of an encoder for a new language, without changing how it reads its own.

A base that was trained on English spells Spanish with English fragments, and its word table knows none of them. A
WordPiece vocabulary is trained on the names of the language; what it adds is appended to the base's. A word that
parallel names translate begins as the average of its translations in the base's word table, as WECHSEL does with a
dictionary (Minixhofer et al. 2022): the encoder then reads it as it reads them, word by word, before any training.
Every other piece begins as the average of the base's pieces that spelled it. What would change the spelling of the
base's own language is left out, so that it is embedded as before.

    python -m training.extension BASE --names translated.tsv --lang es --lang fr --out extended
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from linker.console import stderr
from linker.errors import InvalidInput, LinkerError
from linker.publishing import publish
from linker.surface import normalise
from training.checkpoint import CONFIG, TOKENIZER, WEIGHTS, CheckpointError, check_folder, read_object, read_tokenizer
from training.dictionary import Entry, Ontology, read_entries
from training.pairs import speaks
from training.translation import translations
from training.vocabulary import copy_settings, write_json

_WORD_TABLE = "word_embeddings.weight"
_HEAD = "predictions."  # the masked-word head of some checkpoints, which no encoder uses
_ROUNDS = 8
_BESIDE = 3  # names of the pivot that a name is translated by, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """What an extension did.

    pieces_before, pieces: of a word of the new language, on average over how often it is used. translated: new words
    that begin as their translations.
    """

    tokens_before: int
    tokens: int
    pieces_before: float
    pieces: float
    translated: int


def extend(
    base: Path,
    out: Path,
    texts: Sequence[str],
    *,
    size: int,
    parallel: Iterable[tuple[str, str]] = (),
    kept: Iterable[str] = (),
) -> Extended:
    """Write a copy of the model folder `base` to `out` that knows up to `size` more tokens, the most used in `texts`.

    parallel: pairs of a name in the new language and its translation in the base's. kept: names whose spelling stays as
    it is. Raises CheckpointError: not a safetensors model with a WordPiece tokenizer; InvalidInput: no texts, or `out`
    is taken.
    """
    if not texts:
        raise InvalidInput("expected names of the new language, got none", field="texts")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"expected a new or an empty folder, and {out} is neither", field="out")
    check_folder(base)
    settings = json.loads(read_tokenizer(base).to_str())
    if (kind := settings["model"]["type"]) != "WordPiece":
        raise CheckpointError(f"{base}: expected a WordPiece tokenizer, as BERT has, got {kind}")
    old = _Speller(settings)
    used = old.count(texts)
    fresh = _chosen(old, _trained(old, texts, 2 * size), used, old.count(kept), size)
    meaning = translations((old.words(name), old.words(other)) for name, other in parallel)
    with publish(out) as folder:
        translated = _write(base, folder, settings, fresh, meaning)
        extended = _Speller(json.loads((folder / TOKENIZER).read_text(encoding="utf-8")))
        before, after = old.pieces_per_word(used), extended.pieces_per_word(used)
    return Extended(
        tokens_before=len(old.vocabulary),
        tokens=len(old.vocabulary) + len(fresh),
        pieces_before=before,
        pieces=after,
        translated=translated,
    )


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """What a vocabulary is learned from, all of it normalised.

    texts: names in the new languages. parallel: pairs of one of them and a name of the same concept in the pivot. kept:
    the names in the pivot.
    """

    texts: list[str]
    parallel: list[tuple[str, str]]
    kept: list[str]


def vocabularies(entries: Iterable[Entry], languages: Sequence[str], pivot: str) -> Vocabularies:
    """What the names of `entries` say in `languages` and in the pivot. pivot: "" where there is none."""
    read = Vocabularies([], [], [])
    for entry in entries:
        forms = [normalise(name.name) for name in entry.names if speaks(name.language, languages)]
        others = [normalise(name.name) for name in entry.names if pivot and speaks(name.language, (pivot,))]
        read.texts.extend(forms)
        read.parallel.extend(product(forms, others[:_BESIDE]))
        read.kept.extend(others)
    return read


def is_wordpiece(base: Path) -> bool:
    """Whether the vocabulary of the model folder `base` can be extended. Raises CheckpointError."""
    return bool(json.loads(read_tokenizer(base).to_str())["model"]["type"] == "WordPiece")


def unknown_share(base: Path, texts: Sequence[str]) -> float:
    """The share of tokens that are the unknown one where the tokenizer of `base` reads `texts`."""
    tokenizer = read_tokenizer(base)
    model = json.loads(tokenizer.to_str())["model"]
    unknown = model.get("unk_id", tokenizer.token_to_id(model.get("unk_token") or ""))
    ids = [i for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False) for i in one.ids]
    return ids.count(unknown) / max(1, len(ids))


class _Speller:
    """A tokenizer.json taken apart: how texts become words, and words pieces."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.vocabulary: dict[str, int] = settings["model"]["vocab"]
        self.prefix: str = settings["model"]["continuing_subword_prefix"]
        self.unknown: str = settings["model"]["unk_token"]
        self._tokenizer = Tokenizer.from_str(json.dumps(settings))

    def normalised(self, text: str) -> str:
        """The text as its words are looked up."""
        normaliser = self._tokenizer.normalizer
        return text if normaliser is None else str(normaliser.normalize_str(text))

    def words(self, text: str) -> list[str]:
        """The words of a text, in order."""
        return [word for word, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(self.normalised(text))]

    def count(self, texts: Iterable[str]) -> Counter[str]:
        """How often texts have each word."""
        return Counter(word for text in texts for word in self.words(text))

    def pieces(self, token: str, vocabulary: Mapping[str, int] | None = None) -> list[str]:
        """WordPiece's greedy longest match, of a word or what continues one; the unknown token where there is none."""
        known = self.vocabulary if vocabulary is None else vocabulary
        word = token.removeprefix(self.prefix)
        found: list[str] = []
        start = 0
        while start < len(word):
            prefix = self.prefix if start or len(word) < len(token) else ""
            end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in known), start)
            if end == start:
                return [self.unknown]
            found.append(prefix + word[start:end])
            start = end
        return found

    def pieces_per_word(self, used: Mapping[str, int]) -> float:
        """How many pieces a word has, on average over how often each is used."""
        return sum(count * len(self.pieces(word)) for word, count in used.items()) / max(1, sum(used.values()))


def _trained(speller: _Speller, texts: Sequence[str], size: int) -> list[str]:
    """A WordPiece vocabulary of about `size` tokens for `texts`."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=speller.unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=2, continuing_subword_prefix=speller.prefix, show_progress=False
    )
    tokenizer.train_from_iterator((" ".join(speller.words(text)) for text in texts), trainer)
    return sorted(tokenizer.get_vocab())


def _chosen(
    speller: _Speller, trained: Iterable[str], used: Mapping[str, int], kept: Mapping[str, int], size: int
) -> list[str]:
    """The new tokens, most used first: none that a word of `kept` would be spelled with."""
    known = dict(speller.vocabulary) | {token: -1 for token in trained if token not in speller.vocabulary}
    single = {token for token in known if known[token] == -1 and len(token.removeprefix(speller.prefix)) == 1}
    counts: Counter[str] = Counter()
    for _ in range(_ROUNDS):  # what is left out is replaced by shorter pieces, which may be in the way as well
        intruding = {piece for word in kept for piece in speller.pieces(word, known) if known.get(piece) == -1} - single
        if not intruding:
            break
        known = {token: number for token, number in known.items() if token not in intruding}
    for word, count in used.items():
        for piece in speller.pieces(word, known):
            counts[piece] += count
    fresh = [token for token, count in counts.most_common() if known.get(token) == -1 and count > 1]
    return [*sorted(single), *(token for token in fresh if token not in single)][:size]


def _write(
    base: Path, folder: Path, settings: dict[str, Any], fresh: Sequence[str], meaning: Mapping[str, Mapping[str, float]]
) -> int:
    """Write the model with the `fresh` tokens; how many of them begin as their translations."""
    speller = _Speller(settings)
    with safe_open(base / WEIGHTS, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys() if _HEAD not in name}  # noqa: SIM118
        metadata = stored.metadata()
    tables = [name for name in tensors if name.endswith(_WORD_TABLE)]
    if len(tables) != 1:
        raise CheckpointError(f"{base}: expected one table of words, *.{_WORD_TABLE}, got {tables or 'none'}")
    table = tensors[tables[0]][: len(speller.vocabulary)]
    begin = _Beginning(speller, table, meaning)
    rows = [begin(token) for token in fresh]
    tensors[tables[0]] = torch.cat([table, *(row[None] for row in rows)]).contiguous()
    (folder / WEIGHTS).write_bytes(save(tensors, metadata))
    vocabulary = speller.vocabulary | {token: len(speller.vocabulary) + at for at, token in enumerate(fresh)}
    write_json(folder / TOKENIZER, settings | {"model": settings["model"] | {"vocab": vocabulary}})
    write_json(folder / CONFIG, dict(read_object(base / CONFIG)) | {"vocab_size": len(vocabulary)})
    copy_settings(base, folder)
    return sum(token in meaning for token in fresh)


class _Beginning:
    """The row with which a new token begins, given the base's word table (tokens, dimension)."""

    def __init__(self, speller: _Speller, table: torch.Tensor, meaning: Mapping[str, Mapping[str, float]]) -> None:
        self._speller, self._table, self._meaning = speller, table, meaning

    def __call__(self, token: str) -> torch.Tensor:
        meaning = self._meaning.get(token)
        if not meaning:
            return self._spelled(token)
        shares = torch.tensor(list(meaning.values()), dtype=self._table.dtype)
        return shares / shares.sum() @ torch.stack([self._spelled(word) for word in meaning])

    def _spelled(self, word: str) -> torch.Tensor:
        """The average of the pieces that spell it."""
        ids = [self._speller.vocabulary[piece] for piece in self._speller.pieces(word)]
        return self._table[ids].mean(dim=0)


def main(
    base: Annotated[Path, typer.Argument(help="Model folder with model.safetensors and a WordPiece tokenizer.json.")],
    names: Annotated[list[Path], typer.Option(help="What `linker build` reads, with names in the languages.")],
    lang: Annotated[list[str], typer.Option(help="BCP-47 tag of a language to learn; give it several times.")],
    out: Annotated[Path, typer.Option(help="The folder to write: a new or an empty one.")],
    pivot: Annotated[str, typer.Option(help="BCP-47 tag of the language that the base knows.")] = "en",
    size: Annotated[int, typer.Option(min=1, help="How many tokens to add at most.")] = 16_000,
) -> None:
    """Extend the vocabulary of BASE by that of the names in other languages."""
    try:
        read = vocabularies(read_entries([Ontology(path=str(path)) for path in names]).values(), lang, pivot)
        extended = extend(base, out, read.texts, size=size, parallel=read.parallel, kept=read.kept)
    except LinkerError as error:
        stderr.print(f"error: {error}", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    stderr.print(
        f"{out}: {extended.tokens - extended.tokens_before:,} tokens more, {extended.translated:,} of them begin as "
        f"their translations; pieces a word: {extended.pieces_before:.2f} before, {extended.pieces:.2f} now",
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(main)

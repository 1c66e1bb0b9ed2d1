"""Gold corpora: JSON lines, one note a line.

    {"doc_id": "1", "text": "..." or null, "mentions": [{"begin": 4, "end": 9, "mention": "...", "gold": ["D001260"]}]}

begin and end are code points into `text` (null without one); an empty `gold` is NIL; a mention with `"composite": true`
and parts joined by `|` names several concepts at once. A mention may have a `type`, or several joined by commas.
"""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from linker.detection.given import spans_of
from linker.errors import InvalidInput
from linker.notes import Note
from linker.records import Mention


@dataclass(frozen=True, slots=True)
class GoldMention:
    """What an annotator said.

    parts: the surface forms to link, one unless the mention is composite. misplaced: the offsets do not hold the
    mention, as happens in published corpora; it is then linked without its place. types: what kind of thing it names,
    in the corpus's own words.
    """

    note_id: str
    parts: tuple[Mention, ...]
    gold: frozenset[str]
    misplaced: bool = False
    types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GoldNote:
    """A note, "" where the corpus has no text, with its mentions in the corpus's order."""

    note_id: str
    text: str
    mentions: tuple[GoldMention, ...]


def read_corpus(path: Path, *, prefix: str = "") -> list[GoldMention]:
    """Every gold mention, in order; `prefix` makes bare gold ids CURIEs. Plain, .gz or .xz.

    Raises `InvalidInput` naming file, line and field.
    """
    mentions = [mention for note in read_notes(path, prefix=prefix) for mention in note.mentions]
    if not mentions:
        raise InvalidInput("no gold mention; expected JSON lines with doc_id, text and mentions", field=str(path))
    return mentions


def read_notes(path: Path, *, prefix: str = "") -> Iterator[GoldNote]:
    """As `read_corpus`, note by note, those without a mention among them."""
    for line, raw in _lines(path):
        try:
            note = json.loads(raw)
            rows = list(enumerate(note["mentions"]))
            note_id, text = str(note["doc_id"]), note.get("text") or ""
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(
                "expected a JSON object with doc_id, text and mentions", field=f"{path}:{line}"
            ) from error
        mentions = []
        for position, row in rows:
            field = f"{path}:{line}: mentions[{position}]"
            try:
                mentions.append(_gold(note_id, text, row, prefix))
            except (TypeError, KeyError) as error:
                raise InvalidInput("expected a string mention and a list gold", field=field) from error
        yield GoldNote(note_id, text, tuple(mentions))


def read_given(path: Path, texts: Mapping[str, str]) -> dict[str, Note]:
    """Notes by their ids, with the places of their mentions; what these mean need not be known.

    texts: those of the notes wanted, by id; lines of other notes are passed over. Without any, all notes are wanted,
    and have their own. Raises `InvalidInput` naming file, line and field, as `linker.detection.given.spans_of` does.
    """
    notes: dict[str, Note] = {}
    for line, raw in _lines(path):
        place = f"{path}:{line}"
        row = _object(raw, place)
        note_id = str(row["doc_id"])
        if texts and note_id not in texts:
            continue
        if note_id in notes:
            raise InvalidInput("a second line of one note; all its mentions go in one", field=f"{place}: doc_id")
        text = _same_text(row.get("text"), texts.get(note_id), f"{place}: text")
        notes[note_id] = Note(text, spans_of(row["mentions"], text, field=f"{place}: mentions"))
    if missing := next((note_id for note_id in texts if note_id not in notes), None):
        message = f'expected a line with "doc_id": {json.dumps(missing)}, found none; a note without mentions has []'
        raise InvalidInput(message, field=str(path))
    return notes


def _same_text(written: object, wanted: str | None, field: str) -> str:
    if wanted is None and not isinstance(written, str):
        raise InvalidInput("expected the text of the note, or its FILE on the command line", field=field)
    text = str(written) if wanted is None else wanted
    if written is not None and written != text:
        raise InvalidInput("is not the text of the note, so that places in it say nothing; leave it out", field=field)
    return text


def _object(raw: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(raw)
        if isinstance(row, dict) and {"doc_id", "mentions"} <= row.keys():
            return row
    except (ValueError, RecursionError):
        pass
    raise InvalidInput("expected a JSON object with doc_id, text and mentions", field=place)


def _gold(note_id: str, text: str, row: dict[str, Any], prefix: str) -> GoldMention:
    surface = row["mention"]
    if not isinstance(surface, str) or not isinstance(row["gold"], list):
        raise TypeError
    gold = frozenset(f"{prefix}:{g}" if prefix and ":" not in g else g for g in row["gold"])
    types = frozenset(str(row.get("type", "")).split(",")) - {""}
    if row.get("composite") and "|" in surface:
        return GoldMention(note_id, tuple(Mention(part) for part in surface.split("|")), gold, types=types)
    placed = Mention(surface, text, row.get("begin"), row.get("end")) if text else Mention(surface)
    try:
        placed.check()
    except InvalidInput:
        return GoldMention(note_id, (Mention(surface, text),), gold, misplaced=True, types=types)
    return GoldMention(note_id, (placed,), gold, types=types)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    openers: dict[str, Callable[..., BinaryIO]] = {".gz": gzip.open, ".xz": lzma.open}  # type: ignore[dict-item]
    try:
        with openers.get(path.suffix, open)(path, "rb") as stream:
            for line, raw in enumerate(stream, start=1):
                if raw.strip():
                    yield line, raw
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or "truncated or not what its extension says"
        raise InvalidInput(f"cannot be read: {reason}", field=str(path)) from error

"""Mentions as JSON lines in, links as JSON lines out: what `linker link` speaks in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, BinaryIO

from linker.errors import InvalidInput
from linker.notes import AnnotatedMention, AnnotatedNote
from linker.offsets import Offsets, OffsetUnit
from linker.records import Candidate, Code, Link, Mention

_READ = 1 << 16


def read_mentions(stream: BinaryIO, name: str) -> Iterator[list[Mention]]:
    """Batches of mentions: whatever lines have arrived, so that a caller who waits for an answer gets one.

    A line is `{"mention": "...", "context": "...", "begin": 0, "end": 5}`, all but `mention` optional; blank lines are
    passed over. Raises `InvalidInput` naming `name`, line and field, after the lines before it were given.
    """
    rest, line = b"", 0
    read = getattr(stream, "read1", stream.read)
    while True:
        chunk = read(_READ)
        *lines, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
        batch: list[Mention] = []
        for raw in lines:
            line += 1
            try:
                batch += [_mention(raw, f"{name}:{line}")] if raw.strip() else []
            except InvalidInput:
                if batch:
                    yield batch
                raise
        if batch:
            yield batch
        if not chunk:
            return


def _mention(raw: bytes, place: str) -> Mention:
    try:
        row = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"expected UTF-8, found byte 0x{raw[error.start]:02x} at {error.start}", field=place
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput("expected one JSON object a line", field=place) from error
    if not isinstance(row, dict):
        raise InvalidInput(f"expected a JSON object, got {type(row).__name__}", field=place)
    text = _field(row, "mention", str, place)
    if text is None:
        raise InvalidInput("expected a string; the key is missing or null", field=f"{place}: mention")
    context = _field(row, "context", str, place) or ""
    mention = Mention(text, context, _field(row, "begin", int, place), _field(row, "end", int, place))
    mention.check(place)
    return mention


def _field(row: dict[str, Any], key: str, kind: type, place: str) -> Any:
    value = row.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        expected = {str: "a string", int: "an integer"}[kind]
        raise InvalidInput(f"expected {expected}, got {type(value).__name__}", field=f"{place}: {key}")
    return value


def link_line(link: Link) -> str:
    """One link as a JSON object without a line break."""
    return _line(_link(link))


def _link(link: Link) -> dict[str, object]:
    row: dict[str, object] = {"mention": link.mention.text, "outcome": "match" if link.concept else "no_match"}
    if link.nil_reason is not None:
        row["reason"] = str(link.nil_reason)
    if link.truncated:
        row["truncated"] = True
    if link.expansion:
        row["expansion"] = link.expansion
    row["candidates"] = [_candidate(candidate) for candidate in link.candidates]
    return row


def _line(row: dict[str, object]) -> str:
    try:
        line = json.dumps(row, ensure_ascii=False)
        line.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot hold
        line = json.dumps(row)
    return line


def annotated_line(note: AnnotatedNote, note_id: str, unit: OffsetUnit = OffsetUnit.CODE_POINTS) -> str:
    """One annotated note as a JSON object without a line break. begin and end count `unit`; the text is left out."""
    offsets = Offsets(note.text, unit)
    row: dict[str, object] = {
        "note_id": note_id,
        "language": note.language,
        **({"without_rules": True} if note.without_rules else {}),
        "offset_unit": str(unit),
        "mentions": [_annotation(mention, offsets) for mention in note.mentions],
    }
    return _line(row)


def _annotation(mention: AnnotatedMention, offsets: Offsets) -> dict[str, object]:
    pieces = [[offsets.of(begin), offsets.of(end)] for begin, end in mention.span.pieces]
    return {
        "begin": pieces[0][0],
        "end": pieces[-1][1],
        **({"pieces": pieces} if len(pieces) > 1 else {}),
        **_link(mention.link),
        "assertions": sorted(mention.assertions),
        "section": mention.section,
    }


def code_row(code: Code) -> dict[str, object]:
    """A code as a JSON object; without a confidence where none was stated."""
    return {key: value for key, value in asdict(code).items() if value is not None}


def _candidate(candidate: Candidate) -> dict[str, object]:
    generalised = {"generalised_from": candidate.generalised_from} if candidate.generalised_from else {}
    return {
        "concept_id": candidate.concept_id,
        "preferred_name": candidate.preferred_name,
        "matched_name": candidate.matched_name,
        "term_type": candidate.term_type,
        "semantic_types": list(candidate.semantic_types),
        "confidence": round(candidate.confidence, 6),
        "similarity": round(candidate.similarity, 6),
        "support": round(candidate.support, 6),
        "rerank_score": None if candidate.rerank_score is None else round(candidate.rerank_score, 6),
        "source": str(candidate.source),
        "codes": [code_row(code) for code in candidate.codes],
        **generalised,
    }

"""Notes and coded notes as Arrow rows: what every source gives, every engine computes and every sink takes.

A note has one row going in and one coming out. Its mentions are nested in it: a row says all of its note, so that two
notes of one id do not mix, and a note without mentions, or with an error, is there as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import pyarrow as pa

from linker.annotation import AnnotatedMention, AnnotatedNote
from linker.identifiers import split_curie
from linker.offsets import Offsets, OffsetUnit

NOTE_ID, TEXT, ERROR, ELAPSED, MENTIONS = "note_id", "text", "error", "elapsed_ms", "mentions"
LANGUAGE, WITHOUT_RULES = "language", "without_rules"  # as of `linker.notes.AnnotatedNote`; null beside an error

_BATCH_ROWS, _BATCH_BYTES = 256, 1 << 22

_PIECE = pa.struct([("begin", pa.int32()), ("end", pa.int32())])
_CANDIDATE = pa.struct([("concept_id", pa.string()), ("preferred_name", pa.string()), ("confidence", pa.float32())])
_CODE = pa.struct([("system", pa.string()), ("code", pa.string()), ("relation", pa.string())])

# concept_id, preferred_name, vocabulary, code, matched_name and source are null for NIL; nil_reason is null otherwise.
MENTION = pa.struct(
    [
        ("mention", pa.string()),  # the surface form; of several pieces with a space between them
        ("begin", pa.int32()),  # half-open, in the note, in the unit asked for
        ("end", pa.int32()),
        ("pieces", pa.list_(_PIECE)),  # one, unless other words stand in between
        ("concept_id", pa.string()),  # a CURIE
        ("preferred_name", pa.string()),
        ("vocabulary", pa.string()),  # prefix of the concept id
        ("code", pa.string()),  # the rest of it
        ("semantic_types", pa.list_(pa.string())),
        ("confidence", pa.float32()),  # of the first candidate, in [0, 1], also where it is not the answer
        ("nil_reason", pa.string()),
        ("source", pa.string()),  # exact, typo or dense
        ("matched_name", pa.string()),
        ("expansion", pa.string()),  # the mention with its abbreviations in full, or null
        ("generalised_from", pa.string()),  # the concept found, where this is its ancestor in a value set, or null
        ("assertions", pa.list_(pa.string())),
        ("section", pa.string()),  # "" outside any
        ("codes", pa.list_(_CODE)),
        ("candidates", pa.list_(_CANDIDATE)),  # best first, as many as were asked for; also of NIL
    ]
)


class RowError(StrEnum):
    """Why a note has no mentions. Never anything that the note says."""

    NO_TEXT = "no_text"  # null
    NOT_UTF8 = "not_utf8"
    TOO_LONG = "too_long"  # over `linker.annotation.MAX_NOTE_LENGTH` characters
    BAD_LANGUAGE = "bad_language"  # what its column says is no language tag
    MALFORMED = "malformed"  # the line or row is not what its format says
    NOT_A_NOTE = "not_a_note"  # a FHIR resource that is neither a DocumentReference nor a Bundle
    ENTERED_IN_ERROR = "entered_in_error"  # says its status in FHIR
    BAD_BASE64 = "bad_base64"
    UNKNOWN_CHARSET = "unknown_charset"
    NOT_IN_CHARSET = "not_in_charset"  # bytes that the charset it names has not
    UNREADABLE = "unreadable"  # its file cannot be read
    FAILED = "failed"  # annotation raised an exception: a bug, logged by its class and place
    WORKER_DIED = "worker_died"  # the process ended on this note, twice: most often for want of memory


def input_schema(kept: Sequence[pa.Field] = ()) -> pa.Schema:
    """Of the notes. text: UTF-8, checked where it is read. error: set where the source knows that a note is none.

    kept: other columns, which the output has as they are. Engines take text as strings, too, and do without errors.
    """
    return pa.schema([(NOTE_ID, pa.string()), (TEXT, pa.binary()), (ERROR, pa.string()), *kept])


def batches_of(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of `input_schema` in batches; fields that a row has not are null."""
    batch: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += len(row.get(TEXT) or b"")
        if len(batch) == _BATCH_ROWS or held >= _BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(batch, schema)
            batch, held = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, schema)


def output_schema(notes: pa.Schema, *, keep_text: bool = False) -> pa.Schema:
    """Of the coded notes that are made of notes of this schema. A kept column `language` becomes that of the output."""
    replaced = {NOTE_ID, ERROR, LANGUAGE} | (set() if keep_text else {TEXT})
    kept = [field for field in notes if field.name not in replaced]
    read = [(LANGUAGE, pa.string()), (WITHOUT_RULES, pa.bool_())]
    computed = [(ERROR, pa.string()), *read, (ELAPSED, pa.float32()), (MENTIONS, pa.list_(MENTION))]
    return pa.schema([(NOTE_ID, pa.string()), *kept, *computed])


def mention_rows(note: AnnotatedNote, unit: OffsetUnit) -> list[dict[str, object]]:
    """The mentions of a note as values of `MENTION`."""
    offsets = Offsets(note.text, unit)
    return [_mention_row(note.text, mention, offsets) for mention in note.mentions]


def _mention_row(text: str, mention: AnnotatedMention, offsets: Offsets) -> dict[str, object]:
    link, answer = mention.link, mention.link.concept
    pieces = [{"begin": offsets.of(begin), "end": offsets.of(end)} for begin, end in mention.span.pieces]
    row: dict[str, object] = {
        "mention": mention.span.text(text),
        "begin": pieces[0]["begin"],
        "end": pieces[-1]["end"],
        "pieces": pieces,
        "semantic_types": [],
        "confidence": link.candidates[0].confidence if link.candidates else 0.0,
        "nil_reason": link.nil_reason,
        "expansion": link.expansion or None,
        "assertions": sorted(mention.assertions),
        "section": mention.section,
        "codes": [],
        "candidates": [
            {"concept_id": c.concept_id, "preferred_name": c.preferred_name, "confidence": c.confidence}
            for c in link.candidates
        ],
    }
    if answer is not None:
        vocabulary, code = split_curie(answer.concept_id)
        row |= {
            "concept_id": answer.concept_id,
            "preferred_name": answer.preferred_name,
            "vocabulary": vocabulary,
            "code": code,
            "semantic_types": answer.semantic_types,
            "source": answer.source,
            "matched_name": answer.matched_name,
            "generalised_from": answer.generalised_from or None,
            "codes": [{"system": c.system, "code": c.code, "relation": c.relation} for c in answer.codes],
        }
    return row

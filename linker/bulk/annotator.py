"""The one function of bulk, the same under local processes, Spark and Ray: notes in, coded notes out."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa

from linker.annotation import MAX_NOTE_LENGTH, Annotator
from linker.assertion import Triggers
from linker.bulk.rows import (
    ELAPSED,
    ERROR,
    LANGUAGE,
    MENTIONS,
    NOTE_ID,
    SPANS,
    TEXT,
    WITHOUT_RULES,
    RowError,
    mention_rows,
    output_schema,
)
from linker.bundles import DEFAULT
from linker.detection.choice import Detect
from linker.detection.detector import Span
from linker.detection.given import spans_of
from linker.detection.tagger import OnnxTagger
from linker.detection.whole import WholeDetector
from linker.errors import InvalidInput
from linker.language import UNDETERMINED, is_tag
from linker.notes import Note
from linker.offsets import OffsetUnit
from linker.options import Options
from linker.pipeline import Linker
from linker.rules import SECTIONS, TRIGGERS
from linker.sections import Headers

_FIRST = Options(top_k=1)
_GROUP = 1 << 16  # characters annotated together: enough mentions to share their work, few enough to hold
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Coded:
    """What became of one note: an error, or its language and rows of its mentions."""

    error: str | None = None
    language: str | None = None
    without_rules: bool | None = None
    mentions: Sequence[dict[str, object]] = ()
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchAnnotator:
    """Annotates batches of notes. Holds how, not with what: it is sent to other processes as these few values.

    The bundle is opened by the first batch of a process, and stays open. Its files are memory-mapped, so that processes
    of one machine share them.

    bundle: a directory, or a name as `linker.bundles` knows it, where the batches are annotated. detect, detector,
    sections, rules: as `linker annotate` takes them. unit: what begin and end count. is_terms: each note is one
    mention, and too short for its language to be detected. keep_text: the coded notes have their text as well.
    language: of the notes, "" has it detected. language_column: a kept column that states it for each; where it is null
    or empty, `language` does.
    """

    bundle: str = DEFAULT
    options: Options = _FIRST
    detect: Detect = Detect.BOTH
    detector: Path | None = None
    sections: Path = SECTIONS
    rules: tuple[Path, ...] = ()
    unit: OffsetUnit = OffsetUnit.CODE_POINTS
    is_terms: bool = False
    keep_text: bool = False
    language: str = ""
    language_column: str = ""

    def open(self) -> Annotator:
        """What annotates in this process, opened once. Raises `LinkerError` where bundle, rules or options are bad."""
        return _opened(self)

    def __call__(self, notes: pa.RecordBatch) -> pa.RecordBatch:
        """Coded notes, (notes,) rows of `linker.bulk.rows.output_schema`, in order.

        notes: rows of `linker.bulk.rows.input_schema`. A note that cannot be annotated has an error in its row. Raises
        `LinkerError` as `open` does.
        """
        coded = [note for group in _groups(self._notes(notes)) for note in self._coded(group)]
        schema = output_schema(notes.schema, keep_text=self.keep_text)
        computed = {
            NOTE_ID: notes.column(NOTE_ID),
            ERROR: pa.array([note.error for note in coded], pa.string()),
            LANGUAGE: pa.array([note.language for note in coded], pa.string()),
            WITHOUT_RULES: pa.array([note.without_rules for note in coded], pa.bool_()),
            ELAPSED: pa.array([note.elapsed_ms for note in coded], pa.float32()),
            MENTIONS: pa.array([note.mentions for note in coded], schema.field(MENTIONS).type),
        }
        columns = [computed[name] if name in computed else notes.column(name) for name in schema.names]
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _notes(self, batch: pa.RecordBatch) -> list[Note | _Coded]:
        """Each note, or what is wrong with it."""
        raws = batch.column(TEXT).cast(pa.large_binary()).to_pylist()
        errors, spans, stated = (_values(batch, name) for name in (ERROR, SPANS, self.language_column))
        usual = self.language or (UNDETERMINED if self.is_terms else "")
        return [
            _Coded(error) if error else _note(raw, given, str(tag or usual))
            for error, raw, given, tag in zip(errors, raws, spans, stated, strict=True)
        ]

    def _coded(self, group: Sequence[Note | _Coded]) -> Iterator[_Coded]:
        annotated = iter(self._annotated([note for note in group if isinstance(note, Note)]))
        for note in group:
            yield next(annotated) if isinstance(note, Note) else note

    def _annotated(self, notes: Sequence[Note]) -> list[_Coded]:
        """The time of notes that are annotated together is shared out by their lengths."""
        annotator = self.open()
        started = perf_counter()
        try:
            annotated = annotator.annotate(notes, self.options)
            rows = [mention_rows(note, self.unit) for note in annotated]
        except Exception as error:
            if len(notes) > 1:
                return [coded for note in notes for coded in self._annotated([note])]
            # Messages and values of exceptions may hold what the note says; their class and place do not.
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("%s at %s:%d", type(error).__name__, Path(place.filename).name, place.lineno or 0)
            return [_Coded(RowError.FAILED)]
        lengths = [len(note.text) + 1 for note in notes]
        per_character = 1000 * (perf_counter() - started) / max(sum(lengths), 1)
        return [
            _Coded(None, note.language, note.without_rules, of, per_character * length)
            for note, length, of in zip(annotated, lengths, rows, strict=True)
        ]


@lru_cache(maxsize=1)
def _opened(how: BatchAnnotator) -> Annotator:
    annotator = Annotator(
        Linker.open(how.bundle, workers=1),
        detector=WholeDetector() if how.is_terms else None,
        detect=how.detect,
        tagger=OnnxTagger(how.detector) if how.detector else None,
        headers=Headers(None if how.is_terms else how.sections),
        triggers=Triggers([*TRIGGERS, *how.rules]),
    )
    annotator.linker.check(how.options)
    return annotator


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """Of a column, nulls where there is none."""
    values: list[Any] = batch.column(name).to_pylist() if name in batch.schema.names else [None] * len(batch)
    return values


def _note(raw: bytes | None, spans: object, language: str) -> Note | _Coded:
    if raw is None:
        return _Coded(RowError.NO_TEXT)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _Coded(RowError.NOT_UTF8)
    if len(text) > MAX_NOTE_LENGTH:
        return _Coded(RowError.TOO_LONG)
    if language and not is_tag(language):
        return _Coded(RowError.BAD_LANGUAGE)
    try:
        return Note(text, _given(spans, text), language)
    except InvalidInput as error:
        return _Coded(f"{RowError.BAD_SPANS}: {error}")


def _given(spans: object, text: str) -> tuple[Span, ...] | None:
    if spans is None or spans == "":
        return None
    if isinstance(spans, str):
        try:
            spans = json.loads(spans)
        except (ValueError, RecursionError) as error:
            raise InvalidInput("expected a list of mentions in JSON", field=SPANS) from error
    return spans_of(spans, text, field=SPANS)


def _groups(notes: Sequence[Note | _Coded]) -> Iterator[Sequence[Note | _Coded]]:
    """Notes that are annotated together: at most `_GROUP` characters, or one note."""
    begin = held = 0
    for row, note in enumerate(notes):
        length = len(note.text) if isinstance(note, Note) else 0
        if row > begin and held + length > _GROUP:
            yield notes[begin:row]
            begin, held = row, 0
        held += length
    yield notes[begin:]

"""The one function of bulk, the same under local processes, Spark and Ray: notes in, coded notes out."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from linker.annotation import MAX_NOTE_LENGTH, Annotator
from linker.assertion import Triggers
from linker.bulk.rows import (
    ELAPSED,
    ERROR,
    LANGUAGE,
    MENTIONS,
    NOTE_ID,
    TEXT,
    WITHOUT_RULES,
    RowError,
    mention_rows,
    output_schema,
)
from linker.bundles import DEFAULT
from linker.detection.whole import WholeDetector
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

    error: RowError | str | None = None
    language: str | None = None
    without_rules: bool | None = None
    mentions: Sequence[dict[str, object]] = ()
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchAnnotator:
    """Annotates batches of notes. Holds how, not with what: it is sent to other processes as these few values.

    The bundle is opened by the first batch of a process, and stays open. Its files are memory-mapped, so that processes
    of one machine share them.

    bundle: a directory, or a name as `linker.bundles` knows it, where the batches are annotated. sections, rules: files
    as `linker annotate` takes them. unit: what begin and end count. is_terms: each note is one mention, and too short
    for its language to be detected. keep_text: the coded notes have their text as well. language: of the notes, "" has
    it detected. language_column: a kept column that states it for each; where it is null or empty, `language` does.
    """

    bundle: str = DEFAULT
    options: Options = _FIRST
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

        notes: rows of `linker.bulk.rows.input_schema`. A note that cannot be annotated has an error in its row.
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
        nothing = pa.nulls(len(batch), pa.string())
        raws = batch.column(TEXT).cast(pa.large_binary())
        errors = batch.column(ERROR) if ERROR in batch.schema.names else nothing
        stated = batch.column(self.language_column).cast(pa.string()) if self.language_column else nothing
        usual = self.language or (UNDETERMINED if self.is_terms else "")
        columns = (column.to_pylist() for column in (raws, errors, stated))
        return [_Coded(error) if error else _note(raw, tag or usual) for raw, error, tag in zip(*columns, strict=True)]

    def _coded(self, group: Sequence[Note | _Coded]) -> Iterator[_Coded]:
        notes = [note for note in group if isinstance(note, Note)]
        annotated = iter(self._annotated(notes))
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
        spent_ms, length = 1000 * (perf_counter() - started), sum(len(note.text) for note in notes) + len(notes)
        return [
            _Coded(None, note.language, note.without_rules, of, spent_ms * (len(note.text) + 1) / length)
            for note, of in zip(annotated, rows, strict=True)
        ]


@lru_cache(maxsize=1)
def _opened(how: BatchAnnotator) -> Annotator:
    annotator = Annotator(
        Linker.open(how.bundle, workers=1),
        detector=WholeDetector() if how.is_terms else None,
        headers=Headers(None if how.is_terms else how.sections),
        triggers=Triggers([*TRIGGERS, *how.rules]),
    )
    annotator.linker.check(how.options)
    return annotator


def _note(raw: bytes | None, language: str) -> Note | _Coded:
    if raw is None:
        return _Coded(RowError.NO_TEXT)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _Coded(RowError.NOT_UTF8)
    if language and not is_tag(language):
        return _Coded(RowError.BAD_LANGUAGE)
    return Note(text, language=language) if len(text) <= MAX_NOTE_LENGTH else _Coded(RowError.TOO_LONG)


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

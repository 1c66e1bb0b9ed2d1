"""What is counted of coded notes while a job runs: added up over chunks, kept with each, told in its report."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from linker.bulk.rows import ELAPSED, ERROR, LANGUAGE, MENTIONS, NOTE_ID, WITHOUT_RULES

BINS = 20  # of confidence, from 0 to 1
SLOWEST = 10  # notes kept


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of notes and their mentions.

    concepts, names: mentions and preferred name of each concept id. nil: mentions by their reason. assertions: mentions
    by what is said of them, "" where nothing is. confidence: mentions in each of `BINS` bins. slowest: milliseconds and
    id. languages: notes by their language, and by whether there are rules for it. busy_s: seconds that one worker took.
    """

    notes: int = 0
    mentions: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    concepts: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    nil: Counter[str] = field(default_factory=Counter)
    assertions: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    confidence: tuple[int, ...] = (0,) * BINS
    slowest: tuple[tuple[float, str], ...] = ()
    busy_s: float = 0.0

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            notes=self.notes + other.notes,
            mentions=self.mentions + other.mentions,
            errors=self.errors + other.errors,
            concepts=self.concepts + other.concepts,
            names=self.names | other.names,
            nil=self.nil + other.nil,
            assertions=self.assertions + other.assertions,
            languages=self.languages + other.languages,
            confidence=tuple(map(sum, zip(self.confidence, other.confidence, strict=True))),
            slowest=tuple(heapq.nlargest(SLOWEST, self.slowest + other.slowest)),
            busy_s=self.busy_s + other.busy_s,
        )

    @classmethod
    def of(cls, notes: pa.RecordBatch, *, busy_s: float) -> Summary:
        """Of rows of `linker.bulk.rows.output_schema`."""
        mentions = pc.list_flatten(notes.column(MENTIONS))
        ids, names = _values(mentions, "concept_id"), _values(mentions, "preferred_name")
        said = [assertion for of in _values(mentions, "assertions") for assertion in of or [""]]
        bins = Counter(min(int(sure * BINS), BINS - 1) for sure in _values(mentions, "confidence"))
        times = zip(notes.column(ELAPSED).to_pylist(), notes.column(NOTE_ID).to_pylist(), strict=True)
        return cls(
            notes=len(notes),
            mentions=len(mentions),
            errors=_counted(notes.column(ERROR).to_pylist()),
            concepts=_counted(ids),
            names={i: name for i, name in zip(ids, names, strict=True) if i is not None},
            nil=_counted(_values(mentions, "nil_reason")),
            assertions=_counted(said),
            languages=Counter(_languages(notes)),
            confidence=tuple(bins[position] for position in range(BINS)),
            slowest=tuple(heapq.nlargest(SLOWEST, ((round(ms, 1), note_id or "") for ms, note_id in times))),
            busy_s=busy_s,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {of.name: getattr(self, of.name) for of in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Summary:
        """What `to_dict` gave, also after a way through JSON."""
        counters = {name: Counter(values[name]) for name in ("errors", "concepts", "nil", "assertions", "languages")}
        slowest = tuple((ms, note_id) for ms, note_id in values["slowest"])
        return cls(**{**values, **counters, "confidence": tuple(values["confidence"]), "slowest": slowest})


def _languages(notes: pa.RecordBatch) -> Iterator[str]:
    columns = (notes.column(name).to_pylist() for name in (LANGUAGE, WITHOUT_RULES))
    for language, without_rules in zip(*columns, strict=True):
        if language is not None:
            yield f"{language}, without rules of assertion" if without_rules else language


def _values(mentions: pa.StructArray, name: str) -> list[Any]:
    values: list[Any] = mentions.field(name).to_pylist()
    return values


def _counted(values: Iterable[str | None]) -> Counter[str]:
    return Counter(value for value in values if value is not None)

"""The review sheet: terms whose answer is in doubt, the most frequent first, for a person to correct.

In `correct_id` goes the id of the right concept, several separated by |, NIL where none is right, or ok where the
answer is; what stays empty is not reviewed. A corrected sheet is gold for `linker train` and `linker evaluate`.

Cells of CSV that a spreadsheet would take for formulas begin with an apostrophe more. `key` is a digest of the term: a
program that made a date or a number of it (SEPT2, 007) is found out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from linker.bulk.excel import write_sheet
from linker.bulk.files import suffix_of
from linker.bulk.sources.csv import SUFFIXES as CSV
from linker.bulk.tables import open_table
from linker.errors import InvalidInput
from linker.publishing import publish_file

FILE = "review"
CANDIDATES = 5
MAX_ROWS = 100_000  # of a sheet: no person reviews more
NIL, CONFIRMED = "NIL", "ok"
_TERM, _ANSWER, _KEY, _CORRECT = "term", "concept_id", "key", "correct_id"
_HEADER = (
    *(_KEY, "count", _TERM, _ANSWER, "preferred_name", "confidence", "nil_reason"),
    *(f"candidate_{place}" for place in range(1, CANDIDATES + 1)),
    _CORRECT,
)
_LONGEST = 1024  # characters of a term: of a longer one, no more is linked
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A term whose answer is in doubt. candidates: concept id, preferred name and confidence of each, best first."""

    term: str
    count: int
    concept_id: str | None
    preferred_name: str | None
    confidence: float
    nil_reason: str | None
    candidates: Sequence[tuple[str, str, float]] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A term with what a person says of it. place: the row of its sheet. gold: ids, none for NIL."""

    place: str
    key: str
    term: str
    gold: tuple[str, ...]


def write_review(out: Path, doubts: Sequence[Doubt]) -> None:
    """Write `review.csv`, and `review.xlsx` where openpyxl is installed, with the most frequent. Raises OSError."""
    rows = [_row(doubt) for doubt in sorted(doubts, key=lambda d: (-d.count, d.confidence, d.term))[:MAX_ROWS]]
    with publish_file(out / f"{FILE}.csv") as file, file.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([_unformulaic(value) for value in row] for row in [list(_HEADER), *rows])
    if find_spec("openpyxl"):
        with publish_file(out / f"{FILE}.xlsx") as file:
            write_sheet(file, [_HEADER, *rows])


def read_review(file: Path) -> Iterator[Reviewed]:
    """The rows that a person has reviewed. Raises `InvalidInput` naming the row, never its term."""
    table = open_table(file)
    there = table.columns()
    if missing := [name for name in (_KEY, _TERM, _ANSWER, _CORRECT) if name not in there]:
        raise InvalidInput(f"expected a review sheet; without {', '.join(missing)} it is none", field=str(file))
    columns = (table.values(name) for name in (_KEY, _TERM, _ANSWER, _CORRECT))
    for number, row in enumerate(zip(*columns, strict=True), start=2):
        key, term, answer, correct = ("" if value is None else value for value in row)
        if not correct.strip():
            continue
        if suffix_of(file.name) in CSV:
            term, answer, correct = map(_formulaic, (term, answer, correct))
        place = f"{file}:{number}"
        if key != _key(term):
            message = "the term is not the one that was written: a program may have made a date or a number of it,"
            raise InvalidInput(f"{message} or saved it in another encoding than UTF-8; use the .xlsx", field=place)
        yield Reviewed(place, key, term, _gold(correct, answer))


def _gold(correct: str, answer: str) -> tuple[str, ...]:
    said = answer or NIL if correct.strip().lower() == CONFIRMED else correct
    ids = (part.strip() for part in said.split("|"))
    return tuple(dict.fromkeys(part for part in ids if part and part.upper() != NIL))


def _row(doubt: Doubt) -> list[Any]:
    term = shown(doubt.term)
    candidates = [f"{concept_id} {name} ({sure:.2f})" for concept_id, name, sure in doubt.candidates[:CANDIDATES]]
    return [
        *(_key(term), doubt.count, term, doubt.concept_id or "", doubt.preferred_name or ""),
        *(round(doubt.confidence, 3), doubt.nil_reason or ""),
        *(candidates + [""] * (CANDIDATES - len(candidates))),
        "",
    ]


def shown(term: str) -> str:
    """A term as one line that a sheet can hold."""
    return _CONTROLS.sub(" ", term)[:_LONGEST].strip()


def _key(term: str) -> str:
    return f"k{sha256(term.encode()).hexdigest()[:8]}"


def _unformulaic(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _formulaic(value: str) -> str:
    return value[1:] if value.startswith("'") and _FORMULA.match(value[1:]) else value

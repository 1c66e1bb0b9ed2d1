"""Rows of one RF2 file as columns, in blocks: identifiers as numbers, the rest as text, and the line of each.

RF2 is UTF-8, tab-separated without quoting, one row a line. Arrow parses it; what is wrong in a block is looked for
only once Arrow has refused it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.rf2.layout import File, Kind

Numbers = NDArray[np.int64]

_BLOCK = 1 << 23  # bytes parsed at once
_HEADER = 1  # line
_TEXTS = {"languageCode", "mapRule", "mapTarget"}
_DATES = {"effectiveTime", "sourceEffectiveTime"}


@dataclass(frozen=True, slots=True)
class _Form:
    """How the cells of a column are written, and what their first `width` characters stand for.

    lowest, highest: of the numbers, if they are numbers.
    """

    pattern: str
    expected: str
    is_number: bool = True
    lowest: int = 0
    highest: int = 10**18 - 1
    width: int | None = None


_FLAG = _Form(r"^[01]$", "0 or 1", highest=1)
_DATE = _Form(r"^[1-9][0-9]{7}", "a date as YYYYMMDD", lowest=10**7, highest=10**8 - 1, width=8)
_SCTID = _Form(r"^[0-9]{1,18}$", "an identifier of at most 18 digits")
_TEXT = _Form(r"", "text", is_number=False)
_TERM = _Form(r"\S", "a text that is not empty", is_number=False)
_OPTIONAL_SCTID = _Form(r"^[0-9]{0,18}$", "an identifier of at most 18 digits, or nothing")


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file: columns by name, aligned with `lines`. The id of a member is a text."""

    lines: Numbers
    numbers: dict[str, Numbers]
    texts: dict[str, pa.Array]


def read_rows(file: File, problems: Problems) -> Iterator[Rows]:
    """All rows of the file, but for those that `problems` was told of. Raises `SourceError`."""
    wanted = [*file.kind.columns, *(column for column in file.kind.optional if column in file.header)]
    widths: list[tuple[int, int]] = []  # line and number of cells of rows that are too narrow or too wide
    start = told = 0
    for batch in _batches(file, wanted, widths):
        for line, width in widths[told:]:
            message = f"expected {len(file.header)} columns, tabs between them, got {width}"
            problems.found("row with a wrong number of columns", SourceError(message, path=file.path, line=line))
        told = len(widths)
        lines = _lines(start, batch.num_rows, [line for line, _ in widths])
        start += batch.num_rows
        yield _checked(batch, lines, file, problems)


def no_rows(kind: Kind) -> Rows:
    """None of a kind of file, with all of its columns."""
    columns = {name: pa.array([], pa.string()) for name in kind.columns}
    forms = {name: _form(name, kind) for name in columns}
    numbers = {name: _numbers(columns[name], form) for name, form in forms.items() if form.is_number}
    return Rows(np.array([], dtype=np.int64), numbers, {name: columns[name] for name in columns if name not in numbers})


def _batches(file: File, wanted: Sequence[str], widths: list[tuple[int, int]]) -> Iterator[pa.RecordBatch]:
    def skip(row: csv.InvalidRow) -> str:
        widths.append((row.number + _HEADER, row.actual_columns))
        return "skip"

    with file.open() as handle:
        handle.readline()  # the header
        try:
            yield from csv.open_csv(
                handle,
                read_options=csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=file.header),
                parse_options=csv.ParseOptions(
                    delimiter="\t",
                    quote_char=False,
                    double_quote=False,
                    ignore_empty_lines=False,
                    invalid_row_handler=skip,
                ),
                convert_options=csv.ConvertOptions(
                    check_utf8=False,
                    include_columns=list(wanted),
                    column_types=dict.fromkeys(wanted, pa.binary()),
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):  # a header and no row, as extensions have it
                raise SourceError(f"expected rows of text, got: {error}", path=file.path) from None
    yield pa.record_batch([pa.array([], pa.binary())] * len(wanted), names=list(wanted))  # tells of the last widths


def _lines(start: int, size: int, skipped: Sequence[int]) -> Numbers:
    """Lines of the rows from `start` on, counted without the skipped lines."""
    rows = np.arange(start, start + size)
    before = np.array(skipped, dtype=np.int64) - (_HEADER + 1) - np.arange(len(skipped))
    return rows + _HEADER + 1 + np.searchsorted(before, rows, side="right")


def _checked(batch: pa.RecordBatch, lines: Numbers, file: File, problems: Problems) -> Rows:
    try:
        return _converted(batch, lines, file)
    except pa.ArrowInvalid:
        return _converted(*_without_bad_rows(batch, lines, file, problems), file)


def _converted(batch: pa.RecordBatch, lines: Numbers, file: File) -> Rows:
    """Raises `ArrowInvalid` where a cell is not what it should be."""
    numbers, texts = {}, {}
    for name in batch.schema.names:
        form, text = _form(name, file.kind), batch[name].cast(pa.string())
        if form.is_number:
            numbers[name] = _numbers(text, form)
        elif form is _TERM and not _matches(text, form).all():
            raise pa.ArrowInvalid(form.expected)
        else:
            texts[name] = text
    return Rows(lines, numbers, texts)


def _form(name: str, kind: Kind) -> _Form:
    if name == "term":
        return _TERM
    if name in _TEXTS or (name == "id" and "refsetId" in kind.columns):
        return _TEXT
    if name in _DATES:
        return _DATE
    if name == "active":
        return _FLAG
    return _OPTIONAL_SCTID if name in kind.optional else _SCTID


def _numbers(text: pa.Array, form: _Form) -> Numbers:
    if form.width:
        text = pc.utf8_slice_codeunits(text, 0, form.width)
    if form is _OPTIONAL_SCTID:
        text = pc.if_else(pc.equal(text, ""), "0", text)
    values: Numbers = pc.cast(text, pa.int64()).to_numpy(zero_copy_only=False)
    if values.size and not form.lowest <= values.min() <= values.max() <= form.highest:
        raise pa.ArrowInvalid(form.expected)
    return values


def _without_bad_rows(
    batch: pa.RecordBatch, lines: Numbers, file: File, problems: Problems
) -> tuple[pa.RecordBatch, Numbers]:
    """The rows that can be converted; of the others `problems` is told, but not of blank ones."""
    good = ~(pc.and_(pc.equal(batch["id"], b""), pc.equal(batch["effectiveTime"], b""))).to_numpy(zero_copy_only=False)
    for name in batch.schema.names:
        form = _form(name, file.kind)
        is_written = np.array([_is_utf8(cell) for cell in batch[name].to_pylist()], dtype=bool)
        fits = is_written & _matches(batch[name], form)
        for row in np.flatnonzero(good & ~fits):
            cell = batch[name][int(row)].as_py()
            kind = f"bad {name}" if is_written[row] else "text that is not UTF-8"
            expected = form.expected if is_written[row] else "UTF-8"
            message = f"expected {expected}, got {cell[:80]!r}"
            problems.found(kind, SourceError(message, path=file.path, line=int(lines[row]), field=name))
        good &= fits
    return batch.filter(pa.array(good)), lines[good]


def _matches(column: pa.Array, form: _Form) -> NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(column, form.pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _is_utf8(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True

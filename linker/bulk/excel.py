"""Workbooks of Excel, a sheet in and a sheet out, with values that stay what they are.

What is text is written as text: no formula, however it begins, no number, no date, and zeros in front of it stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from linker.errors import InvalidInput

SUFFIXES = (".xlsx",)
_LONGEST = 32_767  # characters of a cell
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML has no place for


def read_sheet(file: Path) -> Iterator[list[Any]]:
    """The rows of the first sheet, formulas as their values. Raises `InvalidInput`."""
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        raise InvalidInput("needs openpyxl: pip install 'medlinker[excel]'", field=str(file)) from error
    try:
        with closing(load_workbook(file, read_only=True, data_only=True)) as book:
            yield from (list(row) for row in book.worksheets[0].iter_rows(values_only=True))
    except Exception as error:  # at a damaged workbook, openpyxl raises whatever it runs into
        message = f"expected a workbook .xlsx with a sheet of cells ({type(error).__name__}); save it again, or as CSV"
        raise InvalidInput(message, field=str(file)) from error


def write_sheet(file: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a workbook of one sheet. Raises OSError."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = WriteOnlyCell(sheet, value=_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)[:_LONGEST])
        text.data_type, text.number_format, text.quotePrefix = "s", "@", True
        return text

    for row in rows:
        sheet.append([cell(value) for value in row])
    book.save(file)

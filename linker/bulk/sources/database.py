"""Notes in a database, by a URL of SQLAlchemy: the table NOTE of OMOP, or another one with an integer key.

    postgresql+psycopg://reader@host/clinic#cdm.note

Behind # is the table, `note` without it. It is read by its key: in parts, ranges of about as many notes each, and these
in pages, each the next rows behind the last key seen. So a job goes on at the part where it was stopped, and no query,
transaction or cursor is open while notes are annotated. Keep the password out of the command line: most drivers read it
from a file or a variable of their own, such as ~/.pgpass. It is in no message.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from linker.bulk.rows import NOTE_ID, TEXT, batches_of, input_schema
from linker.bulk.source import Columns, Part
from linker.bulk.sources.omop import of_note
from linker.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import ColumnClause, Connection, Engine, Select, TableClause

NOTES = 10_000  # of a part
_PAGE = 256  # rows held at once
_PRIME = 65_521  # keys are summed up modulo it: the sum over a part fits into 32 bits

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A table. url: with its password, and so not shown. Kept columns come out as text."""

    url: str = field(repr=False)
    table: str
    columns: Columns
    notes: int = NOTES

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> DatabaseSource:
        """The table that `inputs`, one URL, names. Raises `InvalidInput`."""
        if not find_spec("sqlalchemy"):
            raise InvalidInput("needs SQLAlchemy: pip install 'medlinker[database]'", field="INPUT")
        if len(inputs) != 1:
            raise InvalidInput(f"expected one URL of a database, got {len(inputs)} inputs", field="INPUT")
        url, _, table = inputs[0].partition("#")
        return cls(url, table or "note", of_note(columns))

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return input_schema([pa.field(name, pa.string()) for name in self.columns.others])

    def parts(self) -> list[Part]:
        """See `Source`: ranges of the key. A text that was changed is not seen; a note more, less or instead is."""
        from sqlalchemy import column, func, select

        with self._opened() as (engine, table), engine.connect() as connection:
            self._check(connection)
            key: ColumnClause[int] = column(self.columns.note_id)
            without = connection.scalar(select(func.count()).select_from(table).where(key.is_(None)))
            if without:
                raise InvalidInput(f"expected a key, got {without:,} rows without", field=self._place(key.name))
            parts = list(self._parts(connection, table, key))
        if not parts:
            raise InvalidInput("expected notes, got a table without rows", field=self._place())
        return parts

    def _parts(self, connection: Connection, table: TableClause, key: ColumnClause[int]) -> Iterator[Part]:
        """The rows of one key are in one part, and a part has as many more as that takes."""
        from sqlalchemy import func, select

        rest = select(key).select_from(table)
        for number in count(1):
            border = connection.scalar(rest.order_by(key).offset(self.notes - 1).limit(1))
            of_part = rest if border is None else rest.where(key <= border)
            totals = (func.min(key), func.max(key), func.count(), func.sum(key % _PRIME))
            first, last, notes, checksum = connection.execute(of_part.with_only_columns(*totals)).one()
            if not notes:
                return
            stamp = f"{notes:,} notes, keys {first} to {last} with checksum {checksum}"
            yield Part(f"{self._place()}, part {number}", stamp, notes, (int(first), int(last)))
            rest = select(key).select_from(table).where(key > last)

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`."""
        return batches_of(self._rows(part), self.schema)

    def _rows(self, part: Part) -> Iterator[dict[str, object]]:
        from sqlalchemy import column, select

        key: ColumnClause[int] = column(self.columns.note_id)
        others: list[ColumnClause[Any]] = [column(name) for name in (self.columns.text, *self.columns.others.values())]
        with self._opened() as (engine, table):
            for page in _pages(engine, select(key, *others).select_from(table), key, part.keys):
                notes = [(row[0], self._note(row)) for row in page]
                # A database may give rows of one key in any order, and a chunk has to have the same ones every time.
                yield from (note for _, note in sorted(notes, key=lambda each: (each[0], repr(each[1]))))

    def _note(self, row: _Row) -> dict[str, object]:
        note_id, text, *values = row
        others = zip(self.columns.others, map(_shown, values), strict=True)
        return {NOTE_ID: str(note_id), TEXT: _utf8(text), **dict(others)}

    @contextmanager
    def _opened(self) -> Iterator[tuple[Engine, TableClause]]:
        """The database and the table. Whatever it says of an error is left out: it may quote a row, or the password."""
        from sqlalchemy import create_engine, table
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

        schema, _, name = self.table.rpartition(".")
        try:
            engine = create_engine(self.url, pool_pre_ping=True, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise InvalidInput(f"needs the driver {error.name}: pip install it", field=self._place()) from None
        except (ArgumentError, NoSuchModuleError, ValueError):
            message = "expected dialect+driver://user@host/database#schema.table, the first part as SQLAlchemy has it"
            raise InvalidInput(message, field="INPUT") from None
        file = engine.url.database if engine.dialect.name == "sqlite" else None
        if file and not file.startswith("file:") and not Path(file).exists():  # SQLite would make it
            raise InvalidInput("no such file", field=self._place())
        try:
            yield engine, table(name, schema=schema or None)
        except SQLAlchemyError as error:
            message = f"the database cannot be read ({type(error).__name__}); is it there, and may this user read it?"
            raise InvalidInput(message, field=self._place()) from None
        finally:
            engine.dispose()

    def _check(self, connection: Connection) -> None:
        """Raise `InvalidInput` where there is no such table or column, saying what there is."""
        from sqlalchemy import Integer, inspect

        schema, _, name = self.table.rpartition(".")
        there = inspect(connection)
        if not there.has_table(name, schema=schema or None):
            tables = sorted([*there.get_table_names(schema or None), *there.get_view_names(schema or None)])
            message = f"no such table; there is {', '.join(tables) or 'none'}. Name it behind #"
            raise InvalidInput(message, field=self._place())
        types = {column["name"].lower(): column["type"] for column in there.get_columns(name, schema=schema or None)}
        for wanted in (self.columns.note_id, self.columns.text, *self.columns.others.values()):
            if wanted.lower() not in types:
                message = (
                    f"no such column; there is {', '.join(types)}; see --note-id, --text, --keep and --spans-column"
                )
                raise InvalidInput(message, field=self._place(wanted))
        if not isinstance(key := types[self.columns.note_id.lower()], Integer):
            raise InvalidInput(f"expected a column of integers, got {key}", field=self._place(self.columns.note_id))

    def _place(self, column: str = "") -> str:
        from sqlalchemy import make_url

        url = make_url(self.url).render_as_string(hide_password=True)
        return f"{url}#{self.table}{'.' if column else ''}{column}"


def _pages(
    engine: Engine, wanted: Select[Any], key: ColumnClause[int], keys: tuple[int, int]
) -> Iterator[Sequence[_Row]]:
    """The rows whose keys, their first column, lie in a range with both its ends; in order, those of one key together.

    Each page is a query that ends before the page is given: it asks for what comes behind the last key seen.
    """
    seen, last = keys[0] - 1, keys[1]
    while seen < last:
        with engine.connect() as connection:
            page = connection.execute(wanted.where(key > seen, key <= last).order_by(key).limit(_PAGE)).all()
            if len(page) == _PAGE:  # of its last key there may be more
                border = page[-1][0]
                page = [row for row in page if row[0] < border] or connection.execute(wanted.where(key == border)).all()
        if not page:
            return
        yield page
        seen = page[-1][0]


def _shown(value: object) -> str | None:
    """A value as text; what a driver has read from JSON as JSON."""
    if value is None:
        return None
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _utf8(text: object) -> bytes | None:
    if text is None:
        return None
    return text if isinstance(text, bytes) else str(text).encode(errors="surrogatepass")

"""Notes in a database, by a URL of SQLAlchemy: the table NOTE of OMOP, or another one with an integer key.

    postgresql+psycopg://reader@host/clinic#cdm.note

Behind # is the table, `note` without it. It is read in parts, ranges of the key with about as many notes each; a server
sends rows as they are asked for. Keep the password out of the command line: most drivers read it from a file or a
variable of their own, such as ~/.pgpass. It is in no message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from linker.bulk.rows import NOTE_ID, TEXT, batches_of, input_schema
from linker.bulk.source import Columns, Part
from linker.bulk.sources.omop import of_note
from linker.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import ColumnClause, Connection, TableClause

NOTES = 10_000  # of a part
_FETCHED = 64  # rows held at once
_RANGE = re.compile(r" (-?\d+)\.\.(-?\d+)$")


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
        return input_schema([pa.field(name, pa.string()) for name in self.columns.keep])

    def parts(self) -> list[Part]:
        """See `Source`: ranges of the key. A changed text is not seen, a note more or less is."""
        from sqlalchemy import column, func, select

        with self._connected() as (connection, table):
            self._check(connection)
            key: ColumnClause[int] = column(self.columns.note_id)
            without = connection.scalar(select(func.count()).select_from(table).where(key.is_(None)))
            if without:
                raise InvalidInput(f"expected a key, got {without:,} rows without", field=self._place(key.name))
            rank = func.rank().over(order_by=key).label("rank")
            ranked = select(key.label("key"), rank).select_from(table).subquery()
            first = select(ranked).where((ranked.c.rank - 1) % self.notes == 0).distinct().order_by(ranked.c.rank)
            begins = connection.execute(first).all()
            count, last = connection.execute(select(func.count(), func.max(key)).select_from(table)).one()
            if not count:
                raise InvalidInput("expected notes, got a table without rows", field=self._place())
            ends = [(begin.key - 1, begin.rank) for begin in begins[1:]] + [(last, count + 1)]
            ranges = [(begin.key, end, past - begin.rank) for begin, (end, past) in zip(begins, ends, strict=True)]
        return [Part(f"{self._place()} {begin}..{end}", f"{n} notes", n) for begin, end, n in ranges]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`."""
        return batches_of(self._rows(part), self.schema)

    def _rows(self, part: Part) -> Iterator[dict[str, object]]:
        from sqlalchemy import column, select

        found = _RANGE.search(part.name)
        begin, end = map(int, found.groups()) if found else (0, -1)
        key: ColumnClause[int] = column(self.columns.note_id)
        kept: dict[str, ColumnClause[Any]] = {name: column(name) for name in self.columns.keep}
        with self._connected() as (connection, table):
            fields: list[ColumnClause[Any]] = [key, column(self.columns.text), *kept.values()]
            wanted = select(*fields).select_from(table)
            streamed = connection.execution_options(stream_results=True, yield_per=_FETCHED)
            for note_id, text, *values in streamed.execute(wanted.where(key.between(begin, end)).order_by(key)):
                shown = {name: None if v is None else str(v) for name, v in zip(kept, values, strict=True)}
                yield {NOTE_ID: str(note_id), TEXT: _utf8(text), **shown}

    @contextmanager
    def _connected(self) -> Iterator[tuple[Connection, TableClause]]:
        """The database and the table. Whatever it says of an error is left out: it may quote a row, or the password."""
        from sqlalchemy import create_engine, table
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
        from sqlalchemy.pool import NullPool

        schema, _, name = self.table.rpartition(".")
        try:
            engine = create_engine(self.url, poolclass=NullPool, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise InvalidInput(f"needs the driver {error.name}: pip install it", field=self._place()) from None
        except (ArgumentError, NoSuchModuleError, ValueError):
            message = "expected dialect+driver://user@host/database#schema.table, the first part as SQLAlchemy has it"
            raise InvalidInput(message, field="INPUT") from None
        try:
            with engine.connect() as connection:
                yield connection, table(name, schema=schema or None)
        except SQLAlchemyError as error:
            message = f"the database cannot be read ({type(error).__name__}); is it there, and may this user read it?"
            raise InvalidInput(message, field=self._place()) from None

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
        for wanted in (self.columns.note_id, self.columns.text, *self.columns.keep):
            if wanted.lower() not in types:
                message = f"no such column; there is {', '.join(types)}; see --note-id, --text and --keep"
                raise InvalidInput(message, field=self._place(wanted))
        if not isinstance(key := types[self.columns.note_id.lower()], Integer):
            raise InvalidInput(f"expected a column of integers, got {key}", field=self._place(self.columns.note_id))

    def _place(self, column: str = "") -> str:
        from sqlalchemy import make_url

        url = make_url(self.url).render_as_string(hide_password=True)
        return f"{url}#{self.table}{'.' if column else ''}{column}"


def _utf8(text: object) -> bytes | None:
    if text is None:
        return None
    return text if isinstance(text, bytes) else str(text).encode(errors="surrogatepass")

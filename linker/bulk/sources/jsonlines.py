"""Notes as JSON lines: an object a line. Kept fields come out as text: a string as it is, any other value as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from linker.bulk.files import HAS_NULS, check_columns, folder_values, open_bytes
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, RowError
from linker.bulk.sources.tabular import TabularSource
from linker.errors import InvalidInput

SUFFIXES = (".jsonl", ".ndjson")
_LONGEST = 1 << 26  # bytes of a line; a note has 10 million characters at most


@dataclass(frozen=True, slots=True)
class JsonLinesSource(TabularSource):
    """Files of JSON lines. A line that is no JSON object has the error `malformed`, and `FILE:LINE` for an id."""

    suffixes: ClassVar = SUFFIXES

    def rows(self, file: Path) -> Iterator[dict[str, object]]:
        """See `TabularSource`."""
        folders = folder_values(file)
        is_first = True
        for place, found in objects_of(file):
            if found is None:
                yield {NOTE_ID: place, ERROR: RowError.MALFORMED}
                continue
            value = folders | found
            if is_first:
                check_columns(self.columns, value, file)
                is_first = False
            yield self._row(value)

    def _row(self, value: dict[str, Any]) -> dict[str, object]:
        text = value.get(self.columns.text)
        is_text = text is None or isinstance(text, str)
        return {
            NOTE_ID: _shown(value.get(self.columns.note_id)),
            TEXT: text.encode(errors="surrogatepass") if isinstance(text, str) else None,
            ERROR: None if is_text else RowError.MALFORMED,
            **{name: _shown(value.get(place)) for name, place in self.columns.others.items()},
        }


def objects_of(file: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The object of each line that is not blank, None where it is none, with its place. Raises `InvalidInput`."""
    with open_bytes(file) as stream:
        for number, line in enumerate(_lines(stream, file), start=1):
            if line.strip():
                yield f"{file.name}:{number}", _parsed(line)


def _lines(stream: BinaryIO, file: Path) -> Iterator[bytes]:
    r"""Lines, b"\0" in place of one that is longer than any note."""
    is_first = True
    try:
        while line := stream.readline(_LONGEST):
            if is_first and b"\0" in line:  # which JSON has no place for
                raise InvalidInput(HAS_NULS, field=str(file))
            is_first = False
            is_too_long = len(line) == _LONGEST and not line.endswith(b"\n")
            yield b"\0" if is_too_long else line
            while is_too_long and line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST)
    except OSError as error:  # of what is compressed
        raise InvalidInput("cannot be read to its end; is it truncated?", field=str(file)) from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode(errors="surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _shown(value: object) -> str | None:
    """A value as text that UTF-8 can hold."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="replace").decode()

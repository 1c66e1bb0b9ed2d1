"""One JSON file of a release, plain or compressed, and the checks its readers share.

A wrong value is reported by its path in the document, `compose.include[0].concept[17].code`; a file that is not JSON
(RFC 8259) or not UTF-8 is reported by its line.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import digest, open_file

Json = object
AnyPath = str | PathLike[str]


def read_json(path: AnyPath) -> tuple[Json, str]:
    """The document, and the sha-256 of the file as it lies on disk."""
    with open_file(Path(path)) as handle:
        text = _decode(handle.read(), path)
    try:
        return json.loads(text), digest(Path(path))
    except json.JSONDecodeError as error:
        message = f"expected JSON, got {error.msg.lower()} at column {error.colno}"
        raise SourceError(message, path=path, line=error.lineno) from error
    except RecursionError as error:
        raise SourceError("expected JSON nested less deeply", path=path) from error


def json_object(value: Json, path: AnyPath, field: str) -> dict[str, Json]:
    """`value`, when it is a JSON object."""
    if isinstance(value, dict):
        return value
    raise _unexpected("an object", value, path, field)


def json_array(value: Json, path: AnyPath, field: str) -> list[Json]:
    """`value`, when it is a JSON array; an absent one (null) is empty."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _unexpected("an array", value, path, field)


def json_text(value: Json, path: AnyPath, field: str) -> str:
    """`value` without outer white space, when it is a string that holds more than that."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise _unexpected("a text that is not empty", value, path, field)


def optional_text(document: dict[str, Json], key: str, path: AnyPath, field: str = "") -> str:
    """The text at `key`, or "" where there is none."""
    value = document.get(key)
    return "" if value is None or value == "" else json_text(value, path, f"{field}.{key}" if field else key)


def json_flag(document: dict[str, Json], key: str, path: AnyPath, field: str) -> bool:
    """The boolean at `key`, false where there is none."""
    value = document.get(key, False)
    if isinstance(value, bool):
        return value
    raise _unexpected("true or false", value, path, f"{field}.{key}")


def _unexpected(expected: str, value: Json, path: AnyPath, field: str) -> SourceError:
    came = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return SourceError(f"expected {expected}, got {came[:80]}", path=path, field=field)


def _decode(content: bytes, path: AnyPath) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        came = f"byte 0x{error.object[error.start]:02x}"
        raise SourceError(f"expected UTF-8, got {came}", path=path, line=line) from error

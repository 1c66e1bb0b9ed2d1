"""Notes as FHIR R4: the resources DocumentReference of NDJSON, as bulk export writes them, or of a Bundle.

A line is a DocumentReference, or a Bundle of which these are taken; a file `.json` is one such line, read as a whole.
The text is the first attachment of type text/plain that has data, in the charset it names, else in UTF-8.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from linker.bulk.files import file_part, files_of, open_bytes, suffix_of
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, RowError, batches_of, input_schema
from linker.bulk.source import Columns, Part
from linker.bulk.sources.jsonlines import objects_of
from linker.errors import InvalidInput

SUFFIXES = (".ndjson", ".jsonl", ".json")
KEPT = ("subject", "encounter", "date")  # references, and when the document was made
_LARGEST = 1 << 28  # bytes of a file that is read as a whole


@dataclass(frozen=True, slots=True)
class FhirSource:
    """Files of resources, plain or compressed. All notes have subject, encounter and date, null where there is none."""

    columns: ClassVar[Columns] = Columns()

    files: tuple[Path, ...]

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> FhirSource:
        """The files that `inputs` mean. Of `columns`, only `keep` has a meaning here. Raises `InvalidInput`."""
        if columns.spans:
            raise InvalidInput("FHIR has no place for spans; write the notes as JSON lines", field="--spans-column")
        if unknown := set(columns.keep) - set(KEPT):
            message = f"FHIR notes have {', '.join(KEPT)} and no other, got {', '.join(sorted(unknown))}"
            raise InvalidInput(message, field="--keep")
        return cls(files_of(inputs, SUFFIXES))

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return input_schema([pa.field(name, pa.string()) for name in KEPT])

    def parts(self) -> list[Part]:
        """See `Source`: one for each file."""
        return [file_part(file) for file in self.files]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`. The id is the resource's; `FILE:LINE` where it has none. Errors are those of `RowError`."""
        return batches_of(_rows(Path(part.name)), self.schema)


def _rows(file: Path) -> Iterator[dict[str, object]]:
    for place, value in [(file.name, _whole(file))] if suffix_of(file.name) == ".json" else objects_of(file):
        if value is None:
            yield {NOTE_ID: place, ERROR: RowError.MALFORMED}
        elif value.get("resourceType") == "Bundle":
            yield from _of_bundle(value, place)
        elif value.get("resourceType") == "DocumentReference":
            yield _row(value, place)
        else:
            yield {NOTE_ID: place, ERROR: RowError.NOT_A_NOTE}


def _whole(file: Path) -> dict[str, Any] | None:
    with open_bytes(file) as stream:
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        message = f"expected at most {_LARGEST >> 20} MiB in a file that is read as a whole; write it as NDJSON"
        raise InvalidInput(message, field=str(file))
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _of_bundle(bundle: Mapping[str, Any], place: str) -> Iterator[dict[str, object]]:
    """Its DocumentReferences; what else a Bundle has, such as patients, is no error."""
    entries = bundle.get("entry", [])
    for number, entry in enumerate(entries if isinstance(entries, list) else [None], start=1):
        here = f"{place}:entry[{number}]"
        if not isinstance(entry, dict) or not isinstance(resource := entry.get("resource", {}), dict):
            yield {NOTE_ID: here, ERROR: RowError.MALFORMED}
        elif resource.get("resourceType") == "DocumentReference":
            yield _row(resource, _text(entry.get("fullUrl")) or here)


def _row(resource: Mapping[str, Any], place: str) -> dict[str, object]:
    context = resource.get("context")
    encounters = context.get("encounter") if isinstance(context, dict) else None
    text, error = _note(resource)
    return {
        NOTE_ID: _text(resource.get("id")) or place,
        TEXT: text,
        ERROR: error,
        "subject": _reference(resource.get("subject")),
        "encounter": _reference(encounters[0] if isinstance(encounters, list) and encounters else None),
        "date": _text(resource.get("date")),
    }


def _note(resource: Mapping[str, Any]) -> tuple[bytes | None, RowError | None]:
    """The text as UTF-8, or why there is none."""
    if resource.get("status") == "entered-in-error":
        return None, RowError.ENTERED_IN_ERROR
    contents = resource.get("content")
    for content in contents if isinstance(contents, list) else []:
        attachment = content.get("attachment") if isinstance(content, dict) else None
        if not isinstance(attachment, dict) or "data" not in attachment:
            continue
        described = Message()
        described["Content-Type"] = _text(attachment.get("contentType")) or ""
        if described.get_content_type() == "text/plain":
            return _decoded(attachment["data"], described.get_content_charset("utf-8"))
    return None, RowError.NO_TEXT


def _decoded(data: object, charset: str) -> tuple[bytes | None, RowError | None]:
    try:
        raw = base64.b64decode("".join(str(data).split()), validate=True)
    except ValueError:
        return None, RowError.BAD_BASE64
    try:
        return raw.decode(charset).encode(), None
    except LookupError:
        return None, RowError.UNKNOWN_CHARSET
    except ValueError:
        return None, RowError.NOT_IN_CHARSET


def _reference(value: object) -> str | None:
    return _text(value.get("reference")) if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value.encode(errors="replace").decode() if isinstance(value, str) else None

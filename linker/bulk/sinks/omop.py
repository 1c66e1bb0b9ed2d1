"""Coded notes as the table NOTE_NLP of the OMOP Common Data Model 5.4: `OUT/note_nlp/*.parquet`.

Fields and their widths: https://github.com/OHDSI/CommonDataModel/tree/main/inst/ddl/5.4. What `term_exists`,
`term_temporal` and `term_modifiers` say: https://ohdsi.github.io/CommonDataModel/cdm54.html#note_nlp. The table has no
place for the code of another vocabulary, so `term_modifiers` ends with the concept as the bundle has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from linker.bulk.chunks import Chunk
from linker.bulk.rows import MENTIONS, NOTE_ID, TEXT
from linker.bulk.sinks.errors import write_errors
from linker.bulk.sinks.parquet import publish_table
from linker.crosswalk import EXACT
from linker.errors import InvalidInput
from linker.records import Assertion

FOLDER = "note_nlp"
OMOP = "OMOP"  # prefix of concept ids of OMOP
NOTE_NLP = pa.schema(
    [
        pa.field("note_nlp_id", pa.int64(), nullable=False),
        pa.field("note_id", pa.int64(), nullable=False),
        pa.field("section_concept_id", pa.int32()),
        pa.field("snippet", pa.string()),  # varchar(250)
        pa.field("offset", pa.string()),  # varchar(50)
        pa.field("lexical_variant", pa.string(), nullable=False),  # varchar(250)
        pa.field("note_nlp_concept_id", pa.int32()),
        pa.field("note_nlp_source_concept_id", pa.int32()),
        pa.field("nlp_system", pa.string()),  # varchar(250)
        pa.field("nlp_date", pa.date32(), nullable=False),
        pa.field("nlp_datetime", pa.timestamp("us")),
        pa.field("term_exists", pa.string()),  # varchar(1)
        pa.field("term_temporal", pa.string()),  # varchar(50)
        pa.field("term_modifiers", pa.string()),  # varchar(2000)
    ]
)
_WIDTH = 250  # of snippet and lexical_variant
_AROUND = 100  # characters of a snippet before the mention
_UNMAPPED = 0  # the CDM's concept of what has none
_LARGEST = 2**31 - 1  # of the CDM's integer
_ABSENT = {Assertion.NEGATED, Assertion.HYPOTHETICAL, Assertion.FAMILY}  # what makes `term_exists` false


@dataclass(frozen=True, slots=True)
class NoteNlpSink:
    """A row a mention. `note_nlp_id` counts the mentions of a chunk, and when all are there, of all chunks."""

    needs_text: ClassVar[bool] = True

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`. Raises `InvalidInput` for a note id that is no integer, as the CDM has them."""
        rows = [row for note in notes.to_pylist() for row in _rows(note)]
        numbered = [{"note_nlp_id": number, **row} for number, row in enumerate(rows, start=1)]
        publish_table(out / FOLDER / f"{chunk}.parquet", pa.Table.from_pylist(numbered, NOTE_NLP))
        write_errors(out, chunk, notes)

    def finish(self, out: Path) -> None:
        """See `Sink`: number the rows of all files, in the order of their names."""
        first = 1
        for file in sorted((out / FOLDER).glob("*.parquet")):
            table = pq.read_table(file, schema=NOTE_NLP, partitioning=None)
            ids = pa.array(range(first, first + len(table)), pa.int64())
            first += len(table)
            if not table["note_nlp_id"].combine_chunks().equals(ids):
                publish_table(file, table.set_column(0, NOTE_NLP.field(0), ids))


def _rows(note: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    mentions = note[MENTIONS] or ()
    if not mentions:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    note_id, text = _integer(note[NOTE_ID]), note[TEXT].decode()
    for mention in mentions:
        concept, said = _concept(mention), set(mention["assertions"])
        yield {
            "note_id": note_id,
            "section_concept_id": _UNMAPPED if mention["section"] else None,
            "snippet": _varchar(_snippet(text, mention["begin"]), _WIDTH),
            "offset": str(mention["begin"]),
            "lexical_variant": _varchar(mention["mention"], _WIDTH),
            "note_nlp_concept_id": concept,
            "note_nlp_source_concept_id": concept,
            "nlp_system": f"medlinker {version('medlinker')}",
            "nlp_date": now.date(),
            "nlp_datetime": now,
            "term_exists": "N" if said & _ABSENT else "Y",
            "term_temporal": "past" if Assertion.HISTORICAL in said else "present",
            "term_modifiers": _varchar(_modifiers(mention, said), 2000),
        }


def _integer(note_id: str | None) -> int:
    if note_id is None or not re.fullmatch(r"-?[0-9]{1,18}", note_id):
        message = "NOTE_NLP needs note ids that are integers, as in the table NOTE; write parquet or jsonl instead"
        raise InvalidInput(message, field=NOTE_ID)
    return int(note_id)


def _concept(mention: Mapping[str, Any]) -> int:
    """The OMOP concept of a mention: its own id, or an exact match among its codes."""
    codes = [(mention["vocabulary"], mention["code"])]
    codes += [(code["system"], code["code"]) for code in mention["codes"] if code["relation"] == EXACT]
    ids = (int(code) for system, code in codes if system == OMOP and code.isdecimal())
    return next((number for number in ids if number <= _LARGEST), _UNMAPPED)


def _snippet(text: str, begin: int) -> str:
    first = max(0, begin - _AROUND)
    return text[first : first + _WIDTH]


def _modifiers(mention: Mapping[str, Any], said: set[str]) -> str:
    def holds(assertion: Assertion) -> str:
        return "true" if assertion in said else "false"

    values = {
        "negation": holds(Assertion.NEGATED),
        "subject": "family" if Assertion.FAMILY in said else "patient",
        "conditional": holds(Assertion.HYPOTHETICAL),
        "uncertain": holds(Assertion.UNCERTAIN),
        "history": holds(Assertion.HISTORICAL),
        "section": mention["section"] or None,
        "confidence": f"{mention['confidence']:.3f}",
        "concept": mention["concept_id"] or f"NIL ({mention['nil_reason']})",
    }
    return ",".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _varchar(text: str, width: int) -> str:
    """As much of a text as a column holds; databases have no place for NUL."""
    return text[:width].replace("\0", "\N{REPLACEMENT CHARACTER}")

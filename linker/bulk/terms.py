"""Terms: a column of strings to codes. Each distinct string is linked once, the most frequent first.

    OUT/terms.*     the table as it was, with columns `linker_...` behind
    OUT/review.*    the sheet of those in doubt, see `linker.bulk.review`
    OUT/distinct/   each distinct term with its answer

Memory holds the distinct terms, not the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from linker.bulk.chunks import Chunk
from linker.bulk.files import file_part, suffix_of, told_columns
from linker.bulk.review import Doubt, write_review
from linker.bulk.rows import ERROR, MENTIONS, NOTE_ID, TEXT, batches_of, input_schema
from linker.bulk.sinks.parquet import publish_table
from linker.bulk.source import Columns, Part
from linker.bulk.tables import Table, Value, open_table
from linker.crosswalk import EXACT
from linker.errors import InvalidInput
from linker.publishing import publish_file

COUNT = "count"  # of the rows that have a term
FOLDER, FILE = "distinct", "terms"
_AT_HAND = 1 << 16  # distinct terms
ADDED = pa.schema(
    [
        ("linker_concept_id", pa.string()),
        ("linker_preferred_name", pa.string()),
        ("linker_vocabulary", pa.string()),
        ("linker_code", pa.string()),
        ("linker_confidence", pa.float64()),
        ("linker_nil_reason", pa.string()),
        ("linker_source", pa.string()),
        ("linker_matched_name", pa.string()),
        ("linker_assertions", pa.string()),  # "negated|historical", as in "no history of asthma"
        ("linker_codes", pa.string()),  # "ICD10CM:I21.9|UMLS:C0027051=skos:broadMatch"
        ("linker_candidates", pa.string()),  # "SNOMEDCT:22298006=0.94|SNOMEDCT:48724000=0.02"
        ("linker_count", pa.int64()),
        ("linker_error", pa.string()),
    ]
)


def open_terms(inputs: Sequence[str], column: str | None) -> tuple[Table, str]:
    """The table that `inputs` names, and its column: the one asked for, or the only one. Raises `InvalidInput`."""
    if len(inputs) != 1:
        raise InvalidInput(f"expected one table of terms, got {len(inputs)} inputs", field="INPUT")
    table = open_table(Path(inputs[0]).absolute())
    names = table.columns()
    if column is None and len(names) == 1:
        return table, names[0]
    if column not in names:
        raise InvalidInput(f"expected one of {told_columns(names)}; say which has the terms", field="--column")
    if taken := sorted(set(names) & set(ADDED.names)):
        message = f"the table has {', '.join(taken)}, which are to be added; leave them out of it"
        raise InvalidInput(message, field=inputs[0])
    return table, column


@dataclass(frozen=True, slots=True)
class TermsSource:
    """The distinct terms of a column as notes, whose ids are the first rows that have them. Empty ones are none."""

    table: Table
    column: str

    @property
    def columns(self) -> Columns:
        """See `Source`."""
        return Columns(text=self.column)

    @property
    def schema(self) -> pa.Schema:
        """See `Source`: with their counts."""
        return input_schema([pa.field(COUNT, pa.int64())])

    def parts(self) -> list[Part]:
        """See `Source`: the table."""
        return [file_part(self.table.file)]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:  # noqa: ARG002
        """See `Source`."""
        counts: Counter[bytes] = Counter()
        first: dict[bytes, int] = {}
        for row, value in enumerate(self.table.values(self.column), start=1):
            if (term := _bytes(value)).strip():
                counts[term] += 1
                first.setdefault(term, row)
        rows = ({NOTE_ID: str(first[term]), TEXT: term, COUNT: count} for term, count in counts.most_common())
        return batches_of(rows, self.schema)


@dataclass(frozen=True, slots=True)
class TermsSink:
    """The answers of a chunk of distinct terms; when all are there, the table and the sheet.

    review_below: terms answered with less confidence, or with NIL, are in the sheet.
    """

    table: Table
    column: str
    review_below: float
    needs_text: ClassVar[bool] = True

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`."""
        publish_table(out / FOLDER / f"{chunk}.parquet", pa.Table.from_batches([notes]))

    def finish(self, out: Path) -> None:
        """See `Sink`. Raises `InvalidInput` where the table cannot be read again."""
        answers, doubts = _Answers(), []
        for file in sorted((out / FOLDER).glob("*.parquet")):
            terms = pq.read_table(file, partitioning=None).to_pylist()
            answers.add(terms)
            doubts += [doubt for term in terms if (doubt := _doubt(term, self.review_below))]
        with publish_file(out / f"{FILE}{suffix_of(self.table.file.name)}") as file:
            self.table.write(file, self.column, ADDED, answers.of)
        write_review(out, doubts)


class _Answers:
    """What was found of each term, in Arrow, as there may be many; the values of the last terms are at hand."""

    def __init__(self) -> None:
        self._rows: dict[bytes, tuple[pa.RecordBatch, int]] = {}
        self.of = lru_cache(_AT_HAND)(self._of)

    def add(self, terms: Sequence[Mapping[str, Any]]) -> None:
        """Terms as a chunk has them."""
        batch = pa.RecordBatch.from_pylist([_answer(term) for term in terms], ADDED)
        self._rows |= {term[TEXT]: (batch, row) for row, term in enumerate(terms)}

    def _of(self, value: Value) -> Mapping[str, Any]:
        """The values of `ADDED` for a cell; none for one that is no term."""
        batch, row = self._rows.get(_bytes(value), (None, 0))
        return {} if batch is None else {name: batch.column(name)[row].as_py() for name in ADDED.names}


def _answer(term: Mapping[str, Any]) -> dict[str, Any]:
    answer = {"linker_count": term[COUNT], "linker_error": term[ERROR]}
    for mention in term[MENTIONS]:
        plain = ("concept_id", "preferred_name", "vocabulary", "code", "nil_reason", "source", "matched_name")
        answer |= {f"linker_{name}": mention[name] for name in plain}
        answer["linker_confidence"] = round(mention["confidence"], 4)
        answer["linker_assertions"] = "|".join(mention["assertions"])
        answer["linker_codes"] = "|".join(map(_told, mention["codes"]))
        answer["linker_candidates"] = "|".join(
            f"{c['concept_id']}={c['confidence']:.2f}" for c in mention["candidates"]
        )
    return answer


def _told(code: Mapping[str, str]) -> str:
    relation = "" if code["relation"] == EXACT else f"={code['relation']}"
    return f"{code['system']}:{code['code']}{relation}"


def _doubt(term: Mapping[str, Any], below: float) -> Doubt | None:
    for mention in term[MENTIONS]:
        if mention["nil_reason"] is not None or mention["confidence"] < below:
            candidates = [(c["concept_id"], c["preferred_name"], c["confidence"]) for c in mention["candidates"]]
            answer = (mention["concept_id"], mention["preferred_name"], mention["confidence"], mention["nil_reason"])
            return Doubt(term[TEXT].decode(), term[COUNT], *answer, candidates)
    return None


def _bytes(value: Value) -> bytes:
    return (value or "").encode(errors="surrogateescape")

"""Notes that the clinic bundle knows words of, and what a job wrote of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.job import Job
from linker.bulk.sinks.parquet import ParquetSink
from linker.bulk.source import Columns
from linker.bulk.sources.jsonlines import JsonLinesSource

WORDS = ("asthma", "chest pain", "MI", "hypotension", "metformin", "high blood pressure", "was seen", "daily")


def notes(count: int) -> list[dict[str, str]]:
    """Notes that differ, ten words each."""
    texts = [". ".join(WORDS[(n * 7 + place * place) % len(WORDS)] for place in range(10)) for n in range(count)]
    return [{"note_id": f"n{n}", "text": f"{n} {text}"} for n, text in enumerate(texts)]


def write_notes(file: Path, rows: Sequence[dict[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def written(out: Path) -> Counter[str]:
    """The rows of an output as a multiset, but for how long they took."""
    rows = pq.read_table(out / "notes").drop_columns("elapsed_ms").to_pylist()
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


@pytest.fixture
def job(bundle: Path, tmp_path: Path) -> Callable[..., Job]:
    """A function from notes to a job on them, of small chunks and one worker unless it is told otherwise."""

    def make(rows: Sequence[dict[str, object]], **changes: object) -> Job:
        file = write_notes(tmp_path / "notes.jsonl", rows)
        asked = {
            "source": JsonLinesSource((file,), Columns()),
            "annotate": BatchAnnotator(str(bundle)),
            "sink": ParquetSink(),
            "out": tmp_path / "out",
            "workers": 1,
            "chunk_notes": 4,
        }
        return Job(**{**asked, **changes})

    return make

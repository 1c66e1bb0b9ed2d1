"""The rows of this process are those of a server, of Spark and of Ray; the latter by the files of docs/bulk.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linker.bulk import ray, spark
from linker.bulk.annotator import BatchAnnotator
from linker.bulk.rows import ELAPSED, MENTION, MENTIONS, NOTE_ID, SPANS, TEXT, mention_rows
from linker.bulk.source import Columns
from linker.client import LinkerClient
from linker.demo import serving
from linker.detection.detector import Span
from linker.notes import Note

ROOT = Path(__file__).parents[3]
TEXTS = [
    "Type 2 diabetes mellitus (TD) since 2012. TD is stable. 😀\r\nNo chest pain.",
    "Family history: asthma.\nPossible heart attack; high blood pressure.",
    "",
    None,
    "Patient has MI. " * 40,
    "\0\0",
]
COLUMNS = Columns("row_id", "body", ("ward",))


@pytest.fixture
def notes(tmp_path: Path) -> pa.Table:
    ids = range(2 * len(TEXTS))
    return pa.table({"row_id": ids, "body": TEXTS * 2, "ward": [f"ward {n % 3}" for n in ids]})


@pytest.fixture
def how(bundle: Path) -> BatchAnnotator:
    return BatchAnnotator(str(bundle))


def rows_of(table: pa.Table) -> list[dict]:
    return sorted(table.drop_columns([ELAPSED]).to_pylist(), key=lambda row: int(row[NOTE_ID]))


def renamed(notes: pa.Table) -> pa.RecordBatch:
    columns = {NOTE_ID: notes["row_id"].cast(pa.string()), TEXT: notes["body"], "ward": notes["ward"]}
    (batch,) = pa.table(columns).combine_chunks().to_batches()
    return batch


@pytest.fixture
def expected(notes: pa.Table, how: BatchAnnotator) -> list[dict]:
    return rows_of(pa.Table.from_batches([how(renamed(notes))]))


@pytest.mark.parametrize("size", [1, 5, 12])
def test_what_spark_calls_gives_the_same_rows(
    notes: pa.Table, how: BatchAnnotator, expected: list[dict], size: int
) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from pa.Table.from_batches([renamed(notes)]).to_batches(max_chunksize=size)

    assert rows_of(pa.Table.from_batches(spark.over_batches(how)(batches()))) == expected


@pytest.mark.parametrize("size", [1, 5, 12])
def test_what_ray_calls_gives_the_same_rows(
    notes: pa.Table, how: BatchAnnotator, expected: list[dict], size: int
) -> None:
    worker = ray.Worker(how, COLUMNS)
    blocks = [worker(notes.slice(begin, size)) for begin in range(0, len(notes), size)]
    assert rows_of(pa.concat_tables(blocks)) == expected


def test_a_server_gives_the_same_mentions(notes: pa.Table, how: BatchAnnotator, expected: list[dict]) -> None:
    texts = [text or "" for text in notes["body"].to_pylist()]
    with serving(Path(how.bundle)) as address, LinkerClient(address) as client:
        answers = client.annotate(texts, how.options)
    mentions = pa.array([mention_rows(answer, how.unit) for answer in answers], pa.list_(MENTION))
    assert mentions.to_pylist() == [row[MENTIONS] for row in expected]


def test_given_mentions_have_the_same_rows_through_every_engine(how: BatchAnnotator, expected: list[dict]) -> None:
    texts = [text or "" for text in TEXTS]
    given = [
        [{"begin": m["begin"], "end": m["end"]} for m in row[MENTIONS][::2]] if text else None
        for row, text in zip(expected, texts, strict=False)
    ]
    notes = pa.table({"row_id": range(len(texts)), "body": texts, "found": given})
    as_json = notes.set_column(2, "found", pa.array([None if of is None else json.dumps(of) for of in given]))
    columns = Columns("row_id", "body", spans="found")
    with serving(Path(how.bundle)) as address, LinkerClient(address) as client:
        asked = [
            Note(text, None if of is None else tuple(Span(((m["begin"], m["end"]),)) for m in of))
            for text, of in zip(texts, given, strict=True)
        ]
        answers = client.annotate(asked, how.options)
    by_server = pa.array([mention_rows(answer, how.unit) for answer in answers], pa.list_(MENTION)).to_pylist()
    assert any(by_server)
    for table in (notes, as_json):
        coded = ray.Worker(how, columns)(table)
        assert coded.column("error").null_count == len(coded)
        assert coded.column(MENTIONS).to_pylist() == by_server
        batches = table.rename_columns([NOTE_ID, TEXT, SPANS]).to_batches(max_chunksize=2)
        by_spark = pa.Table.from_batches(
            [
                coded.set_column(0, NOTE_ID, coded[NOTE_ID].cast(pa.string()))
                for coded in spark.over_batches(how)(
                    batch.set_column(0, NOTE_ID, batch[NOTE_ID].cast(pa.string())) for batch in batches
                )
            ]
        )
        assert by_spark.column(MENTIONS).to_pylist() == by_server


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "package", "command"),
    [
        ("spark", "pyspark", ["spark-submit", "--master", "local[2]", "--conf", "spark.ui.enabled=false"]),
        ("ray", "ray", ["python"]),
    ],
)
def test_the_files_of_the_page_give_the_same_rows(
    notes: pa.Table, how: BatchAnnotator, expected: list[dict], tmp_path: Path, engine: str, package: str, command: list
) -> None:
    if not find_spec(package):
        pytest.skip(f"needs the extra `{engine}`: pip install 'medlinker[{engine}]'")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "bulk.md").read_text(), re.DOTALL)
    (job,) = (block for block in blocks if f"linker.bulk.{engine}" in block)
    (tmp_path / "code_notes.py").write_text(job)
    (tmp_path / "notes").mkdir()
    for part in range(2):
        half = notes.slice(part * len(TEXTS), len(TEXTS))
        pq.write_table(half.rename_columns(["note_id", "text", "ward"]), tmp_path / "notes" / f"{part}.parquet")
    program = Path(sys.executable).with_name(command[0])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    arguments = [str(tmp_path / "code_notes.py"), str(tmp_path / "notes"), how.bundle, str(tmp_path / "coded")]
    done = subprocess.run(
        [program, *command[1:], *arguments], env=environment, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert rows_of(pq.read_table(tmp_path / "coded", partitioning=None)) == expected

"""Chunks hold the notes of a part, all of them, in order, and no more than they may."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from linker.bulk import chunks
from linker.bulk.chunks import cut
from linker.bulk.rows import batches_of, input_schema

texts = st.lists(st.none() | st.binary(max_size=30) | st.just(b"x" * 200), max_size=60)


def test_few_notes_are_one_chunk() -> None:
    assert [len(chunk) for chunk in cut(batches_of([{"text": b""}] * 300, input_schema()))] == [300]


@given(rows=texts, size=st.integers(1, 20), at=st.lists(st.integers(0, 60)))
def test_chunks_are_the_notes_however_they_were_read(rows: list[bytes | None], size: int, at: list[int]) -> None:
    whole = pa.RecordBatch.from_pylist(
        [{"note_id": str(n), "text": text} for n, text in enumerate(rows)], input_schema()
    )
    edges = sorted({0, len(rows), *(place for place in at if place < len(rows))})
    batches = [whole.slice(begin, end - begin) for begin, end in pairwise(edges)]
    most, chunks._BYTES = chunks._BYTES, 100
    try:
        made, same = list(cut(batches, size)), list(cut([whole], size))
    finally:
        chunks._BYTES = most
    assert [row for chunk in made for row in chunk.to_pylist()] == whole.to_pylist()
    assert made == same
    for chunk in made:
        lengths = [len(text or b"") for text in chunk.column("text").to_pylist()]
        assert 1 <= len(chunk) <= size
        assert sum(lengths) <= 100 or len(chunk) == 1

"""Arrow columns as they are searched where they lie: text in byte order, ascending numbers, slices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.integer[Any])


class Strings(Sequence[bytes]):
    """A string column as UTF-8, whose byte order is code-point order."""

    def __init__(self, array: pa.Array) -> None:
        self.array = array
        _, offsets, data = array.buffers()
        width = np.int64 if pa.types.is_large_string(array.type) else np.int32
        self._offsets = np.frombuffer(offsets, dtype=width)[array.offset :] if len(array) else np.zeros(1, width)
        self._data = memoryview(data) if data is not None else memoryview(b"")

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, row: int) -> bytes:  # type: ignore[override]  # slices are not needed
        return bytes(self._data[self._offsets[row] : self._offsets[row + 1]])

    def range(self, first: str, past: bytes | None = None) -> tuple[int, int]:
        """Rows of a sorted column that equal `first`, or lie from `first` up to `past` (exclusive)."""
        key = utf8(first)
        begin = bisect_left(self, key)
        return begin, bisect_left(self, key + b"\x00" if past is None else past, lo=begin)


def utf8(text: str) -> bytes:
    """The bytes of a text; those of half a surrogate pair, as a shell may pass one, are of no name or id."""
    return text.encode(errors="surrogatepass")


def past_prefix(key: bytes) -> bytes:
    """The smallest bytes greater than every string that begins with `key` (valid UTF-8 holds no 0xFF)."""
    return key + b"\xff"


def ints(array: pa.Array) -> NDArray[np.int32]:
    """A column of numbers, (rows,) int32, where it lies."""
    values: NDArray[np.int32] = array.to_numpy(zero_copy_only=True)
    return values


def rows_of(value: int, ascending: NDArray[np.int32]) -> range:
    """Where the ascending numbers are this one."""
    # Of another type than the column, the keys would have the whole of it converted first.
    begin, end = np.searchsorted(ascending, np.array([value, value + 1], dtype=ascending.dtype))
    return range(begin, end)


def slices(values: NDArray[_Number], begins: NDArray[Any], ends: NDArray[Any]) -> NDArray[_Number]:
    """The slices begin:end of `values` after one another."""
    lengths = (ends - begins).astype(np.int64)
    ahead = np.cumsum(lengths) - lengths
    chosen: NDArray[_Number] = values[np.arange(lengths.sum()) + np.repeat(begins - ahead, lengths)]
    return chosen

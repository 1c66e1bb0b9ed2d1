"""Offsets in the unit a caller counts in: code points as Python does, UTF-16 as JavaScript and Java, bytes of UTF-8."""

from __future__ import annotations

from enum import StrEnum

import numpy as np


class OffsetUnit(StrEnum):
    """What an offset counts."""

    CODE_POINTS = "code_points"
    UTF16 = "utf16"
    UTF8 = "utf8"


# The last code points that count for one unit, for two, for three.
_LAST = {OffsetUnit.CODE_POINTS: (), OffsetUnit.UTF16: (0xFFFF,), OffsetUnit.UTF8: (0x7F, 0x7FF, 0xFFFF)}


class Offsets:
    """Offsets of one note in another unit than code points."""

    def __init__(self, note: str, unit: OffsetUnit) -> None:
        if note.isascii():
            unit = OffsetUnit.CODE_POINTS
        points = np.frombuffer(note.encode("utf-32-le", "surrogatepass") if _LAST[unit] else b"", dtype=np.uint32)
        more = np.zeros(len(points), dtype=np.int64)
        for last in _LAST[unit]:
            more += points > last
        # Where a code point counts for more than one unit, and how many more there are up to and with it.
        self._places = np.flatnonzero(more)
        self._extra = np.concatenate([[0], np.cumsum(more[self._places])])
        self._past = self._places + 1 + self._extra[1:]  # the offset behind each of them

    def of(self, place: int) -> int:
        """The offset of a code point.

        >>> Offsets("é😀x", OffsetUnit.UTF16).of(2), Offsets("é😀x", OffsetUnit.UTF8).of(2)
        (3, 6)
        """
        return place + int(self._extra[np.searchsorted(self._places, place)])

    def place(self, offset: int) -> int | None:
        """The code point at an offset; None where that is inside one.

        >>> Offsets("é😀x", OffsetUnit.UTF16).place(3), Offsets("é😀x", OffsetUnit.UTF16).place(2)
        (2, None)
        """
        place = offset - int(self._extra[np.searchsorted(self._past, offset, side="right")])
        return place if self.of(place) == offset else None

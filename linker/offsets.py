"""Offsets in the unit a caller counts in: code points as Python does, UTF-16 as JavaScript and Java, bytes of UTF-8."""

from __future__ import annotations

from bisect import bisect_left
from enum import StrEnum


class OffsetUnit(StrEnum):
    """What an offset counts."""

    CODE_POINTS = "code_points"
    UTF16 = "utf16"
    UTF8 = "utf8"


# The last code points that count for one unit, for two, for three.
_LAST = {OffsetUnit.CODE_POINTS: "", OffsetUnit.UTF16: "\uffff", OffsetUnit.UTF8: "\x7f\u07ff\uffff"}


class Offsets:
    """Offsets of one note in another unit than code points."""

    def __init__(self, note: str, unit: OffsetUnit) -> None:
        # Where a code point counts for more than one unit, and how many more there are up to and with it.
        self._places: list[int] = []
        self._extra = [0]
        if unit is OffsetUnit.CODE_POINTS or note.isascii():
            return
        for place, char in enumerate(note):
            if extra := sum(char > last for last in _LAST[unit]):
                self._places.append(place)
                self._extra.append(self._extra[-1] + extra)

    def of(self, place: int) -> int:
        """The offset of a code point.

        >>> Offsets("é😀x", OffsetUnit.UTF16).of(2), Offsets("é😀x", OffsetUnit.UTF8).of(2)
        (3, 6)
        """
        return place + self._extra[bisect_left(self._places, place)]

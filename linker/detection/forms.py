"""Names as a trie of words that needs no memory: the bundle's sorted table of normalised names, searched by prefix.

All names that go on from the words read so far lie together in the table, so that a walk along the words of a note is
one narrowing of a range of its rows. The table is memory-mapped, and processes share it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache

from linker.columns import Strings, past_prefix, utf8
from linker.detection.words import Word

_KEPT_FIRST = 1 << 16  # first words whose rows are remembered; notes use the same ones again and again

Rows = tuple[int, int]


class Forms:
    """The table as a trie. Immutable but for what it remembers, and safe to share between threads."""

    def __init__(self, forms: Strings) -> None:
        self._forms = forms
        self._first = lru_cache(_KEPT_FIRST)(self._first_word)

    def walk(self, words: Sequence[Word], start: int) -> Iterator[tuple[int, Rows]]:
        """Each name that begins with the word at `start`: (past the last of its words, rows that begin with it).

        The first of the rows is the name. Plurals of names count as the name.
        """
        key = utf8(words[start].form)
        rows, found = self._first(key)
        past = start + 1
        while True:
            if found:
                yield past, found
            if past == len(words) or words[past].gap is None or rows[0] == rows[1]:
                return
            key += utf8(f"{words[past].gap}{words[past].form}")
            above, rows, past = rows, self.narrowed(key, rows), past + 1
            found = self._name(key, rows) or self._singular(key, above)

    def equal(self, rows: Rows) -> range:
        """Those of the rows, which begin with a name, that are the name."""
        name, past = self._forms[rows[0]], rows[0] + 1
        while past < rows[1] and self._forms[past] == name:
            past += 1
        return range(rows[0], past)

    def form(self, row: int) -> str:
        """The form at a row."""
        return self._forms[row].decode()

    def narrowed(self, key: bytes, rows: Rows) -> Rows:
        """Those of the rows that begin with `key`."""
        begin = bisect_left(self._forms, key, *rows)
        if begin == rows[1] or not self._forms[begin].startswith(key):
            return begin, begin
        return begin, bisect_left(self._forms, past_prefix(key), begin, rows[1])

    def name(self, form: str) -> Rows | None:
        """Rows that begin with a form, the first of which is the form or what it is the plural of; None without one."""
        return self._first(utf8(form))[1]

    def rows(self, form: str) -> Rows:
        """Rows that begin with a form."""
        return self._first(utf8(form))[0]

    def _first_word(self, key: bytes) -> tuple[Rows, Rows | None]:
        everything = (0, len(self._forms))
        rows = self.narrowed(key, everything)
        return rows, self._name(key, rows) or self._singular(key, everything)

    def _name(self, key: bytes, rows: Rows) -> Rows | None:
        return rows if rows[0] < rows[1] and self._forms[rows[0]] == key else None

    def _singular(self, key: bytes, rows: Rows) -> Rows | None:
        for singular in singulars(key):
            begin = bisect_left(self._forms, singular, *rows)
            if begin < rows[1] and self._forms[begin] == singular:
                return begin, bisect_left(self._forms, past_prefix(singular), begin, rows[1])
        return None


def singulars(key: bytes) -> Iterator[bytes]:
    """What a form may be the plural of, in English or Spanish."""
    if len(key) > 3 and key.endswith(b"s") and not key.endswith((b"ss", b"us", b"is")):
        yield key[:-1]
        if key.endswith(b"es"):
            yield key[:-2]
        if key.endswith(b"ies"):
            yield key[:-3] + b"y"

"""Sentences of a clinical note, and the lines and items that stand for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The end of a sentence; an empty line; a line that begins an item, or with a capital or a digit, as wrapped text rarely
# does. "Dr." and the like are cut too early now and then, which costs a scope and never a mention.
_END = re.compile(r"(?<![.!?])[.!?]+[\"'’”)\]]*\s+(?=[^\sa-z])|\r?\n[ \t]*(?:\r?\n|(?=[-*•–#]|[A-ZÁÉÍÓÚÑ¿¡\d]))")


def sentences(note: str) -> Iterator[tuple[int, int]]:
    """Half-open ranges of code points, in order, which together are the note.

    >>> list(sentences("No fever. Cough, 3.5 days"))
    [(0, 10), (10, 25)]
    """
    begin = 0
    for end in _END.finditer(note):
        yield begin, end.end()
        begin = end.end()
    if begin < len(note):
        yield begin, len(note)

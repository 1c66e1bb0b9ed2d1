"""Coded notes for annotators, in the standoff format of brat: `OUT/brat/CHUNK/*.txt`, `*.ann` and `annotation.conf`.

Format: https://brat.nlplab.org/standoff.html. A mention is a text-bound annotation of its semantic type, its concept a
normalization, its assertions are attributes; confidence, and why a mention is NIL, are notes. Lines are what brat goes
by: a mention over several lines is an annotation of several fragments. INCEpTION imports the same files as "brat".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, MENTIONS, NOTE_ID, TEXT
from linker.bulk.sinks.errors import write_errors
from linker.publishing import publish
from linker.records import Assertion

FOLDER = "brat"
_UNTYPED = "Mention"
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")  # what a line of annotation cannot hold
_LONGEST_NAME = 100  # characters of a note id in the name of a file
_ATTRIBUTES = {assertion: assertion.capitalize() for assertion in Assertion}


@dataclass(frozen=True, slots=True)
class BratSink:
    """A folder a chunk; in it two files a note, named after its place in the chunk and its id."""

    needs_text: ClassVar[bool] = True

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`. Notes with an error have no files, but a line in `OUT/errors`."""
        kinds: set[str] = set()
        with publish(out / FOLDER / str(chunk)) as folder:
            for place, note in enumerate(notes.to_pylist()):
                if note[ERROR] is not None:
                    continue
                name = f"{place:05d}-{quote(note[NOTE_ID] or '', safe='')[:_LONGEST_NAME]}"
                (folder / f"{name}.txt").write_bytes(note[TEXT])
                (folder / f"{name}.ann").write_text(standoff(note[TEXT].decode(), note[MENTIONS]), "utf-8", newline="")
                kinds.update(map(_kind, note[MENTIONS]))
            (folder / "annotation.conf").write_text(_configuration(kinds), "utf-8")
        write_errors(out, chunk, notes)

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""


def standoff(text: str, mentions: Sequence[Mapping[str, Any]]) -> str:
    """The annotations of a note as lines. Offsets count code points, half-open.

    >>> print(standoff("No asthma", [{"pieces": [{"begin": 3, "end": 9}], "semantic_types": ["disorder"],
    ...     "concept_id": "HP:0002099", "preferred_name": "Asthma", "vocabulary": "HP", "code": "0002099",
    ...     "assertions": ["negated"], "confidence": 0.97, "nil_reason": None}]).expandtabs(3), end="")
    T1 disorder 3 9   asthma
    N1 Reference T1 HP:0002099   Asthma
    A1 Negated T1
    #1 AnnotatorNotes T1 confidence 0.970
    """
    attributes = count(1)
    lines = (
        line for place, mention in enumerate(mentions, start=1) for line in _lines(text, mention, place, attributes)
    )
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str, mention: Mapping[str, Any], place: int, attributes: Iterator[int]) -> Iterator[str]:
    pieces = [part for piece in mention["pieces"] for part in _fragments(text, piece["begin"], piece["end"])]
    spans = ";".join(f"{begin} {end}" for begin, end in pieces)
    yield f"T{place}\t{_kind(mention)} {spans}\t{' '.join(text[begin:end] for begin, end in pieces)}"
    remark = f"confidence {mention['confidence']:.3f}"
    if mention["concept_id"] is not None:
        reference = f"{mention['vocabulary'] or 'ID'}:{mention['code']}"
        yield f"N{place}\tReference T{place} {reference}\t{' '.join(mention['preferred_name'].split())}"
    else:
        remark = f"NIL: {mention['nil_reason']}, {remark}"
    for assertion in mention["assertions"]:
        yield f"A{next(attributes)}\t{_ATTRIBUTES[assertion]} T{place}"
    yield f"#{place}\tAnnotatorNotes T{place}\t{remark}"


def _fragments(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    for match in _BREAKS.finditer(text, begin, end):
        if begin < match.start():
            yield begin, match.start()
        begin = match.end()
    if begin < end:
        yield begin, end


def _kind(mention: Mapping[str, Any]) -> str:
    types = mention["semantic_types"] or [_UNTYPED]
    return re.sub(r"[^0-9A-Za-z_-]+", "_", types[0]) or _UNTYPED


def _configuration(kinds: set[str]) -> str:
    attributes = (f"{name}\tArg:<ENTITY>" for name in _ATTRIBUTES.values())
    sections = {"entities": sorted(kinds), "relations": (), "events": (), "attributes": attributes}
    return "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())

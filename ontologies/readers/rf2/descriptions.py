"""Which descriptions become names: each concept's fully specified names, preferred terms and synonyms, by dialect.

A description is a name where a language reference set of a wanted dialect accepts it; one name however many of them do.
A name's language is the dialect that prefers (else accepts) it; their common language where there are several; the
description's own language where the dialect of a reference set is not known, or no such set has names in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ontologies.readers.options import Options, Problems
from ontologies.readers.rf2.layout import DESCRIPTION, LANGUAGE, File
from ontologies.readers.rf2.metadata import DEFINITION, DIALECTS, FULLY_SPECIFIED, PREFERRED, SYNONYM
from ontologies.readers.rf2.rows import Numbers, Rows, read_rows
from ontologies.readers.rf2.states import Codes, Columns, common, latest, newest, stacked, taken, without_bad_ids

Flags = NDArray[np.bool_]

_TAG = r"\((?P<tag>[^()]+)\)\s*$"
NOT_TOLD = -1
NO_TAG = 0


@dataclass(slots=True)
class Descriptions:
    """The present active descriptions of the files, and what there is to say of each but its term.

    columns: id, concept, type, language (in `languages`), tag (in `tags`, of a fully specified name), file and line,
    sorted by id. modules: the latest effectiveTime of each module.
    """

    files: Sequence[File]
    columns: Columns
    languages: Codes
    tags: Codes
    modules: dict[int, int]


def read_descriptions(files: Sequence[File], problems: Problems) -> Descriptions:
    """What the files say, their terms left where they are. Raises `SourceError`."""
    languages, tags = Codes(), Codes([""])
    rows = stacked(DESCRIPTION, files, problems, lambda rows: _description(rows, languages, tags))
    modules = newest(rows)
    known = latest(without_bad_ids(rows, "description", files, problems))
    return Descriptions(files, taken(known, known["active"]), languages, tags, modules)


def _description(rows: Rows, languages: Codes, tags: Codes) -> Columns:
    kind = rows.numbers["typeId"]
    is_fsn = kind == FULLY_SPECIFIED
    tag = np.full(len(kind), NO_TAG, dtype=np.int32)
    found = pc.extract_regex(rows.texts["term"].filter(pa.array(is_fsn)), _TAG)
    tag[is_fsn] = tags.encode(pc.fill_null(pc.struct_field(found, "tag"), ""))
    columns = {
        **common(rows),
        "module": rows.numbers["moduleId"],
        "concept": rows.numbers["conceptId"],
        "type": kind,
        "language": languages.encode(pc.utf8_trim_whitespace(rows.texts["languageCode"])),
        "tag": tag,
    }
    return taken(columns, np.isin(kind, (FULLY_SPECIFIED, SYNONYM, DEFINITION)))


class Acceptability:
    """Which dialects accept, and which prefer, a description: a bit for each of `dialects`.

    dialects: BCP-47 tags, "" where a reference set is not known here.
    """

    def __init__(self, files: Sequence[File], options: Options) -> None:
        """Raises `SourceError`."""
        self.dialects: list[str] = []
        self._options = options
        members = latest(stacked(LANGUAGE, files, options.problems, self._member))
        members = taken(members, members["active"] & (members["bit"] >= 0))
        members = taken(members, np.argsort(members["description"], kind="stable"))
        self._descriptions, begins = np.unique(members["description"], return_index=True)
        bits = np.left_shift(np.int64(1), members["bit"].astype(np.int64))
        self._accepted = _joined(bits, begins)
        self._preferred = _joined(np.where(members["preferred"], bits, 0), begins)

    def _member(self, rows: Rows) -> Columns:
        distinct, place = np.unique(rows.numbers["refsetId"], return_inverse=True)
        bits = np.array([self._bit(refset) for refset in distinct.tolist()], dtype=np.int8)
        return {
            **common(rows),
            "bit": bits[place.reshape(-1)],
            "description": rows.numbers["referencedComponentId"],
            "preferred": rows.numbers["acceptabilityId"] == PREFERRED,
        }

    def _bit(self, refset: int) -> int:
        """The place of a reference set's dialect, -1 where it is not wanted."""
        dialect = DIALECTS.get(refset, "")
        if dialect and not self._options.speaks(dialect):
            return -1
        if dialect not in self.dialects:
            self.dialects.append(dialect)
        return self.dialects.index(dialect)

    def of(self, descriptions: Numbers) -> tuple[Numbers, Numbers]:
        """The dialects that accept each description, and those that prefer it."""
        if not len(self._descriptions):
            nothing = np.zeros(len(descriptions), dtype=np.int64)
            return nothing, nothing
        place = np.minimum(np.searchsorted(self._descriptions, descriptions), len(self._descriptions) - 1)
        known = self._descriptions[place] == descriptions
        return np.where(known, self._accepted[place], 0), np.where(known, self._preferred[place], 0)

    def wanted(self, bits: int, own: str) -> set[str]:
        """The wanted dialects among some; own: the language of the description, for those that are not known."""
        dialects = {dialect or own for place, dialect in enumerate(self.dialects) if bits >> place & 1}
        return {dialect for dialect in dialects if self._options.speaks(dialect)}


def _joined(bits: Numbers, begins: Numbers) -> Numbers:
    return np.asarray(np.bitwise_or.reduceat(bits, begins)) if len(bits) else bits


def choose(descriptions: Descriptions, acceptability: Acceptability, options: Options) -> list[str]:
    """Add to the columns what is told of each description.

    Its `language` is now a place in the list given here, or `NOT_TOLD`; `preferred` says whether it is the preferred
    name of its concept in that language.
    """
    columns = descriptions.columns
    accepted, preferred = acceptability.of(columns["id"])
    grounds = np.stack([accepted, preferred, columns["language"]], axis=1)
    distinct, ground = np.unique(grounds, axis=0, return_inverse=True)
    languages, told, prefers = Codes(), [], []
    # a release may have the reference sets of some of its languages only, as an extension on its own has
    stated = set(columns["language"][accepted != 0].tolist())
    for *bits, code in distinct.tolist():
        own = descriptions.languages.texts[code]
        accepting, preferring = (acceptability.wanted(dialects, own) for dialects in bits)
        if not accepting and options.speaks(own) and (options.suppressed or code not in stated):
            accepting = {own}
        tag = _language(preferring or accepting, own)
        told.append(languages.code(tag) if accepting else NOT_TOLD)
        prefers.append(bool(preferring))
    language = np.array(told, dtype=np.int32)[ground.reshape(-1)]
    is_preferred = np.array(prefers, dtype=bool)[ground.reshape(-1)] & (columns["type"] == SYNONYM)
    # of two preferred terms in a language, such as one a dialect of it, the one that more dialects prefer
    rows = np.flatnonzero(is_preferred)
    first = first_of_each(
        (columns["concept"][rows], language[rows]), (-np.bitwise_count(preferred[rows]).astype(np.int64), rows)
    )
    is_preferred[:] = False
    is_preferred[rows[first]] = True
    columns |= {"language": language, "preferred": is_preferred}
    return languages.texts


def _language(dialects: set[str], own: str) -> str:
    """The tag of a name: its only dialect, else the language that its dialects share, else its own language."""
    if len(dialects) == 1:
        return next(iter(dialects))
    shared = {dialect.partition("-")[0] for dialect in dialects}
    return shared.pop() if len(shared) == 1 else own


def first_of_each(groups: Sequence[NDArray[np.generic]], order: Sequence[NDArray[np.generic]]) -> Numbers:
    """The first row of each group, in the given order; both by several columns, the most important first."""
    ranked = np.lexsort((*reversed(order), *reversed(groups)))
    is_first = np.zeros(max(len(ranked) - 1, 0), dtype=bool)
    for group in groups:
        is_first |= group[ranked][1:] != group[ranked][:-1]
    return ranked[np.append(True, is_first)] if len(ranked) else ranked


def terms(descriptions: Descriptions) -> Iterator[tuple[Columns, list[str]]]:
    """Some of the descriptions and the term of each, file by file in the order of their lines."""
    columns = descriptions.columns
    for number, file in enumerate(descriptions.files):
        mine = np.flatnonzero(columns["file"] == number)
        mine = mine[np.argsort(columns["line"][mine])]
        lines = columns["line"][mine]
        if not len(lines):
            continue
        for rows in read_rows(file, Problems(lenient=True)):  # what is wrong was found before
            if len(rows.lines):
                begin, end = np.searchsorted(lines, [rows.lines[0], rows.lines[-1] + 1])
                place = np.searchsorted(rows.lines, lines[begin:end])
                yield taken(columns, mine[begin:end]), rows.texts["term"].take(pa.array(place)).to_pylist()

"""The present state of each component and each member of a reference set: its latest row, in whichever file that is.

A Snapshot has one row of each, a Full all there ever were; an edition and its extensions each have their own files, and
may tell the same component. https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification, 3.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ontologies.errors import SourceError
from ontologies.readers.options import Problems
from ontologies.readers.rf2.layout import File, Kind
from ontologies.readers.rf2.rows import Numbers, Rows, no_rows, read_rows
from ontologies.readers.rf2.sctid import has_check_digit

Columns = dict[str, NDArray[Any]]


class Codes:
    """Small numbers for texts that recur: `texts[number]` is the text."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = list(texts)
        self._codes = {text: code for code, text in enumerate(self.texts)}

    def encode(self, column: pa.Array) -> NDArray[np.int32]:
        """The number of each text."""
        encoded = column.dictionary_encode()
        codes = np.array([self.code(text) for text in encoded.dictionary.to_pylist()], dtype=np.int32)
        return np.asarray(codes[encoded.indices.to_numpy(zero_copy_only=False)])

    def code(self, text: str) -> int:
        """The number of a text."""
        if text not in self._codes:
            self._codes[text] = len(self.texts)
            self.texts.append(text)
        return self._codes[text]


def stacked(kind: Kind, files: Sequence[File], problems: Problems, pick: Callable[[Rows], Columns]) -> Columns:
    """What `pick` takes of the rows of all files, one file below the other, with the `file` it is from."""
    blocks = [{"file": np.array([], dtype=np.int16), **pick(no_rows(kind))}]
    for number, file in enumerate(files):
        for rows in read_rows(file, problems):
            columns = pick(rows)
            blocks.append({"file": np.full(len(columns["line"]), number, dtype=np.int16), **columns})
    # column by column, so that little is there twice
    return {name: np.concatenate([block.pop(name) for block in blocks]) for name in list(blocks[0])}


def common(rows: Rows) -> Columns:
    """The columns that tell states apart, and the line. The id of a member, a UUID, is stood for by its hash."""
    texts = rows.texts.get("id")
    ids = rows.numbers["id"] if texts is None else hashes(texts)
    return {
        "id": ids,
        "time": rows.numbers["effectiveTime"].astype(np.int32),
        "active": rows.numbers["active"].astype(bool),
        "line": rows.lines.astype(np.int32),
    }


def hashes(texts: pa.Array) -> Numbers:
    """A number of 64 bits for each text, the same for the same text within a run."""
    return np.fromiter(map(hash, texts.to_pylist()), dtype=np.int64, count=len(texts))


def taken(columns: Columns, rows: NDArray[Any]) -> Columns:
    """Some of the rows: by their numbers, or where a mask is true."""
    return {name: column[rows] for name, column in columns.items()}


def latest(columns: Columns) -> Columns:
    """The latest row of each id, the first of those that are equally late; sorted by id."""
    ids, times = columns["id"], columns["time"]
    order = np.argsort(ids, kind="stable")
    if np.any(ids[order][1:] == ids[order][:-1]):
        order = np.lexsort((-np.arange(len(ids)), times, ids))
        is_last = np.append(ids[order][1:] != ids[order][:-1], True)
        order = order[is_last]
    return taken(columns, order)


def newest(columns: Columns) -> dict[int, int]:
    """The latest date of each `module`, which is no longer a column then."""
    modules, place = np.unique(columns.pop("module"), return_inverse=True)
    dates = np.zeros(len(modules), dtype=np.int32)
    np.maximum.at(dates, place.reshape(-1), columns["time"])
    return dict(zip(modules.tolist(), dates.tolist(), strict=True))


def without_bad_ids(columns: Columns, what: str, files: Sequence[File], problems: Problems) -> Columns:
    """The rows of components without those told twice in a file; `problems` is told of them, and of odd ids.

    what: the name of the component. Raises `SourceError`. A wrong check digit is remarked only: local extensions and
    test releases have such ids, and what they say is no less clear.
    """
    good = np.ones(len(columns["id"]), dtype=bool)
    for row in np.flatnonzero(~has_check_digit(columns["id"])).tolist():
        message = f"expected an SCTID that ends in its check digit, got {columns['id'][row]}"
        problems.remarked(f"{what} id with a wrong check digit", _error(columns, row, files, message))
    for row in _repeated(columns, files).tolist():
        message = f"expected {what} {columns['id'][row]} once in this file, got it again"
        problems.found(f"duplicated {what} id", _error(columns, row, files, message))
        good[row] = False
    return columns if good.all() else taken(columns, good)


def _repeated(columns: Columns, files: Sequence[File]) -> Numbers:
    """Rows whose id is earlier in the same file; in a Full, whose id is there with the same date."""
    ids, file, times = columns["id"], columns["file"], columns["time"]
    is_snapshot = np.array([each.release_type == "snapshot" for each in files], dtype=bool)[file]
    moment = np.where(is_snapshot, 0, times)
    order = np.lexsort((np.arange(len(ids)), moment, file, ids))
    same = np.ones(max(len(ids) - 1, 0), dtype=bool)
    for column in (ids, file, moment):
        same &= column[order][1:] == column[order][:-1]
    return np.sort(order[1:][same])


def _error(columns: Columns, row: int, files: Sequence[File], message: str) -> SourceError:
    return SourceError(message, path=files[columns["file"][row]].path, line=int(columns["line"][row]), field="id")

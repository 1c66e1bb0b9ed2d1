"""The concepts of a bundle and their names, memory-mapped: what `GetConcept` and `SearchConcepts` read.

Arrow IPC files are used as they lie on disk: opening costs no parsing, and processes share the pages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.errors import BundleCorrupt, NotFound
from linker.identifiers import canonical_prefix, split_curie
from linker.records import Code, ConceptFilter
from linker.surface import normalise

CONCEPTS_SCHEMA = pa.schema(
    {
        "concept_id": pa.large_string(),
        "preferred_name": pa.large_string(),
        "semantic_types": pa.list_(pa.string()),
        "definition": pa.large_string(),
        "parents": pa.list_(pa.string()),
        "retired": pa.bool_(),
    }
)
NAMES_SCHEMA = pa.schema(
    {
        "name": pa.large_string(),
        "concept": pa.int32(),
        "language": pa.string(),
        "term_type": pa.string(),
        "source": pa.string(),
    }
)
CROSSWALK_SCHEMA = pa.schema(
    {"concept": pa.int32(), "system": pa.string(), "code": pa.string(), "relation": pa.string(), "source": pa.string()}
)
EXACT_SCHEMA = pa.schema({"normalised": pa.large_string(), "name": pa.int32()})
# What replaced an id that a release has retired or merged, by that id: it need not be a concept of the bundle.
REPLACEMENTS_SCHEMA = pa.schema({"concept_id": pa.large_string(), "replaced_by": pa.string(), "relation": pa.string()})
TABLES = {
    "concepts.arrow": CONCEPTS_SCHEMA,
    "names.arrow": NAMES_SCHEMA,
    "crosswalk.arrow": CROSSWALK_SCHEMA,
    "exact.arrow": EXACT_SCHEMA,
    "replacements.arrow": REPLACEMENTS_SCHEMA,
}


def write_table(table: pa.Table, path: Path) -> None:
    """Write `table` as one uncompressed record batch, so that it can be mapped and searched as one run of memory.

    Raises OSError, or ValueError where a column of `string` holds more than the 2 GiB that its offsets can count.
    """
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise ValueError(f"{path}: a column of short texts holds more than 2 GiB")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def map_table(path: Path) -> pa.Table:
    """The memory-mapped table of an Arrow IPC file. Raises `BundleCorrupt`."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise BundleCorrupt(f"{path}: expected an Arrow IPC file ({type(error).__name__})") from error


def _columns(directory: Path, name: str) -> dict[str, pa.Array]:
    path = directory / name
    table = map_table(path)
    if table.schema != TABLES[name]:
        raise BundleCorrupt(f"{path}: its columns are not the ones of this format")
    return {name: _whole(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array: the mapped one where there is one, since combining would copy it into memory."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _ints(array: pa.Array) -> NDArray[np.int32]:
    values: NDArray[np.int32] = array.to_numpy(zero_copy_only=True)
    return values


def _rows_of(concept: int, concepts: NDArray[np.int32]) -> range:
    """Where the ascending `concepts` name this one."""
    # Of another type than the column, the keys would have the whole of it converted first.
    begin, end = np.searchsorted(concepts, np.array([concept, concept + 1], dtype=concepts.dtype))
    return range(begin, end)


class _SortedStrings(Sequence[bytes]):
    """A sorted string column as UTF-8, whose byte order is code-point order."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array
        _, offsets, data = array.buffers()
        self._offsets = np.frombuffer(offsets, dtype=np.int64)[array.offset :] if len(array) else np.zeros(1, np.int64)
        self._data = memoryview(data) if data is not None else memoryview(b"")

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, row: int) -> bytes:  # type: ignore[override]  # slices are not needed
        return bytes(self._data[self._offsets[row] : self._offsets[row + 1]])

    def range(self, first: str, past: bytes | None = None) -> tuple[int, int]:
        """Rows equal to `first`, or from `first` up to `past` (exclusive)."""
        # Half a surrogate pair, as a shell may pass, gives bytes that no name or id has.
        key = first.encode(errors="surrogatepass")
        begin = bisect_left(self, key)
        return begin, bisect_left(self, key + b"\x00" if past is None else past, lo=begin)


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a concept. `term_type` as in `ontologies.records.TermType`."""

    name: str
    language: str
    term_type: str
    source: str


@dataclass(frozen=True, slots=True)
class Successor:
    """A concept to use instead of one that a release has retired or merged.

    relations: how sure that is, in the words of the release, of each step on the way ("SAME_AS").
    """

    concept_id: str
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConceptRecord:
    """A concept with all that the bundle knows of it."""

    concept: int
    concept_id: str
    preferred_name: str
    semantic_types: tuple[str, ...]
    definition: str
    parents: tuple[str, ...]
    retired: bool
    names: tuple[Name, ...]
    codes: tuple[Code, ...]
    replaced_by: tuple[Successor, ...]


class Terminology:
    """Concepts, names, codes and the table of normalised names. Immutable and safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        """Map the tables in `directory`. Raises `BundleCorrupt`."""
        concepts = _columns(directory, "concepts.arrow")
        names = _columns(directory, "names.arrow")
        crosswalk = _columns(directory, "crosswalk.arrow")
        exact = _columns(directory, "exact.arrow")
        self._concepts, self._names, self._crosswalk = concepts, names, crosswalk
        self._ids = _SortedStrings(concepts["concept_id"])
        self._exact = _SortedStrings(exact["normalised"])
        self._replacements = _columns(directory, "replacements.arrow")
        self._replaced = _SortedStrings(self._replacements["concept_id"])
        self._exact_names = _ints(exact["name"])
        self._crosswalk_concepts = _ints(crosswalk["concept"])
        # Row of the concept of each name: (names,) int32, ascending.
        self.concept_of_name = _ints(names["concept"])

    @property
    def concept_count(self) -> int:
        """How many concepts the bundle has."""
        return len(self._ids)

    @property
    def name_count(self) -> int:
        """How many names the bundle has: the rows of the index."""
        return len(self.concept_of_name)

    def row(self, concept_id: str) -> int:
        """Row of the concept. Raises `NotFound`."""
        begin, end = self._ids.range(concept_id)
        if begin == end:
            successors = ", ".join(successor.concept_id for successor in self.replaced_by(concept_id))
            hint = f"it was replaced by {successors}" if successors else "ids are written as `linker search` shows them"
            raise NotFound(f"no such concept in this bundle; {hint}")
        return begin

    def replaced_by(self, concept_id: str) -> tuple[Successor, ...]:
        """What to use instead of an id that is retired or no concept; replacements that were replaced are followed.

        Each concept comes once, the nearest first; those that the bundle does not have, or has as retired, are left
        out.
        """
        found: dict[str, Successor] = {}
        seen, ways = {concept_id}, [Successor(concept_id, ())]
        for way in ways:  # grows as it is walked: breadth first
            begin, end = self._replaced.range(way.concept_id)
            for row in range(begin, end):
                to, relation = (str(self._replacements[column][row].as_py()) for column in ("replaced_by", "relation"))
                step = Successor(to, (*way.relations, relation))
                if self._is_current(to):
                    found.setdefault(to, step)
                elif to not in seen:
                    seen.add(to)
                    ways.append(step)
        return tuple(found.values())

    def _is_current(self, concept_id: str) -> bool:
        begin, end = self._ids.range(concept_id)
        return begin < end and not self._concepts["retired"][begin].as_py()

    def concept_id(self, concept: int) -> str:
        """The id of the concept at a row."""
        return str(self._concepts["concept_id"][concept].as_py())

    def concepts_by_id(self, wanted: Collection[str]) -> dict[str, list[int]]:
        """Rows of the concepts that go by each of these ids: concept ids, alternates written `A|B`, codes as CURIEs.

        Ids that no concept goes by are left out.
        """
        rows: dict[str, list[int]] = {}
        for concept, concept_id in enumerate(self._concepts["concept_id"].to_pylist()):
            for part in concept_id.split("|"):
                if part in wanted:
                    rows.setdefault(part, []).append(concept)
        columns = (self._crosswalk["system"], self._crosswalk["code"], self._crosswalk["concept"])
        for system, code, concept in zip(*(column.to_pylist() for column in columns), strict=True):
            if (curie := f"{system}:{code}") in wanted:
                rows.setdefault(curie, []).append(concept)
        return rows

    def preferred_name(self, concept: int) -> str:
        """The name shown for the concept at a row."""
        return str(self._concepts["preferred_name"][concept].as_py())

    def semantic_types(self, concept: int) -> tuple[str, ...]:
        """What kinds of thing the concept at a row is."""
        return tuple(self._concepts["semantic_types"][concept].as_py())

    def codes(self, concept: int) -> tuple[Code, ...]:
        """The concept's codes in other vocabularies, by system and code."""
        table = self._crosswalk
        return tuple(
            Code(table["system"][i].as_py(), table["code"][i].as_py(), table["relation"][i].as_py())
            for i in _rows_of(concept, self._crosswalk_concepts)
        )

    def name(self, row: int) -> str:
        """The name at a row of the index."""
        return str(self._names["name"][row].as_py())

    def name_rows(self, concept: int) -> range:
        """Rows of the index that are the names of the concept at a row."""
        return _rows_of(concept, self.concept_of_name)

    def names(self, concept: int) -> list[str]:
        """Every name of the concept at a row, in the order of the bundle."""
        rows = self.name_rows(concept)
        names: list[str] = self._names["name"][rows.start : rows.stop].to_pylist()
        return names

    def term_type(self, row: int) -> str:
        """What the name at a row is to its concept."""
        return str(self._names["term_type"][row].as_py())

    def concept(self, concept_id: str) -> ConceptRecord:
        """All about one concept. Raises `NotFound`."""
        concept = self.row(concept_id)
        columns = [self._names[column] for column in ("name", "language", "term_type", "source")]
        return ConceptRecord(
            concept=concept,
            concept_id=concept_id,
            preferred_name=self.preferred_name(concept),
            semantic_types=self.semantic_types(concept),
            definition=str(self._concepts["definition"][concept].as_py()),
            parents=tuple(self._concepts["parents"][concept].as_py()),
            retired=bool(self._concepts["retired"][concept].as_py()),
            names=tuple(Name(*(str(column[i].as_py()) for column in columns)) for i in self.name_rows(concept)),
            codes=self.codes(concept),
            replaced_by=self.replaced_by(concept_id),
        )

    def names_equal(self, normalised: str) -> list[int]:
        """Rows of the names whose normalised form is `normalised`; none for the empty form."""
        if not normalised:
            return []
        begin, end = self._exact.range(normalised)
        return [int(row) for row in self._exact_names[begin:end]]

    def search(self, prefix: str, *, after: tuple[str, int] | None = None, limit: int = 20) -> list[tuple[str, int]]:
        """Concepts with a name that begins with `prefix`, as (normalised name, concept row), by name.

        Each concept comes once, under its first such name. `after`: the last pair of the page before. Pages are
        stable, since a bundle never changes.
        """
        key = normalise(prefix)
        if not key:
            return []
        begin, end = self._exact.range(key, _past_prefix(key.encode()))
        concepts = self.concept_of_name[self._exact_names[begin:end]]
        positions = np.sort(np.unique(concepts, return_index=True)[1]) + begin
        if after is not None:
            positions = positions[np.searchsorted(positions, self._exact.range(after[0])[0]) :]
        found: list[tuple[str, int]] = []
        for position in positions:
            entry = (self._exact[position].decode(), int(concepts[position - begin]))
            if after is None or entry > after:
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    def name_mask(self, wanted: ConceptFilter) -> NDArray[np.bool_]:
        """Which names a filter lets through: (names,) bool."""
        concepts = np.ones(self.concept_count, dtype=np.bool_)
        if wanted.semantic_types:
            concepts &= self._list_contains("semantic_types", wanted.semantic_types)
        if wanted.vocabularies:
            concepts &= self._in_vocabulary(wanted.vocabularies)
        mask = concepts[self.concept_of_name]
        if wanted.languages:
            tags = np.array([_speaks(tag, wanted.languages) for tag in self._language_tags[0]], dtype=np.bool_)
            mask &= tags[self._language_tags[1]]
        return mask

    def _list_contains(self, column: str, values: frozenset[str]) -> NDArray[np.bool_]:
        array = self._concepts[column]
        hits = pc.is_in(array.flatten(), value_set=pa.array(sorted(values))).to_numpy(zero_copy_only=False)
        mask = np.zeros(len(array), dtype=np.bool_)
        mask[pc.list_parent_indices(array).to_numpy()[hits.astype(np.bool_)]] = True
        return mask

    def _in_vocabulary(self, prefixes: frozenset[str]) -> NDArray[np.bool_]:
        wanted = prefixes | {canonical_prefix(prefix) for prefix in prefixes}
        mask = np.array([prefix in wanted for prefix in self._prefixes], dtype=np.bool_)
        hits = pc.is_in(self._crosswalk["system"], value_set=pa.array(sorted(wanted)))
        mask[self._crosswalk_concepts[hits.to_numpy(zero_copy_only=False).astype(np.bool_)]] = True
        return mask

    @cached_property
    def _prefixes(self) -> list[str]:
        return [split_curie(concept_id)[0] for concept_id in self._concepts["concept_id"].to_pylist()]

    @cached_property
    def _language_tags(self) -> tuple[list[str], NDArray[np.int32]]:
        encoded = self._names["language"].dictionary_encode()
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


def _speaks(tag: str, wanted: frozenset[str]) -> bool:
    return any(tag.lower() == want.lower() or tag.lower().startswith(f"{want.lower()}-") for want in wanted)


def _past_prefix(key: bytes) -> bytes:
    """The smallest bytes greater than every string that begins with `key` (valid UTF-8 holds no 0xFF)."""
    return key + b"\xff"

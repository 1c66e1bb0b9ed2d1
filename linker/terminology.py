"""The concepts of a bundle and their names, memory-mapped: what `GetConcept` and `SearchConcepts` read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.accents import unaccented
from linker.columns import Strings, ints, past_prefix, rows_of
from linker.crosswalk import EXACT, Crosswalk
from linker.errors import InvalidInput, NotFound
from linker.hierarchy import Hierarchy
from linker.identifiers import canonical_prefix, split_curie
from linker.records import Code, ConceptFilter, ConceptRecord, Name, Successor
from linker.surface import normalise
from linker.tables import read_columns
from linker.typos import Vocabulary

_SHOWN = 40  # semantic types that an error lists


class Terminology:
    """Concepts, names, codes and the table of normalised names. Immutable and safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        """Map the tables in `directory`. Raises `BundleCorrupt`."""
        concepts = read_columns(directory, "concepts.arrow")
        names = read_columns(directory, "names.arrow")
        exact = read_columns(directory, "exact.arrow")
        edges = read_columns(directory, "hierarchy.arrow")
        self._concepts, self._names = concepts, names
        self._ids = Strings(concepts["concept_id"])
        self._exact = Strings(exact["normalised"])
        self._replacements = read_columns(directory, "replacements.arrow")
        self._replaced = Strings(self._replacements["concept_id"])
        self._exact_names = ints(exact["name"])
        self._respelled = exact["respelled"]
        self._vocabulary = Vocabulary(read_columns(directory, "words.arrow")["hash"].to_numpy(zero_copy_only=True))
        # Row of the concept of each name: (names,) int32, ascending.
        self.concept_of_name = ints(names["concept"])
        self.crosswalk = Crosswalk(
            read_columns(directory, "crosswalk.arrow"), read_columns(directory, "codes.arrow")["row"]
        )
        self.hierarchy = Hierarchy(edges["parents"], edges["children"])

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
        return begin < end and not self.retired(begin)

    def retired(self, concept: int) -> bool:
        """Whether the concept at a row was retired by its ontology: it is never an answer."""
        return bool(self._concepts["retired"][concept].as_py())

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
        for system, code, concept in self.crosswalk.pairs():
            if (curie := f"{system}:{code}") in wanted:
                rows.setdefault(curie, []).append(concept)
        return rows

    def preferred_name(self, concept: int) -> str:
        """The name shown for the concept at a row."""
        return str(self._concepts["preferred_name"][concept].as_py())

    def name_in(self, languages: frozenset[str], concept: int) -> str:
        """The name shown for the concept at a row in one of these languages (BCP-47); else its preferred name."""
        for row in self.name_rows(concept):  # by what they are to the concept, preferred ones first
            if _speaks(str(self._names["language"][row].as_py()), languages) and self.term_type(row) != "related":
                return self.name(row)
        return self.preferred_name(concept)

    def semantic_types(self, concept: int) -> tuple[str, ...]:
        """What kinds of thing the concept at a row is."""
        return tuple(self._concepts["semantic_types"][concept].as_py())

    def codes(self, concept: int, systems: Collection[str] = ()) -> tuple[Code, ...]:
        """Codes of the concept at a row: in other vocabularies, by system and code.

        systems: those of these vocabularies alone, as `known_vocabularies` gives them; first its own id, where it is of
        one.
        """
        codes = self.crosswalk.codes(concept, systems)
        own = self._own_code(concept)
        return (own, *codes) if own.system in systems else codes

    def coded(self, system: str, code: str) -> list[tuple[int, Code]]:
        """Rows of the concepts that have a code, retired ones too, each with what the concept is to the code.

        First the concept whose own id it is, then those of which a crosswalk says so, by id. system: "" where the code
        is an id without a prefix.
        """
        begin, end = self._ids.range(f"{system}:{code}" if system else code)
        return [*((row, self._own_code(row)) for row in range(begin, end)), *self.crosswalk.concepts(system, code)]

    def superseded(self, system: str, code: str) -> tuple[Successor, ...]:
        """What to use instead of a code: of the id that it is, and of the concepts that have it, see `replaced_by`."""
        ids = [f"{system}:{code}" if system else code, *(self.concept_id(row) for row, _ in self.coded(system, code))]
        return tuple({s.concept_id: s for concept_id in ids for s in self.replaced_by(concept_id)}.values())

    def _own_code(self, concept: int) -> Code:
        prefix, local = split_curie(self.concept_id(concept))
        return Code(prefix, local, EXACT, prefix)

    def known_vocabularies(self, prefixes: Sequence[str], *, field: str) -> tuple[str, ...]:
        """Prefixes of vocabularies, which go by their aliases too, as this bundle spells them.

        Raises `InvalidInput` at one that it has no ids and no codes of, naming its place in `field` and what there is.
        """
        found = [*map(self._spelled, prefixes)]
        if None in found:
            raise InvalidInput(self._expected_vocabulary, field=f"{field}[{found.index(None)}]")
        return tuple(filter(None, found))

    def _spelled(self, prefix: str) -> str | None:
        """A vocabulary as this bundle spells it; None for one that it has no ids and no codes of."""
        both = (prefix, canonical_prefix(prefix))
        return next((one for one in both if self._own_rows(one) or one in self.crosswalk.systems), None)

    @property
    def _expected_vocabulary(self) -> str:
        return f"expected a vocabulary of this bundle: {', '.join(self.vocabularies)}"

    def check_filter(self, wanted: ConceptFilter, *, path: str = "") -> None:
        """Raise `InvalidInput`, with what there is, where a filter names a type or a vocabulary that this bundle lacks.

        Else a slip of the pen is a job that finds nothing. A language may be absent: notes come in any. path: of the
        filter's fields.
        """
        if not wanted.semantic_types <= {*self._kinds}:
            shown = ", ".join(self._kinds[:_SHOWN]) or "it has none"
            more = f" and {len(self._kinds) - _SHOWN:,} more" if len(self._kinds) > _SHOWN else ""
            raise InvalidInput(f"expected semantic types of this bundle: {shown}{more}", field=f"{path}semantic_types")
        if not all(map(self._spelled, wanted.vocabularies)):
            raise InvalidInput(self._expected_vocabulary, field=f"{path}vocabularies")

    @cached_property
    def _kinds(self) -> tuple[str, ...]:
        """The semantic types of all concepts, sorted."""
        return tuple(sorted(pc.unique(pc.list_flatten(self._concepts["semantic_types"])).to_pylist()))

    @cached_property
    def vocabularies(self) -> tuple[str, ...]:
        """Prefixes of all ids and codes, sorted."""
        return tuple(sorted({*self._prefixes(), *self.crosswalk.systems}))

    def _prefixes(self) -> Iterable[str]:
        curies = np.flatnonzero(pc.match_substring(self._concepts["concept_id"], ":").to_numpy(zero_copy_only=False))
        place = 0
        while place < len(curies):
            rows = self._own_rows(split_curie(self.concept_id(curies[place]))[0])
            if rows:
                yield split_curie(self.concept_id(rows.start))[0]
            place = max(place + 1, int(np.searchsorted(curies, rows.stop)))

    def _own_rows(self, prefix: str) -> range:
        """Rows of the concepts whose ids have this prefix; ids are sorted, so they lie together."""
        key = f"{prefix}:"
        return range(*self._ids.range(key, past_prefix(key.encode(errors="surrogatepass")))) if prefix else range(0)

    def current(self, concept_id: str) -> list[int]:
        """Rows of the concepts, not retired ones, whose id or exact code this is, as a CURIE."""
        prefix, local = split_curie(concept_id)
        found = self.coded(prefix, local) or self.coded(canonical_prefix(prefix), local)
        return [row for row, code in found if code.relation == EXACT and not self.retired(row)]

    def name(self, row: int) -> str:
        """The name at a row of the index."""
        return str(self._names["name"][row].as_py())

    def name_rows(self, concept: int) -> range:
        """Rows of the index that are the names of the concept at a row."""
        return rows_of(concept, self.concept_of_name)

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
            retired=self.retired(concept),
            names=tuple(Name(*(str(column[i].as_py()) for column in columns)) for i in self.name_rows(concept)),
            codes=self.codes(concept),
            replaced_by=self.replaced_by(concept_id),
        )

    def names_equal(self, normalised: str) -> list[int]:
        """Rows of the names whose normalised form is `normalised`; none for the empty form."""
        if not normalised:
            return []
        begin, end = self._exact.range(normalised)
        while begin < end and self._respelled[end - 1].as_py():
            end -= 1
        return [int(row) for row in self._exact_names[begin:end]]

    def names_alike(self, normalised: str) -> list[int]:
        """As `names_equal`; if that are none, rows of the names that differ in accents alone (`linker.accents`)."""
        if rows := self.names_equal(normalised):
            return rows
        ranges = [self._exact.range(text) for text in (normalised, *unaccented(normalised)) if text]
        return sorted({row for begin, end in ranges for row in self._exact_names[begin:end].tolist()})

    def names_meant(self, normalised: str) -> list[int]:
        """Rows of the names that differ in one letter of a word that no name contains (`linker.typos`), ascending."""
        meant = self._vocabulary.corrected(normalised)
        return sorted({row for text in meant for row in self.names_alike(text)})

    @property
    def forms(self) -> Strings:
        """Normalised names and their spellings without accents, in byte order: the table of exact hits."""
        return self._exact

    def name_of_form(self, row: int) -> int:
        """Row of the name that the form at a row of `forms` is of."""
        return int(self._exact_names[row])

    def search(self, prefix: str, *, after: tuple[str, int] | None = None, limit: int = 20) -> list[tuple[str, int]]:
        """Concepts with a name that begins with `prefix`, as (normalised name, concept row), by name.

        Names are found by their spellings without accents, too.

        Each concept comes once, under its first such name. `after`: the last pair of the page before. Pages are
        stable, since a bundle never changes.
        """
        key = normalise(prefix)
        if not key:
            return []
        begin, end = self._exact.range(key, past_prefix(key.encode()))
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
        mask = np.zeros(self.concept_count, dtype=np.bool_)
        for prefix in wanted:
            rows = self._own_rows(prefix)
            mask[rows.start : rows.stop] = True
        mask[self.crosswalk.with_code_in(wanted)] = True
        return mask

    @cached_property
    def _language_tags(self) -> tuple[list[str], NDArray[np.int32]]:
        encoded = self._names["language"].dictionary_encode()
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)


def _speaks(tag: str, wanted: frozenset[str]) -> bool:
    return any(tag.lower() == want.lower() or tag.lower().startswith(f"{want.lower()}-") for want in wanted)

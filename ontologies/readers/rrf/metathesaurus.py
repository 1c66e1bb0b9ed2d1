"""What UMLS and RxNorm releases have in common: names by concept, and semantic types, definitions, parents beside them.

The names are read twice: once for what there is (vocabularies, languages, term types, concept ids, whether the rows of
a concept lie together), so that a filter that names what the release lacks fails before anything is read; and once for
the records, one concept at a time. Memory holds arrays by concept number, and the rows of one concept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linker.identifiers import canonical_prefix
from ontologies.errors import SourceError
from ontologies.readers.files import COMPRESSIONS
from ontologies.readers.options import Options, Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.languages import language_tag
from ontologies.readers.rrf.parents import Flags, ParentRule, read_parents
from ontologies.readers.rrf.semantic_groups import SEMANTIC_GROUPS
from ontologies.records import Code, Concept, Name, Record, Replacement, TermType

# The columns of MRCONSO and RXNCONSO, MRSTY and RXNSTY, MRDEF, MRRANK
CONSO = rrf.columns("CUI LAT TS LUI STT SUI ISPREF AUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF")
STY = rrf.columns("CUI TUI STN STY ATUI CVF")
DEF = rrf.columns("CUI AUI ATUI SATUI SAB DEF SUPPRESS CVF")
RANK = rrf.columns("RANK SAB TTY SUPPRESS")

NO_CODE = b"NOCODE"
FULLY_SPECIFIED = b"FN"  # TTY: full form of descriptor, SNOMED CT's fully specified name
STRANGER = "row about a concept without names"


class Retired(NamedTuple):
    """A file of retired concepts: its columns, and a row's retired id, its relation, and what replaces it ("")."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[list[bytes]], tuple[bytes, bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is not the same in UMLS and RxNorm.

    files: what the names of files begin with. number: of a concept id, 0 where it is none; below `size`.
    curie: the concept id of a number. preference: of a vocabulary and term type, where no file ranks them.
    """

    files: str
    prefix: str
    size: int
    number: Callable[[bytes], int]
    curie: Callable[[int], str]
    preference: Callable[[bytes, bytes], int]
    parents: ParentRule
    retired: Retired

    @property
    def names(self) -> str:
        """The file of names."""
        return f"{self.files}CONSO.RRF"


class Kind(NamedTuple):
    """What the rows of one vocabulary have in common that agree in language, term type and suppression."""

    vocabulary: bytes
    language: bytes
    term_type: bytes
    suppressed: bytes


class _Wanted(NamedTuple):
    """What becomes of the rows of a kind. tag: None where the language is none. order: the least is preferred."""

    vocabulary: str
    system: str
    tag: str | None
    named: bool
    term_type: TermType
    order: tuple[int, int]


@dataclass(slots=True)
class Survey:
    """What a first pass over the names finds. levels: the restriction level (SRL) of each vocabulary."""

    known: Flags
    kinds: set[Kind] = field(default_factory=set)
    levels: dict[bytes, str] = field(default_factory=dict)
    together: bool = True


def flags(size: int) -> Flags:
    """So many zeros; pages that nothing is written to take no memory."""
    return memoryview(bytearray(size))


def survey(path: Path, layout: Layout) -> Survey:
    """Pass over the file of names. Rows with the wrong number of columns are left for the second pass to report."""
    found, previous = Survey(known=flags(layout.size)), b""
    kinds: set[tuple[bytes, bytes, bytes, bytes, bytes]] = set()
    for _, fields in rrf.rows(path, CONSO, Problems(lenient=True)):
        if fields[0] != previous:
            previous = fields[0]
            number = layout.number(previous)
            found.together &= not (number and found.known[number])
            found.known[number] = 1
        kinds.add((fields[11], fields[1], fields[12], fields[16], fields[15]))
    if not kinds:
        raise SourceError("expected at least one row, got an empty file", path=path)
    found.known[0] = 0
    found.kinds = {Kind(*kind[:4]) for kind in kinds}
    found.levels = {kind[0]: kind[4].decode(errors="replace") for kind in sorted(kinds)}
    return found


def original(vocabulary: bytes, language: bytes) -> str:
    """The prefix of a vocabulary's codes: for a translation (MSHSPA, LAT SPA) that of the original.

    >>> original(b"MSHSPA", b"SPA"), original(b"LNC-DE-AT", b"GER"), original(b"SNOMEDCT_US", b"ENG")
    ('MESH', 'LOINC', 'SNOMEDCT')
    """
    name = vocabulary.decode(errors="replace")
    if name.startswith("LNC-"):
        name = "LNC"
    elif len(name) > len(language) > 0:
        name = name.removesuffix(language.decode(errors="replace")).rstrip("_")
    return canonical_prefix(name)


class Metathesaurus:
    """A release whose files lie beside `path`, the file of its names.

    Raises `SourceError` for a file of another format, and for a filter that names what the release does not have.
    """

    def __init__(self, path: Path, layout: Layout, options: Options) -> None:
        self.path = path
        self.options = options
        self.found = survey(path, layout)
        self._layout = layout
        self._kept = flags(layout.size)
        self._is_empty = True
        self._types = SemanticTypes(self.beside("STY"), layout, self.found.known, options)
        self._check(options.sources, {kind.vocabulary for kind in self.found.kinds}, "SAB", "a vocabulary")
        self._check(options.term_types, {kind.term_type for kind in self.found.kinds}, "TTY", "a term type")
        self._hidden = () if options.suppressed else (b"O", b"E", b"Y")
        self._wanted = self._choose()

    def beside(self, name: str) -> Path | None:
        """The file MR`name` or RXN`name` of the release, if it is there."""
        return rrf.sibling(self.path, f"{self._layout.files}{name}.RRF")

    @property
    def vocabularies(self) -> list[str]:
        """The vocabularies that something is read from."""
        return sorted({wanted.vocabulary for wanted in self._wanted.values()})

    def records(self) -> Iterator[Record]:
        """Concepts with their names and codes; then, in records of their own, definitions, parents, replacements.

        The lines are those of the file of names, records from other files have none.
        """
        yield from self._concepts()
        if self._is_empty:
            message = "expected names, got none that the filters leave; its languages are "
            spoken = {language_tag(kind.language, kind.vocabulary) or "?" for kind in self.found.kinds}
            raise SourceError(message + ", ".join(sorted(spoken)), path=self.path)
        yield from self._definitions()
        if relations := self.beside("REL"):
            yield from read_parents(
                relations,
                self._parent_rule,
                hidden=self._hidden,
                number=self._layout.number,
                check=self._check_known,
                kept=self._kept,
                curie=self._layout.curie,
                problems=self.options.problems,
            )
        yield from self._replacements()

    def _check(self, wanted: tuple[str, ...], known: set[bytes], column: str, what: str) -> None:
        has = sorted(value.decode(errors="replace") for value in known)
        for value in wanted:
            if value not in has:
                message = f"expected {what} of this release ({', '.join(has)}), got {value}"
                raise SourceError(message, path=self.path, field=column)

    @cached_property
    def _sources(self) -> frozenset[bytes]:
        every = {kind.vocabulary for kind in self.found.kinds}
        return frozenset(every & {source.encode() for source in self.options.sources} or every)

    @property
    def _parent_rule(self) -> ParentRule:
        """The layout's, of the vocabularies that the filter leaves; MRREL may have some that name nothing."""
        rule = self._layout.parents
        if not self.options.sources:
            return rule
        return rule._replace(vocabularies=self._sources & (rule.vocabularies or self._sources))

    def _choose(self) -> dict[tuple[bytes, ...], _Wanted]:
        """The kinds of rows that are read, of those there are."""
        ranks = self._ranks
        return {
            tuple(kind): self._wish(kind, ranks)
            for kind in sorted(self.found.kinds)
            if kind.suppressed not in self._hidden and kind.vocabulary in self._sources
        }

    def _wish(self, kind: Kind, ranks: dict[tuple[bytes, ...], int]) -> _Wanted:
        tag = language_tag(kind.language, kind.vocabulary)
        term_types = self.options.term_types
        named = tag is not None and self.options.speaks(tag or self.options.language)
        rank = ranks.get((kind.vocabulary, kind.term_type, kind.suppressed), 0)
        return _Wanted(
            vocabulary=kind.vocabulary.decode(errors="replace"),
            system=original(kind.vocabulary, kind.language),
            tag=tag if tag is None else tag or self.options.language,
            named=named and (not term_types or kind.term_type.decode(errors="replace") in term_types),
            term_type=TermType.FULLY_SPECIFIED if kind.term_type == FULLY_SPECIFIED else TermType.SYNONYM,
            order=(self._place(tag or ""), -(rank or self._layout.preference(kind.vocabulary, kind.term_type))),
        )

    def _place(self, tag: str) -> int:
        """Of names in several languages the first one wanted is shown; English, where the filter does not say."""
        wanted = [language.lower() for language in self.options.languages] or ["en"]
        spoken = tag.lower()
        return next(
            (i for i, want in enumerate(wanted) if spoken == want or spoken.startswith(f"{want}-")), len(wanted)
        )

    @cached_property
    def _ranks(self) -> dict[tuple[bytes, ...], int]:
        """MRRANK: the rank of vocabulary, term type and suppression; the highest is preferred."""
        path = self.beside("RANK")
        ranks: dict[tuple[bytes, ...], int] = {}
        for number, fields in rrf.rows(path, RANK, self.options.problems) if path else ():
            if fields[0].isdigit():
                ranks[tuple(fields[1:4])] = int(fields[0])
            else:
                message = f"expected a number, got {fields[0].decode(errors='replace')!r}"
                error = SourceError(message, path=path or "", line=number, field="RANK")
                self.options.problems.found("rank that is no number", error)
        return ranks

    def _concepts(self) -> Iterator[Record]:
        problems, wanted = self.options.problems, self._wanted
        atoms: list[_Atom] = []
        codes: dict[tuple[str, bytes], tuple[str, int]] = {}
        previous, first = b"", 0
        for number, fields in rrf.rows(self.path, CONSO, problems, self._lines()):
            if fields[0] != previous:
                if atoms:
                    yield from self._concept(previous, first, atoms, codes)
                previous, first, atoms, codes = fields[0], number, [], {}
            kind = wanted.get((fields[11], fields[1], fields[12], fields[16]))
            if kind is None:
                continue
            codes.setdefault((kind.system, fields[13]), (kind.vocabulary, number))
            if kind.named:
                minor = (fields[2] != b"P", fields[4] != b"PF", fields[6] != b"Y")
                atoms.append((kind.order, minor, number, kind, fields[14]))
            elif kind.tag is None:
                came = fields[1].decode(errors="replace")
                error = SourceError(
                    f"expected a language of three letters, got {came!r}", path=self.path, line=number, field="LAT"
                )
                problems.found("language that is none", error)
        if atoms:
            yield from self._concept(previous, first, atoms, codes)

    def _lines(self) -> Iterator[rrf.Line] | None:
        """The rows of each concept together. Releases have them so; an export of a database may not."""
        if self.found.together:
            return None
        if self.path.suffix in COMPRESSIONS:
            message = "expected the rows of a concept together, got them apart (decompressed, the file can be read)"
            raise SourceError(message, path=self.path, field="CUI")
        return rrf.sorted_lines(self.path, lambda line: self._layout.number(line.partition(b"|")[0]))

    def _concept(
        self, cui: bytes, line: int, atoms: list[_Atom], codes: dict[tuple[str, bytes], tuple[str, int]]
    ) -> Iterator[Record]:
        number = self._layout.number(cui)
        if not number:
            came = cui.decode(errors="replace")
            error = SourceError(f"expected a concept id, got {came!r}", path=self.path, line=line, field="CUI")
            self.options.problems.found("concept id that is none", error)
            return
        if not self._types.wants(number):
            return
        concept_id = self._layout.curie(number)
        names = list(self._names(concept_id, sorted(atoms)))
        if not names:
            return
        self._kept[number], self._is_empty = 1, False
        yield Concept(concept_id=concept_id, semantic_types=self._types.names_of(number), line=line)
        yield from names
        for (system, raw), (vocabulary, code_line) in codes.items():
            code = self._code(system, raw, code_line)
            if code and f"{system}:{code}" != concept_id:
                yield Code(concept_id=concept_id, system=system, code=code, source=vocabulary, line=code_line)

    def _names(self, concept_id: str, atoms: list[_Atom]) -> Iterator[Name]:
        """Each name once in a language, the first of a language preferred."""
        said: set[tuple[str | None, bytes]] = set()
        spoken: set[str | None] = set()
        for _, _, line, kind, raw in atoms:
            if (kind.tag, raw) in said:
                continue
            said.add((kind.tag, raw))
            name = self._name(raw, line)
            if name:
                term_type = kind.term_type if kind.tag in spoken else TermType.PREFERRED
                spoken.add(kind.tag)
                yield Name(
                    concept_id=concept_id,
                    name=name,
                    language=kind.tag or "",
                    term_type=term_type,
                    source=kind.vocabulary,
                    line=line,
                )

    def _name(self, raw: bytes, line: int) -> str:
        try:
            name = raw.decode().strip()
        except UnicodeDecodeError as error:
            came = f"the byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the field"
            problem = SourceError(f"expected UTF-8, got {came}", path=self.path, line=line, field="STR")
            self.options.problems.found("text that is not UTF-8", problem)
            return ""
        if not name:
            problem = SourceError("expected a name, got none", path=self.path, line=line, field="STR")
            self.options.problems.found("row without a name", problem)
        return name

    def _code(self, system: str, raw: bytes, line: int) -> str:
        """The code alone: HPO's are HP:0000118. "" where the vocabulary has none."""
        if raw == NO_CODE:
            return ""
        try:
            return raw.decode().removeprefix(f"{system}:")
        except UnicodeDecodeError as error:
            came = f"the byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the field"
            problem = SourceError(f"expected UTF-8, got {came}", path=self.path, line=line, field="CODE")
            self.options.problems.found("text that is not UTF-8", problem)
            return ""

    def _check_known(self, cui: bytes, path: Path, line: int, column: str) -> int:
        return check_known(cui, self._layout, self.found.known, self.options.problems, path, line, column)

    def _definitions(self) -> Iterator[Concept]:
        """The best definition of each run of rows about one concept: its language first, then its vocabulary's rank."""
        path = self.beside("DEF")
        if path is None:
            return
        orders = self._orders()
        best: tuple[tuple[int, int], int, bytes] | None = None
        previous = 0
        for line, fields in rrf.rows(path, DEF, self.options.problems):
            order = orders.get(fields[4])
            if order is None or fields[6] in self._hidden:
                continue
            number = self._check_known(fields[0], path, line, "CUI")
            if number != previous:
                yield from self._definition(previous, best, path)
                previous, best = number, None
            if best is None or order < best[0]:
                best = (order, line, fields[5])
        yield from self._definition(previous, best, path)

    def _orders(self) -> dict[bytes, tuple[int, int]]:
        """Of each vocabulary whose language is wanted, the best order of its names."""
        orders: dict[bytes, tuple[int, int]] = {}
        for (vocabulary, *_), wanted in self._wanted.items():
            if wanted.tag is not None and self.options.speaks(wanted.tag):
                orders[vocabulary] = min(wanted.order, orders.get(vocabulary, wanted.order))
        return orders

    def _definition(
        self, number: int, best: tuple[tuple[int, int], int, bytes] | None, path: Path
    ) -> Iterator[Concept]:
        if best is None or not self._kept[number]:
            return
        _, line, raw = best
        try:
            yield Concept(concept_id=self._layout.curie(number), definition=raw.decode().strip())
        except UnicodeDecodeError as error:
            came = f"the byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the field"
            problem = SourceError(f"expected UTF-8, got {came}", path=path, line=line, field="DEF")
            self.options.problems.found("text that is not UTF-8", problem)

    def _replacements(self) -> Iterator[Replacement]:
        name, columns, read = self._layout.retired
        path = self.beside(name)
        for _, fields in rrf.rows(path, columns, self.options.problems) if path else ():
            retired, relation, current = read(fields)
            number, target = self._layout.number(retired), self._layout.number(current)
            if number and target and number != target and self._kept[target]:
                yield Replacement(
                    concept_id=self._layout.curie(number),
                    replaced_by=self._layout.curie(target),
                    relation=relation.decode(errors="replace"),
                )


_Atom = tuple[tuple[int, int], tuple[bool, bool, bool], int, _Wanted, bytes]


class SemanticTypes:
    """The semantic types of each concept, and whether the filter wants it. Concepts share their few combinations."""

    def __init__(self, path: Path | None, layout: Layout, known: Flags, options: Options) -> None:
        self._combinations: list[tuple[str, ...]] = [()]
        self._of_concept = np.zeros(layout.size, dtype=np.uint32)
        self._names: dict[str, str] = {}
        if path is not None:
            self._read(path, layout, known, options.problems)
        elif options.semantic_types or options.semantic_groups:
            message = f"expected this file, which a filter by semantic type or group needs, beside {layout.names}"
            raise SourceError(message, path=f"{layout.files}STY.RRF")
        wanted = self._filter(options, path)
        self._wanted = [wanted is None or not wanted.isdisjoint(tuis) for tuis in self._combinations]
        self._shown = [tuple(dict.fromkeys(self._names[tui] for tui in tuis)) for tuis in self._combinations]

    def wants(self, number: int) -> bool:
        """Whether the filter wants the concept."""
        wanted: bool = self._wanted[self._of_concept[number]]
        return wanted

    def names_of(self, number: int) -> tuple[str, ...]:
        """The names of the concept's semantic types, in the order of the file."""
        shown: tuple[str, ...] = self._shown[self._of_concept[number]]
        return shown

    def _read(self, path: Path, layout: Layout, known: Flags, problems: Problems) -> None:
        with_type: dict[tuple[int, bytes], int] = {}
        for line, fields in rrf.rows(path, STY, problems):
            number = check_known(fields[0], layout, known, problems, path, line, "CUI")
            if not number:
                continue
            key = (int(self._of_concept[number]), fields[1])
            if key not in with_type:
                tui = rrf.text(fields, 1, STY, path, line)
                self._names.setdefault(tui, rrf.text(fields, 3, STY, path, line))
                with_type[key] = len(self._combinations)
                self._combinations.append((*self._combinations[key[0]], tui))
            self._of_concept[number] = with_type[key]

    def _filter(self, options: Options, path: Path | None) -> set[str] | None:
        """The TUIs wanted, None for all."""
        if path is None or not (options.semantic_types or options.semantic_groups):
            return None
        wanted: set[str] = set()
        for value in options.semantic_types:
            tuis = {tui for tui, name in self._names.items() if value in (tui, name)}
            if not tuis:
                has = ", ".join(f"{tui} {name}" for tui, name in sorted(self._names.items()))
                message = f"expected a semantic type of this release ({has}), got {value}"
                raise SourceError(message, path=path, field="TUI")
            wanted |= tuis
        for group in options.semantic_groups:
            if group not in SEMANTIC_GROUPS:
                message = f"expected a semantic group ({', '.join(SEMANTIC_GROUPS)}), got {group}"
                raise SourceError(message, path=path)
            wanted.update(SEMANTIC_GROUPS[group])
        return wanted


def check_known(
    cui: bytes, layout: Layout, known: Flags, problems: Problems, path: Path, line: int, column: str
) -> int:
    """The number of a concept that has names; else a problem, and 0."""
    number = layout.number(cui)
    if number and known[number]:
        return number
    came = cui.decode(errors="replace")
    message = f"expected a concept of {layout.names}, got {came!r} (--lenient leaves such rows out)"
    problems.found(STRANGER, SourceError(message, path=path, line=line, field=column))
    return 0

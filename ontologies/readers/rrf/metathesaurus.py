"""What UMLS and RxNorm releases have in common: names by concept, and semantic types, definitions, parents beside them.

The names are read twice: once for what there is (vocabularies, languages, term types, concept ids, whether the rows of
a concept lie together), so that a filter that names what the release lacks fails before anything is read; and once for
the records, one concept at a time. Memory holds arrays by concept number, and the rows of one concept.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import COMPRESSIONS
from ontologies.readers.options import Options
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.choice import Wanted, choose, read_ranks
from ontologies.readers.rrf.definitions import read_definitions
from ontologies.readers.rrf.languages import language_tag
from ontologies.readers.rrf.layout import Layout, check_known, flags
from ontologies.readers.rrf.parents import ParentRule, read_parents
from ontologies.readers.rrf.semantic_types import SemanticTypes
from ontologies.readers.rrf.survey import CONSO, survey
from ontologies.records import Code, Concept, Name, Record, Replacement, TermType

NO_CODE = b"NOCODE"

_Atom = tuple[tuple[int, int], tuple[bool, bool, bool], int, Wanted, bytes]


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
        if definitions := self.beside("DEF"):
            yield from read_definitions(
                definitions,
                self._orders(),
                hidden=self._hidden,
                check=self._check_known,
                kept=self._kept,
                curie=self._layout.curie,
                problems=self.options.problems,
            )
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

    def _choose(self) -> dict[tuple[bytes, ...], Wanted]:
        """The kinds of rows that are read, of those there are."""
        kinds = (k for k in self.found.kinds if k.suppressed not in self._hidden and k.vocabulary in self._sources)
        ranks = read_ranks(self.beside("RANK"), self.options.problems)
        return choose(kinds, self.options, ranks, self._layout.preference)

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
        if self.path.suffix in COMPRESSIONS or len(rrf.parts(self.path)) > 1:
            message = "expected the rows of a concept together, got them apart (as one plain file they can be read)"
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
        name = self._text(raw, line, "STR")
        if name is None:
            return ""
        if not name:
            problem = SourceError("expected a name, got none", path=self.path, line=line, field="STR")
            self.options.problems.found("row without a name", problem)
        return name

    def _code(self, system: str, raw: bytes, line: int) -> str:
        """The code alone: HPO's are HP:0000118. "" where the vocabulary has none."""
        if raw == NO_CODE:
            return ""
        return (self._text(raw, line, "CODE") or "").removeprefix(f"{system}:")

    def _text(self, raw: bytes, line: int, field: str) -> str | None:
        try:
            return rrf.decoded(raw, self.path, line, field).strip()
        except SourceError as error:
            self.options.problems.found(rrf.NOT_UTF8, error)
            return None

    def _check_known(self, cui: bytes, path: Path, line: int, column: str) -> int:
        return check_known(cui, self._layout, self.found.known, self.options.problems, path, line, column)

    def _orders(self) -> dict[bytes, tuple[int, int]]:
        """Of each vocabulary whose language is wanted, the best order of its names."""
        orders: dict[bytes, tuple[int, int]] = {}
        for (vocabulary, *_), wanted in self._wanted.items():
            if wanted.tag is not None and self.options.speaks(wanted.tag):
                orders[vocabulary] = min(wanted.order, orders.get(vocabulary, wanted.order))
        return orders

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

"""Reads OBO, the format of the OBO Foundry's ontologies (HPO, Mondo, DO, SYMP), plain or .gz or .xz.

Format: OBO Flat File Format 1.4, https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html. The parser is
fastobo, the one inside pronto. Pronto itself forgets the order of synonyms and codes and the line of everything,
merges two terms with one id, fetches `import:` from the network, and cannot open a file one of whose parents lies
in another file (a bare KeyError); a build has several files.

A term is a concept, `is_a` its parents, `namespace` (or the header's default) its semantic type, `xref` a code and so
is a `property_value` that is a SKOS mapping; `alt_id`, `replaced_by` and `consider` are replacements. Imports are not
followed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastobo  # type: ignore[import-untyped]  # a compiled module without stubs

from ontologies.errors import SourceError
from ontologies.readers.annotations import SKOS_MATCHES, short_name
from ontologies.readers.files import digest, read_lines, uncompressed_name
from ontologies.readers.xrefs import code_of
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType

# Where a definition or a synonym comes from is not kept, so it need not parse: real releases have spaces in there.
_EVIDENCE = re.compile(
    r"""^(?P<kept>(?:def|synonym):\s*"(?:[^"\\]|\\.)*"[^\[\]"]*) \[ (?:[^\[\]"\\]|\\.|"(?:[^"\\]|\\.)*")* \]""",
    re.VERBOSE,
)
_EQUIVALENT = 'source="MONDO:equivalentTo"'  # Mondo's way to call a cross-reference an exact match
_ONE_LINE = "expected one tag a line, got a quoted text that runs on over the next"
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DUBLIN_CORE = ("terms:", "dcterms:", "dct:", "dc:", "http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/")


@dataclass(slots=True)
class _Stanza:
    """A frame's header line (`[Term]`), and the line number of each of its tags in turn."""

    line: int
    tags: list[int] = field(default_factory=list)


def read_obo(path: str | Path, *, language: str = "") -> Source:
    """The ontology's records, in the order of the file. language: of every name, since OBO does not say."""
    path = Path(path)
    sha256 = digest(path)
    lines, stanzas = _outline(path)
    frames = _Frames(path, lines, stanzas)
    header = [(clause.raw_tag(), clause) for clause in frames.header]
    namespace = next((str(clause.namespace) for tag, clause in header if tag == "default-namespace"), "")
    terms = _Terms(path, lines, language=language, namespace=namespace)
    return Source(path=str(path), releases=(_release(header, path, sha256),), records=terms.records(frames))


def _outline(path: Path) -> tuple[list[str], list[_Stanza]]:
    """The file's lines as fastobo takes them, and where each frame and each of its tags is."""
    lines, stanzas = [], []
    for number, text in read_lines(path):
        line = text.strip()
        if line.startswith("["):
            stanzas.append(_Stanza(number))
        elif line and not line.startswith("!") and stanzas:
            stanzas[-1].tags.append(number)
        # fastobo 0.14 panics at a comment that has a line of its own inside a frame
        lines.append("\n" if line.startswith("!") else _EVIDENCE.sub(r"\g<kept>[]", text))
    return lines, stanzas


class _Frames:
    """The frames of a document with the lines they came from; what fastobo does not like is a `SourceError`."""

    def __init__(self, path: Path, lines: list[str], stanzas: list[_Stanza]) -> None:
        self._path = path
        self._stanzas = iter(stanzas)
        self._line = 1
        if not stanzas:
            raise SourceError("expected at least one [Term], got none", path=path)
        try:
            self._frames = fastobo.iter(io.BytesIO("".join(lines).encode()), ordered=True, threads=1)
        except BaseException as error:
            raise self._explain(error) from None
        self.header: Iterable[Any] = self._frames.header()

    def __iter__(self) -> Iterator[tuple[Any, _Stanza]]:
        for stanza in self._stanzas:
            self._line = stanza.line
            try:
                frame = next(self._frames, None)
            except BaseException as error:
                raise self._explain(error) from None
            if frame is None:
                raise SourceError(_ONE_LINE, path=self._path, line=stanza.line)
            yield frame, stanza

    def _explain(self, error: BaseException) -> BaseException:
        if isinstance(error, SyntaxError):
            tag = (error.text or "").partition(":")[0].strip()
            message = f"{error.msg}, got {error.text!r}"
            return SourceError(message, path=self._path, line=error.lineno, field=tag)
        if type(error).__name__ == "PanicException":  # a bug in fastobo's Rust code, which derives from BaseException
            message = "expected OBO 1.4, got a frame that its parser fails on"
            return SourceError(message, path=self._path, line=self._line)
        return error


class _Terms:
    """Turns frames into records."""

    def __init__(self, path: Path, lines: list[str], *, language: str, namespace: str) -> None:
        self._path = path
        self._lines = lines
        self._language = language
        self._namespace = namespace
        self._seen: dict[str, int] = {}

    def records(self, frames: _Frames) -> Iterator[Record]:
        for frame, stanza in frames:
            if isinstance(frame, fastobo.term.TermFrame):
                yield from self._term(frame, stanza)
        if not self._seen:
            raise SourceError("expected at least one [Term], got none", path=self._path)

    def _term(self, frame: fastobo.term.TermFrame, stanza: _Stanza) -> Iterator[Record]:
        concept_id, line = _identifier(frame.id), stanza.tags[0]
        if self._seen.setdefault(concept_id, line) != line:
            message = f"expected each term once, got {concept_id} on line {self._seen[concept_id]} and here"
            raise SourceError(message, path=self._path, line=line, field="id")
        clauses: dict[str, list[tuple[int, Any]]] = {}
        for clause_line, clause in self._with_lines(frame, stanza.tags[1:]):
            clauses.setdefault(clause.raw_tag(), []).append((clause_line, clause))
        yield self._concept(concept_id, clauses, line)
        yield from self._names(concept_id, clauses, line)
        yield from self._codes(concept_id, clauses)
        yield from _replacements(concept_id, clauses)

    def _with_lines(self, frame: fastobo.term.TermFrame, lines: list[int]) -> list[tuple[int, Any]]:
        """Each clause and the line it is on. fastobo lets a quoted text run on over lines; OBO 1.4 does not."""
        pairs = list(zip(lines, frame, strict=False))
        if len(lines) != len(frame):
            tags = ((line, self._lines[line - 1].partition(":")[0].strip(), clause.raw_tag()) for line, clause in pairs)
            where = next((line - 1 for line, tag, parsed in tags if tag != parsed), lines[-1])
            raise SourceError(_ONE_LINE, path=self._path, line=where)
        return pairs

    def _concept(self, concept_id: str, clauses: dict[str, list[tuple[int, Any]]], line: int) -> Concept:
        namespaces = [str(clause.namespace) for _, clause in clauses.get("namespace", ())] or [self._namespace]
        return Concept(
            concept_id=concept_id,
            semantic_types=tuple(filter(None, namespaces)),
            definition=" ".join(str(clause.definition) for _, clause in clauses.get("def", ())),
            parents=tuple(_identifier(clause.term) for _, clause in clauses.get("is_a", ())),
            retired=any(clause.obsolete for _, clause in clauses.get("is_obsolete", ())),
            line=line,
        )

    def _names(self, concept_id: str, clauses: dict[str, list[tuple[int, Any]]], line: int) -> Iterator[Name]:
        preferred = self._preferred(concept_id, clauses, line)
        yield preferred
        for clause_line, clause in clauses.get("synonym", ()):
            name = clause.synonym.desc.strip()
            if not name:
                message = f"expected the text of a synonym of {concept_id}, got an empty one"
                raise SourceError(message, path=self._path, line=clause_line, field="synonym")
            if name != preferred.name:
                term_type = TermType.SYNONYM if clause.synonym.scope == "EXACT" else TermType.RELATED
                yield Name(
                    concept_id=concept_id, name=name, language=self._language, term_type=term_type, line=clause_line
                )

    def _preferred(self, concept_id: str, clauses: dict[str, list[tuple[int, Any]]], line: int) -> Name:
        names = [(clause_line, clause.name.strip()) for clause_line, clause in clauses.get("name", ())]
        if len(names) != 1 or not names[0][1]:
            where = names[-1][0] if names else line
            message = f"expected one name for {concept_id}, got {len([name for _, name in names if name])}"
            raise SourceError(message, path=self._path, line=where, field="name")
        where, name = names[0]
        return Name(concept_id=concept_id, name=name, language=self._language, term_type=TermType.PREFERRED, line=where)

    def _codes(self, concept_id: str, clauses: dict[str, list[tuple[int, Any]]]) -> Iterator[Code]:
        for line, clause in clauses.get("xref", ()):
            if (pair := code_of(_identifier(clause.xref.id))) is not None:
                exact = _EQUIVALENT in self._lines[line - 1]
                relation = "skos:exactMatch" if exact else "oboInOwl:hasDbXref"
                yield Code(concept_id=concept_id, system=pair[0], code=pair[1], relation=relation, line=line)
        for line, clause in clauses.get("property_value", ()):
            said = clause.property_value
            if (relation := str(said.relation)) in SKOS_MATCHES and (pair := code_of(str(said.value))) is not None:
                yield Code(concept_id=concept_id, system=pair[0], code=pair[1], relation=relation, line=line)


def _replacements(concept_id: str, clauses: dict[str, list[tuple[int, Any]]]) -> Iterator[Replacement]:
    for line, clause in clauses.get("alt_id", ()):
        yield Replacement(concept_id=_identifier(clause.alt_id), replaced_by=concept_id, relation="alt_id", line=line)
    for relation in ("replaced_by", "consider"):
        for line, clause in clauses.get(relation, ()):
            yield Replacement(concept_id=concept_id, replaced_by=_identifier(clause.term), relation=relation, line=line)


def _identifier(ident: fastobo.id.BaseIdent) -> str:
    """An identifier as text, without OBO's escapes."""
    return f"{ident.prefix}:{ident.local}" if isinstance(ident, fastobo.id.PrefixedIdent) else str(ident)


def _release(header: list[tuple[str, Any]], path: Path, sha256: str) -> Release:
    version = next((str(clause.version) for tag, clause in header if tag == "data-version"), "")
    dated = _ISO_DATE.search(version)
    date = next((clause.date.date().isoformat() for tag, clause in header if tag == "date"), "")
    ontology = next((clause.raw_value() for tag, clause in header if tag == "ontology"), "")
    return Release(
        source=short_name(ontology or Path(uncompressed_name(path)).stem),
        version=version,
        date=date or (dated[0] if dated else ""),
        licence=_property(header, "license"),
        attribution=_property(header, "rights"),
        sha256=sha256,
    )


def _property(header: list[tuple[str, Any]], name: str) -> str:
    """The first Dublin Core property of that name in the header, or ""."""
    values = [clause.property_value for tag, clause in header if tag == "property_value"]
    wanted = {prefix + name for prefix in _DUBLIN_CORE}
    return next((str(value.value) for value in values if str(value.relation) in wanted), "")

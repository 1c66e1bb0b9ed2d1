"""The manifest of a bundle: what is in it, where it came from, and the digest of every file.

A bundle's digest is the SHA-256 of its manifest, which names the SHA-256 of every other file. It holds no time of
creation: the same sources and models give the same digest. It is sealed with the SHA-256 of its own fields, and
read only if it is byte for byte what would be written: a bit that flips in it is noticed as one in any other file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from linker.errors import BundleCorrupt, BundleError, BundleMismatch

FORMAT = 4  # of the files, and of what they hold: names as `linker.surface` normalises them
MANIFEST = "manifest.json"
_SEAL = "sha256"  # of the other fields


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the bundle. size in bytes, sha256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the bundle. digest: SHA-256 over the digests of its files."""

    name: str
    digest: str
    dimension: int | None = None


class IndexKind(StrEnum):
    """How the nearest names are searched, see `linker.index`."""

    EXACT = "exact"
    PQ = "pq"
    IVF = "ivf"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """The vector index. encoder: digest of the encoder its vectors were made with. scale, probes, proposed: see
    `linker.index`.

    recall: of the 64 nearest names, what part the index found for names that were written in another way.
    """

    kind: IndexKind
    encoder: str
    dimension: int
    vectors: int
    scale: float
    probes: int = 1
    proposed: int = 0
    recall: float = 1.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """See the module. `releases` are `ontologies.records.Release` fields; `counts` and `languages` count rows."""

    releases: tuple[dict[str, str], ...]
    counts: dict[str, int]
    languages: dict[str, int]
    encoder: ModelEntry
    index: IndexEntry
    reranker: ModelEntry | None
    files: dict[str, FileEntry]
    created_by: str
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, the seal among them, UTF-8, one trailing newline."""
        fields = asdict(self)
        return _canonical({**fields, _SEAL: hashlib.sha256(_canonical(fields)).hexdigest()})


def _canonical(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def model_digest(files: Mapping[str, FileEntry], directory: str) -> str:
    """SHA-256 over name and digest of each file under `directory/`, in name order (hexadecimal)."""
    digest = hashlib.sha256()
    for name in sorted(files):
        if name.startswith(f"{directory}/"):
            digest.update(f"{name.removeprefix(f'{directory}/')} {files[name].sha256}\n".encode())
    return digest.hexdigest()


def file_entry(path: Path) -> FileEntry:
    """Size and digest of the file at `path`. Raises OSError."""
    with path.open("rb") as stream:
        return FileEntry(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


def read_manifest(bundle: Path) -> tuple[Manifest, str]:
    """The manifest of the bundle at `bundle`, and the bundle's digest. Raises `BundleError`, `BundleCorrupt`."""
    path = bundle / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "is not a bundle" if bundle.is_dir() else "does not exist"
        raise BundleError(
            f"{bundle} {hint}: expected a directory with {MANIFEST}; make one with `linker build`"
        ) from error
    try:
        manifest = _parse(json.loads(raw))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ValueError) and str(error).startswith("format"):
            raise BundleError(f"{path}: {error}; build the bundle again") from error
        raise BundleCorrupt(f"{path}: not a manifest of this project ({type(error).__name__})") from error
    if manifest.to_json() != raw:
        raise BundleCorrupt(
            f"{path}: it is not what its own digest was made of, so bytes were altered; copy or build it again"
        )
    return manifest, hashlib.sha256(raw).hexdigest()


def _parse(value: dict[str, Any]) -> Manifest:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']} is not the one this version reads ({FORMAT})")
    return Manifest(
        releases=tuple(value["releases"]),
        counts=value["counts"],
        languages=value["languages"],
        encoder=ModelEntry(**value["encoder"]),
        index=IndexEntry(**{**value["index"], "kind": IndexKind(value["index"]["kind"])}),
        reranker=ModelEntry(**value["reranker"]) if value["reranker"] else None,
        files={name: FileEntry(**entry) for name, entry in value["files"].items()},
        created_by=value["created_by"],
    )


def verify(bundle: Path, manifest: Manifest) -> None:
    """Check that every file is the one the manifest names, and that index and encoder belong together.

    Raises `BundleCorrupt` naming the file, or `BundleMismatch`.
    """
    for name, expected in manifest.files.items():
        path = bundle / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BundleCorrupt(f"{bundle / MANIFEST}: names a file outside the bundle")
        try:
            found = file_entry(path)
        except OSError as error:
            raise BundleCorrupt(f"{path}: missing or unreadable ({error.strerror})") from error
        if found.size != expected.size:
            raise BundleCorrupt(f"{path}: expected {expected.size} bytes, found {found.size}; copy or build it again")
        if found.sha256 != expected.sha256:
            raise BundleCorrupt(
                f"{path}: its digest is not the manifest's, so bytes were altered; copy or build it again"
            )
    if model_digest(manifest.files, "encoder") != manifest.index.encoder:
        raise BundleMismatch(
            f"{bundle}: the index was made with another encoder than the one in encoder/; build it again"
        )

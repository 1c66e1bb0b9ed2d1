"""What decides the output of a job: inputs, bundle, options and code. Runs that agree in it may share an output."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.rows import ERROR, NOTE_ID, SPANS, TEXT
from linker.bulk.sink import Sink
from linker.bulk.source import Part, Source
from linker.bundles import bundle_path
from linker.errors import InvalidInput
from linker.manifest import read_manifest

Fingerprint = Mapping[str, str]  # each thing by a name that tells a user what it is

_PACKAGE = Path(__file__).parents[1]
_READ = frozenset({NOTE_ID, TEXT, SPANS, ERROR})  # what all notes have, or may have
_DIGEST = re.compile("[0-9a-f]{64}")
_LONGEST = 120  # characters of a value that is kept as it is


def fingerprint(
    source: Source, parts: Sequence[Part], annotate: BatchAnnotator, sink: Sink, *, chunk_notes: int
) -> Fingerprint:
    """Of a job. Raises `BundleError`, and `InvalidInput` where a file of rules cannot be read."""
    how = asdict(annotate) | {"bundle": read_manifest(bundle_path(annotate.bundle))[1]}
    how |= {"sections": _content(annotate.sections), "rules": [_content(path) for path in annotate.rules]}
    how |= {"detector": [_content(path) for path in sorted(annotate.detector.glob("*.*"))] if annotate.detector else ""}
    return {
        "code": f"{version('medlinker')} {_code()}",
        **dict(_flat(how, "")),
        "output": _short(repr(sink)),
        "chunk notes": str(chunk_notes),
        "columns": _short(_columns(source)),
        **{f"input {part.name}": part.stamp for part in parts},
    }


def differences(theirs: Fingerprint, ours: Fingerprint, *, most: int = 5) -> str:
    """What differs, in words; "" where nothing does."""
    names = [name for name in dict.fromkeys([*theirs, *ours]) if theirs.get(name) != ours.get(name)]
    told = [f"{name} was {_told(theirs.get(name))}, is {_told(ours.get(name))}" for name in names[:most]]
    return "; ".join(told + ([f"and {len(names) - most:,} more"] if len(names) > most else []))


def _told(value: str | None) -> str:
    """A value in a message, the beginning of a digest."""
    if value is None:
        return "not there"
    return f"{value[:12]}…" if _DIGEST.fullmatch(value) else value


def _flat(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            ordered = sorted(value) if isinstance(value, frozenset) else value
            yield f"{prefix}{name}", _short(str(ordered))


def _columns(source: Source) -> str:
    """What is read of it, and as what."""
    columns = source.columns
    spans = [f"spans {columns.spans}"] if columns.spans else []
    kept = [f"{field.name} ({field.type})" for field in source.schema if field.name not in _READ]
    return ", ".join([f"id {columns.note_id}", f"text {columns.text}", *spans, *kept])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode()).hexdigest()


def _content(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=str(file)) from error


@cache
def _code() -> str:
    """Of what this package is made of: a version that is worked on has one number for many states."""
    digest = hashlib.sha256()
    for file in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in (".py", ".toml")):
        digest.update(f"{file.relative_to(_PACKAGE)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]

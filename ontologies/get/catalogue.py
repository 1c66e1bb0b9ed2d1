"""What `linker get` knows: releases with the addresses their publishers give them, in catalogue.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file to download.

    name: what it is called here. unpack: pattern of the files that are taken out of it, if it is a zip; it is removed
    then. checksums: address of a document in which the publisher says what its sum is, see `published`.
    """

    url: str
    name: str
    unpack: str = ""
    checksums: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminology:
    """A release that can be had: `files` to download, or `steps` for those that have to sign something first.

    version: where the address is that of one version. folder: the files' own, below that asked for. build: what
    `linker build` is to be given.
    """

    name: str
    title: str
    licence: str
    homepage: str
    version: str = ""
    folder: str = ""
    build: str = ""
    note: str = ""
    steps: str = ""
    files: tuple[RemoteFile, ...] = field(default=())


def catalogue() -> dict[str, Terminology]:
    """All that there is, by name."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: _terminology(name, entry) for name, entry in entries.items()}


def _terminology(name: str, entry: dict[str, Any]) -> Terminology:
    files = tuple(RemoteFile(**file) for file in entry.pop("files", ()))
    known = {f.name for f in fields(Terminology)}
    return Terminology(name=name, files=files, **{key: value.strip() for key, value in entry.items() if key in known})

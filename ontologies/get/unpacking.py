"""Takes the files that are needed out of a zip archive, each whole or not at all."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from ontologies.errors import DownloadError


def unpack(archive: Path, pattern: str, folder: Path) -> list[Path]:
    """Write the files of `archive` whose name fits `pattern` to `folder`, by their name alone.

    Raises `DownloadError`: no zip, a damaged one, no such file in it, no space.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [
                m for m in opened.infolist() if not m.is_dir() and fnmatch(PurePosixPath(m.filename).name, pattern)
            ]
            if not members:
                raise DownloadError(f"{archive}: expected a file {pattern} in it, got none")
            return [_extract(opened, member, folder / PurePosixPath(member.filename).name) for member in members]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{archive}: expected a complete zip archive, got: {error}") from error
    except OSError as error:
        raise DownloadError(f"{archive}: cannot unpack it: {error.strerror or error}") from error


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> Path:
    part = target.with_name(f".{target.name}.part")
    try:
        with opened.open(member) as packed, part.open("wb") as stream:
            shutil.copyfileobj(packed, stream, 1 << 20)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target

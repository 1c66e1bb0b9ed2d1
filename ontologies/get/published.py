"""What publishers say of the file to download: its version and its sum.

Either a release of GitHub in JSON (https://docs.github.com/en/rest/releases/releases, whose assets have a `digest`), or
lines as `sha256sum` and `md5sum` write them: the sum, and the file's name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ontologies.errors import DownloadError

_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}
_LINE = re.compile(r"(?P<sum>[0-9A-Fa-f]{32,64})[ \t]+\*?(?P<name>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """version: "" where the publisher does not say. checksum: "sha256:..."."""

    version: str = ""
    checksum: str


def published(document: bytes, name: str) -> Published:
    """What `document` says of the file `name`. Raises `DownloadError` where it says no sum of it."""
    text = document.decode("utf-8", errors="replace")
    found = _of_release(text, name) if text.lstrip().startswith("{") else _of_lines(text, name)
    algorithm, _, digest = found.checksum.partition(":")
    if algorithm not in _ALGORITHMS.values() or not digest:
        raise DownloadError(f"expected the sum of {name}, got none")
    return found


def _of_release(text: str, name: str) -> Published:
    try:
        release = json.loads(text)
        digests = {asset["name"]: asset.get("digest") for asset in release["assets"]}
        return Published(version=str(release.get("tag_name") or ""), checksum=str(digests.get(name) or ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError("expected a release of GitHub in JSON, got another document") from error


def _of_lines(text: str, name: str) -> Published:
    for line in text.splitlines():
        said = _LINE.fullmatch(line.strip())
        if said and said["name"].rpartition("/")[2] == name:
            return Published(checksum=f"{_ALGORITHMS.get(len(said['sum']), '')}:{said['sum']}")
    return Published(checksum="")

"""What can go wrong while a release is read or a bundle is built.

linker.errors.LinkerError
├── BuildError              a build cannot go on; nothing was written
│   └── SourceError         a file of a release is not what it should be
└── DownloadError           a release cannot be fetched
"""

from __future__ import annotations

from os import PathLike

from linker.errors import LinkerError


class BuildError(LinkerError):
    """The bundle cannot be built. Nothing was written."""


class SourceError(BuildError):
    """A file of a release is not what it should be.

    The message reads `FILE:LINE: FIELD: what was expected, what came`; parts that do not apply are left out.
    """

    def __init__(
        self, message: str, *, path: str | PathLike[str], line: int | None = None, field: str | None = None
    ) -> None:
        place = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(": ".join(part for part in (place, field, message) if part))
        self.path = str(path)
        self.line = line
        self.field = field


class DownloadError(LinkerError):
    """A release cannot be fetched. Whatever had its name before still has it."""

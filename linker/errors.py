"""The tree of errors.

    LinkerError
    ├── InvalidInput        what the caller passed is not acceptable; names the field
    ├── NotFound            a concept that this bundle does not have
    ├── JobError            a bulk job cannot begin, or cannot go on; what it has finished is kept
    └── BundleError         the bundle cannot be opened or written
        ├── BundleCorrupt   a file is missing, truncated or altered
        └── BundleMismatch  the files do not belong together

Messages say what was expected and what came. They never carry the text of a mention or a note.
"""

from __future__ import annotations


class LinkerError(Exception):
    """Base of every error this project raises on purpose."""


class InvalidInput(LinkerError):
    """An argument is not acceptable. `field` is its path, for example `mentions[3].begin`."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.description = message


class NotFound(LinkerError):
    """This bundle has no such concept."""


class JobError(LinkerError):
    """A bulk job cannot begin, or cannot go on. What it has finished is kept."""


class BundleError(LinkerError):
    """The bundle cannot be opened or written."""


class BundleCorrupt(BundleError):
    """A file of the bundle is missing, truncated or altered."""


class BundleMismatch(BundleError):
    """Files of the bundle do not belong together."""

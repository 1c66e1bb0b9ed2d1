"""Which bundle is meant: a path, or the name of one that an installed package provides (`starter`)."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from linker.errors import BundleError

DEFAULT = "starter"
_GROUP = "linker.bundles"


def bundle_path(name: str) -> Path:
    """The directory of a bundle: `name` as a path where there is one, else as a named bundle.

    A named bundle may be built on its first use. Raises `BundleError`.
    """
    path = Path(name)
    if path.exists():
        return path
    for provider in entry_points(group=_GROUP, name=name):
        return Path(provider.load()())
    known = ", ".join(sorted(p.name for p in entry_points(group=_GROUP)))
    raise BundleError(f"{name}: no such bundle; expected a directory made by `linker build`, or one of: {known}")

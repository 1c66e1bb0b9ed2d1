"""What the training commands need beyond a plain installation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from linker.errors import InvalidInput


@contextmanager
def train_extra(command: str) -> Iterator[None]:
    """Imports in here are of the extra `train`. Raises `InvalidInput`, of the field `command`, where one is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InvalidInput(f"needs {error.name}: pip install 'medlinker[train]'", field=command) from error

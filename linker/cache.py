"""A bounded memory of what was asked last, safe to share between threads."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Keeps values by key until their sizes add up to more than `capacity`; what was not asked for longest goes first.

    A value larger than the capacity is not kept.
    """

    def __init__(self, capacity: int) -> None:
        self._kept: LRUCache[K, tuple[V, int]] = LRUCache(capacity, getsizeof=lambda kept: kept[1])
        self._lock = Lock()  # even reading moves a key

    def known(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of those keys that are kept."""
        with self._lock:
            found = {key: self._kept.get(key) for key in keys}
        return {key: kept[0] for key, kept in found.items() if kept is not None}

    def keep(self, values: Mapping[K, V], *, size: int) -> None:
        """Keep values of `size` each."""
        if size > self._kept.maxsize:
            return
        with self._lock:
            for key, value in values.items():
                self._kept[key] = value, size

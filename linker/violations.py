"""Fields of a request that are not acceptable, collected so that one answer names them all, up to a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from linker import limits
from linker.errors import InvalidInput


class Violation(NamedTuple):
    """A field that is not acceptable: its path, for example `mentions[3].text`, and what was expected."""

    field: str
    description: str


class InvalidRequest(InvalidInput):
    """A request with fields that are not acceptable: at least one violation, at most 50."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations[0].description, field=violations[0].field)
        self.violations = tuple(violations)


class Violations:
    """Collects violations up to the number that is reported."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    @property
    def full(self) -> bool:
        """Whether no more are taken."""
        return len(self._found) >= limits.MAX_VIOLATIONS

    def add(self, field: str, description: str) -> None:
        """Take one."""
        if not self.full:
            self._found.append(Violation(field, description))

    def check_length(self, field: str, length: int, most: int, *, least: int = 0, unit: str = "characters") -> bool:
        """Whether `length` is within bounds; a violation where it is not."""
        if least <= length <= most:
            return True
        self.add(field, f"expected {least:,} to {most:,} {unit}, got {length:,}")
        return False

    def raise_any(self) -> None:
        """Raise `InvalidRequest` where there are any."""
        if self._found:
            raise InvalidRequest(self._found)

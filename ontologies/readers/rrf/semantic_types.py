"""The semantic types of concepts, MRSTY and RXNSTY, and the filters by type and group."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ontologies.errors import SourceError
from ontologies.readers.options import Options, Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.layout import Layout, check_known
from ontologies.readers.rrf.parents import Flags
from ontologies.readers.rrf.semantic_groups import SEMANTIC_GROUPS

STY = rrf.columns("CUI TUI STN STY ATUI CVF")


class SemanticTypes:
    """The semantic types of each concept, and whether the filter wants it. Concepts share their few combinations."""

    def __init__(self, path: Path | None, layout: Layout, known: Flags, options: Options) -> None:
        self._combinations: list[tuple[str, ...]] = [()]
        self._of_concept = np.zeros(layout.size, dtype=np.uint32)
        self._names: dict[str, str] = {}
        if path is not None:
            self._read(path, layout, known, options.problems)
        elif options.semantic_types or options.semantic_groups:
            message = f"expected this file, which a filter by semantic type or group needs, beside {layout.names}"
            raise SourceError(message, path=f"{layout.files}STY.RRF")
        wanted = self._filter(options, path)
        self._wanted = [wanted is None or not wanted.isdisjoint(tuis) for tuis in self._combinations]
        self._shown = [tuple(dict.fromkeys(self._names[tui] for tui in tuis)) for tuis in self._combinations]

    def wants(self, number: int) -> bool:
        """Whether the filter wants the concept."""
        wanted: bool = self._wanted[self._of_concept[number]]
        return wanted

    def names_of(self, number: int) -> tuple[str, ...]:
        """The names of the concept's semantic types, in the order of the file."""
        shown: tuple[str, ...] = self._shown[self._of_concept[number]]
        return shown

    def _read(self, path: Path, layout: Layout, known: Flags, problems: Problems) -> None:
        with_type: dict[tuple[int, bytes], int] = {}
        for line, fields in rrf.rows(path, STY, problems):
            number = check_known(fields[0], layout, known, problems, path, line, "CUI")
            if not number:
                continue
            key = (int(self._of_concept[number]), fields[1])
            if key not in with_type:
                tui = rrf.text(fields, 1, STY, path, line)
                self._names.setdefault(tui, rrf.text(fields, 3, STY, path, line))
                with_type[key] = len(self._combinations)
                self._combinations.append((*self._combinations[key[0]], tui))
            self._of_concept[number] = with_type[key]

    def _filter(self, options: Options, path: Path | None) -> set[str] | None:
        """The TUIs wanted, None for all."""
        if path is None or not (options.semantic_types or options.semantic_groups):
            return None
        wanted: set[str] = set()
        for value in options.semantic_types:
            tuis = {tui for tui, name in self._names.items() if value in (tui, name)}
            if not tuis:
                has = ", ".join(f"{tui} {name}" for tui, name in sorted(self._names.items()))
                message = f"expected a semantic type of this release ({has}), got {value}"
                raise SourceError(message, path=path, field="TUI")
            wanted |= tuis
        for group in options.semantic_groups:
            if group not in SEMANTIC_GROUPS:
                message = f"expected a semantic group ({', '.join(SEMANTIC_GROUPS)}), got {group}"
                raise SourceError(message, path=path)
            wanted.update(SEMANTIC_GROUPS[group])
        return wanted

"""What changed from the concepts of one bundle to those of another, as a table that people read.

`changes.tsv` (tab-separated, quoted as in RFC 4180) opens in any spreadsheet and is searched with any tool; linking
reads nothing of it. A concept comes once for each thing that changed:

    change                   concept_id   before             after
    release                  its source   its version        its version
    added, restored          of concept                      preferred name
    replaced                 of concept   preferred name     what replaced it
    retired, vanished        of concept   preferred name
    moved                    of concept   parents            parents
    renamed                  of concept   preferred name     preferred name
    name added, removed      of concept   name removed       name added

A concept that may no longer be linked to is either replaced, or retired by the new release, or it vanished: the release
does not say why. Names have their language; only those of concepts that both bundles link to are told.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from linker.tables import map_table
from linker.terminology import Terminology
from ontologies.errors import BuildError
from ontologies.joining import database_in

FILE = "changes.tsv"
_COLUMNS = ("change", "concept_id", "before", "after", "language")
_EXAMPLES = 3
_BATCH = 10_000  # rows that leave the database at a time


class ChangeKind(StrEnum):
    """See the module."""

    RELEASE = "release"
    ADDED = "added"
    RESTORED = "restored"
    REPLACED = "replaced"
    RETIRED = "retired"
    VANISHED = "vanished"
    MOVED = "moved"
    RENAMED = "renamed"
    NAME_ADDED = "name added"
    NAME_REMOVED = "name removed"


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the table. `concept_id` is the source where a release changed."""

    kind: ChangeKind
    concept_id: str
    before: str
    after: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """How many changes of each kind there are, and the first of them."""

    counts: Counter[ChangeKind] = field(default_factory=Counter)
    examples: defaultdict[ChangeKind, list[Change]] = field(default_factory=lambda: defaultdict(list))

    def add(self, change: Change) -> None:
        """Count one more."""
        self.counts[change.kind] += 1
        if len(self.examples[change.kind]) < _EXAMPLES:
            self.examples[change.kind].append(change)


_BOTH = """
    CREATE TABLE both_link AS
    SELECT concept_id, o.row AS old_row, n.row AS new_row
    FROM old_concepts o JOIN new_concepts n USING (concept_id) WHERE NOT o.retired AND NOT n.retired
"""
_OLD_NAMES = """
    CREATE VIEW old_name AS
    SELECT concept_id, name, language FROM old_names JOIN both_link ON concept = old_row
"""
_NEW_NAMES = """
    CREATE VIEW new_name AS
    SELECT concept_id, name, language FROM new_names JOIN both_link ON concept = new_row
"""
_CHANGED = """
    SELECT 'added' AS change, concept_id, '' AS before, preferred_name AS after, '' AS language
    FROM new_concepts ANTI JOIN old_concepts USING (concept_id) WHERE NOT retired
    UNION ALL
    SELECT 'restored', concept_id, '', n.preferred_name, ''
    FROM old_concepts o JOIN new_concepts n USING (concept_id) WHERE o.retired AND NOT n.retired
    UNION ALL
    SELECT CASE WHEN n.retired THEN 'retired' ELSE 'vanished' END, o.concept_id, o.preferred_name, '', ''
    FROM old_concepts o LEFT JOIN new_concepts n USING (concept_id)
    WHERE NOT o.retired AND coalesce(n.retired, true)
    UNION ALL
    SELECT 'moved', b.concept_id, array_to_string(o.parents, ' '), array_to_string(n.parents, ' '), ''
    FROM both_link b JOIN old_concepts o ON o.row = old_row JOIN new_concepts n ON n.row = new_row
    WHERE list_sort(o.parents) <> list_sort(n.parents)
    UNION ALL
    SELECT 'renamed', b.concept_id, o.preferred_name, n.preferred_name, ''
    FROM both_link b JOIN old_concepts o ON o.row = old_row JOIN new_concepts n ON n.row = new_row
    WHERE o.preferred_name <> n.preferred_name
    UNION ALL
    SELECT 'name removed', concept_id, name, '', language FROM (FROM old_name EXCEPT FROM new_name)
    UNION ALL
    SELECT 'name added', concept_id, '', name, language FROM (FROM new_name EXCEPT FROM old_name)
    ORDER BY concept_id, change, before, after, language
"""


def write_changes(
    path: Path,
    *,
    old: Mapping[str, pa.Table],
    new: Path,
    releases: Iterable[Change],
    scratch: Path,
    threads: int = 1,
) -> Changes:
    """Write what changed from the tables `old` to those in the folder `new` to `path`, by concept.

    old: `concepts.arrow` and `names.arrow`, as `linker.tables.TABLES` has them. releases: what comes first.
    scratch: a folder for what does not fit into memory. Raises `BuildError`.
    """
    changes, terminology = Changes(), Terminology(new)
    tables = {f"old_{name}": old[f"{name}.arrow"] for name in ("concepts", "names")}
    tables |= {f"new_{name}": map_table(new / f"{name}.arrow") for name in ("concepts", "names")}
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(_COLUMNS)
            for change in chain(releases, _changed(tables, scratch, threads)):
                found = _resolved(change, terminology)
                changes.add(found)
                writer.writerow((found.kind, found.concept_id, found.before, found.after, found.language))
    except (duckdb.Error, OSError) as error:
        raise BuildError(f"{path}: cannot write what changed: {error}") from error
    return changes


def _resolved(change: Change, terminology: Terminology) -> Change:
    """A concept that is gone is replaced where the new bundle, in the end, has something to use instead."""
    if change.kind in (ChangeKind.RETIRED, ChangeKind.VANISHED):
        successors = " ".join(successor.concept_id for successor in terminology.replaced_by(change.concept_id))
        if successors:
            return Change(ChangeKind.REPLACED, change.concept_id, change.before, successors)
    return change


def _changed(tables: Mapping[str, pa.Table], scratch: Path, threads: int) -> Iterator[Change]:
    with database_in(scratch, threads=threads) as database:
        for name, table in tables.items():
            database.register(name, table.append_column("row", pa.array(np.arange(len(table), dtype=np.int32))))
        for statement in (_BOTH, _OLD_NAMES, _NEW_NAMES):
            database.execute(statement)
        result = database.execute(_CHANGED)
        while rows := result.fetchmany(_BATCH):
            for kind, *told in rows:
                yield Change(ChangeKind(kind), *told)

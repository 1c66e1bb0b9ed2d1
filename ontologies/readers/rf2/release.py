"""What a release says of itself: its version, its modules, and whose it is.

A version is named as in https://docs.snomed.org/snomed-ct-specifications/snomed-ct-uri-standard, by the module of the
edition and the latest date. That module is the one that all others of the release are dependencies of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ontologies.readers.files import digest
from ontologies.readers.options import Problems
from ontologies.readers.rf2.layout import DEPENDENCY, File
from ontologies.readers.rf2.metadata import CORE_MODULE, MODEL_MODULE
from ontologies.readers.rf2.relations import PREFIX
from ontologies.readers.rf2.rows import Rows
from ontologies.readers.rf2.states import Columns, common, latest, stacked, taken
from ontologies.records import Release

LICENCE = "SNOMED CT Affiliate License Agreement required (https://www.snomed.org/get-snomed)"
ATTRIBUTION = (
    "This material includes SNOMED Clinical Terms® (SNOMED CT®) which is used by permission of SNOMED International."
    " All rights reserved. SNOMED CT® was originally created by The College of American Pathologists."
    ' "SNOMED" and "SNOMED CT" are registered trademarks of SNOMED International.'
)


def describe(
    path: Path, files: Sequence[File], dependencies: Sequence[File], told: dict[int, int], problems: Problems
) -> Release:
    """The release. dependencies: those files that say on what its modules depend. told: latest date of each module."""
    modules = dict(told)
    rows = latest(stacked(DEPENDENCY, dependencies, problems, _dependency))
    rows = taken(rows, rows["active"])
    needed = set(rows["needed"].tolist())
    for module, day in zip(rows["module"].tolist(), rows["date"].tolist(), strict=True):
        modules[module] = max(day, modules.get(module, 0))
    dates = [*modules.values(), *(int(file.date) for file in files if file.date)]
    date = str(max(dates, default=""))
    edition = _edition(modules, needed)
    listed = ", ".join(f"{module} {modules[module]}" for module in sorted(modules))
    return Release(
        source=PREFIX,
        version=f"{date} (modules {listed})" if listed else date,
        date=f"{date[:4]}-{date[4:6]}-{date[6:]}" if date else "",
        licence=LICENCE,
        attribution=ATTRIBUTION,
        url=f"http://snomed.info/sct/{edition}/version/{date}" if edition else "http://snomed.info/sct",
        sha256=_digest(path, files),
    )


def _dependency(rows: Rows) -> Columns:
    return {
        **common(rows),
        "module": rows.numbers["moduleId"],
        "needed": rows.numbers["referencedComponentId"],
        "date": rows.numbers["sourceEffectiveTime"],
    }


def _edition(modules: dict[int, int], needed: set[int]) -> int:
    """The module that no other needs; of several, a national one before the international, and the latest."""
    return max(
        modules,
        key=lambda module: (
            module not in needed,
            module not in (CORE_MODULE, MODEL_MODULE),
            module == CORE_MODULE,
            modules[module],
            module,
        ),
        default=0,
    )


def _digest(path: Path, files: Sequence[File]) -> str:
    """Of the .zip file; of a folder, of what `sha256sum` prints for the files read."""
    if path.is_file():
        return digest(path)
    lines = (f"{digest(file.path)}  {file.path.relative_to(path).as_posix()}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()

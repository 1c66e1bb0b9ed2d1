"""The invented releases are what the readers take, and like real ones in what matters for time and memory."""

from __future__ import annotations

import importlib
import tracemalloc
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from linker.surface import normalise
from ontologies.collecting import Tables, collect
from ontologies.readers import read


@pytest.fixture(scope="module")
def releases() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        return importlib.import_module("releases")


def rows(folder: Path, pattern: str, separator: str) -> list[list[str]]:
    [path] = folder.rglob(pattern)
    return [line.split(separator) for line in path.read_text().splitlines()]


def collected(folder: Path) -> Tables:
    return collect([read(folder)])


def test_the_metathesaurus_is_read_whole(releases: ModuleType, tmp_path: Path) -> None:
    releases.write_rrf(tmp_path, concepts=200, names=900, seed=1)
    atoms, relations = rows(tmp_path, "MRCONSO.RRF", "|"), rows(tmp_path, "MRREL.RRF", "|")
    assert {len(row) for row in atoms} == {18 + 1}
    assert {len(row) for row in relations} == {16 + 1}
    assert atoms == sorted(atoms)
    tables = collected(tmp_path)
    assert len(tables.concepts) == 200
    assert len(tables.names) == len({(row[0], row[1], normalise(row[14])) for row in atoms})
    assert sum(map(len, tables.concepts["parents"].to_pylist())) == sum(row[3] == "PAR" for row in relations)
    assert Counter(row[3] for row in relations)["CHD"] == Counter(row[3] for row in relations)["PAR"]
    assert len(tables.replacements) == 200 // releases.RETIRED


def test_the_snapshot_is_read_whole(releases: ModuleType, tmp_path: Path) -> None:
    releases.write_rf2(tmp_path, concepts=200, names=900, seed=1)
    tables = collected(tmp_path)
    assert tables.concepts["retired"].to_pylist().count(False) == 200
    assert len(tables.replacements) == 200 // releases.RETIRED
    relationships = rows(tmp_path, "sct2_Relationship_*.txt", "\t")[1:]
    assert sum(map(len, tables.concepts["parents"].to_pylist())) == len(relationships)


def test_the_same_arguments_give_the_same_bytes(releases: ModuleType, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        releases.write_rrf(tmp_path / name, concepts=50, names=100, seed=seed)
    one, two, other = ((tmp_path / name / "MRCONSO.RRF").read_bytes() for name in ("one", "two", "other"))
    assert one == two != other


def test_names_are_as_long_and_as_ambiguous_as_real_ones(releases: ModuleType) -> None:
    concepts = list(releases.invent(20_000, 80_000, 0))
    names = [name for concept in concepts for name in concept.names]
    assert 78_000 < len(names) < 82_000
    assert 25 < sum(map(len, names)) / len(names) < 35
    shared = [name for name, times in Counter(names).items() if times > 1]
    assert 0.01 < len(shared) / len(names) < 0.1


def test_memory_does_not_grow_with_the_size(releases: ModuleType) -> None:
    peaks = []
    for concepts in (10_000, 30_000):
        tracemalloc.start()
        for _ in releases.invent(concepts, 4 * concepts, 0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("identifier", ["138875005", "116680003", "900000000000207008", "22298006"])
def test_the_check_digit_is_that_of_real_identifiers(releases: ModuleType, identifier: str) -> None:
    assert releases.check_digit(identifier[:-1]) == identifier[-1]

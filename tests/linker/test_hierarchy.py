from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.hierarchy import Hierarchy, Relatives
from linker.terminology import Terminology
from ontologies.collecting import collect
from ontologies.records import Concept, Name, Release, Source

SIZE = 12
# Each concept has parents among those before it in some order, so no circle is possible and rows say nothing of depth.
dags = st.builds(
    lambda order, above: {order[n]: sorted({order[p % n] for p in above[n]}) if n else [] for n in range(SIZE)},
    st.permutations(range(SIZE)),
    st.lists(st.lists(st.integers(0, SIZE), max_size=3), min_size=SIZE, max_size=SIZE),
)


def hierarchy(parents: dict[int, list[int]]) -> Hierarchy:
    children = {row: [child for child in sorted(parents) if row in parents[child]] for row in parents}
    return Hierarchy(
        *(pa.array([lists[row] for row in range(SIZE)], pa.list_(pa.int32())) for lists in (parents, children))
    )


def distances(parents: dict[int, list[int]], row: int) -> dict[int, int]:
    """Steps of the shortest way to each ancestor, by trying every way."""
    found: dict[int, int] = {}

    def climb(here: int, steps: int) -> None:
        for parent in parents[here]:
            found[parent] = min(found.get(parent, SIZE), steps)
            climb(parent, steps + 1)

    climb(row, 1)
    return found


def told(relatives: Relatives) -> list[tuple[int, int]]:
    return list(zip(relatives.distances.tolist(), relatives.rows.tolist(), strict=True))


@given(dags, st.sets(st.integers(0, SIZE - 1)))
def test_the_nearest_member_is_that_of_a_search_by_brute_force(
    parents: dict[int, list[int]], members: set[int]
) -> None:
    walked = hierarchy(parents)
    for row in range(SIZE):
        ways = [(d, above) for above, d in {row: 0, **distances(parents, row)}.items() if above in members]
        assert walked.nearest(row, members) == (min(ways)[1] if ways else None)


@given(dags, st.integers(0, 4))
def test_ancestors_and_descendants_are_those_of_brute_force(parents: dict[int, list[int]], most: int) -> None:
    walked = hierarchy(parents)
    above = {row: distances(parents, row) for row in range(SIZE)}
    for row in range(SIZE):
        up = sorted((d, a) for a, d in above[row].items() if d <= (most or SIZE))
        down = sorted((above[b][row], b) for b in range(SIZE) if above[b].get(row, SIZE + 1) <= (most or SIZE))
        assert told(walked.ancestors(row, max_distance=most)) == up
        assert told(walked.descendants(row, max_distance=most)) == down


@given(dags)
def test_a_built_hierarchy_is_that_of_the_parents(tmp_path_factory: pytest.TempPathFactory, parents: dict) -> None:
    folder: Path = tmp_path_factory.mktemp("built") / "tables"
    records: list[Concept | Name] = []
    for row in range(SIZE):  # a parent told twice is one
        above = tuple(f"A:{parent:02}" for parent in parents[row])
        records += [Concept(concept_id=f"A:{row:02}", parents=above), Name(concept_id=f"A:{row:02}", name=f"n{row}")]
        records += [Concept(concept_id=f"A:{row:02}", parents=above[:1])]
    collect([Source(path="a", releases=(Release(source="A"),), records=records)], folder=folder)
    built, oracle = Terminology(folder).hierarchy, hierarchy(parents)
    for row in range(SIZE):
        assert told(built.ancestors(row)) == told(oracle.ancestors(row))
        assert told(built.descendants(row)) == told(oracle.descendants(row))

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from linker.crosswalk import Crosswalk
from linker.records import Code
from linker.tables import CROSSWALK_SCHEMA

texts = st.text("aAé\0😀", max_size=2)
rows = st.lists(
    st.tuples(st.integers(0, 4), texts, texts, st.sampled_from("xy"), st.just("S"), st.sampled_from([0.0, 0.9])),
    unique=True,
)


def crosswalk(given_rows: list[tuple[int, str, str, str, str, float | None]]) -> Crosswalk:
    ordered = sorted(given_rows)
    columns = {
        field.name: pa.array([row[place] for row in ordered], field.type)
        for place, field in enumerate(CROSSWALK_SCHEMA)
    }
    by_code = sorted(range(len(ordered)), key=lambda row: (*ordered[row][1:3], row))
    return Crosswalk(columns, pa.array(by_code, pa.int32()))


@given(rows, texts, texts)
def test_codes_are_found_both_ways_as_by_a_scan(given_rows: list, system: str, code: str) -> None:
    opened, ordered = crosswalk(given_rows), sorted(given_rows)
    assert list(opened.systems) == sorted({row[1] for row in ordered})
    for wanted in [(system, code), *(row[1:3] for row in ordered)]:
        expected = [(row[0], Code(*row[1:])) for row in ordered if row[1:3] == wanted]
        assert opened.concepts(*wanted) == expected
    for concept in range(5):
        own = [Code(*row[1:]) for row in ordered if row[0] == concept]
        assert list(opened.codes(concept)) == own
        assert list(opened.codes(concept, [system])) == [c for c in own if c.system == system]
    assert set(opened.with_code_in([system]).tolist()) == {row[0] for row in ordered if row[1] == system}


def test_half_a_surrogate_pair_is_no_code() -> None:
    assert crosswalk([(0, "A", "1", "x", "S", None)]).concepts("A", "\udcff") == []

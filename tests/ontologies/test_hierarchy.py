"""`circle_among` against hierarchies that are right by construction, and against each way to be wrong."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ontologies.hierarchy import below_cycles, circle_among, find_cycle
from ontologies.records import Concept


def concept(concept_id, *parents, line=1, path="a.obo"):
    return Concept(concept_id=concept_id, parents=parents, line=line), path


@given(st.lists(st.lists(st.integers(0, 30), max_size=4), max_size=30), st.randoms())
def test_parents_that_come_earlier_are_no_cycle(parents, random):
    concepts = [concept(str(i), *(str(p) for p in above if p < i)) for i, above in enumerate(parents)]
    random.shuffle(concepts)
    assert circle_among(concepts) is None


@given(st.integers(1, 60), st.integers(0, 60))
def test_a_cycle_of_any_length_is_found(length, tail):
    ring = [concept(f"R:{i}", f"R:{(i + 1) % length}", line=i + 1) for i in range(length)]
    way_in = [concept(f"T:{i}", f"T:{i + 1}" if i + 1 < tail else "R:0") for i in range(tail)]
    assert "its own ancestor" in str(circle_among(way_in + ring))


def test_a_cycle_is_spelled_out_with_the_line_that_closes_it():
    concepts = [concept("A", "B", line=1), concept("B", "C", line=5), concept("C", "B", line=9, path="c.obo")]
    error = circle_among(concepts)
    assert "B -> C -> B" in str(error)
    assert (error.path, error.line, error.field) == ("c.obo", 9, "parents")


def test_a_concept_that_is_its_own_parent():
    assert "A -> A" in str(circle_among([concept("A", "A")]))


def test_a_cycle_across_two_files_that_share_a_concept():
    circle = circle_among([concept("A"), concept("B", "A"), concept("A", "B", path="other.tsv", line=7)])
    assert "A -> B -> A" in str(circle)


def test_a_long_cycle_is_cut_in_the_message():
    circle = circle_among([concept(str(i), str((i + 1) % 100)) for i in range(100)])
    assert "... (100 concepts)" in str(circle)


def test_a_hierarchy_deeper_than_the_recursion_limit():
    concepts = (concept(str(i), str(i + 1)) if i < 50_000 else concept(str(i)) for i in range(50_001))
    assert circle_among(concepts) is None


edges = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


@given(edges)
def test_what_is_below_a_cycle_is_what_reaches_one(edges):
    children, parents = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    above = {n: {n} for n in range(13)}
    for _ in range(13):
        for child, parent in edges:
            above[child] |= above[parent]
    cyclic = {child for child, parent in edges if child in above[parent]}
    expected = [n for n in range(13) if above[n] & cyclic]
    assert below_cycles(children, parents, 13).tolist() == expected
    if not expected:
        assert not find_cycle({str(c): [str(p) for child, p in edges if child == c] for c, _ in edges})


@given(edges)
def test_a_cycle_that_is_found_is_one(edges):
    parents = {}
    for child, parent in edges:
        parents.setdefault(str(child), []).append(str(parent))
    cycle = find_cycle(parents)
    assert all(parent in parents[child] for child, parent in itertools.pairwise([*cycle, *cycle[:1]]))
    assert len(set(cycle)) == len(cycle)


def test_a_chain_of_any_depth_is_below_no_cycle():
    below = np.arange(1, 50_000)
    assert len(below_cycles(below, below - 1, 50_000)) == 0

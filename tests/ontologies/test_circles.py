"""`in_circles` against what is reachable, and on hierarchies deeper than Python's stack."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ontologies.readers.circles import in_circles

CONCEPTS = 8


@given(st.lists(st.tuples(st.integers(0, CONCEPTS - 1), st.integers(0, CONCEPTS - 1)), max_size=30))
def test_a_pair_is_in_a_circle_where_its_parent_reaches_its_child(pairs):
    reach = set(pairs) | {(concept, concept) for concept in range(CONCEPTS)}
    for middle in range(CONCEPTS):
        reach |= {(a, b) for a, at in reach if at == middle for begin, b in reach if begin == middle}
    children, parents = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    assert in_circles(children, parents).tolist() == [(parent, child) in reach for child, parent in pairs]


def test_a_deep_hierarchy_and_a_long_circle():
    depth = 20_000
    children = np.arange(2 * depth)
    parents = children + 1
    parents[-1] = depth  # the upper half is a circle
    assert np.flatnonzero(in_circles(children, parents)).tolist() == list(range(depth, 2 * depth))

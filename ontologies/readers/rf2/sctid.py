"""SNOMED CT identifiers: item, namespace of an extension (seven digits, or none), partition (two) and check digit.

https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification, 6 SCTID. The check digit is that
of J. Verhoeff, Error Detecting Decimal Codes (1969): arithmetic of the dihedral group D5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_DIGITS = 18
_MULTIPLY = np.array(
    [[(i + j) % 5 + 5 * (j > 4) if i < 5 else (i - j) % 5 + 5 * (j < 5) for j in range(10)] for i in range(10)],
    dtype=np.int8,
)
_ONCE = np.array([1, 5, 7, 6, 2, 8, 3, 0, 9, 4], dtype=np.int8)


def _permutations() -> NDArray[np.int8]:
    """How a digit is permuted at each place, from the right."""
    rows = [np.arange(10, dtype=np.int8)]
    for _ in range(_DIGITS):
        rows.append(_ONCE[rows[-1]])
    return np.stack(rows)


_PERMUTE = _permutations()


def has_check_digit(ids: Ids) -> NDArray[np.bool_]:
    """Which of the identifiers end in the check digit that their other digits give.

    >>> has_check_digit(np.array([22298006, 22298007])).tolist()
    [True, False]
    """
    check = np.zeros(len(ids), dtype=np.int8)
    rest = ids.copy()
    for place in range(_DIGITS):
        digit = rest % 10
        rest //= 10
        # the zeros before the first digit are no digits
        check = np.where(
            (digit == 0) & (rest == 0) & (ids < 10**place), check, _MULTIPLY[check, _PERMUTE[place, digit]]
        )
    return np.asarray((check == 0) & (ids > 0))


def namespace(ids: Ids) -> Ids:
    """The namespace of each identifier, 0 where it is one of the international core.

    >>> namespace(np.array([22298006, 1011000124101])).tolist()
    [0, 1000124]
    """
    is_long = (ids // 100) % 10 == 1
    return np.asarray(np.where(is_long, (ids // 1000) % 10**7, 0))

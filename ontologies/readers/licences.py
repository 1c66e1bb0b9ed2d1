"""Licences that releases name by their address, and those that say until when they hold."""

from __future__ import annotations

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_SPDX = {
    "creativecommons.org/licenses/by/3.0": "CC-BY-3.0",
    "creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "creativecommons.org/licenses/by-nd/3.0/igo": "CC-BY-ND-3.0-IGO",
    "creativecommons.org/licenses/by-sa/4.0": "CC-BY-SA-4.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
}

_NAMED = re.compile(r"://|licen[cs]|terms of|copyright|©|public domain", re.IGNORECASE)
_END = re.compile(
    r"(?:expir\w*|until|valid (?:to|through)|ends?)\D{0,20}(?P<date>\d{4}(?:-\d{2}(?:-\d{2})?)?)\b", re.IGNORECASE
)


def known_licence(text: str) -> str:
    """SPDX identifier of the licence whose address the text holds, or "".

    >>> known_licence("under https://creativecommons.org/publicdomain/zero/1.0/, without warranty")
    'CC0-1.0'
    """
    return next((spdx for address, spdx in _SPDX.items() if address in text), "")


def says_which(text: str) -> bool:
    """Whether a reader of `text` can find the licence: an SPDX expression, an address, or a licence by its name.

    >>> [says_which(text) for text in ("CC-BY-4.0", "https://hpo.jax.org/app/license", "as agreed")]
    [True, True, False]
    """
    try:
        return bool(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return _NAMED.search(text) is not None


def has_expired(text: str, *, today: str) -> bool:
    """Whether a licence says that it ended before `today` (ISO 8601).

    >>> has_expired("valid until 2019-12-31", today="2026-11-23"), has_expired("CC-BY-4.0", today="2026-11-23")
    (True, False)
    """
    found = _END.search(text)
    return found is not None and found["date"] < today[: len(found["date"])]

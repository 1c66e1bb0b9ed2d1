"""Licences that releases name by their address."""

from __future__ import annotations

_SPDX = {
    "creativecommons.org/licenses/by/3.0": "CC-BY-3.0",
    "creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "creativecommons.org/licenses/by-nd/3.0/igo": "CC-BY-ND-3.0-IGO",
    "creativecommons.org/licenses/by-sa/4.0": "CC-BY-SA-4.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
}


def known_licence(text: str) -> str:
    """SPDX identifier of the licence whose address the text holds, or "".

    >>> known_licence("under https://creativecommons.org/publicdomain/zero/1.0/, without warranty")
    'CC0-1.0'
    """
    return next((spdx for address, spdx in _SPDX.items() if address in text), "")

"""Reads RxNorm: the full monthly release, its prescribable subset, or the few of its files that somebody kept.

Format: RxNorm Technical Documentation, section 12, https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html. Only
RXNCONSO.RRF is required. A concept (RXCUI) is `RXNORM:161`; RXNSTY gives its semantic types, RXNREL its parents (`isa`
between RxNorm's own concepts), RXNCUI what replaced a retired one, RXNSAB the versions and licences. The names of other
vocabularies in a concept mean the same, so that their codes are exact matches.
"""

from __future__ import annotations

import re
from pathlib import Path

from ontologies.readers.files import digest
from ontologies.readers.options import Options
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.layout import Layout, Retired
from ontologies.readers.rrf.metathesaurus import Metathesaurus
from ontologies.readers.rrf.parents import ParentRule
from ontologies.readers.rrf.releases import vocabulary_releases
from ontologies.records import Source

LICENCE = "UMLS Metathesaurus License Agreement"

_OWN = b"RXNORM"
_SECONDARY = (b"ET", b"PSN", b"SY", b"TMSY")  # term types that stand beside a concept's normal name
_SIZE = 100_000_000  # ids have at most 8 digits
_ROW = re.compile(rb"\d{1,8}\|[A-Z]{3}\|")


def is_rxnorm(path: Path, head: bytes) -> bool:
    """Whether the folder `path` holds RXNCONSO.RRF somewhere, or the file that begins with `head` is one."""
    return rrf.holds(path, head, LAYOUT.names, _ROW)


def read_rxnorm(path: str | Path, options: Options) -> Source:
    """The records of the release in the folder `path` or below it, or beside the file of names `path`.

    Raises `SourceError`, and so do its records, one concept at a time.
    """
    file = rrf.release_file(Path(path), LAYOUT.names)
    release = Metathesaurus(file, LAYOUT, options)
    releases, _ = vocabulary_releases(release, LICENCE, sha256=digest(file))
    return Source(path=str(file), releases=releases, records=release.records())


def _number(rxcui: bytes) -> int:
    return int(rxcui) if rxcui.isdigit() and len(rxcui) <= 8 else 0


def _preference(vocabulary: bytes, term_type: bytes) -> int:
    return (vocabulary == _OWN) * (2 - (term_type in _SECONDARY))


LAYOUT = Layout(
    files="RXN",
    prefix="RXNORM",
    size=_SIZE,
    number=_number,
    curie="RXNORM:{}".format,
    preference=_preference,
    parents=ParentRule(column=7, parent=b"inverse_isa", child=b"isa", vocabularies=frozenset([_OWN])),
    retired=Retired(
        "CUI",
        rrf.columns("CUI1 VER_START VER_END CARDINALITY CUI2"),
        lambda fields: (fields[0], b"SY" if fields[3] == b"1" else b"RN", fields[4]),
    ),
)

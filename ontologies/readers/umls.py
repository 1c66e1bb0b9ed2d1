"""Reads the UMLS Metathesaurus: a release, a MetamorphoSys subset, or the few of its files that somebody kept.

Format: UMLS Reference Manual, chapters 2 and 3, https://www.ncbi.nlm.nih.gov/books/NBK9684/ and NBK9685. Only
MRCONSO.RRF is required; what the files beside it add:

    MRSTY    semantic types, by name             MRDEF   one definition a concept
    MRREL    parents: its PAR and CHD rows       MRCUI   what replaced a retired concept
    MRRANK   which name is preferred, where filters leave out the one that the release prefers (TS, STT, ISPREF)
    MRSAB    version, licence and citation of each vocabulary        release.dat   version of the release

A concept (CUI) is `UMLS:C0027051`. The code of each of its names in its vocabulary is an exact match: that the names of
a concept mean the same is what the Metathesaurus's editors decide, and the only thing a CUI says. A translation's
vocabulary (MSHSPA of MSH, LAT SPA) has its original's codes, so they are told once, as the original's.

Filters by language and term type choose names, those by vocabulary names and codes, those by semantic type and group
concepts. A concept that they leave without a name is left out, with its definition and as a parent.
"""

from __future__ import annotations

import re
from pathlib import Path

from ontologies.readers.files import digest, read_lines
from ontologies.readers.options import Options
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.layout import Layout, Retired
from ontologies.readers.rrf.metathesaurus import Metathesaurus
from ontologies.readers.rrf.parents import ParentRule
from ontologies.readers.rrf.releases import vocabulary_releases
from ontologies.records import Release, Source

LICENCE = "UMLS Metathesaurus License Agreement"
URL = "https://www.nlm.nih.gov/research/umls/"

_LOCAL_CUI = re.compile(rb"CL(\d{6,7})")  # the NCI Metathesaurus has some of its own, CL000084
_LOCAL = 10_000_000
_ROW = re.compile(rb"CL?\d{6,7}\|[A-Z]{3}\|[PS]\|")


def is_umls(path: Path, head: bytes) -> bool:
    """Whether the folder `path` holds MRCONSO.RRF somewhere, or the file that begins with `head` is one."""
    return rrf.holds(path, head, LAYOUT.names, _ROW)


def read_umls(path: str | Path, options: Options) -> Source:
    """The records of the release in the folder `path` or below it, or beside the file of names `path`.

    Raises `SourceError`, and so do its records, one concept at a time.
    """
    file = rrf.release_file(Path(path), LAYOUT.names)
    release = Metathesaurus(file, LAYOUT, options)
    sha256 = digest(file)
    vocabularies, versions = vocabulary_releases(release, LICENCE, sha256=sha256)
    stated = _stated(file)
    whole = Release(
        source=LAYOUT.prefix,
        version=stated.get("umls.release.name", versions.get("MTH", "")),
        date=re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", stated.get("umls.release.date", "")),
        licence=LICENCE,
        url=URL,
        sha256=sha256,
    )
    return Source(path=str(file), releases=(whole, *vocabularies), records=release.records())


def _stated(file: Path) -> dict[str, str]:
    """The properties in release.dat."""
    path = file.with_name("release.dat")
    if not path.is_file():
        return {}
    properties = (line.partition("=") for _, line in read_lines(path))
    return {key.strip(): value.strip() for key, _, value in properties}


def _number(cui: bytes) -> int:
    if len(cui) == 8 and cui[:1] == b"C" and cui[1:].isdigit():
        return int(cui[1:])
    local = _LOCAL_CUI.fullmatch(cui)
    return _LOCAL + int(local[1]) if local else 0


def _curie(number: int) -> str:
    return f"UMLS:CL{number - _LOCAL:06d}" if number >= _LOCAL else f"UMLS:C{number:07d}"


LAYOUT = Layout(
    files="MR",
    prefix="UMLS",
    size=2 * _LOCAL,
    number=_number,
    curie=_curie,
    preference=lambda vocabulary, term_type: 0,  # noqa: ARG005  # TS, STT and ISPREF say it
    parents=ParentRule(column=3, parent=b"PAR", child=b"CHD"),
    retired=Retired(
        "CUI",
        rrf.columns("CUI1 VER REL RELA MAPREASON CUI2 MAPIN"),
        lambda fields: (fields[0], fields[2], fields[5]),
    ),
)

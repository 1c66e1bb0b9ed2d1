"""SSSOM/TSV: the Simple Standard for Sharing Ontological Mappings, as rows of a crosswalk.

Specification: https://mapping-commons.github.io/sssom/ (Matentzoglu et al. 2022,
https://doi.org/10.1093/database/baac035): comment lines with metadata in YAML, then a table. A row is told of its
subject and of its object. A negated mapping (`predicate_modifier`: Not) and one to `sssom:NoTermFound` are none; one
whose subject or object is a literal has no concept to tell of.

`curie_map` tells what a prefix stands for, so that a vocabulary has one prefix whatever the mapping set calls it.
Of the provenance, a row of a crosswalk keeps the mapping set as its source, and the confidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # its types are another package

from ontologies.errors import SourceError
from ontologies.readers.annotations import iso_date
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.headed_tsv import HeadedTable, Row, first_row, open_headed_tsv
from ontologies.readers.licences import known_licence
from ontologies.readers.mappings import Pair, codes_of
from ontologies.readers.options import Options
from ontologies.readers.xrefs import pair_of, pair_of_iri
from ontologies.records import Code, Release, Source

_REQUIRED = ("subject_id", "predicate_id", "object_id")
_CURIE = re.compile(r"(?P<prefix>[^\s:]+):(?P<local>\S.*)")
_NO_TERM = frozenset(("sssom:NoTermFound", "sssom:NoMapping"))


def is_sssom(_: Path, head: bytes) -> bool:
    """Whether a file that begins so is a mapping set."""
    commented = head.startswith(b"#") and (b"curie_map:" in head or b"mapping_set_id:" in head)
    return commented or set(_REQUIRED) <= set(first_row(head))


def read_sssom(path: str | Path, options: Options) -> Source:
    """The mappings of a mapping set. Raises `SourceError`."""
    path = Path(path)
    table = open_headed_tsv(path, _REQUIRED, options)
    metadata = _metadata(table, path)
    reader = _Reader(path, _prefixes(metadata, path), options)
    return Source(path=str(path), releases=(_release(metadata, path),), records=reader.records(table))


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    prefixes: dict[str, str]
    options: Options

    def records(self, table: HeadedTable) -> Iterator[Code]:
        for line, row in table.rows:
            try:
                mapping, confidence = self._mapping(row, line), self._confidence(row, line)
            except SourceError as error:
                self.options.problems.found("rows that are no mapping", error)
            else:
                if mapping is not None:
                    subject, target = mapping
                    yield from codes_of(subject, row["predicate_id"], target, line, self.options, confidence=confidence)

    def _mapping(self, row: Row, line: int) -> tuple[Pair, Pair] | None:
        literal = "rdfs literal" in (row.get("subject_type"), row.get("object_type"))
        if literal or row.get("predicate_modifier", "").lower() == "not":
            return None
        if _NO_TERM & {row["subject_id"], row["object_id"]}:
            return None
        self._pair(row, "predicate_id", line)
        return self._pair(row, "subject_id", line), self._pair(row, "object_id", line)

    def _pair(self, row: Row, column: str, line: int) -> Pair:
        curie = _CURIE.fullmatch(row[column])
        if curie is None or "://" in row[column]:
            message = f"expected a CURIE such as MONDO:0005148, got {row[column][:80]!r}"
            raise SourceError(message, path=self.path, line=line, field=column)
        prefix, local = curie["prefix"], curie["local"]
        expanded = pair_of_iri(self.prefixes[prefix] + local) if prefix in self.prefixes else None
        return expanded or pair_of(prefix, local)

    def _confidence(self, row: Row, line: int) -> float | None:
        text = row.get("confidence", "")
        if not text:
            return None
        try:
            confidence = float(text)
        except ValueError:
            confidence = nan
        if 0 <= confidence <= 1:
            return confidence
        message = f"expected a number from 0 to 1, got {text[:80]!r}"
        raise SourceError(message, path=self.path, line=line, field="confidence")


def _metadata(table: HeadedTable, path: Path) -> dict[str, object]:
    text = "".join(line.removeprefix("#") for line in table.comments)
    try:
        metadata = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # BaseLoader makes texts, lists and mappings
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = f"expected metadata in YAML, got: {getattr(error, 'problem', None) or error}"
        raise SourceError(message, path=path, line=mark.line + 1 if mark else None) from None
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise SourceError("expected metadata as a YAML mapping, got another value", path=path, line=1)
    return metadata


def _prefixes(metadata: dict[str, object], path: Path) -> dict[str, str]:
    curie_map = metadata.get("curie_map") or {}
    if not isinstance(curie_map, dict) or not all(isinstance(iri, str) for iri in curie_map.values()):
        raise SourceError("expected a mapping from prefixes to IRIs", path=path, field="curie_map")
    return curie_map


def _release(metadata: dict[str, object], path: Path) -> Release:
    def said(key: str) -> str:
        return str(metadata.get(key) or "")

    mapping_set = said("mapping_set_id")
    name = mapping_set.rstrip("/").rpartition("/")[2] or uncompressed_name(path)
    version, licence = said("mapping_set_version"), said("license")
    return Release(
        source=name.removesuffix(".tsv").removesuffix(".sssom"),
        version=version,
        date=iso_date(said("mapping_date") or version),
        licence=known_licence(licence) or licence,
        attribution=said("mapping_set_title"),
        url=mapping_set,
        sha256=digest(path),
    )

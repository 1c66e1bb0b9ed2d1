"""One format a module: a function from a path to a `Source`. `read` finds the one that fits a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers import parquet
from ontologies.readers.babelon import is_babelon, read_babelon
from ontologies.readers.cellxgene_mondo import read_cellxgene_mondo
from ontologies.readers.fhir_codesystem import read_fhir_codesystem
from ontologies.readers.fhir_conceptmap import read_fhir_conceptmap
from ontologies.readers.fhir_resource import resource_type
from ontologies.readers.fhir_valueset import read_fhir_valueset
from ontologies.readers.files import first_bytes, uncompressed_name
from ontologies.readers.gnuhealth import is_gnuhealth, read_gnuhealth
from ontologies.readers.icd10cm import is_icd10cm, read_icd10cm
from ontologies.readers.loinc import is_loinc, read_loinc
from ontologies.readers.mesh import is_mesh_xml, read_mesh_xml
from ontologies.readers.mesh_ascii import is_mesh_ascii, read_mesh_ascii
from ontologies.readers.obo import read_obo
from ontologies.readers.obograph import is_obograph, read_obograph
from ontologies.readers.omop import is_omop, read_omop
from ontologies.readers.options import Options
from ontologies.readers.owl import is_owl, read_owl
from ontologies.readers.rf2 import is_rf2, read_rf2
from ontologies.readers.rxnorm import is_rxnorm, read_rxnorm
from ontologies.readers.sssom import is_sssom, read_sssom
from ontologies.readers.tables import read_tables
from ontologies.readers.tabular import read_tabular
from ontologies.readers.umls import is_umls, read_umls
from ontologies.readers.unii import is_unii, read_unii
from ontologies.records import Source


@dataclass(frozen=True, slots=True)
class Format:
    """A format that `read` knows.

    fits: whether a path is of this format, given the first bytes after decompression (none of a directory).
    filters: fields of `Options` by which a part of it is read; it is read whole whatever the others say.
    """

    name: str
    fits: Callable[[Path, bytes], bool]
    read: Callable[[Path, Options], Source]
    filters: tuple[str, ...] = ()


def _read_tabular(path: Path, options: Options) -> Source:
    return read_tabular(path, language=options.language, prefix=options.prefix, problems=options.problems)


def _read_obo(path: Path, options: Options) -> Source:
    return read_obo(path, language=options.language)


def _read_fhir(path: Path, options: Options) -> Source:
    return read_fhir_valueset(path, language=options.language)


def _read_cellxgene(path: Path, options: Options) -> Source:  # noqa: ARG001  # its names are English
    return read_cellxgene_mondo(path)


def _read_tables(path: Path, options: Options) -> Source:  # noqa: ARG001  # its rows say both
    return read_tables(path)


def _is_fhir(kind: str) -> Callable[[Path, bytes], bool]:
    return lambda _, head: resource_type(head) == kind


def _is_cellxgene(_: Path, head: bytes) -> bool:
    return head.startswith(b'{"MONDO:')


def _is_tables(path: Path, _: bytes) -> bool:
    return any((path / file).is_file() for file in ("concepts.parquet", "names.parquet", "releases.json"))


def _is_obo(path: Path, head: bytes) -> bool:
    return bool(head) and (_has_suffix(path, ".obo") or head.lstrip().startswith(b"format-version:"))


def _is_parquet(path: Path, head: bytes) -> bool:
    return head.startswith(parquet.MAGIC) or (path.is_file() and _has_suffix(path, ".parquet"))


def _is_text_table(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return False
    return _has_suffix(path, ".tsv") or _has_suffix(path, ".csv") or b"\t" in head.partition(b"\n")[0]


def _has_suffix(path: Path, suffix: str) -> bool:
    return uncompressed_name(path).lower().endswith(suffix)


EVERYTHING = Options()

_EVERY_FILTER = ("sources", "languages", "term_types", "semantic_types", "semantic_groups", "suppressed")
# Tried in turn, the most telling first. A new format is one line here.
FORMATS = (
    Format("UMLS Metathesaurus (a folder with MRCONSO.RRF)", is_umls, read_umls, _EVERY_FILTER),
    Format("RxNorm (a folder with RXNCONSO.RRF)", is_rxnorm, read_rxnorm, _EVERY_FILTER),
    Format("ICD-10-CM (tabular list .xml, order file .txt)", is_icd10cm, read_icd10cm, ("languages",)),
    Format(
        "ICD-10 and ICD-11 of GNU Health (a folder or tar archive with data/diseases.xml)",
        is_gnuhealth,
        read_gnuhealth,
        ("languages", "semantic_types"),
    ),
    Format("LOINC (Loinc.csv, or a folder with it)", is_loinc, read_loinc, ("languages", "semantic_types")),
    Format(
        "OMOP vocabularies (CONCEPT.csv, or a folder with it)",
        is_omop,
        read_omop,
        ("sources", "languages", "semantic_types"),
    ),
    Format("OBO (.obo)", _is_obo, _read_obo),
    Format("OWL in RDF/XML (.owl)", is_owl, read_owl, ("sources", "languages", "semantic_types")),
    Format("OBO graphs (.json)", is_obograph, read_obograph, ("sources", "languages", "semantic_types")),
    Format("Mondo of cellxgene-ontology-guide (.json)", _is_cellxgene, _read_cellxgene),
    Format("FHIR CodeSystem (.json)", _is_fhir("CodeSystem"), read_fhir_codesystem, ("languages",)),
    Format("FHIR ConceptMap (.json)", _is_fhir("ConceptMap"), read_fhir_conceptmap, ("sources",)),
    Format("FHIR ValueSet (.json)", _is_fhir("ValueSet"), _read_fhir),
    Format("MeSH in XML", is_mesh_xml, read_mesh_xml, ("languages", "semantic_types")),
    Format("MeSH in ASCII (.bin)", is_mesh_ascii, read_mesh_ascii, ("languages", "semantic_types")),
    Format("SSSOM mappings (.tsv)", is_sssom, read_sssom, ("sources",)),
    Format("Babelon translations and synonym templates (.tsv)", is_babelon, read_babelon, ("languages", "suppressed")),
    Format("FDA substance names (UNII_Names.txt)", is_unii, read_unii, ("term_types",)),
    Format("a folder of neutral tables", _is_tables, _read_tables),
    Format(
        "SNOMED CT RF2 (a folder or .zip file of a release)",
        is_rf2,
        read_rf2,
        ("languages", "semantic_types", "suppressed"),
    ),
    Format("Parquet (.parquet)", _is_parquet, _read_tabular),
    Format("tables (.tsv, .csv, or text with tabs)", _is_text_table, _read_tabular),
)


def recognised(path: str | Path) -> Format:
    """The format of a release. Raises `SourceError` where it is none of these."""
    path = Path(path)
    head = b"" if path.is_dir() else first_bytes(path)
    for known in FORMATS:
        if known.fits(path, head):
            return known
    message = f"expected one of these formats: {'; '.join(known.name for known in FORMATS)}; got another"
    raise SourceError(message, path=path)


def read(path: str | Path, options: Options = EVERYTHING) -> Source:
    """Read a release in whichever format it is, plain or compressed (.gz, .xz, .zst) where the format is text."""
    return recognised(path).read(Path(path), options)

from __future__ import annotations

import lzma
from pathlib import Path

from ontologies.readers import read
from ontologies.records import Code, Name
from training.sources import SOURCES, held_out, write_sources

UNII = """Name\tTYPE\tUNII\tDisplay Name
ZORVEX [INN]\tcn\tU1\tZORVEX
FEVERIN\tcn\tU1\tZORVEX
ZX-12\tcd\tU1\tZORVEX
NOBODY'S\tcn\tU2\tNOBODY'S
NB-1\tcd\tU2\tNOBODY'S
LONELY\tcn\tU3\tLONELY
"""


def folder(path: Path, **tables: str) -> Path:
    path.mkdir()
    for part in {"doid_en_es", *(name for table in SOURCES.values() for name in table.names)}:
        with lzma.open(path / f"{part}.names.tsv.xz", "wt") as stream:
            stream.write(tables.get(part, ""))
    with lzma.open(path / "mondo_en.xrefs.tsv.xz", "wt") as stream:
        stream.write("MONDO:1\tmesh:D1\texactMatch\nMONDO:1\tUMLS:C1\texactMatch\nMONDO:1\tmesh:D9\tcloseMatch\n")
    with lzma.open(path / "mesh2024_en.xrefs.tsv.xz", "wt") as stream:
        stream.write("MESH:D1\tMeSHTree:D02.3\ttree\nMESH:D2\tMeSHTree:C23.8\ttree\n")
    with lzma.open(path / "unii.txt.xz", "wt") as stream:
        stream.write(UNII)
    return path


def test_the_tables_are_what_linker_build_reads(tmp_path: Path) -> None:
    names = folder(
        tmp_path / "names",
        mesh2024_en="MESH:D1\ten\tFeverin\tPT\t\nMESH:D1\ten\tFEVERIN\tSY\t\nMESH:D1\tes\tFeverina\tSY\t\n"
        "MESH:D2\ten\tDry Fever\tPT\t\n",
        mondo_en="MONDO:1\ten\tfever, dry\tPT\t\nMONDO:1\ten\tdry fever\tSY\t\n",
        snomed_gps_en="SNOMED:1\ten\tFever (finding)\tFSN\t\nSNOMED:1\ten\tFever (dry)\tPT\t\n",
        ordo_2018="Orphanet:7\ten\tRare fever\tPT\t\n",
    )
    counts = write_sources(names, names / "unii.txt.xz", tmp_path / "out")
    records = {name: list(read(tmp_path / "out" / f"{name}.tsv").records) for name, n in counts.items() if n}
    spelled = {name: [r.name for r in rows if isinstance(r, Name)] for name, rows in records.items()}
    assert spelled == {
        "mesh": ["Feverin", "Dry Fever"],  # once after normalisation, and English only
        "mondo": ["fever, dry", "dry fever"],
        "snomed-gps": ["Fever", "Fever (dry)"],  # the semantic tag goes, other brackets stay
        "orphanet": ["Rare fever"],
        "unii": ["ZORVEX", "FEVERIN", "ZX-12"],  # only what MeSH names too, without registry numbers
        "mesh-substances": ["Feverin"],  # what UNII names too
        "mesh-diseases": ["Dry Fever"],  # by its place in the tree
    }
    codes = [(r.concept_id, r.system, r.code, r.relation) for r in records["mondo"] if isinstance(r, Code)]
    assert codes == [("MONDO:1", "MESH", "D1", "skos:exactMatch")]


def test_translations_say_something_new_and_hide_what_is_held_out(tmp_path: Path) -> None:
    hidden = min(held_out())
    names = folder(
        tmp_path / "names",
        hpo_multilingual=f"{hidden}\ten\tSore foot\tPT\t\n{hidden}\tes\tPie dolorido\tPT\t\n"
        "HP:1\ten\tFever\tPT\t\nHP:1\tes\tFiebre\tPT\t\nHP:1\tes\tfever\tPT\t\nHP:1\tes\tCalentura\tSY\t\n"
        "HP:1\tde\tHitze\tSY\t\nHP:1\tja\t発熱\tPT\t\n",
        doid_en_es="DOID:1\ten\tpie dolorido\tPT\t\nDOID:1\tes\tdolor de pie\tSY\t\n"
        "DOID:2\ten\tcough\tPT\t\nDOID:3\ten\tchill\tPT\t\nDOID:3\tes\tescalofrío\tSY\t\n",
    )
    write_sources(names, names / "unii.txt.xz", tmp_path / "out")
    read_rows = {
        part: [
            (r.name, r.language)
            for r in read(tmp_path / "out" / f"{part}-translated.tsv").records
            if isinstance(r, Name)
        ]
        for part in ("hpo", "doid")
    }
    assert read_rows == {
        "hpo": [("Fever", "en"), ("Fiebre", "es"), ("Hitze", "de")],
        "doid": [("chill", "en"), ("escalofrío", "es")],
    }
    english = [r.name for r in read(tmp_path / "out" / "hpo.tsv").records if isinstance(r, Name)]
    assert english == ["Fever"]

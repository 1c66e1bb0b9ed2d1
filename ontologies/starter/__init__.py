"""The starter bundle: SNOMED CT Global Patient Set merged with MONDO, an encoder and a reranker, all openly licensed.

`terms/` holds the merged names and ids, with licences; `rebuild.py` makes it from the published packages. `encoder/`
and `reranker/` hold the models, made by the recipes `starter-synonyms` and `starter-reranker`. The bundle itself is
built from them on first use, into the user's cache directory, under a name that changes with its ingredients.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from linker.console import stderr
from linker.manifest import FORMAT, MANIFEST, file_entry
from linker.tables import TABLES
from ontologies.abbreviations import SHIPPED, read_lists
from ontologies.build import build
from ontologies.readers.tables import read_tables

HERE = Path(__file__).parent
TERMS = HERE / "terms"
ENCODER = HERE / "encoder"
RERANKER = HERE / "reranker"


def bundle_path() -> Path:
    """The starter bundle's directory, built if this is the first time it is asked for; older ones are then removed."""
    path = user_cache_path("medlinker", appauthor=False) / f"starter-{_fingerprint()}"
    if not (path / MANIFEST).is_file():
        stderr.print("Building the starter bundle; this is done once and takes a minute or two.")
        workers = os.cpu_count() or 1
        lists = read_lists()
        build([read_tables(TERMS)], path, encoder=ENCODER, reranker=RERANKER, abbreviations=lists, workers=workers)
        for older in path.parent.glob("starter-*"):  # whoever has one open keeps what is mapped
            if older != path:
                shutil.rmtree(older, ignore_errors=True)
    return path


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{version('medlinker')} {FORMAT} {' '.join(TABLES)}".encode())
    for path in (*SHIPPED, *sorted(p for folder in (TERMS, ENCODER, RERANKER) for p in folder.iterdir())):
        digest.update(f"{path.parent.name}/{path.name} {file_entry(path).sha256}\n".encode())
    return digest.hexdigest()[:12]

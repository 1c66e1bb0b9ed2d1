"""A small real bundle: invented codes, plain clinical names, the shipped encoder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from linker.pipeline import Linker
from ontologies.build import build
from ontologies.readers import read
from ontologies.starter import ENCODER

# A busy machine is no failure; and what CI runs, it runs again.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def clinic_tsv() -> Path:
    return FIXTURES / "clinic.tsv"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, clinic_tsv: Path) -> Path:
    """A bundle of sixteen concepts. Read-only: use `bundle_copy` to alter one."""
    out = tmp_path_factory.mktemp("bundles") / "clinic"
    build([read(clinic_tsv)], out, encoder=ENCODER)
    return out


@pytest.fixture
def bundle_copy(bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle, tmp_path / "copy")


@pytest.fixture(scope="session")
def linker(bundle: Path) -> Linker:
    return Linker.open(bundle, workers=2, cached=0)


@pytest.fixture(scope="session")
def build_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Linker]:
    """A function from the text of a TSV to a linker over it."""

    def make(text: str) -> Linker:
        folder = tmp_path_factory.mktemp("built")
        source = folder / "source.tsv"
        source.write_text(text)
        build([read(source)], folder / "bundle", encoder=ENCODER)
        return Linker.open(folder / "bundle")

    return make

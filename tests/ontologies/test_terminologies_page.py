"""docs/terminologies.md tells of what there is: every format, every release, no option that is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from linker.cli.link import link
from ontologies.cli import build
from ontologies.get.catalogue import catalogue
from ontologies.get.command import get
from ontologies.readers import FORMATS

PAGE = (Path(__file__).parents[2] / "docs" / "terminologies.md").read_text(encoding="utf-8")


def options(command: object) -> set[str]:
    app = typer.Typer()
    app.command()(command)  # type: ignore[type-var]
    return {option for parameter in typer.main.get_command(app).params for option in parameter.opts}


@pytest.mark.parametrize("known", [known.name for known in FORMATS])
def test_every_format_is_told_of(known: str) -> None:
    # "OBO (.obo)" is "OBO" there, "FHIR ValueSet (.json)" is one of the "FHIR R4 CodeSystem, ValueSet, ConceptMap"
    words = re.findall(r"[A-Za-z0-9-]+", known.partition("(")[0].removeprefix("a folder of "))
    assert all(word in PAGE for word in words)


@pytest.mark.parametrize("name", catalogue())
def test_every_release_is_told_of(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_option_that_is_told_of_exists() -> None:
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= options(build) | options(get) | options(link)

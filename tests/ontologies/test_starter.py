"""The starter as it is shipped: its terms, their licences, and that its bundle is built once and found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from linker import Linker
from linker.bundles import bundle_path
from linker.surface import normalise
from ontologies import starter
from ontologies.collecting import collect
from ontologies.readers import read
from ontologies.records import Code, Concept, Name
from ontologies.starter import TERMS


def test_the_terms_hold_together() -> None:
    records = list(read(TERMS).records)
    concepts = {r.concept_id for r in records if isinstance(r, Concept)}
    assert len(concepts) > 45_000
    assert {r.concept_id for r in records if isinstance(r, Name)} == concepts
    assert {r.concept_id for r in records if isinstance(r, Code)} <= concepts
    assert all(parent in concepts for r in records if isinstance(r, Concept) for parent in r.parents)


def test_every_release_names_its_licence() -> None:
    releases = read(TERMS).releases
    assert all("CC" in release.licence or "Creative Commons" in release.licence for release in releases)
    assert all(release.attribution and release.version for release in releases)
    notice = (TERMS / "NOTICE.md").read_text()
    assert all(word in notice for word in ("SNOMED International", "Mondo", "What was changed"))
    assert "Attribution 4.0 International" in (TERMS / "LICENSE-CC-BY-4.0.txt").read_text()


def test_every_name_says_which_release_it_comes_from() -> None:
    releases = {release.source for release in read(TERMS).releases}
    assert {r.source for r in read(TERMS).records if isinstance(r, Name)} == releases


@pytest.mark.parametrize(
    ("phrase", "snomed"),
    [
        ("myocardial infarction", "22298006"),
        ("heart attack", "22298006"),
        ("type 2 diabetes mellitus", "44054006"),
        ("asthma", "195967001"),
        ("pneumonia", "233604007"),
        ("fever", "386661006"),
        ("chest pain", "29857009"),
        ("atrial fibrillation", "49436004"),
        ("chronic kidney disease", "709044004"),
        ("COPD", "13645005"),
    ],
)
def test_common_phrases_are_names_of_their_snomed_concept(names: dict[str, set[str]], phrase: str, snomed: str) -> None:
    """The codes are those of SNOMED CT, looked up there."""
    assert names[normalise(phrase)] == {f"SNOMEDCT:{snomed}"}


@pytest.fixture(scope="module")
def names() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in read(TERMS).records:
        if isinstance(record, Name):
            found.setdefault(normalise(record.name), set()).add(record.concept_id)
    return found


def test_the_bundle_is_built_once_and_found_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clinic_tsv: Path
) -> None:
    """With other terms in place of the shipped ones, which take a minute to encode."""
    built = []
    tables = read(clinic_tsv)

    def fake_read(_: Path):
        built.append(1)
        return tables

    monkeypatch.setattr(starter, "read_tables", fake_read)
    monkeypatch.setattr(starter, "user_cache_path", lambda *_, **__: tmp_path)
    (tmp_path / "starter-older").mkdir()
    first = bundle_path("starter")
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    assert bundle_path("starter") == first
    assert built == [1]
    assert Linker.open(first).link(["asma"])[0].concept is not None


def test_the_tables_collect() -> None:
    tables = collect([read(TERMS)])
    assert tables.skipped == 0
    assert tables.languages() == {"en": len(tables.names)}

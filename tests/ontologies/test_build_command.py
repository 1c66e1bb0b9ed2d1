"""`linker build` on the command line: filters reach the readers, and it says what it reads, leaves out and merges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from linker.bundle import open_bundle
from ontologies import cli
from ontologies.errors import SourceError
from ontologies.readers import FORMATS, recognised
from ontologies.readers.options import Options

SSSOM = """#mapping_set_id: https://example.org/a_to_b.sssom.tsv
#mapping_set_version: 2026-05-05
#license: https://creativecommons.org/publicdomain/zero/1.0/
subject_id\tpredicate_id\tobject_id\tmapping_justification
A:1\tskos:exactMatch\tB:7\tsemapv:ManualMappingCuration
A:2\tskos:exactMatch\tB:8\tsemapv:ManualMappingCuration
A:2\tskos:exactMatch\tB:9\tsemapv:ManualMappingCuration
"""
BABELON = """subject_id\tpredicate_id\ttranslation_language\ttranslation_value\ttranslation_status
A:1\trdfs:label\tde\tgrauer Husten\tOFFICIAL
A:5\trdfs:label\tde\tanderes\tOFFICIAL
"""
OBO = """format-version: 1.2
data-version: 2026-05-05
ontology: a
property_value: terms:license https://creativecommons.org/licenses/by/4.0/

[Term]
id: A:1
name: grey cough

[Term]
id: A:2
name: ash lung
"""
TABLE = "concept_id\tname\tlanguage\nB:7\tcough, grey\ten\nB:8\tash disease\ten\nB:9\tlung of ash\ten\n"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """`linker build ARGUMENTS --out OUT` among files named after what they are."""
    for name, text in {"a.obo": OBO, "b.tsv": TABLE, "m.sssom.tsv": SSSOM, "de.babelon.tsv": BABELON}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    app = typer.Typer()
    app.command()(cli.build)

    def build(*arguments: str) -> Any:
        placed = [str(tmp_path / a) if (tmp_path / a).exists() else a for a in arguments]
        return CliRunner().invoke(app, [*placed, "--out", str(tmp_path / "out")], catch_exceptions=False)

    return build


def test_each_source_is_named_with_its_format_version_and_licence(run: Callable[..., Any], tmp_path: Path) -> None:
    lines = run("a.obo", "m.sssom.tsv").stderr.splitlines()
    assert f"{tmp_path}/a.obo: OBO (.obo); A 2026-05-05, https://creativecommons.org/licenses/by/4.0/" in lines
    assert f"{tmp_path}/m.sssom.tsv: SSSOM mappings (.tsv); a_to_b 2026-05-05, CC0-1.0" in lines


def test_a_strict_build_takes_mappings_and_translations_and_counts_what_it_leaves_out(run: Callable[..., Any]) -> None:
    done = run("a.obo", "m.sssom.tsv", "de.babelon.tsv")
    assert done.exit_code == 0
    assert "1 names and 3 codes of concepts that no source defines were left out" in done.stderr


def test_a_parent_that_no_source_defines_stays_an_error(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.obo").write_text(OBO + "is_a: A:9\n", encoding="utf-8")
    with pytest.raises(SourceError, match="parent of A:2"):
        run("a.obo", "m.sssom.tsv")


def test_merge_joins_and_lists_conflicts_beside_the_bundle(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("a.obo", "b.tsv", "m.sssom.tsv", "--merge")
    assert "merged: 1 concepts" in done.stderr
    assert f"2 one to many; listed in {tmp_path}/out.conflicts.tsv" in done.stderr
    assert len((tmp_path / "out.conflicts.tsv").read_text().splitlines()) == 3
    terminology = open_bundle(tmp_path / "out").terminology
    assert {name.name for name in terminology.concept("A:1").names} == {"grey cough", "cough, grey"}
    assert terminology.concept("B:8").preferred_name == "ash disease"


def test_every_filter_reaches_the_readers(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []

    def watched(path: Path) -> Any:
        known = recognised(path)
        return type(known)(
            known.name, known.fits, lambda p, o: seen.append(o) or known.read(p, Options()), known.filters
        )

    monkeypatch.setattr(cli, "recognised", watched)
    filters = ["--source", "MSH", "--source", "SNOMEDCT_US", "--only-language", "es", "--term-type", "PT"]
    filters += ["--semantic-type", "T047", "--semantic-group", "DISO", "--suppressed"]
    run("a.obo", *filters)
    [options] = seen
    assert (options.sources, options.languages) == (("MSH", "SNOMEDCT_US"), ("es",))
    assert (options.term_types, options.semantic_types, options.semantic_groups) == (("PT",), ("T047",), ("DISO",))
    assert options.suppressed


def test_a_filter_that_a_format_has_nothing_for_is_told(run: Callable[..., Any]) -> None:
    warnings = [line for line in run("b.tsv", "m.sssom.tsv", "--source", "B").stderr.splitlines() if "warning" in line]
    assert any("b.tsv: this format has nothing for --source" in line for line in warnings)
    assert not any("m.sssom.tsv" in line for line in warnings)


def test_the_filters_of_a_format_are_fields_of_the_options() -> None:
    fields = {"sources", "languages", "term_types", "semantic_types", "semantic_groups", "suppressed"}
    assert all(set(known.filters) <= fields for known in FORMATS)
    assert set(cli._FILTER_OPTIONS) == fields

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ontologies.collecting import Tables, collect
from ontologies.readers import read
from ontologies.readers.options import Options

HEADER = "concept_id\tname\tdefinition\tsemantic_type\tparents\tcodes\n"


def tables(folder: Path, rows: Iterable[str], *, prefix: str = "") -> Tables:
    path = folder / "terms.tsv"
    columns = HEADER.count("\t")
    path.write_text(HEADER + "".join(row + "\t" * (columns - row.count("\t")) + "\n" for row in rows))
    return collect([read(path, Options(prefix=prefix))], language="en")


def ids(made: Tables) -> list[str]:
    return [str(concept_id) for concept_id in made.concepts["concept_id"].to_pylist()]


TWINS = ["D1\tBreast Neoplasms", "D1\tBreast Cancer", "114\tBreast cancer", "114\tbreast neoplasms", "D2\tAsthma"]


@pytest.mark.parametrize("reverse", [False, True])
def test_bare_ids_with_the_very_same_names_are_one_concept(tmp_path: Path, *, reverse: bool) -> None:
    rows = sorted(TWINS, reverse=reverse)
    made = tables(tmp_path, rows)
    assert ids(made) == ["114|D1", "D2"]
    assert made.joined.alternates == 2
    assert sorted(made.names["concept"].to_pylist()) == [0, 0, 1]


def test_three_and_more_are_one(tmp_path: Path) -> None:
    rows = [f"{number}\t{name}" for number in (3, 1, 2) for name in ("cold", "coryza")]
    assert ids(tables(tmp_path, rows)) == ["1|2|3"]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(["1\tother", "2\tother"], id="one name is chance"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold"], id="a name less"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold", "2\tcatarrh"], id="another name"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold\tA feeling.", "2\tcoryza"], id="a definition"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold\t\tfinding", "2\tcoryza"], id="a semantic type"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold\t\t\t3", "2\tcoryza", "3\tall"], id="a parent"),
        pytest.param(["3\tcold", "3\tcoryza", "2\tcold", "2\tcoryza", "1\tx\t\t\t3"], id="a child"),
        pytest.param(["1\tcold", "1\tcoryza", "2\tcold\t\t\t\tICD10:J00", "2\tcoryza"], id="a code"),
        pytest.param(["A:1\tcold", "A:1\tcoryza", "A:2\tcold", "A:2\tcoryza"], id="ids of a vocabulary"),
    ],
)
def test_whatever_tells_them_apart_keeps_them_apart(tmp_path: Path, rows: list[str]) -> None:
    made = tables(tmp_path, rows)
    assert made.joined.alternates == 0
    assert len(ids(made)) == len({row.split("\t")[0] for row in rows})


def test_a_prefix_keeps_them_apart(tmp_path: Path) -> None:
    assert ids(tables(tmp_path, TWINS, prefix="MESH")) == ["MESH:114", "MESH:D1", "MESH:D2"]

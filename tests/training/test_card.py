"""What is said of a model comes from data, and wrong data is told by its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.card import Card, Data, find_card, read_card, write_card
from training.checkpoint import CheckpointError

CONFIG = {"format": "medlinker-encoder/1", "name": "ours", "precision": "int8", "weights_sha256": "abc"}


def test_a_card_says_everything_it_was_given() -> None:
    card = Card(
        base="their/base",
        base_sha256="def",
        licence="Apache-2.0",
        data=(Data(name="Mondo", licence="CC-BY-4.0", use="pairs"),),
        recipe="seed = 13",
        metrics={"ncbi dev": {"acc@1": 0.925}, "bc5cdr dev": {"acc@1": 0.93, "recall@64": 0.985}},
        limits=("English only",),
    )
    text = write_card(
        card, config=CONFIG, about="## In and out", parity="| worst |", hashes={"a": "1f"}, limits=("no dose",)
    )
    lines = text.splitlines()
    assert lines[0] == "# Encoder: ours"
    for line in (
        "| Mondo | CC-BY-4.0 | pairs |",
        "seed = 13",
        "| data | acc@1 | recall@64 |",
        "| ncbi dev | 0.9250 |  |",
        "| bc5cdr dev | 0.9300 | 0.9850 |",
        "| worst |",
        "| a | `1f` |",
        "- English only",
        "- no dose",
    ):
        assert line in lines
    assert "their/base" in text
    assert "`def`" in text


def test_a_run_gives_its_card_and_its_recipe(tmp_path: Path) -> None:
    best = tmp_path / "best"
    best.mkdir()
    assert find_card(best) == Card()
    (tmp_path / "card.json").write_text('{"name": "outside"}')
    assert find_card(best) == Card()  # not a run: the folder above is somebody else's
    (tmp_path / "recipe.toml").write_text('title = ""\nseed = 1\n')
    assert find_card(best) == Card(name="outside", recipe="seed = 1\n")
    (best / "card.json").write_text('{"name": "inside", "recipe": "own"}')
    assert find_card(best) == Card(name="inside", recipe="own")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"licence": 3}, "licence: expected str, got int"),
        ({"license": "MIT"}, "license: expected one of name, base"),
        ({"data": {}}, "data: expected list, got dict"),
        ({"data": [{"name": "Mondo"}]}, r"data\[0\]: expected name, licence"),
        ({"data": [{"name": "Mondo", "licence": None}]}, r"data\[0\]\.licence: expected str"),
        ({"limits": [1]}, r"limits\[0\]: expected str"),
        ({"metrics": {"dev": {"acc@1": "high"}}}, r"metrics\.dev\.acc@1: expected number, got str"),
        ([], "expected a JSON object"),
    ],
)
def test_wrong_data_is_told_by_its_field(tmp_path: Path, value: Any, told: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(value))
    with pytest.raises(CheckpointError, match=rf"card\.json: {told}"):
        read_card(path)


def test_a_recipe_on_a_card_names_no_folder_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base = "/home/me/runs/one"\nsource = "names/a.tsv"\n')
    (tmp_path / "best").mkdir()
    assert find_card(tmp_path / "best").recipe == 'base = "runs/one"\nsource = "names/a.tsv"\n'

"""Recipes: what is read is what was written, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from linker.errors import InvalidInput
from training.recipes import Place, Recipe, Schedule, Section, differences, read_recipe, to_toml


class Part(Section):
    path: Place
    rates: dict[str, float] = Field(default_factory=dict)


class Whole(Recipe):
    name: str = 'a "quoted" \\ náme'
    part: tuple[Part, ...] = ()
    nothing: int | None = None


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_a_recipe_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    parts = (Part(path="x", rates={"typo": 0.25, "odd key": 1.0}), Part(path="y"))
    recipe = Whole(part=parts, schedule=Schedule(learning_rate=1e-7, precision="bf16"))
    assert read_recipe(write(tmp_path, to_toml(recipe)), Whole) == recipe


def test_paths_are_beside_the_recipe_and_names_stay_names(tmp_path: Path) -> None:
    (tmp_path / "names.tsv").touch()
    recipe = read_recipe(write(tmp_path, '[[part]]\npath = "names.tsv"\n[[part]]\npath = "starter"'), Whole)
    assert [part.path for part in recipe.part] == [str(tmp_path / "names.tsv"), "starter"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sead = 1", "sead: unknown key"),
        ("[schedule]\nlearning_rate = 0", r"schedule\.learning_rate: .* got 0"),
        ("[schedule]\nevaluate_every = 15", "multiple of log_every"),
        ("[[part]]\nrates = {}", r"part\[0\]\.path: Field required"),
        ("seed = ", "expected TOML"),
    ],
)
def test_a_bad_recipe_names_its_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidInput, match=says) as raised:
        read_recipe(path, Whole)
    assert str(path) in str(raised.value)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(InvalidInput, match="smoke"):
        read_recipe("smok", Whole)


def test_differences_are_named() -> None:
    assert differences(Whole(), Whole(seed=2, name="b")) == ["seed", "name"]


def test_steps_cover_all_rows_of_all_epochs_and_stop_at_the_maximum() -> None:
    assert Schedule(batch_size=10, epochs=3).steps(21) == 9
    assert Schedule(batch_size=10, epochs=3, max_steps=4).steps(21) == 4

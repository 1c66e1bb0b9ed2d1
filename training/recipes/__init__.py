"""Recipes: what a run does, as one TOML file read into a frozen record that holds nothing unknown.

A recipe is named by the path of its file or, where this folder holds it, by its name (`smoke`). Paths inside a recipe
are relative to its file, or to the working folder in one of ours.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from linker.errors import InvalidInput

HERE = Path(__file__).parent
FIGURE = "acc@1"  # on dev


class Section(BaseModel):
    """A table of a recipe: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Described(Section):
    """Something that is learned from. title, licence: for the model card, where it does not say so itself."""

    title: str = ""
    licence: str = ""


def _beside_recipe(value: str, info: ValidationInfo) -> str:
    """`value` as an absolute path where something is there; names (`starter`, a model on the hub) stay as they are."""
    folder = (info.context or {}).get("folder")
    path = Path(value) if folder is None else Path(folder, value)
    return str(path.absolute()) if value and path.exists() else value


# A path, or the name of something that is no file.
Place = Annotated[str, Field(min_length=1), AfterValidator(_beside_recipe)]
Share = Annotated[float, Field(ge=0, le=1)]


class Schedule(Section):
    """How long and how fast a run learns: AdamW (Loshchilov & Hutter 2019), linear warm-up, linear decay to zero.

    batch_size: rows a step. max_steps: an end before `epochs` are over; 0 is none. warmup: share of all steps.
    gradient_clip: largest norm of the gradient. precision: bf16 where the processor or GPU multiplies it natively, if
    "auto". evaluate_every: steps between evaluations on dev, with a checkpoint at each. patience: evaluations without
    a better acc@1 after which the run stops; 0 is never. log_every: steps that one line of metrics.jsonl sums up.
    """

    batch_size: int = Field(default=256, ge=2)
    epochs: int = Field(default=1, ge=1)
    max_steps: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=2e-5, gt=0)
    warmup: Share = 0.1
    weight_decay: float = Field(default=0.01, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    evaluate_every: int = Field(default=200, ge=1)
    patience: int = Field(default=0, ge=0)
    log_every: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _whole_lines(self) -> Schedule:
        if self.evaluate_every % self.log_every:
            raise ValueError(f"expected evaluate_every ({self.evaluate_every}) to be a multiple of log_every")
        return self

    def steps(self, rows: int) -> int:
        """How many steps a run over `rows` rows has."""
        steps = -(-rows // self.batch_size) * self.epochs
        return min(steps, self.max_steps) if self.max_steps else steps


class Recipe(Section):
    """What every recipe says. figure: the one on dev that decides which model is best."""

    figure: ClassVar[str] = FIGURE

    seed: int = Field(default=13, ge=0)
    schedule: Schedule = Schedule()


R = TypeVar("R", bound=Recipe)


def shipped_recipes() -> dict[str, Path]:
    """The recipes of this package by name."""
    return {path.stem: path for path in sorted(HERE.glob("*.toml"))}


def read_recipe(recipe: str | Path, kind: type[R]) -> R:
    """The recipe in the file `recipe`, or of that name. Raises `InvalidInput` naming file and field."""
    path, shipped = Path(recipe), shipped_recipes()
    if path.is_file():
        return _parsed(path, kind, path.parent)
    if str(recipe) in shipped:
        return _parsed(shipped[str(recipe)], kind, Path())
    known = ", ".join(shipped)
    raise InvalidInput(f"no such file; expected the path of a recipe, or one of: {known}", field=str(recipe))


def _parsed(path: Path, kind: type[R], folder: Path) -> R:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return kind.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        raise InvalidInput(_problems(error), field=str(path)) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"expected TOML: {error}", field=str(path)) from error


def _problems(error: ValidationError) -> str:
    """Each field with what is wrong with it."""
    lines = []
    for problem in error.errors(include_url=False):
        message = str(problem["msg"])
        if problem["type"] == "extra_forbidden":
            message = "unknown key; it is not part of this recipe"
        elif problem["type"] not in ("missing", "value_error"):
            message += f", got {problem['input']!r}"
        lines.append(f"{_dotted(problem['loc'])}: {message}")
    return "; ".join(lines)


def _dotted(place: Sequence[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the recipe"


def differences(one: Recipe, other: Recipe) -> list[str]:
    """The top-level fields in which two recipes differ."""
    return [field for field in type(one).model_fields if getattr(one, field) != getattr(other, field, None)]


def to_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults too, as TOML that `read_recipe` reads back to the same record."""
    return "\n".join(_table(recipe.model_dump(mode="json", exclude_none=True), ())) + "\n"


def _table(values: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, dict) or _is_array_of_tables(value)}
    for key, value in values.items():
        if key not in tables:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        inner = (*place, _key(key))
        for item in value if isinstance(value, list) else [value]:
            yield ""
            yield ("[[{}]]" if isinstance(value, list) else "[{}]").format(".".join(inner))
            yield from _table(item, inner)


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON writes these scalars as TOML does, but for DEL, which no recipe holds.
    return json.dumps(value, ensure_ascii=False)

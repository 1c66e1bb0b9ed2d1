"""The model card: what a model was made from and how well it does, as data, and MODEL_CARD.md written from it.

A training run leaves `card.json` in its folder or beside its model, for example

    {"name": "medlinker-encoder", "base": "sentence-transformers/all-MiniLM-L6-v2", "base_sha256": "53aa...",
     "licence": "Apache-2.0", "data": [{"name": "Mondo 2024-09", "licence": "CC-BY-4.0", "use": "synonym pairs"}],
     "recipe": "...", "metrics": {"NCBI disease dev": {"acc@1": 0.925}}, "limits": ["English names only"]}

Every key may be missing; an unknown key is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from training.checkpoint import CONFIG, CheckpointError, is_exported, read_object

FILE = "card.json"
UNKNOWN = "unknown"
_RECIPE = "recipe.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Something a model was trained on: its name, its licence, and what it was used for."""

    name: str
    licence: str
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is said of a model. base_sha256: of the base's weights; metrics: set of dev data -> figure -> value."""

    name: str = ""
    base: str = ""
    base_sha256: str = ""
    licence: str = UNKNOWN
    data: tuple[Data, ...] = ()
    recipe: str = ""
    metrics: Mapping[str, Mapping[str, float]] | None = None
    limits: tuple[str, ...] = ()


def find_card(model: Path) -> Card:
    """The card.json in a model folder or in the run folder around it, with the run's recipe; an empty card without.

    Raises CheckpointError.
    """
    around = [model, model.parent] if (model.parent / _RECIPE).is_file() else [model]
    card = next((read_card(folder / FILE) for folder in around if (folder / FILE).is_file()), Card())
    recipes = [folder / _RECIPE for folder in around if (folder / _RECIPE).is_file()]
    return card if card.recipe or not recipes else replace(card, recipe=_portable(recipes[0]))


def data_of(model: Path) -> tuple[Data, ...]:
    """What a model learned from, as far as the card of its run, or its export, says. Raises CheckpointError."""
    if not is_exported(model):
        return find_card(model).data
    path = model / CONFIG
    config = read_object(path)
    return tuple(_read_data(path, index, each) for index, each in enumerate(_list(path, config, "data")))


def _portable(recipe: Path) -> str:
    """A run's recipe without what it leaves empty, and with the last two parts of each path: those above are of the
    machine that trained.
    """
    said = re.sub(r'^\w+ = ""\n', "", recipe.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r'"/[^"\n]*?([^/"\n]+(?:/[^/"\n]+)?)"', r'"\1"', said)


def read_card(path: Path) -> Card:
    """Read a card.json. Raises CheckpointError, naming the field."""
    value = dict(read_object(path))
    if unknown := sorted(value.keys() - {field.name for field in fields(Card)}):
        raise CheckpointError(
            f"{path}: {unknown[0]}: expected one of {', '.join(field.name for field in fields(Card))}"
        )
    for name in ("name", "base", "base_sha256", "licence", "recipe"):
        _check(path, name, value.get(name, ""), str)
    value["data"] = tuple(_read_data(path, index, each) for index, each in enumerate(_list(path, value, "data")))
    value["limits"] = tuple(_list(path, value, "limits"))
    for index, limit in enumerate(value["limits"]):
        _check(path, f"limits[{index}]", limit, str)
    for name, figures in _check(path, "metrics", value.get("metrics") or {}, dict).items():
        for figure, number in _check(path, f"metrics.{name}", figures, dict).items():
            _check(path, f"metrics.{name}.{figure}", number, int | float)
    return Card(**value)


def _read_data(path: Path, index: int, value: Any) -> Data:
    _check(path, f"data[{index}]", value, dict)
    names = {field.name for field in fields(Data)}
    if value.keys() - names or not {"name", "licence"} <= value.keys():
        raise CheckpointError(f"{path}: data[{index}]: expected name, licence and perhaps use, got {', '.join(value)}")
    for name in value:
        _check(path, f"data[{index}].{name}", value[name], str)
    return Data(**value)


def _list(path: Path, value: Mapping[str, Any], name: str) -> list[Any]:
    found: list[Any] = _check(path, name, value.get(name, []), list)
    return found


def _check(path: Path, name: str, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        expected = getattr(kind, "__name__", "number")
        raise CheckpointError(f"{path}: {name}: expected {expected}, got {type(value).__name__}")
    return value


def write_card(
    card: Card,
    *,
    config: Mapping[str, Any],
    about: str,
    parity: str,
    hashes: Mapping[str, str],
    limits: tuple[str, ...],
) -> str:
    """MODEL_CARD.md. about: Markdown on inputs and making; parity: a Markdown table; hashes: file -> SHA-256."""
    sections = [
        f"# {str(config['format']).partition('/')[0].rpartition('-')[2].capitalize()}: {config['name']}",
        _facts(card, config),
        about,
        f"## Training data\n{_data(card)}",
        f"## Recipe\n```toml\n{card.recipe.strip()}\n```" if card.recipe else "",
        "## Metrics on development data\n" + _metrics(card) if card.metrics else "",
        f"## Parity with the torch model\n{parity}",
        "## Files\n" + _table(("file", "SHA-256"), [(name, f"`{digest}`") for name, digest in hashes.items()]),
        "## Limits\n" + "\n".join(f"- {limit}" for limit in (*card.limits, *limits)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _facts(card: Card, config: Mapping[str, Any]) -> str:
    base = f"- Base: {card.base or config['name']}, BERT family"
    if card.base_sha256:
        base += f"; SHA-256 of its weights: `{card.base_sha256}`"
    return "\n".join(
        (
            base,
            f"- SHA-256 of the weights exported here: `{config['weights_sha256']}`",
            f"- Licence of the weights: {card.licence}",
            f"- Format: `{config['format']}`, ONNX with ONNX Runtime's own operators, {config['precision']}",
        )
    )


def _data(card: Card) -> str:
    if not card.data:
        return "Not stated: see the recipe." if card.recipe else "None: the base as it is."
    return _table(("data", "licence", "use"), [(data.name, data.licence, data.use) for data in card.data])


def _metrics(card: Card) -> str:
    """One row a set of data, one column a figure, in the order in which they first come."""
    metrics = card.metrics or {}
    names = list(dict.fromkeys(figure for figures in metrics.values() for figure in figures))
    rows = [
        (dataset, *(f"{figures[name]:.4f}" if name in figures else "" for name in names))
        for dataset, figures in metrics.items()
    ]
    return _table(("data", *names), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

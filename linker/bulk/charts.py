"""The charts of a job's report. The one home of matplotlib in serving, which has it by the extra `charts`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linker.bulk.summary import BINS, Summary

_SHOWN = 15  # concepts
_NAME = 40  # characters of one


def draw(summary: Summary, file: Path) -> None:
    """Most frequent concepts, confidences and assertions, as PNG. Raises OSError."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    concepts = summary.concepts.most_common(_SHOWN)[::-1]
    names = [f"{summary.names[concept_id][:_NAME]}\n{concept_id}" for concept_id, _ in concepts]
    _bars(figure.add_subplot(grid[:, 0]), "Most frequent concepts", names, [count for _, count in concepts])
    _histogram(figure.add_subplot(grid[0, 1]), summary)
    kinds = [*summary.assertions.most_common(), ("NIL", summary.nil.total())][::-1]
    shown = [kind or "no assertion" for kind, _ in kinds]
    _bars(figure.add_subplot(grid[1, 1]), "Assertions, and NIL", shown, [count for _, count in kinds])
    figure.savefig(file, format="png", dpi=100)


def _bars(axes: Axes, title: str, names: list[str], counts: list[int]) -> None:
    axes.barh(range(len(counts)), counts, color="#3b6ea5")
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_xlabel("mentions")
    axes.set_title(title)


def _histogram(axes: Axes, summary: Summary) -> None:
    axes.bar([(p + 0.5) / BINS for p in range(BINS)], summary.confidence, width=0.9 / BINS, color="#3b6ea5")
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence of the first candidate")
    axes.set_ylabel("mentions")
    axes.set_title("Confidence")

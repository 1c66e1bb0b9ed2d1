"""The charts of a job's report. The one home of matplotlib in serving, which has it by the extra `charts`."""

from __future__ import annotations

import warnings
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from linker.bulk.summary import BINS, Summary

_SHOWN = 15  # concepts
_NAME = 40  # characters of one
_KINDS = 8  # assertions and NIL: bars there is room for, so that few are no blocks
_BLUE, _GREY = "#3b6ea5", "#9aa5b1"


def draw(summary: Summary, file: Path) -> None:
    """Most frequent concepts, confidences, assertions and NIL, as PNG. Raises OSError."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(_headline(summary), fontsize=13)
    grid = figure.add_gridspec(2, 2)
    concepts = summary.concepts.most_common(_SHOWN)
    names = [f"{_cut(summary.names[concept_id])}\n{concept_id}" for concept_id, _ in concepts]
    counts = [count for _, count in concepts]
    _bars(figure.add_subplot(grid[:, 0]), "Most frequent concepts", names, counts, summary, room=_SHOWN)
    _histogram(figure.add_subplot(grid[0, 1]), summary)
    said = [(kind or "no assertion", count) for kind, count in summary.assertions.most_common()]
    nil = [(f"NIL: {reason}", count) for reason, count in summary.nil.most_common()]
    kinds, counts = [kind for kind, _ in said + nil], [count for _, count in said + nil]
    below = figure.add_subplot(grid[1, 1])
    _bars(below, "Assertions, and NIL", kinds, counts, summary, room=_KINDS, grey=len(nil))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # of names in other scripts
        figure.savefig(file, format="png", dpi=100)


def _headline(summary: Summary) -> str:
    errors = f" ({summary.errors.total():,} with an error)" if summary.errors else ""
    nil = summary.nil.total() / max(summary.mentions, 1)
    found = f"{summary.mentions:,} mentions, {len(summary.concepts):,} concepts, {nil:.1%} NIL"
    return f"{summary.notes:,} notes{errors}, {found}"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _bars(
    axes: Axes, title: str, names: list[str], counts: list[int], summary: Summary, *, room: int, grey: int = 0
) -> None:
    """Bars from top to bottom, each with its count and its share of all mentions, the last `grey` of them in grey."""
    colours = [_BLUE] * (len(counts) - grey) + [_GREY] * grey
    bars = axes.barh(range(len(counts)), counts, color=colours)
    labels = [f" {count:,} ({count / summary.mentions:.1%})" for count in counts]
    axes.bar_label(bars, labels, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_ylim(max(len(names), room) - 0.5, -0.5)
    axes.set_xlim(0, 1.25 * max(counts, default=1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes, title)
    axes.set_xlabel("mentions")


def _histogram(axes: Axes, summary: Summary) -> None:
    axes.bar([(p + 0.5) / BINS for p in range(BINS)], summary.confidence, width=0.9 / BINS, color=_BLUE)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.05 * max(*summary.confidence, 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes, "Confidence")
    axes.set_xlabel("confidence of the first candidate")
    axes.set_ylabel("mentions")


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)

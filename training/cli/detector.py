"""`linker train detector`: the model that finds mentions which are no names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linker.console import stdout
from training.cli.extra import train_extra


def detector(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="TOML file, or detector-smoke.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; new, or empty.")],
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="Start from this model instead of the recipe's base.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN, killed or failed.")] = False,
) -> None:
    r"""Train the detector: a token classifier that finds mentions in notes, of any language that its base reads.

    A recipe, in TOML, has a base (a run, a folder, or a model on the hub) and tables `corpus`: notes with gold
    mentions, and the types that it annotates, each with the corpus's own types that are of it, or none for all:
    types = { disease = \[], anatomy = \["T023", "T029"] }. What a corpus does not annotate it says nothing of.

    The notes that are held out choose the best step.
    """
    with train_extra("train"):
        from training.detector import FIGURE, DetectorRecipe, train_detector
    from training.recipes import read_recipe

    settings = read_recipe(recipe, DetectorRecipe)
    if base:
        settings = settings.model_copy(update={"base": base})
    outcome = train_detector(settings, out, resume=resume)
    early = ", stopped early" if outcome.stopped_early else ""
    console = stdout()
    console.print(f"{out}: {outcome.steps:,} steps{early}; best at step {outcome.best_step:,}", soft_wrap=True)
    if outcome.best is not None:
        console.print(f"  {FIGURE} of notes held out: {outcome.best:.4f}", soft_wrap=True)
    console.print(f"The model is in {out / 'best'}. Next: linker export {out} --out models/detector", soft_wrap=True)

"""`linker train crossencoder`: the model that reranks what retrieval left uncertain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from linker.console import stdout
from training.cli.extra import train_extra


def crossencoder(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="TOML file, or crossencoder-smoke.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; new, or empty.")],
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="Start from this bi-encoder instead of the recipe's base.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN, killed or failed.")] = False,
) -> None:
    """Train the reranker: it reads a mention in its context beside each candidate that a bundle proposes for it.

    A recipe, in TOML, has a base (the bi-encoder's run); tables `gold`, each a corpus and the bundle that its mentions
    are linked with, and `names`, each a bundle whose own names are mentions, so many lists of them; and tables `dev`,
    each a corpus and a bundle. A dictionary made from a corpus holds its mentions: link them with another one.

    The weight of its score beside retrieval's support is chosen on dev, where acc@1 is that of the pipeline when it
    reads every mention but unique exact hits. Whom it need not read is for `linker train calibrate` to say.
    """
    with train_extra("train"):
        from training.crossencoder import RERANKER, CrossEncoderRecipe, train_crossencoder
    from training.recipes import read_recipe

    settings = read_recipe(recipe, CrossEncoderRecipe)
    if base:
        settings = settings.model_copy(update={"base": base})
    outcome = train_crossencoder(settings, out, resume=resume)
    fitted = json.loads((out / "best" / RERANKER).read_bytes())
    early = ", stopped early" if outcome.stopped_early else ""
    console = stdout()
    console.print(f"{out}: {outcome.steps:,} steps{early}; best at step {outcome.best_step:,}", soft_wrap=True)
    console.print(f"  dev acc@1 {outcome.best:.4f}, weight {fitted['weight']}", soft_wrap=True)
    console.print(f"The model is in {out / 'best'}. Next: linker export {out} --out models/reranker", soft_wrap=True)

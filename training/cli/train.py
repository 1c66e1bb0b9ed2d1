"""`linker train`: the commands that make models. Torch is imported when one of them runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from linker.console import stderr, stdout
from training.cli.calibrate import calibrate
from training.cli.crossencoder import crossencoder
from training.cli.detector import detector
from training.cli.extra import train_extra
from training.cli.gold import gold
from training.cli.language import language
from training.cli.weak import weak

# Brackets are escaped from rich, and \b keeps click from joining the lines of a paragraph.
HELP = """Train models from recipes.

A run is a folder: kill it, and --resume goes on to the same result. A recipe is a TOML file, such as

\b
  base = "starter"       # what is shipped; or a folder, a run, a model on the hub
  \\[\\[source]]            # whose synonyms are learned; may come again
  path = "mondo.obo"     # what `linker build` reads, a bundle, starter
  \\[\\[dev]]               # gold mentions that say which model is best
  name = "ncbi"
  corpus = "ncbi-dev.jsonl"
  ontology = { path = "medic.tsv", prefix = "MESH" }
  \\[pairs.augmentation]  # share of names learned misspelled, reordered
  typo = 0.1
  \\[schedule]
  batch_size = 256
  learning_rate = 2e-5
  evaluate_every = 200

From a recipe to a bundle:

\b
  linker train biencoder recipe.toml --out runs/encoder
  linker export runs/encoder --out models/encoder
  linker build mondo.obo --encoder models/encoder --out my-bundle

RUN then holds recipe.toml with every default, metrics.jsonl, curves.png and the model, in best/. To try it all in half
a minute: linker train biencoder smoke --out runs/smoke
"""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich", help=HELP
)


@app.command()
def biencoder(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="TOML file, or smoke.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run; new, or empty.")],
    base: Annotated[
        str, typer.Option(metavar="MODEL", help="Start from this model instead of the recipe's base.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN, killed or failed.")] = False,
) -> None:
    """Train the encoder that finds candidates, on names that mean the same (SapBERT).

    A second stage has the first's run folder as its base and a table `mining`: each pair then meets the names that the
    first stage takes for it. acc@1 on dev is measured against a part of the ontology, to choose and to stop by;
    `linker evaluate` gives the figure that counts.
    """
    with train_extra("train"):
        from training.biencoder import BiencoderRecipe, train_biencoder
    from training.recipes import read_recipe

    settings = read_recipe(recipe, BiencoderRecipe)
    if base:
        settings = settings.model_copy(update={"base": base})
    trained = train_biencoder(settings, out, resume=resume)
    outcome = trained.outcome
    early = ", stopped early" if outcome.stopped_early else ""
    best = f"step {outcome.best_step:,}"
    if trained.merged:
        best = f"step {outcome.steps:,} averaged with {trained.merged:.0%} of the base"
    console = stdout()
    console.print(f"{out}: {outcome.steps:,} steps{early}; best is {best}", soft_wrap=True)
    for figure, value in trained.best.items():
        console.print(f"  dev {figure}: {value:.4f}{_from(trained.base, figure)}", soft_wrap=True)
    if outcome.best_step == 0 and not trained.merged:
        stderr.print("Training made the base no better: best/ is the base. Try another learning rate or more pairs.")
    console.print(f"The model is in {out / 'best'}. Next: linker export {out} --out models/encoder", soft_wrap=True)


def _from(base: Mapping[str, float], figure: str) -> str:
    return f" (base {base[figure]:.4f})" if figure in base else ""


app.command()(crossencoder)
app.command()(detector)
app.command()(calibrate)
app.command()(gold)
app.command()(language)
app.command()(weak)

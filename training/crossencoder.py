"""The cross-encoder: reads a mention and a candidate together, and says how much likelier it is than none of them.

It starts from the bi-encoder with a fresh head of one logit, and learns from lists (see `training.listwise`). They are
mined once, by the bi-encoder, and kept in the run folder: a run that goes on sees the same.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from datasets import Dataset
from pydantic import Field
from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
from torch import nn

from linker.console import stderr
from linker.corpus import GoldMention, read_corpus
from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.publishing import publish
from ontologies.build import build
from ontologies.starter import ENCODER
from training import smoke
from training.bases import card_from, load_base
from training.card import FILE as CARD
from training.card import UNKNOWN, Card, Data
from training.fusion import fit_weight
from training.lists import CandidateList, Shape, Tally, read_lists, write_lists
from training.listwise import ListwiseLoss, PairLogits, score_lists
from training.miner import Miner
from training.recipes import FIGURE, Described, Place, Recipe, Schedule
from training.runs import Run, open_run
from training.trainer import Outcome, Task, fit, quiet, set_seed

RERANKER = "reranker.json"  # beside the weights: what serving needs to know of them
_SHOWN = 10  # missing gold ids named on the terminal; the report has all


class Gold(Described):
    """A gold corpus and the bundle that its mentions are linked with; `prefix` makes bare gold ids CURIEs.

    lists: at most so many for training, drawn at random; 0 is all. A dictionary made from the corpus itself holds its
    mentions: link them with another one. hide_names: where that is meant, as by `linker train weak --by names`, each
    mention is learned from as if it were no name.
    """

    corpus: Place
    bundle: Place
    prefix: str = ""
    lists: int = Field(default=0, ge=0)
    hide_names: bool = False

    def mentions(self) -> list[GoldMention]:
        """Every gold mention. Raises `InvalidInput`."""
        if self.corpus == smoke.NAME and not Path(self.corpus).exists():
            return smoke.invented_corpus()
        return read_corpus(Path(self.corpus), prefix=self.prefix)


class Names(Described):
    """A bundle whose names are mentions: so many lists of it."""

    bundle: Place
    lists: int = Field(ge=1)


class ListSchedule(Schedule):
    """As `Schedule`, with lists for rows."""

    batch_size: int = Field(default=16, ge=2)
    epochs: int = Field(default=3, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    evaluate_every: int = Field(default=100, ge=1)
    patience: int = Field(default=5, ge=0)


class CrossEncoderRecipe(Recipe):
    """What `linker train crossencoder` does.

    base: a bi-encoder, as for `linker train biencoder`. max_length: tokens of a pair. licence: of the trained weights,
    for the model card. prior: see `ListwiseLoss`. freeze_embeddings: the word vectors stay what they were; a step is
    then an eighth cheaper.
    """

    base: Place
    max_length: int = Field(default=96, ge=16, le=512)
    licence: str = "unknown"
    prior: float = Field(default=0.0, ge=0)
    freeze_embeddings: bool = True
    lists: Shape = Shape()
    gold: tuple[Gold, ...] = ()
    names: tuple[Names, ...] = ()
    dev: tuple[Gold, ...] = Field(min_length=1)
    schedule: ListSchedule = ListSchedule()


class Lists(TypedDict):
    """Training lists, and dev lists by the name of their corpus."""

    train: list[CandidateList]
    dev: dict[str, list[CandidateList]]


def train_crossencoder(recipe: CrossEncoderRecipe, out: Path, *, resume: bool = False) -> Outcome:
    """Run `recipe` in the folder `out`; the model is then in its best/, with its weight in reranker.json.

    Raises `InvalidInput` (a recipe without lists, a base that is no model, a folder that holds something else),
    `BundleError`, and `TrainingError` where a run cannot go on.
    """
    with open_run(out, recipe, resume=resume) as run:
        set_seed(recipe.seed)
        model = new_model(recipe.base, max_length=recipe.max_length, freeze_embeddings=recipe.freeze_embeddings)
        logits = PairLogits(model, max_length=recipe.max_length)
        lists = _lists(recipe, run)
        dev = _Dev(logits, lists["dev"])
        task = Task(
            trainer_class=CrossEncoderTrainer,
            arguments_class=CrossEncoderTrainingArguments,
            model=model,
            loss=ListwiseLoss(logits, prior=recipe.prior),
            rows=_rows(lists["train"]),
            score=dev.score,
            save=lambda folder: _save(model, folder, recipe, dev),
        )
        outcome = fit(run, recipe, task)
        card = _card(recipe, run, outcome)
        (run.folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        return outcome


def new_model(base: str, *, max_length: int = 0, freeze_embeddings: bool = False) -> CrossEncoder:
    """A cross-encoder with the weights of a bi-encoder and a fresh head. base, max_length: see `load_base`."""
    logging.getLogger("sentence_transformers.base.model").setLevel(logging.ERROR)  # that it converts is meant
    with tempfile.TemporaryDirectory() as folder, quiet():
        load_base(base, max_length=max_length).save_pretrained(folder, create_model_card=False)
        model = CrossEncoder(
            folder,
            num_labels=1,
            device=None if torch.cuda.is_available() else "cpu",
            local_files_only=True,
            activation_fn=nn.Identity(),
        )
    network = model[0].model
    # What a bi-encoder has in its pooler it never used: zeros or next to it, which would let little through.
    if (pooler := getattr(network.base_model, "pooler", None)) is not None:
        pooler.dense.reset_parameters()
    network.get_input_embeddings().requires_grad_(not freeze_embeddings)
    return model


class _Dev:
    """Scores dev lists; keeps the weight of fusion that fits the model as it was scored last."""

    def __init__(self, logits: PairLogits, corpora: Mapping[str, list[CandidateList]]) -> None:
        self._logits, self._corpora = logits, corpora
        self.weight = 0.0

    def score(self) -> dict[str, float]:
        """acc@1 of the fused order, the mean over corpora and each, and that of retrieval; the weight it takes."""
        tables = {name: score_lists(self._logits, lists) for name, lists in self._corpora.items()}
        corpora = list(tables.values())
        self.weight = fit_weight(corpora)
        by_corpus = {name: table.accuracy(weight=self.weight) for name, table in tables.items()}
        return {
            FIGURE: float(np.mean(list(by_corpus.values()))),
            **{f"{FIGURE} {name}": value for name, value in by_corpus.items()},
            "retrieval": float(np.mean([table.accuracy(weight=0.0) for table in corpora])),
            "weight": self.weight,
        }


def _save(model: CrossEncoder, folder: Path, recipe: CrossEncoderRecipe, dev: _Dev) -> None:
    model.save_pretrained(str(folder), create_model_card=False)
    shape = recipe.lists
    settings = {
        "max_length": recipe.max_length,
        "depth": shape.candidates,
        "context": shape.context,
        "other_names": shape.other_names,
        "weight": dev.weight,
    }
    (folder / RERANKER).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _card(recipe: CrossEncoderRecipe, run: Run, outcome: Outcome) -> Card:
    best = next((line for line in run.metrics() if FIGURE in line and line["step"] == outcome.best_step), {})
    data = [
        Data(name=gold.title or _name(gold), licence=gold.licence or UNKNOWN, use="gold mentions")
        for gold in recipe.gold
    ]
    for names in recipe.names:
        named = names.title or Path(names.bundle).name
        data.append(Data(name=named, licence=names.licence or UNKNOWN, use="names"))
    base = card_from(recipe.base)
    return replace(
        base,
        licence=recipe.licence,
        data=tuple(dict.fromkeys((*base.data, *data))),
        metrics={_name(gold): {FIGURE: best[f"{FIGURE} {_name(gold)}"]} for gold in recipe.dev},
    )


def _rows(lists: Sequence[CandidateList]) -> Dataset:
    usable = [made for made in lists if made.candidates]
    if not usable:
        raise InvalidInput("no training list; give [[gold]] or [[names]], see the report in lists/", field="recipe")
    return Dataset.from_dict(
        {
            "mention": [made.mention for made in usable],
            "candidates": [list(made.candidates) for made in usable],
            "supports": [list(made.supports) for made in usable],
            "label": [[int(fits) for fits in made.right] for made in usable],
        }
    )


def _lists(recipe: CrossEncoderRecipe, run: Run) -> Lists:
    """The lists of the run, mined if they are not there yet."""
    folder = run.folder / "lists"
    if not folder.is_dir():
        with publish(folder) as staging:
            _mine(recipe, staging)
    dev = {path.name.removeprefix("dev ").removesuffix(".jsonl.gz"): path for path in sorted(folder.glob("dev *"))}
    return {
        "train": read_lists(folder / "train.jsonl.gz"),
        "dev": {name: read_lists(path) for name, path in dev.items()},
    }


def _mine(recipe: CrossEncoderRecipe, folder: Path) -> None:
    """Write train.jsonl.gz, one dev file a corpus, and report.json: what became of the mentions of each source."""
    train: list[CandidateList] = []
    report: dict[str, object] = {}
    with ExitStack() as opened:
        linkers: dict[str, Linker] = {}

        def mine(what: str, bundle: str, make: Callable[[Miner], list[CandidateList]]) -> list[CandidateList]:
            if bundle not in linkers:
                linkers[bundle] = opened.enter_context(_opened(bundle))
            miner = Miner(linkers[bundle], recipe.lists, seed=recipe.seed)
            lists = make(miner)
            report[what] = miner.tally.figures()
            stderr.print(_told(what, miner.tally), markup=False, soft_wrap=True)
            return lists

        for gold in recipe.gold:
            train += mine(f"gold {_name(gold)}", gold.bundle, partial(_from_gold, gold))
        for names in recipe.names:
            train += mine(f"names of {Path(names.bundle).name}", names.bundle, partial(_from_names, names))
        write_lists(train, folder / "train.jsonl.gz")
        for gold in recipe.dev:
            lists = mine(f"dev {_name(gold)}", gold.bundle, partial(_dev, gold))
            write_lists(lists, folder / f"dev {_name(gold)}.jsonl.gz")
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _opened(bundle: str) -> Iterator[Linker]:
    """The linker of a bundle; that of `invented` is built for the occasion."""
    if bundle != smoke.NAME or Path(bundle).exists():
        yield Linker.open(bundle)
        return
    with tempfile.TemporaryDirectory() as folder:
        build([smoke.invented_source()], Path(folder) / "bundle", encoder=ENCODER)
        yield Linker.open(Path(folder) / "bundle")


def _from_gold(gold: Gold, miner: Miner) -> list[CandidateList]:
    make = miner.from_matched if gold.hide_names else miner.from_gold
    return make(gold.mentions(), limit=gold.lists)


def _dev(gold: Gold, miner: Miner) -> list[CandidateList]:
    return miner.dev(gold.mentions())


def _from_names(names: Names, miner: Miner) -> list[CandidateList]:
    return miner.from_names(names.lists)


def _name(gold: Gold) -> str:
    """`ncbi_disease dev` for the file ncbi_disease/dev.jsonl.xz."""
    path = Path(gold.corpus)
    return path.name if path.parent == Path() else f"{path.parent.name} {path.name.split('.')[0]}"


def _told(what: str, tally: Tally) -> str:
    told = (
        f"{what}: {tally.lists:,} lists; gold inserted in {tally.inserted:,}, taken from {tally.removed:,}; "
        f"left out {tally.certain_left_out:,} exact hits and {tally.repeated:,} repeated mentions"
    )
    if tally.missing:
        shown = ", ".join(id_ for id_, _ in tally.missing.most_common(_SHOWN))
        more = f" and {len(tally.missing) - _SHOWN:,} more" if len(tally.missing) > _SHOWN else ""
        told += (
            f"; the bundle lacks {len(tally.missing):,} gold ids of {tally.missing.total():,} mentions: {shown}{more}"
        )
    return told

"""Training a bi-encoder on the names of ontologies, as SapBERT does, with hard negatives where the recipe mines them.

A run is one stage. The second starts from the first: its `base` is the first's run folder, and it has a [mining]
table. What a run learns from is written into its folder before the first step, so that a killed run goes on with the
same rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from pydantic import Field, model_validator
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch import nn

from linker.console import stderr
from linker.publishing import publish
from linker.records import Embeddings
from training.alignment import Aligned, AlignmentLoss, AlignmentOptions, make_alignment
from training.bases import card_from, embed, interpolated, load_base, save_model, weights_of
from training.card import FILE, UNKNOWN, Card, Data
from training.dev import NEAREST, OTHERS, DevOptions, DevSet, Gold, figures, prepare
from training.dictionary import Ontology, read_entries, read_source
from training.loss import LossOptions, NameLoss
from training.mining import Mining, mine
from training.pairs import Names, Numbers, PairOptions, PairReport, make_pairs
from training.recipes import FIGURE, Place, Recipe, Share
from training.runs import Run, open_run
from training.teacher import load_teacher
from training.trainer import Outcome, Task, fit, set_seed, use_bf16

DATA = "data"
MERGED = "merge.json"
_PIVOTS = "pivots.npz"  # of an alignment: the numbers of the pivot names, and their embeddings by the base
_SHARES = (0.0, 0.25, 0.5, 0.75)


class BiencoderRecipe(Recipe):
    """What a bi-encoder run does.

    base: a model folder, the name of a model on the hub, a run folder, or `invented`. max_length: tokens of a name that
    training reads. source: ontologies whose names are learned. gold: mentions that are learned as names of their
    concept. dev: what decides which model is best. teacher: a sentence encoder whose cosines are imitated.
    alignment: draw names of other languages to those of one, instead of pairing names.
    merge_with_base: share of the base's weights averaged into the last model, which is the result where nothing was
    better on dev; "auto" tries none, 1/4, 1/2 and 3/4.
    licence: of the weights that come out, for the model card.
    """

    base: Place
    max_length: int = Field(default=32, ge=4, le=512)
    source: tuple[Ontology, ...] = Field(min_length=1)
    gold: tuple[Gold, ...] = ()
    dev: tuple[DevOptions, ...] = ()
    pairs: PairOptions = PairOptions()
    alignment: AlignmentOptions | None = None
    mining: Mining | None = None
    teacher: Place | None = None
    loss: LossOptions = LossOptions()
    merge_with_base: Share | Literal["auto"] = 0.0
    licence: str = UNKNOWN

    @model_validator(mode="after")
    def _dev_decides(self) -> BiencoderRecipe:
        names = [dev.name for dev in self.dev]
        if len(set(names)) < len(names):
            raise ValueError("expected each [[dev]] to have a name of its own")
        if not names and (self.merge_with_base == "auto" or self.schedule.patience):
            raise ValueError('expected a [[dev]], which merge_with_base = "auto" and schedule.patience decide by')
        return self

    @model_validator(mode="after")
    def _aligns_or_pairs(self) -> BiencoderRecipe:
        if self.alignment is not None and (self.gold or self.mining is not None):
            raise ValueError("expected no [[gold]] and no [mining] beside [alignment]: learn from them in a second run")
        return self


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run made. base: figures of the base on dev; best: of the result; merged: share of the base in it."""

    outcome: Outcome
    base: Mapping[str, float]
    best: Mapping[str, float]
    merged: float


def train_biencoder(recipe: BiencoderRecipe, out: Path, *, resume: bool = False) -> Trained:
    """Run `recipe` in the folder `out`; the model is then in `out`/best.

    Raises `InvalidInput` (see `training.runs.open_run`), `TrainingError`, and what reading ontologies raises.
    """
    with open_run(out, recipe, resume=resume) as run:
        set_seed(recipe.seed)
        model = load_base(recipe.base, max_length=recipe.max_length)
        session = _Session(recipe, run, model)
        names, rows = _data(session)
        devs = prepare(recipe.dev, run.folder, session.embed, seed=recipe.seed)
        base = weights_of(model)
        loss = _loss(session, names, rows)
        model.max_seq_length = recipe.max_length
        task = Task(
            trainer_class=SentenceTransformerTrainer,
            arguments_class=SentenceTransformerTrainingArguments,
            model=model,
            loss=loss,
            rows=_dataset(names, rows),
            score=(lambda: figures(devs, session.embed)) if devs else None,
            save=session.save,
        )
        outcome = fit(run, recipe, task)
        merged = _merge(session, devs, base, outcome)
        trained = _summary(run, outcome, merged)
        (run.folder / FILE).write_text(json.dumps(asdict(_card(recipe, devs, trained)), indent=2) + "\n")
        return trained


class _Session:
    """The model of a run with the ways in which it is used."""

    def __init__(self, recipe: BiencoderRecipe, run: Run, model: SentenceTransformer) -> None:
        self.recipe, self.run, self.model = recipe, run, model
        self._max_length = int(model.max_seq_length or 512)
        self._bf16 = use_bf16(recipe.schedule.precision)

    def embed(self, texts: Sequence[str], what: str) -> Embeddings:
        """Unit rows of the model as it is now."""
        return embed(self.model, texts, bf16=self._bf16, what=what)

    def save(self, folder: Path) -> None:
        """Write the model as it is now; it reads as many tokens as its base."""
        save_model(self.model, folder, max_length=self._max_length)


def _data(session: _Session) -> tuple[Names, Numbers]:
    """Names and rows as the run folder has them, made first if it does not."""
    folder = session.run.folder / DATA
    if not folder.is_dir():
        with publish(folder) as staging:
            options = session.recipe.alignment
            names, rows, report = _align(session, options, staging) if options else _make_data(session)
            pq.write_table(pa.table(asdict(names)), staging / "names.parquet")
            pq.write_table(pa.table({"names": list(rows)}), staging / "rows.parquet")
            (staging / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    names = Names(**pq.read_table(folder / "names.parquet").to_pydict())
    rows = np.array(pq.read_table(folder / "rows.parquet")["names"].to_pylist(), dtype=np.int32)
    return names, rows


def _make_data(session: _Session) -> tuple[Names, Numbers, dict[str, Any]]:
    recipe = session.recipe
    gold = [mention for corpus in recipe.gold for mention in corpus.mentions()]
    pairs = make_pairs(read_entries(recipe.source), recipe.pairs, seed=recipe.seed, gold=gold)
    _tell(pairs.report)
    report = asdict(pairs.report)
    if recipe.mining is None:
        return pairs.names, pairs.rows, report
    mined = mine(pairs.names, pairs.rows, session.embed(pairs.names.texts, "Embedding names"), recipe.mining)
    stderr.print(
        f"{len(mined.rows):,} rows with {recipe.mining.negatives} mined negatives each; "
        f"{mined.confused:.1%} of the pairs have a negative nearer than their positive",
        soft_wrap=True,
    )
    return pairs.names, mined.rows, {**report, "mined_rows": len(mined.rows), "confused": mined.confused}


def _align(session: _Session, options: AlignmentOptions, folder: Path) -> tuple[Names, Numbers, dict[str, Any]]:
    """What is aligned; the pivot names, and where the base has them, are left in `folder`."""
    aligned = make_alignment(read_entries(session.recipe.source), options, seed=session.recipe.seed)
    report = {"names": len(aligned.names), "pivots": len(aligned.pivots), "rows": len(aligned.rows)}
    stderr.print(f"{report['rows']:,} names to align with {report['pivots']:,} in {options.pivot}", soft_wrap=True)
    texts = [aligned.names.texts[number] for number in aligned.pivots]
    places = session.embed(texts, f"Embedding names in {options.pivot}")
    np.savez(folder / _PIVOTS, numbers=aligned.pivots, places=places)
    return aligned.names, aligned.rows[:, None], report


def _tell(report: PairReport) -> None:
    say = partial(stderr.print, soft_wrap=True, markup=False)
    say(f"{report.names:,} names of {report.concepts:,} concepts, {report.one_name_concepts:,} of which have one name")
    say(
        f"{report.pairs:,} pairs: {report.synonym_pairs:,} synonyms, {report.crosswalk_pairs:,} across a crosswalk, "
        f"{report.augmented_pairs:,} perturbed, {report.gold_pairs:,} with a gold mention"
    )
    for reason, count in report.dropped.items():
        say(f"  left out: {count:,} x {reason}")
    if report.unknown_gold:
        ids, mentions = len(report.unknown_gold), sum(report.unknown_gold.values())
        first = ", ".join(list(report.unknown_gold)[:10])
        say(f"  {ids:,} gold ids, {mentions:,} times, are in no [[source]]: {first}; all are in {DATA}/report.json")


def _dataset(names: Names, rows: Numbers) -> Dataset:
    columns = ["anchor", "positive", *(f"negative_{number}" for number in range(1, rows.shape[1] - 1))][: rows.shape[1]]
    texts = {column: [names.texts[number] for number in rows[:, at]] for at, column in enumerate(columns)}
    return Dataset.from_dict({**texts, "label": rows.tolist()})


def _loss(session: _Session, names: Names, rows: Numbers) -> nn.Module:
    recipe, model = session.recipe, session.model
    if recipe.alignment is None:
        return NameLoss(model, names, recipe.loss, _teacher(session, names, rows))
    pivots = np.load(session.run.folder / DATA / _PIVOTS)
    aligned = Aligned(names, rows[:, 0], pivots["numbers"])
    teacher = _teacher(session, names, np.union1d(rows, aligned.pivots))
    return AlignmentLoss(model, aligned, pivots["places"], recipe.alignment, teacher)


def _teacher(session: _Session, names: Names, numbers: Numbers) -> Embeddings | None:
    """The teacher's embedding of the names of `numbers`, zero for the rest: it reads each once, not once a batch."""
    if session.recipe.teacher is None:
        return None
    used = np.unique(numbers)
    teacher = load_teacher(session.recipe.teacher, bf16=use_bf16(session.recipe.schedule.precision))
    found = teacher([names.texts[number] for number in used])
    table = np.zeros((len(names), found.shape[1]), dtype=np.float32)
    table[used] = found
    return table


def _merge(session: _Session, devs: Sequence[DevSet], base: Mapping[str, Any], outcome: Outcome) -> float:
    """Put the asked share of the base into the last model, and keep that if nothing was better on dev.

    The last, since a model that alone is worse than its base may be better than both when averaged with it. What has
    been merged before a kill is not merged again.
    """
    run, wanted, last = session.run, session.recipe.merge_with_base, session.run.last_checkpoint()
    done = run.best / MERGED
    if done.is_file():
        return float(json.loads(done.read_bytes())["merge_with_base"])
    if wanted == 0.0 or last is None:
        return 0.0
    trained = load_base(str(last[1])).state_dict()
    scored = []
    for share in _SHARES if wanted == "auto" else (wanted,):
        session.model.load_state_dict(interpolated(trained, base, share))
        measured = figures(devs, session.embed) if devs else {}
        run.log(outcome.steps, merge_with_base=share, **{f"merged {name}": value for name, value in measured.items()})
        scored.append((measured.get(FIGURE, math.inf), -share))
    reached, negated = max(scored)  # the least of the base where several are equal
    if negated == 0.0 or reached <= (outcome.best or 0.0):
        return 0.0
    session.model.load_state_dict(interpolated(trained, base, -negated))
    with publish(run.best) as staging:
        session.save(staging)
        (staging / MERGED).write_text(json.dumps({"merge_with_base": -negated}) + "\n")
    return -negated


def _card(recipe: BiencoderRecipe, devs: Sequence[DevSet], trained: Trained) -> Card:
    data = [
        Data(
            name=ontology.title or f"{release.source} {release.version}".strip(),
            licence=release.licence or ontology.licence or UNKNOWN,
            use="names",
        )
        for ontology in recipe.source
        for release in read_source(ontology).releases
    ]
    for gold in recipe.gold:
        named = gold.title or Path(gold.corpus).name
        data.append(Data(name=named, licence=gold.licence or UNKNOWN, use="gold mentions"))
    figure = f"{FIGURE} among {NEAREST} near and {OTHERS:,} other names"
    values = {dev.name: trained.best.get(f"{FIGURE} {dev.name}", trained.best[FIGURE]) for dev in devs}
    base = card_from(recipe.base)
    return replace(
        base,
        licence=recipe.licence,
        data=tuple(dict.fromkeys((*base.data, *data))),
        metrics={name: {figure: value} for name, value in values.items()},
    )


def _summary(run: Run, outcome: Outcome, merged: float) -> Trained:
    lines = run.metrics()
    evaluated = [line for line in lines if FIGURE in line]
    base = next((line for line in evaluated if line["step"] == 0), {})
    best = next((line for line in evaluated if line["step"] == outcome.best_step), {})
    if merged:
        best = next(line for line in reversed(lines) if line.get("merge_with_base") == merged)
    return Trained(outcome, _accuracies(base), _accuracies(best), merged)


def _accuracies(line: Mapping[str, Any]) -> dict[str, float]:
    named = {name.removeprefix("merged "): value for name, value in line.items()}
    return {name: value for name, value in named.items() if name.startswith(FIGURE)}

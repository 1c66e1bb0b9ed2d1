"""The detector: a token classifier of several types, each learned from the corpora that annotate it.

It starts from any model of the BERT family and gets a fresh head of three logits a type (BIO: Ramshaw and Marcus,
1995). The part of the notes that is held out says which step is best, and what a probability is worth.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import transformers
from pydantic import Field, model_validator
from torch import Tensor
from torch.utils.data import SequentialSampler

from linker.corpus import GoldNote, read_notes
from linker.detection.tagger import LABELS, Tagged, joined, probabilities_of
from linker.detection.windows import Reader
from linker.errors import InvalidInput
from training import smoke
from training.bases import card_from, load_base
from training.card import FILE as CARD
from training.card import UNKNOWN, Card, Data
from training.checkpoint import read_tokenizer
from training.recipes import Described, Place, Recipe, Schedule, Share
from training.runs import Run, open_run
from training.tagging import UNKNOWN as NO_LABEL
from training.tagging import Annotated, annotated, is_held_out, rows, united
from training.trainer import Outcome, Task, fit, quiet, set_seed

DETECTOR = "detector.json"  # beside the weights: what serving needs to know of them
FIGURE = "span F1"


class Corpus(Described):
    """Notes with gold mentions, as `linker evaluate` reads them, or `invented`.

    types: what the corpus annotates, each with the corpus's own types that are of it; an empty list stands for all.
    repeat: how often a note is read in an epoch.
    """

    corpus: Place
    types: dict[str, frozenset[str]] = Field(min_length=1)
    repeat: int = Field(default=1, ge=1)

    def notes(self) -> list[Annotated]:
        """Read them. Raises `InvalidInput` naming file, line and field."""
        if self.corpus == smoke.NAME and not Path(self.corpus).exists():
            notes: list[GoldNote] = smoke.invented_notes()
        else:
            notes = list(read_notes(Path(self.corpus)))
        made = [annotated(note, self.types) for note in notes if note.text]
        for kind in self.types:
            if not any(note.mentions[kind] for note in made):
                raise InvalidInput(f"no mention of {kind} at its place in a text", field=self.corpus)
        return made

    @property
    def name(self) -> str:
        """`ncbi_disease train` for the file ncbi_disease/train.jsonl.xz."""
        path = Path(self.corpus)
        return path.name if path.parent == Path() else f"{path.parent.name} {path.name.split('.')[0]}"


class DetectorSchedule(Schedule):
    """As `Schedule`, with stretches of notes for rows."""

    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=2e-4, gt=0)


class DetectorRecipe(Recipe):
    """What `linker train detector` does.

    base: as for `linker train biencoder`. max_length: tokens of a window; stride: those that two windows may share.
    held_out: share of the notes that is kept from training, to choose the best step. licence: of the trained weights,
    for the model card. frozen: so many of the lowest layers, and the word vectors, stay what they were; None freezes
    nothing. Two layers of six make a step a quarter cheaper.
    """

    figure: ClassVar[str] = FIGURE

    base: Place
    max_length: int = Field(default=256, ge=64, le=512)
    stride: int = Field(default=64, ge=0)
    held_out: Share = 0.1
    licence: str = "unknown"
    frozen: int | None = Field(default=None, ge=0)
    corpus: tuple[Corpus, ...] = Field(min_length=1)
    schedule: DetectorSchedule = DetectorSchedule()

    @model_validator(mode="after")
    def _windows_move_on(self) -> DetectorRecipe:
        if self.stride > self.max_length // 2:
            raise ValueError(f"expected stride to be at most half of max_length, got {self.stride}")
        return self

    @property
    def types(self) -> tuple[str, ...]:
        """What the model tells apart, in the order in which the recipe names it."""
        return tuple(dict.fromkeys(kind for corpus in self.corpus for kind in corpus.types))


def train_detector(recipe: DetectorRecipe, out: Path, *, resume: bool = False) -> Outcome:
    """Run `recipe` in the folder `out`; the model is then in its best/, with what serving needs in detector.json.

    Raises `InvalidInput` (a recipe that cannot be, a corpus that cannot be read, a folder that holds something else),
    and `TrainingError` where a run cannot go on.
    """
    with open_run(out, recipe, resume=resume) as run:
        set_seed(recipe.seed)
        model, reader = new_model(recipe)
        corpora = [(corpus, corpus.notes()) for corpus in recipe.corpus]
        learned = united(
            (note, corpus.repeat)
            for corpus, notes in corpora
            for note in notes
            if not is_held_out(note.note_id, recipe.held_out)
        )
        held_out = {
            corpus.name: [note for note in notes if is_held_out(note.note_id, recipe.held_out)]
            for corpus, notes in corpora
        }
        scorer = Scorer(model, reader, recipe.types)
        task = Task(
            trainer_class=TaggingTrainer,
            arguments_class=transformers.TrainingArguments,
            model=model,
            loss=loss_of,
            rows=rows(learned, reader, recipe.types, longest=recipe.max_length, seed=recipe.seed),
            score=(lambda: scorer.score(held_out)) if any(held_out.values()) else None,
            save=lambda folder: _save(model, folder, recipe),
        )
        outcome = fit(run, recipe, task)
        card = _card(recipe, run, outcome)
        (run.folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        return outcome


def new_model(recipe: DetectorRecipe) -> tuple[Any, Reader]:
    """A token classifier with the weights of the base and a fresh head, and what reads notes for it."""
    names = [f"{kind}:{letter}" for kind in recipe.types for letter in "OBI"]
    with tempfile.TemporaryDirectory() as folder, quiet():
        base = load_base(recipe.base, max_length=recipe.max_length)
        base[0].auto_model.save_pretrained(folder)
        base.tokenizer.save_pretrained(folder)
        model = transformers.AutoModelForTokenClassification.from_pretrained(
            folder, id2label=dict(enumerate(names)), label2id={name: row for row, name in enumerate(names)}
        )
        model.tokenizer = base.tokenizer
        tokenizer = read_tokenizer(Path(folder))
    if recipe.frozen is not None:
        model.base_model.embeddings.requires_grad_(False)
        model.base_model.encoder.layer[: recipe.frozen].requires_grad_(False)
    return model, Reader(tokenizer, max_length=recipe.max_length, stride=recipe.stride)


class TaggingTrainer(transformers.Trainer):  # type: ignore[misc]
    """The trainer of transformers with a `loss`, as those of sentence-transformers have one, reading rows in order."""

    def __init__(self, *, loss: Any, **arguments: Any) -> None:
        super().__init__(data_collator=padded, **arguments)
        self._loss = loss

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], **_: Any) -> Tensor:
        """See `loss_of`."""
        wanted = inputs.pop("labels")
        loss: Tensor = self._loss(model(**inputs).logits, wanted)
        return loss

    def _get_train_sampler(self, dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset if dataset is None else dataset)


def loss_of(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy: the mean over the types that a piece has labels of, then over pieces.

    logits: (n, length, 3 x types) float. wanted: (n, length, types) labels.
    """
    types = wanted.shape[-1]
    each = torch.nn.functional.cross_entropy(
        logits.float().reshape(-1, len(LABELS)), wanted.reshape(-1), ignore_index=NO_LABEL, reduction="none"
    ).reshape(-1, types)
    known = (wanted != NO_LABEL).reshape(-1, types).sum(dim=1)
    return (each.sum(dim=1) / known.clamp(min=1)).sum() / (known > 0).sum().clamp(min=1)


def padded(batch: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Rows as tensors of the length of the longest."""
    longest, types = max(len(row["input_ids"]) for row in batch), len(batch[0]["labels"][0])
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    mask, wanted = torch.zeros_like(ids), torch.full((len(batch), longest, types), NO_LABEL)
    for number, row in enumerate(batch):
        length = len(row["input_ids"])
        ids[number, :length] = torch.tensor(row["input_ids"])
        mask[number, :length] = 1
        wanted[number, :length] = torch.tensor(row["labels"])
    return {"input_ids": ids, "attention_mask": mask, "labels": wanted}


@dataclass(frozen=True, slots=True)
class Scorer:
    """Tags notes with the torch model as it is now, read as serving reads them."""

    model: Any
    reader: Reader
    types: tuple[str, ...]

    def score(self, corpora: Mapping[str, Sequence[Annotated]]) -> dict[str, float]:
        """Strict span F1 of each type in each corpus, and their mean."""
        by_corpus: dict[str, float] = {}
        for name, notes in corpora.items():
            tagged = [self.tag(note.text) for note in notes]
            for column, kind in enumerate(self.types):
                if notes and kind in notes[0].mentions:
                    by_corpus[f"{FIGURE} {name} {kind}"] = _f1(notes, tagged, kind, column)
        return {FIGURE: float(np.mean(list(by_corpus.values()))), **by_corpus}

    def tag(self, text: str) -> Tagged:
        """A note as the model tags it."""
        was_training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            read = [
                (window, probabilities_of(self._logits(window.ids)[window.first]))
                for window in self.reader.windows(text)
            ]
        self.model.train(was_training)
        return joined(read, types=len(self.types))

    def _logits(self, ids: list[int]) -> np.ndarray[Any, Any]:
        logits = self.model(input_ids=torch.tensor([ids], device=self.model.device)).logits[0]
        found: np.ndarray[Any, Any] = logits.float().cpu().numpy()
        return found


def _f1(notes: Sequence[Annotated], tagged: Sequence[Tagged], kind: str, column: int) -> float:
    right = found = gold = 0
    for note, tags in zip(notes, tagged, strict=True):
        places, wanted = set(tags.mentions(column)), set(note.mentions[kind])
        right, found, gold = right + len(places & wanted), found + len(places), gold + len(wanted)
    return 2 * right / max(found + gold, 1)


def _save(model: Any, folder: Path, recipe: DetectorRecipe) -> None:
    with quiet():
        model.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
    settings = {"types": recipe.types, "max_length": recipe.max_length, "stride": recipe.stride}
    (folder / DETECTOR).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _card(recipe: DetectorRecipe, run: Run, outcome: Outcome) -> Card:
    best = next((line for line in run.metrics() if FIGURE in line and line["step"] == outcome.best_step), {})
    data = [
        Data(name=corpus.title or corpus.name, licence=corpus.licence or UNKNOWN, use=", ".join(corpus.types))
        for corpus in recipe.corpus
    ]
    figures = {name.removeprefix(f"{FIGURE} "): value for name, value in best.items() if name.startswith(f"{FIGURE} ")}
    base = card_from(recipe.base)
    return replace(
        base,
        licence=recipe.licence,
        data=tuple(dict.fromkeys((*base.data, *data))),
        metrics={f"{name}, notes held out": {FIGURE: value} for name, value in figures.items()},
    )

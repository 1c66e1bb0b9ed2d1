"""What `linker train language` does, and where its steps leave what others read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from training.dictionary import Ontology
from training.language.stages import Question
from training.precision import Precision
from training.recipes import Place, Recipe
from training.smoke import NAME as INVENTED
from training.weak.corpus import Way


class LanguageRecipe(Recipe):
    """Every setting of a run.

    language, pivot: BCP-47 tags of the new language, and of the one that the base knows. ontologies: with names in
    both. base: as for `linker train biencoder`. texts: files of plain text in the language, for its vocabulary.
    corpora: annotated notes in it, which are split; tests: annotated notes to judge by, and for nothing else. prefix:
    of their bare gold ids. teacher: a sentence encoder to imitate, see `training.teacher`. vocabulary: new tokens at
    most; 0 leaves that of the base. held: concepts to choose by, and as many to judge by. rows, pairs, lists: to learn
    from, at most, when aligning, when tuning, and for the cross-encoder.

    weak_by: how mentions that nobody annotated are come by, see `training.weak`: from weak_texts, plain text in the
    language; with links of weak_precision, in (0, 1]; from weak_notes, annotated in another language, and a translator,
    `module:function`. learning_curve: also learn from shares of the names and notes (`training.language.learning`).
    """

    language: str = Field(min_length=2)
    pivot: str = "en"
    ontologies: tuple[Ontology, ...] = Field(min_length=1)
    base: Place
    texts: tuple[Place, ...] = ()
    corpora: tuple[Place, ...] = ()
    tests: tuple[Place, ...] = ()
    prefix: str = ""
    teacher: str | None = None
    weak_by: tuple[Way, ...] = ()
    weak_texts: tuple[Place, ...] = ()
    weak_precision: float = Field(default=0.9, gt=0, le=1)
    weak_notes: tuple[Place, ...] = ()
    translator: str = ""
    learning_curve: bool = False
    vocabulary: int = Field(default=8000, ge=0)
    held: int = Field(default=500, ge=1)
    rows: int = Field(default=160_000, ge=1)
    pairs: int = Field(default=40_000, ge=1)
    lists: int = Field(default=3_000, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0)
    evaluate_every: int = Field(default=200, ge=1)
    precision: Precision = Precision.INT8
    licence: str = "unknown"


# What is learned from at full size: two to three hours on two cores, with a base of six layers.
FULL = {amount: LanguageRecipe.model_fields[amount].default for amount in ("rows", "pairs", "lists")}
# The whole way in minutes, on an invented ontology: shows that it works, teaches next to nothing.
SMOKE = LanguageRecipe(
    language="es",
    ontologies=(Ontology(path=INVENTED),),
    base=INVENTED,
    vocabulary=200,
    held=20,
    rows=3_000,
    pairs=600,
    lists=64,
    batch_size=32,
    learning_rate=1e-3,
    evaluate_every=20,
    precision=Precision.FP32,
)


@dataclass(frozen=True, slots=True)
class Work:
    """A recipe in its run folder. workers: threads that encode names."""

    recipe: LanguageRecipe
    run: Path
    workers: int = 1

    def __truediv__(self, name: str) -> Path:
        return self.run / name

    @property
    def pivot(self) -> str:
        """The pivot, or "" where no concept has names in both languages; known once there are names."""
        return str(json.loads((self / "names" / "report.json").read_bytes())["pivot"])

    @property
    def stages(self) -> dict[str, Path]:
        """The model of each stage, by name; one that left the model before it as it was is not among them."""
        made = {
            "base": self / "base" / "given",
            "extended": self / "base" / "extended",
            "aligned": self / "aligned" / "best",
            "tuned": self / "tuned" / "best",
        }
        return {name: folder for name, folder in made.items() if not folder.is_symlink()}

    @property
    def encoder(self) -> Path:
        """The exported encoder, with its calibration."""
        return self / "calibration" / "encoder"

    @property
    def reranker(self) -> Path:
        """The exported cross-encoder."""
        return self / "reranker" / "exported"

    def questions(self, part: str) -> list[Question]:
        """What is asked of a model to choose it ("dev") or to judge it ("test")."""
        names, language, pivot = self / "names", self.recipe.language, self.pivot
        directions = [(language, pivot), (pivot, language)] if pivot else [(language, language)]
        asked = [
            Question(f"{tag} to {other}", names / f"{part}-{tag}.jsonl", names / f"{other}.tsv")
            for tag, other in directions
        ]
        if (notes := names / f"{part}-notes.jsonl").is_file():
            asked.append(Question("notes", notes, names / "all.tsv", self.recipe.prefix))
        return asked

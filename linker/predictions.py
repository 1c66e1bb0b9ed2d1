"""predictions.jsonl: what a linker answered for each gold mention, for comparing two of them later. No text of notes.

    {"corpus": "ncbi/dev", "note": "8589722", "mention": 0, "gold": ["D061325"], "rank": 1,
     "answers": [{"concept_ids": ["D061325", ...], "confidences": [0.97, ...], "nil": false}]}

mention: its number in its note, from 0. rank: of the first right concept, at the end of its tie, null where it is not
among the candidates. answers: one for each part of the mention, the first candidates of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isinf
from pathlib import Path

from linker.errors import InvalidInput
from linker.outcomes import Outcome

FILE = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What comparison needs of one line. right: the first concept is right, every part of it."""

    corpus: str
    note: str
    mention: int
    gold: tuple[str, ...]
    right: bool

    @property
    def place(self) -> str:
        """Where the mention is, without its text."""
        return f"{self.corpus}, note {self.note}, mention {self.mention}"


def write_predictions(outcomes: Iterable[tuple[str, Outcome]], path: Path) -> None:
    """Write (corpus, outcome) pairs, one a line."""
    with path.open("w", encoding="utf-8") as stream:
        for corpus, outcome in outcomes:
            row = {
                "corpus": corpus,
                "note": outcome.note_id,
                "mention": outcome.position,
                "gold": sorted(outcome.gold),
                "rank": None if isinf(outcome.rank) else int(outcome.rank),
                "answers": [asdict(answer) for answer in outcome.answers],
            }
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_predictions(folder: Path) -> list[Prediction]:
    """The predictions in a folder that `linker evaluate --out` wrote. Raises `InvalidInput` naming file and line."""
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # not at U+2028, which a note id may hold
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "cannot be read; expected a folder that `linker evaluate --out` wrote", field=str(path)
        ) from error
    predictions = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            prediction = Prediction(
                str(row["corpus"]), str(row["note"]), int(row["mention"]), tuple(row["gold"]), row["rank"] == 1
            )
        except (ValueError, TypeError, KeyError) as error:
            message = "expected an object with corpus, note, mention, gold and rank; evaluate again"
            raise InvalidInput(message, field=f"{path}:{number}") from error
        predictions.append(prediction)
    return predictions

"""acc@1 on dev: the conventions of retrieval and evaluation, on an encoder that is a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from linker.records import Embeddings
from training.dev import NEAREST, DevOptions, DevSet, figures, prepare
from training.dictionary import Ontology
from training.errors import TrainingError


def table(**vectors: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return {name.replace("_", " "): vector for name, vector in vectors.items()}


class TableEncoder:
    def __init__(self, vectors: dict[str, tuple[float, float]]) -> None:
        self.vectors = vectors
        self.read: list[str] = []

    def __call__(self, texts: Sequence[str], _: str) -> Embeddings:
        self.read += texts
        rows = np.array([self.vectors.get(text, (-1.0, 0.0)) for text in texts], dtype=np.float32).reshape(-1, 2)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def options(tmp_path: Path, dictionary: str, mentions: Sequence[tuple[str, list[str]]]) -> DevOptions:
    (tmp_path / "names.tsv").write_text(dictionary)
    rows = [{"mention": text, "gold": gold, "composite": "|" in text} for text, gold in mentions]
    (tmp_path / "corpus.jsonl").write_text(json.dumps({"doc_id": "1", "text": None, "mentions": rows}) + "\n")
    ontology = Ontology(path=str(tmp_path / "names.tsv"), language="en")
    return DevOptions(name="d", corpus=str(tmp_path / "corpus.jsonl"), ontology=ontology)


NAMES = "A:1\tfever\nA:1\tpyrexia\nA:2\tcough\nA:3\tcold\nA:4\tcold\n"


@pytest.mark.parametrize(
    ("mention", "gold", "right"),
    [
        ("Fever", ["A:1"], True),  # an exact hit, whatever the encoder says
        ("FEVER", ["A:2"], False),
        ("cold", ["A:3"], False),  # two concepts of that name tie
        ("cold", ["A:3", "A:4"], True),
        ("hot", ["A:1"], True),  # pyrexia, the nearest name of A:1, is nearest
        ("hot", ["A:2"], False),
        ("between", ["A:2"], False),  # as near to pyrexia as to cough, and A:1 has a second name
        ("hot|cough", ["A:1", "A:2"], True),
        ("hot|between", ["A:1"], True),  # fever, the other name of A:1, is what makes the difference
        ("hot", ["A:9"], False),  # a gold concept that the ontology does not have
    ],
)
def test_what_is_right(tmp_path: Path, mention: str, gold: list[str], right: bool) -> None:
    encoder = TableEncoder(
        table(fever=(-0.5, 1), pyrexia=(1, 0), cough=(0, 1), cold=(0, -1), hot=(0.9, 0.1), between=(1, 1))
    )
    wanted = options(tmp_path, NAMES, [(mention, gold), ("pyrexia", ["A:1"])])
    (dev,) = prepare([wanted], tmp_path, encoder, seed=0)
    assert dev.mentions == 2
    assert figures([dev], encoder) == {"acc@1": (1 + right) / 2}


def test_the_part_has_what_is_near_and_all_names_of_gold(tmp_path: Path) -> None:
    crowd = "".join(f"B:{n}\tcrowd {n}\n" for n in range(9000))
    encoder = TableEncoder({f"crowd {n}": (np.cos(n / 3000), np.sin(n / 3000)) for n in range(9000)})
    encoder.vectors |= table(query=(1, 0), fever=(-1, 0), pyrexia=(-1, 0.1))
    (dev,) = prepare([options(tmp_path, NAMES + crowd, [("query", ["A:1"])])], tmp_path, encoder, seed=0)
    assert {f"crowd {n}" for n in range(NEAREST)} | {"fever", "pyrexia"} <= set(dev.names)
    assert 2000 <= len(dev.names) <= 2000 + NEAREST + 2


def test_the_dev_set_of_a_run_is_made_once(tmp_path: Path) -> None:
    wanted = options(tmp_path, NAMES, [("hot", ["A:1"])])
    first, later = TableEncoder(table(hot=(1, 0))), TableEncoder(table(hot=(0, 1)))
    assert prepare([wanted], tmp_path, first, seed=0) == prepare([wanted], tmp_path, later, seed=0)
    assert first.read
    assert not later.read


def test_figures_are_each_corpus_and_their_mean() -> None:
    devs = [DevSet(name, 4, right, 0, [], [], [], []) for name, right in (("a", 4), ("b", 1))]
    assert figures(devs, TableEncoder({})) == {"acc@1": 0.625, "acc@1 a": 1.0, "acc@1 b": 0.25}


def test_gold_ids_of_another_vocabulary_say_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="prefix"):
        prepare([options(tmp_path, NAMES, [("fever", ["D001"])])], tmp_path, TableEncoder({}), seed=0)

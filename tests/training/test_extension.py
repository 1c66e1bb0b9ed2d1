"""A base learns the words of a language and reads its own as before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("sentence_transformers", reason="needs the extra `train`")

import numpy as np
from tokenizers import Tokenizer

from linker.errors import InvalidInput
from training.bases import embed, load_base, save_model
from training.checkpoint import CheckpointError
from training.extension import extend, is_wordpiece, unknown_share

SPANISH = ["fiebre alta", "fiebre renal", "dolor renal", "dolor alto", "piedra en el riñon", "piedra renal"] * 2
PARALLEL = [
    ("fiebre renal", "kidney pain"), ("dolor renal", "kidney ache"), ("piedra renal", "kidney failure"),
    ("piedra", "failure"), ("fiebre", "pain"), ("dolor", "ache"),
]  # fmt: skip
ENGLISH = ["acute renal failure", "failure of the kidney, acute", "dolorous kidney ache"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "model"
    save_model(load_base("invented"), folder, max_length=32)
    return folder


def spell(folder: Path, text: str) -> list[str]:
    return list(Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text, add_special_tokens=False).tokens)


def rows(folder: Path) -> dict[str, torch.Tensor]:
    table = load_base(str(folder))[0].auto_model.get_input_embeddings().weight
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    return {token: table[row].detach() for token, row in vocabulary.items()}


def test_new_words_are_one_piece_and_begin_as_their_translations(base: Path, tmp_path: Path) -> None:
    told = extend(base, tmp_path / "out", SPANISH, size=40, parallel=PARALLEL)
    assert spell(tmp_path / "out", "fiebre") == ["fiebre"] != spell(base, "fiebre")
    assert told.tokens > told.tokens_before
    assert told.pieces < told.pieces_before
    assert told.translated > 0
    found = rows(tmp_path / "out")
    for word, translation in (("fiebre", "pain"), ("piedra", "failure")):
        nearest = max(
            found.keys() - {word}, key=lambda token: float(torch.cosine_similarity(found[word], found[token], 0))
        )
        assert nearest == translation


def test_the_language_of_the_base_is_read_as_before(base: Path, tmp_path: Path) -> None:
    extend(base, tmp_path / "out", [*SPANISH, *SPANISH], size=60, parallel=PARALLEL, kept=ENGLISH)
    assert [spell(tmp_path / "out", name) for name in ENGLISH] == [spell(base, name) for name in ENGLISH]
    before, after = (embed(load_base(str(folder)), ENGLISH, bf16=False) for folder in (base, tmp_path / "out"))
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_letters_that_the_base_lacks_are_no_longer_unknown(base: Path, tmp_path: Path) -> None:
    russian = ["почка", "боль в почке", "острая боль"] * 3
    assert unknown_share(base, russian) == 1.0
    extend(base, tmp_path / "out", russian, size=60)
    assert unknown_share(tmp_path / "out", [*russian, "чок"]) == 0.0


def test_what_cannot_be_extended_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="names of the new language"):
        extend(base, tmp_path / "out", [], size=10)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(InvalidInput, match="neither"):
        extend(base, tmp_path / "taken", SPANISH, size=10)
    other = tmp_path / "unigram"
    other.mkdir()
    for path in base.iterdir():
        if path.is_file():
            (other / path.name).write_bytes(path.read_bytes())
    tokenizer = Tokenizer.from_str(
        '{"version":"1.0","added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.0]]}}'
    )
    tokenizer.save(str(other / "tokenizer.json"))
    assert is_wordpiece(base)
    assert not is_wordpiece(other)
    assert unknown_share(other, ["b", "a"]) == 0.5
    with pytest.raises(CheckpointError, match="expected a WordPiece tokenizer, as BERT has, got Unigram"):
        extend(other, tmp_path / "out", SPANISH, size=10)

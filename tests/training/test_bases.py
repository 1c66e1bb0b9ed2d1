"""Bases that cannot be trained are told apart before anything is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("sentence_transformers", reason="needs the extra `train`")

from linker.errors import LinkerError
from training.bases import embed, interpolated, load_base, save_model, weights_of
from training.smoke import write_invented_base


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_invented_base(tmp_path)
    return tmp_path


def edit_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def test_a_base_without_a_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(LinkerError, match="no tokenizer"):
        load_base(str(folder))


def test_a_checkpoint_of_another_architecture_is_refused(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=3)
    with pytest.raises(LinkerError, match=r"another architecture.*layer\.2"):
        load_base(str(folder))


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    edit_config(folder, intermediate_size=48)
    with pytest.raises(LinkerError, match="cannot be opened"):
        load_base(str(folder))


def test_a_tokenizer_with_more_entries_than_the_model_is_refused(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["unheard"] = len(tokenizer["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(LinkerError, match="the tokenizer has"):
        load_base(str(folder))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LinkerError):
        load_base(str(tmp_path / "nothing" / "here"))


def test_embeddings_are_unit_rows_in_order_and_survive_saving(tmp_path: Path) -> None:
    model = load_base("invented")
    names = ["renal failure", "pain", "failure of the kidney, chronic", "x"]
    vectors = embed(model, names, bf16=False)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for row, name in enumerate(names):
        np.testing.assert_allclose(embed(model, [name], bf16=False)[0], vectors[row], atol=1e-5)
    model.max_seq_length = 4
    save_model(model, tmp_path / "saved", max_length=16)
    assert model.max_seq_length == 4
    np.testing.assert_allclose(embed(load_base(str(tmp_path / "saved")), names, bf16=False), vectors, atol=1e-5)


def test_interpolation_goes_from_the_trained_weights_to_the_base() -> None:
    base, trained = weights_of(load_base("invented")), weights_of(load_base("invented"))
    trained = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in trained.items()}
    for share, expected in ((0.0, trained), (1.0, base)):
        for name, tensor in interpolated(trained, base, share).items():
            torch.testing.assert_close(tensor, expected[name])
    quarter = interpolated(trained, base, 0.25)
    name = next(name for name, tensor in base.items() if tensor.is_floating_point())
    torch.testing.assert_close(quarter[name], base[name] + 0.75)

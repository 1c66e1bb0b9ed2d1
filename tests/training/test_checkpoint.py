"""Where a model is found, and what its folder says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra `train`")

from ontologies.starter import ENCODER
from training.checkpoint import CheckpointError, Kind, find_model, kind_of, read_tokenizer


@pytest.mark.parametrize("place", [".", "best", "model", "encoder"])
def test_a_model_is_found_in_its_folder_in_a_run_or_in_a_bundle(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "config.json").write_text("{}")
    assert find_model(str(tmp_path)) == tmp_path / place


def test_what_is_neither_a_folder_nor_an_id_is_told(tmp_path: Path) -> None:
    for model in (str(tmp_path / "nowhere"), "../nowhere", "a/b/c"):
        with pytest.raises(CheckpointError, match="expected a folder of a model, a run or a bundle"):
            find_model(model)


def test_without_a_network_a_hub_id_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="invented/nothing: there is no such folder.*give its folder"):
        find_model("invented/nothing")


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("BertModel", Kind.ENCODER),
        ("BertForMaskedLM", Kind.ENCODER),
        ("BertForSequenceClassification", Kind.RERANKER),
    ],
)
def test_the_architecture_says_what_a_model_does(tmp_path: Path, architecture: str, kind: Kind) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    assert kind_of(tmp_path) is kind


@pytest.mark.parametrize("config", ["{}", '{"architectures": null}', "[]", "no json"])
def test_without_an_architecture_the_kind_must_be_said(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        kind_of(tmp_path)


def test_a_slow_tokenizer_is_read_as_the_fast_one_it_stands_for(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra `train`")
    vocabulary = json.loads((ENCODER / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    ours, fast = read_tokenizer(tmp_path), read_tokenizer(ENCODER)
    for pair in (("Acute fracture, left", "femur"), ("β-thalassaemia", "")):
        assert (ours.encode(*pair).ids, ours.encode(*pair).type_ids) == (
            fast.encode(*pair).ids,
            fast.encode(*pair).type_ids,
        )

"""An exported encoder can be trained again: what comes back computes what was exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("sentence_transformers", reason="needs the extra `train`")
pytest.importorskip("onnx", reason="needs the extra `train`")

from linker.encoding import OnnxEncoder
from linker.errors import LinkerError
from ontologies.starter import ENCODER
from training.bases import card_from, embed, load_base, weights_of
from training.card import Card, Data
from training.checkpoint import Pooling, check_folder, sha256
from training.export import export
from training.invented import invented_names
from training.precision import Precision
from training.restored import restore
from training.smoke import write_invented_base
from training.tracing import read_encoder

NAMES = list(invented_names())[:200]


def cosines(folder: Path, exported: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Between the restored model and what it was restored from."""
    vectors, _ = OnnxEncoder(exported).encode(NAMES)
    return np.asarray((vectors * embed(load_base(str(folder)), NAMES, bf16=False)).sum(axis=1))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Gains and shifts that are none would hide a mistake with them."""
    write_invented_base(tmp_path / "base", dimension=64)
    model = load_base(str(tmp_path / "base"))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model[0].auto_model.named_parameters():
            if name.endswith(("LayerNorm.weight", "bias")):
                weight.add_(torch.randn_like(weight) / 4)
            elif weight.ndim == 2 and "encoder" in name:
                weight.mul_(4)
    model[0].auto_model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize("pooling", list(Pooling))
def test_what_is_restored_computes_what_was_exported(base: Path, tmp_path: Path, pooling: Pooling) -> None:
    export(read_encoder(base, pooling=pooling), tmp_path / "exported", card=Card(name="x"), max_length=32)
    restore(tmp_path / "exported", tmp_path / "restored")
    assert cosines(tmp_path / "restored", tmp_path / "exported").min() > 0.999
    assert read_encoder(tmp_path / "restored").pooling is pooling


def test_the_shipped_encoder_is_restored_and_differs_by_the_rounding_of_activations_only() -> None:
    assert cosines(ENCODER, ENCODER).min() > 0.999


def test_starter_means_the_shipped_encoder_and_a_bundle_its_own(tmp_path: Path) -> None:
    shutil.copytree(ENCODER, tmp_path / "bundle" / "encoder")
    expected = weights_of(load_base(str(ENCODER)))
    for base in ("starter", str(tmp_path / "bundle")):
        assert all(torch.equal(weight, expected[name]) for name, weight in weights_of(load_base(base)).items())


def test_an_export_in_fp32_and_one_of_another_kind_are_refused(base: Path, tmp_path: Path) -> None:
    reader = read_encoder(base, pooling=Pooling.MEAN)
    export(reader, tmp_path / "fp32", card=Card(name="x"), max_length=32, precision=Precision.FP32)
    with pytest.raises(LinkerError, match=r"int8.*got medlinker-encoder/1, fp32"):
        load_base(str(tmp_path / "fp32"))
    shutil.copytree(ENCODER, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "format": "medlinker-reranker/1"}))
    with pytest.raises(LinkerError, match="got medlinker-reranker/1"):
        load_base(str(tmp_path / "other"))


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_graph_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    shutil.copytree(ENCODER, tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(content)
    with pytest.raises(LinkerError, match=r"model\.onnx: expected"):
        load_base(str(tmp_path / "broken"))


def test_what_wants_safetensors_says_how_to_come_by_them() -> None:
    with pytest.raises(LinkerError, match=r"python -m training\.restored"):
        check_folder(ENCODER)


def test_what_is_made_from_an_export_names_its_file_and_what_it_learned_from(base: Path, tmp_path: Path) -> None:
    learned = Data(name="Mondo", licence="CC-BY-4.0", use="names")
    card = Card(name="x", data=(learned,))
    export(read_encoder(base, pooling=Pooling.MEAN), tmp_path / "exported", card=card, max_length=32)
    found = card_from(str(tmp_path / "exported"))
    assert found.data == (learned,)
    assert found.base_sha256 == sha256(tmp_path / "exported" / "model.onnx")


def test_a_model_with_an_onnx_file_beside_its_weights_is_read_from_the_weights(base: Path) -> None:
    expected = weights_of(load_base(str(base)))
    (base / "model.onnx").write_bytes(b"of another kind")
    assert all(torch.equal(weight, expected[name]) for name, weight in weights_of(load_base(str(base))).items())

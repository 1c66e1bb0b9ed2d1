"""Export of a small BERT with random weights: what holds of it holds of the architecture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="needs the extra `train`")

from linker.encoding import OnnxEncoder
from ontologies.starter import ENCODER
from training.export import Precision, export
from training.tracing import ExportError

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its exporter warn of their own future

NAMES = [
    "heart attack",
    "infarct",
    "type 2 diabetes mellitus",
    "fracture of the neck of the femur",
    "x",
    "asthma attack",
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=64
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((ENCODER / "tokenizer.json").read_bytes())
    return folder


@pytest.mark.parametrize("precision", list(Precision))
def test_an_export_is_near_the_torch_model_and_repeats_itself(base: Path, tmp_path: Path, precision: Precision) -> None:
    for out in ("one", "two"):
        parity = export(base, tmp_path / out, precision=precision, max_length=32, names=NAMES)
    assert parity.worst_cosine >= {Precision.INT8: 0.99, Precision.FP32: 0.9999}[precision]
    for name in ("model.onnx", "tokenizer.json", "config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one/MODEL_CARD.md").read_text().startswith("# ")


def test_an_int8_export_gives_the_same_bits_in_any_batch(base: Path, tmp_path: Path) -> None:
    export(base, tmp_path / "out", precision=Precision.INT8, max_length=32, names=NAMES)
    encoder = OnnxEncoder(tmp_path / "out", workers=2)
    together, _ = encoder.encode(NAMES * 5)
    assert encoder.dimension == together.shape[1] == 64
    for row, name in enumerate(NAMES):
        assert np.array_equal(encoder.encode([name])[0][0], together[row])


def test_what_is_not_a_model_is_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        export(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ExportError):
        export(tmp_path / "half", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_not_replaced(base: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="thesis|nothing but"):
        export(base, tmp_path / "out", max_length=32, names=NAMES)
    assert (tmp_path / "out/thesis.txt").exists()

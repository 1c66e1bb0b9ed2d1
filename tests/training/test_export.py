"""Export of small BERTs with random weights: what holds of them holds of the architecture."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import string
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="needs the extra `train`")

from typer.testing import CliRunner

from linker.cli import app
from linker.encoding import OnnxEncoder
from linker.errors import InvalidInput
from linker.inference import Session, load_tokenizer
from linker.reranking import OnnxReranker
from ontologies.starter import ENCODER
from training.card import Card
from training.checkpoint import CheckpointError, Pooling
from training.export import ExportError, export
from training.invented import invented_names
from training.parity import Parity
from training.precision import Precision
from training.tracing import read_encoder, read_reranker

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and its exporter warn of their own future

NAMES = [
    "heart attack",
    "infarct",
    "type 2 diabetes mellitus",
    "fracture of the neck of the femur",
    "x",
    "asthma attack",
]
PAIRS = [(one, other) for one in NAMES for other in NAMES]
SETTINGS = {"weight": 0.05, "depth": 16, "context": 64, "other_names": 0}


def shape(**changed: Any) -> Any:
    small = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    return transformers.BertConfig(**(small | {"max_position_embeddings": 64} | changed))


def save(model: Any, folder: Path) -> Path:
    """With a vocabulary of its own: what random weights come to must not depend on that of the starter."""
    model.save_pretrained(folder)
    settings = json.loads((ENCODER / "tokenizer.json").read_text(encoding="utf-8"))
    letters = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    words += sorted({word for name in NAMES for word in name.split()} - set(words))
    settings["model"]["vocab"] = {word: number for number, word in enumerate(words)}
    write(folder, {"tokenizer.json": settings})
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder that states no pooling, as SapBERT."""
    torch.manual_seed(0)
    return save(transformers.BertModel(shape(), add_pooling_layer=False), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(shape(num_labels=1, initializer_range=0.1))
    return save(model, tmp_path_factory.mktemp("cross"))


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "copy"))


def export_encoder(base: Path, out: Path, *, pooling: Pooling = Pooling.MEAN, **options: Any) -> Parity:
    options = {"max_length": 32, "names": NAMES, "card": Card(name="tiny"), "precision": Precision.FP32} | options
    return export(read_encoder(base, pooling=pooling), out, **options)


@pytest.mark.parametrize("precision", list(Precision))
def test_an_export_is_near_the_torch_model_and_repeats_itself(base: Path, tmp_path: Path, precision: Precision) -> None:
    for out in ("one", "two"):
        parity = export_encoder(base, tmp_path / out, precision=precision)
    assert parity["worst cosine"] >= {Precision.INT8: 0.99, Precision.FP32: 0.9999}[precision]
    for name in ("model.onnx", "tokenizer.json", "config.json", "MODEL_CARD.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("pooling", list(Pooling))
def test_the_pooling_is_that_of_the_torch_model(base: Path, tmp_path: Path, pooling: Pooling) -> None:
    export_encoder(base, tmp_path / "out", pooling=pooling)
    model = transformers.AutoModel.from_pretrained(base).eval()
    tokenizer = load_tokenizer(tmp_path / "out")
    vectors, _ = OnnxEncoder(tmp_path / "out").encode(NAMES)
    for name, vector in zip(NAMES, vectors, strict=True):
        with torch.inference_mode():
            hidden = model(torch.tensor([tokenizer.encode(name).ids])).last_hidden_state[0].numpy()
        expected = hidden[0] if pooling is Pooling.CLS else hidden.mean(axis=0)
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-4)


def test_an_int8_export_gives_the_same_bits_in_any_batch(base: Path, tmp_path: Path) -> None:
    export_encoder(base, tmp_path / "out", precision=Precision.INT8)
    encoder = OnnxEncoder(tmp_path / "out", workers=2)
    together, _ = encoder.encode(NAMES * 5)
    assert encoder.dimension == together.shape[1] == 64
    for row, name in enumerate(NAMES):
        assert np.array_equal(encoder.encode([name])[0][0], together[row])


@pytest.mark.parametrize(
    ("files", "stated"),
    [
        ({"1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}}, "cls"),
        ({"1_Pooling/config.json": {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}}, "mean"),
        ({"1_Pooling/config.json": {"embedding_dimension": 64, "pooling_mode": "cls"}}, "cls"),
        (
            {
                "modules.json": [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "pool"}],
                "pool/config.json": {"pooling_mode": ["mean"]},
            },
            "mean",
        ),
    ],
)
def test_the_stated_pooling_is_read_in_both_formats(copy: Path, files: dict[str, Any], stated: str) -> None:
    write(copy, files)
    assert read_encoder(copy).pooling == stated
    other = next(pooling for pooling in Pooling if pooling != stated)
    with pytest.raises(CheckpointError, match=f"states {stated} pooling, and {other}"):
        read_encoder(copy, pooling=other)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "states no pooling.*--pooling cls"),
        ({"1_Pooling/config.json": {"pooling_mode": "max"}}, "expected mean or cls pooling, got max"),
        ({"1_Pooling/config.json": {"pooling_mode": ["cls", "mean"]}}, r"got cls \+ mean"),
        ({"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, "got max"),
        ({"modules.json": [{"type": "x.Dense", "path": "2_Dense"}]}, "Dense: expected Transformer"),
    ],
)
def test_another_pooling_or_none_is_told(copy: Path, files: dict[str, Any], told: str) -> None:
    write(copy, files)
    with pytest.raises(CheckpointError, match=told):
        read_encoder(copy)


def write(folder: Path, files: dict[str, Any]) -> None:
    for name, value in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(value))


@pytest.mark.parametrize("precision", list(Precision))
def test_a_reranker_gives_the_logits_of_the_torch_model_and_the_same_bits_in_any_batch(
    cross_encoder: Path, tmp_path: Path, precision: Precision
) -> None:
    out = tmp_path / "out"
    base = read_reranker(cross_encoder)
    parity = export(base, out, card=Card(name="x"), precision=precision, max_length=48, names=NAMES, settings=SETTINGS)
    session, tokenizer = Session(out / "model.onnx"), load_tokenizer(out)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(cross_encoder).eval()
    encodings = tokenizer.encode_batch([pair for pair in PAIRS if len(tokenizer.encode(*pair)) == 7])
    assert len(encodings) > 2
    assert session.inputs == ("input_ids", "token_type_ids")
    with torch.inference_mode():
        expected = model(
            torch.tensor([e.ids for e in encodings]), token_type_ids=torch.tensor([e.type_ids for e in encodings])
        ).logits.numpy()
    got = session.run(encodings)
    assert got.shape == (len(encodings), 1)
    assert got == pytest.approx(expected, abs={Precision.FP32: 1e-4, Precision.INT8: 0.05}[precision])
    assert parity["worst logit difference"] < 0.05
    if precision is Precision.INT8:
        for encoding, score in zip(encodings, got, strict=True):
            assert np.array_equal(session.run([encoding])[0], score)
    assert OnnxReranker(out, names_of=lambda _: ()).policy.weight == SETTINGS["weight"]


def test_a_rerankers_settings_and_head_are_checked(base: Path, cross_encoder: Path, tmp_path: Path) -> None:
    reranker = read_reranker(cross_encoder)
    with pytest.raises(InvalidInput, match=r"settings\.weight: expected a number"):
        export(reranker, tmp_path / "out", card=Card(), max_length=48, settings={**SETTINGS, "weight": None})  # type: ignore[dict-item]
    with pytest.raises(CheckpointError, match="another architecture.*missing"):
        read_reranker(base)
    two = save(transformers.BertForSequenceClassification(shape(num_labels=2)), tmp_path / "two")
    with pytest.raises(CheckpointError, match="one logit, got 2"):
        read_reranker(two)
    assert not (tmp_path / "out").exists()


def test_what_is_not_a_model_is_told(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a model folder"):
        export_encoder(tmp_path / "nowhere", tmp_path / "out")
    config = json.loads((copy / "config.json").read_text())
    write(copy, {"config.json": config | {"model_type": "gpt2"}})
    with pytest.raises(CheckpointError, match="model_type: expected bert or .*, got 'gpt2'"):
        export_encoder(copy, tmp_path / "out")
    write(copy, {"config.json": config | {"num_hidden_layers": 3}})
    with pytest.raises(CheckpointError, match=r"another architecture.*missing.*layer\.2"):
        export_encoder(copy, tmp_path / "out")
    write(copy, {"config.json": config | {"hidden_size": 32}})
    with pytest.raises(CheckpointError):
        export_encoder(copy, tmp_path / "out")
    write(copy, {"config.json": config})
    with pytest.raises(InvalidInput, match="max_length: expected 8 to 64"):
        export_encoder(copy, tmp_path / "out", max_length=128)
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: expected a tokenizer"):
        export_encoder(copy, tmp_path / "out")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        export_encoder(copy, tmp_path / "out")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: a pickle can run code"):
        export_encoder(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_with_more_tokens_than_the_model_is_told(tmp_path: Path) -> None:
    small = save(transformers.BertModel(shape(vocab_size=50)), tmp_path / "small")
    with pytest.raises(CheckpointError, match=r"tokenizer has \d+ tokens, and the model only 50"):
        read_encoder(small, pooling=Pooling.MEAN)


def test_an_export_too_far_from_torch_is_not_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    wild = save(transformers.BertModel(shape(initializer_range=3.0)), tmp_path / "wild")
    with pytest.raises(ExportError, match=r"too far from the torch model: worst cosine .* \(limit 0.99\)"):
        export_encoder(wild, tmp_path / "out", precision=Precision.INT8, names=invented_names()[::9])
    assert [path.name for path in tmp_path.iterdir()] == ["wild"]


def test_a_folder_with_other_things_is_not_replaced(base: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput, match="nothing but an exported model"):
        export_encoder(base, tmp_path / "out")
    assert (tmp_path / "out/thesis.txt").exists()


def test_a_calibration_stays_with_its_model_and_goes_only_when_told(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_encoder(base, out)
    (out / "calibration.json").write_text("fitted")
    export_encoder(base, out, card=Card(name="another name"))
    assert (out / "calibration.json").read_text() == "fitted"
    before = (out / "model.onnx").read_bytes()
    with pytest.raises(InvalidInput, match="--drop-calibration"):
        export_encoder(base, out, pooling=Pooling.CLS)
    assert (out / "model.onnx").read_bytes() == before
    assert (out / "calibration.json").read_text() == "fitted"
    export_encoder(base, out, pooling=Pooling.CLS, drop_calibration=True)
    assert (out / "model.onnx").read_bytes() != before
    assert not (out / "calibration.json").exists()


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Writing more fails as on a full disk, with an OSError in mid-save."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_export_and_nothing_else(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_encoder(base, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    source = read_encoder(base, pooling=Pooling.CLS)
    with no_file_longer_than(100_000), pytest.raises(ExportError, match=r"out: cannot be written"):
        export(source, out, card=Card(), precision=Precision.FP32, max_length=32, names=NAMES)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_command_exports_a_run_with_its_card_and_settings(cross_encoder: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(cross_encoder, run / "best")
    write(run, {"card.json": {"name": "judge", "licence": "MIT", "data": [{"name": "Mondo", "licence": "CC-BY-4.0"}]}})
    (run / "recipe.toml").write_text("seed = 13\n")
    told = CliRunner().invoke(app, ["export", str(run), "--out", str(out)])
    assert "reranker.json" in str(told.exception)
    write(run / "best", {"reranker.json": SETTINGS | {"max_length": 48}})
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    told = CliRunner().invoke(app, ["export", str(run), "--out", str(out), "--names", str(tmp_path / "names.txt")])
    assert told.exit_code == 0, told.output
    config = json.loads((out / "config.json").read_text())
    assert config.items() >= (SETTINGS | {"max_length": 48, "name": "judge", "format": "medlinker-reranker/1"}).items()
    card = (out / "MODEL_CARD.md").read_text()
    for expected in ("# Reranker: judge", "MIT", "| Mondo | CC-BY-4.0 |", "seed = 13", config["weights_sha256"]):
        assert expected in card


def test_the_command_is_light_until_it_runs() -> None:
    loaded = "import training.cli.export, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0

"""Pruning a small BERT with random weights: what is spelled as before has the very vector it had."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `train`")
transformers = pytest.importorskip("transformers", reason="needs the extra `train`")

from tokenizers import Tokenizer, models

from linker.errors import InvalidInput
from ontologies.starter import ENCODER
from training.checkpoint import CheckpointError
from training.vocabulary import prune, read_texts

pytestmark = pytest.mark.filterwarnings("ignore:.*(SwigPy|swigvarlink):DeprecationWarning")

TEXTS = ["heart attack", "heart failure", "type 2 diabetes mellitus", "α-thalassemia", "50 µg/ml"]
RARE = ["scandinavian locomotive", "heart locomotive", "日本 heart"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((ENCODER / "tokenizer.json").read_bytes())
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True})
    )
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for i, (path, kind) in enumerate(modules)
            ]
        )
    )
    return folder


def spell(folder: Path, text: str) -> list[str]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return list(tokenizer.encode(text).tokens)


def test_frequent_texts_are_spelled_and_embedded_as_before_and_rare_words_by_smaller_pieces(
    base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pruned"
    pruned = prune(base, TEXTS * 5 + RARE, out, size=19)
    assert pruned.tokens < pruned.tokens_before / 5
    for text in TEXTS:
        assert spell(out, text) == spell(base, text)
    assert len(spell(out, "locomotive")) > len(spell(base, "locomotive"))
    assert "[UNK]" not in spell(out, "scandinavian locomotive ½ é ß 3° ωμ")
    ours = transformers.AutoModel.from_pretrained(out).eval()
    theirs = transformers.AutoModel.from_pretrained(base).eval()
    ours_ids = transformers.AutoTokenizer.from_pretrained(out)(TEXTS[2], return_tensors="pt")
    their_ids = transformers.AutoTokenizer.from_pretrained(base)(TEXTS[2], return_tensors="pt")
    assert ours_ids["input_ids"].max() < pruned.tokens == ours.config.vocab_size
    with torch.inference_mode():
        assert torch.equal(ours(**ours_ids).last_hidden_state, theirs(**their_ids).last_hidden_state)


def test_the_shares_are_those_of_texts_spelled_as_before(base: Path, tmp_path: Path) -> None:
    texts = TEXTS + RARE
    pruned = prune(base, texts, tmp_path / "pruned", size=12)
    same = [spell(base, text) == spell(tmp_path / "pruned", text) for text in texts]
    assert pruned.texts_kept == pytest.approx(sum(same) / len(texts))
    assert 0 < pruned.texts_kept < 1
    assert pruned.texts_kept < pruned.occurrences_kept < 1


def test_ties_go_to_the_older_id_ids_keep_their_order_and_what_is_unused_goes(base: Path, tmp_path: Path) -> None:
    text = "kidney heart heart lung kidney lung mellitus"
    prune(base, [text], tmp_path / "two", size=2)
    prune(base, [text], tmp_path / "all", size=20_000)
    old = Tokenizer.from_file(str(base / "tokenizer.json")).get_vocab(with_added_tokens=True)
    words = {}
    for name in ("two", "all"):
        vocabulary = json.loads((tmp_path / name / "tokenizer.json").read_text())["model"]["vocab"]
        order = [old[token] for token in sorted(vocabulary, key=vocabulary.__getitem__)]
        assert order == sorted(order)
        assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
        words[name] = {token for token in vocabulary if len(token.removeprefix("##")) > 1 and token[0] != "["}
    assert words["all"] == {"heart", "lung", "kidney", "mel", "##lit", "##us"}
    assert words["two"] == set(sorted(["heart", "lung", "kidney"], key=old.__getitem__)[:2])


def test_sentence_transformers_loads_it(base: Path, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    prune(base, TEXTS, tmp_path / "pruned", size=40)
    ours, theirs = (
        sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS, batch_size=1)
        for folder in (tmp_path / "pruned", base)
    )
    assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    ("texts", "size", "expected"), [([], 10, "texts: expected"), (TEXTS, 0, "size: expected 1 or more, got 0")]
)
def test_bad_input_is_told_and_nothing_is_written(
    base: Path, tmp_path: Path, texts: list[str], size: int, expected: str
) -> None:
    with pytest.raises(InvalidInput, match=expected):
        prune(base, texts, tmp_path / "out", size=size)
    assert not list(tmp_path.iterdir())


def test_another_kind_of_tokenizer_and_a_taken_folder_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="new or an empty folder"):
        prune(base, TEXTS, base, size=10)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "model.safetensors"):
        (other / name).write_bytes((base / name).read_bytes())
    with pytest.raises(CheckpointError, match="has no tokenizer"):
        prune(other, TEXTS, tmp_path / "out", size=10)
    Tokenizer(models.Unigram([("a", -1.0)])).save(str(other / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="WordPiece.*Unigram"):
        prune(other, TEXTS, tmp_path / "out", size=10)
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickle"):
        prune(other, TEXTS, tmp_path / "out", size=10)
    assert not (tmp_path / "out").exists()


def test_texts_are_read_plain_and_compressed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"three\n"))
    (tmp_path / "c.xz").write_bytes(lzma.compress("φόβος".encode()))
    assert list(read_texts([tmp_path / "a.txt", tmp_path / "b.txt.gz", tmp_path / "c.xz"])) == [
        "one", "two", "three", "φόβος",
    ]  # fmt: skip
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(InvalidInput, match=r"bad\.gz"):
        list(read_texts([tmp_path / "bad.gz"]))

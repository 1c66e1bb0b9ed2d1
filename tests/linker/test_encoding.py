"""The promise the whole service rests on: a text's vector depends on the text alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.encoding import OnnxEncoder
from linker.errors import BundleCorrupt
from linker.pipeline import Linker
from linker.surface import normalise

WORDS = ["acute", "myocardial", "infarction", "of", "the", "left", "ventricle", "with", "type", "2", "diabetes", "x"]
names = st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)


@pytest.fixture(scope="module")
def encoder(linker: Linker) -> OnnxEncoder:
    return linker.bundle.encoder


@settings(max_examples=30, deadline=None)
@given(st.lists(names, min_size=1, max_size=80), st.randoms(use_true_random=False))
def test_a_vector_does_not_depend_on_its_batch_or_order(encoder: OnnxEncoder, texts: list[str], random) -> None:
    together, _ = encoder.encode(texts)
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled, _ = encoder.encode([texts[row] for row in order])
    assert np.array_equal(shuffled, together[order])
    chosen = random.choice(order)
    assert np.array_equal(encoder.encode([texts[chosen]])[0][0], together[chosen])


def test_a_vector_does_not_depend_on_concurrency_or_workers(encoder: OnnxEncoder, bundle: Path) -> None:
    texts = [" ".join(WORDS[: 1 + n % 11]) + f" {n % 97}" for n in range(600)]
    expected, _ = OnnxEncoder(bundle / "encoder", workers=1).encode(texts)
    with ThreadPoolExecutor(4) as pool:
        for found, _ in pool.map(lambda _: encoder.encode(texts), range(4)):
            assert np.array_equal(found, expected)


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=50, deadline=None)
def test_rows_are_unit_and_finite_whatever_the_text(encoder: OnnxEncoder, texts: list[str]) -> None:
    embeddings, truncated = encoder.encode([normalise(text) for text in texts])
    assert embeddings.shape == (len(texts), encoder.dimension)
    assert embeddings.dtype == np.float32
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-4)
    assert truncated.shape == (len(texts),)


def test_truncation_is_told_at_the_limit_and_not_before(encoder: OnnxEncoder) -> None:
    # 128 tokens hold 126 words of one piece beside the two marks.
    assert encoder.encode(["of " * 126, "of " * 127])[1].tolist() == [False, True]


def test_meaning_is_near(encoder: OnnxEncoder) -> None:
    vectors, _ = encoder.encode(["heart attack", "attack of the heart", "fractured femur"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_broken_model_file_is_named(bundle_copy: Path, name: str) -> None:
    (bundle_copy / "encoder" / name).write_bytes(b"nonsense")
    with pytest.raises(BundleCorrupt, match=name):
        OnnxEncoder(bundle_copy / "encoder")

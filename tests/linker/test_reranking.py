"""A real, tiny cross-encoder in ONNX: its logit is the mean over the pair of a weight each token has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from linker import Linker, Mention, Options, RerankMode
from linker.reranking import OnnxReranker
from ontologies.build import build
from ontologies.readers import read
from ontologies.starter import ENCODER

LIKED = "finding"  # the semantic type of two concepts of the fixture
DEPTH = 8


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Likes every pair with the word "finding" in it."""
    folder = tmp_path_factory.mktemp("reranker")
    shutil.copyfile(ENCODER / "tokenizer.json", folder / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    weights = np.zeros((tokenizer.get_vocab_size(), 1), dtype=np.float32)
    weights[tokenizer.token_to_id(LIKED)] = 100.0
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["each"]),
        helper.make_node("ReduceMean", ["each"], ["logits"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    config = {"name": "tiny", "max_length": 128, "depth": DEPTH, "weight": 1.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def reranked(reranker: Path, clinic_tsv: Path, tmp_path_factory: pytest.TempPathFactory) -> Linker:
    out = tmp_path_factory.mktemp("bundles") / "reranked"
    build([read(clinic_tsv)], out, encoder=ENCODER, reranker=reranker)
    return Linker.open(out)


def test_an_ambiguous_name_is_decided_by_the_reranker(reranked: Linker) -> None:
    """Two concepts are called "Cold": the disorder comes first by id, the finding by what the reranker likes."""
    before, after = (reranked.link(["cold"], Options(rerank=m))[0] for m in (RerankMode.NEVER, RerankMode.AUTO))
    assert [c.concept_id for c in before.candidates[:2]] == ["CLINIC:0005", "CLINIC:0006"]
    assert after.candidates[0].concept_id == "CLINIC:0006"
    assert all(c.rerank_score is not None for c in after.candidates)


def test_a_unique_exact_hit_is_left_alone_unless_asked(reranked: Linker) -> None:
    auto, never = (reranked.link(["asthma"], Options(rerank=mode))[0] for mode in (RerankMode.AUTO, RerankMode.NEVER))
    assert auto == never
    assert auto.candidates[0].rerank_score is None
    always = reranked.link(["asthma"], Options(rerank=RerankMode.ALWAYS))[0]
    assert always.candidates[0].rerank_score is not None


def test_the_score_moves_candidates_up(reranked: Linker) -> None:
    before = reranked.link(["shivering"], Options(top_k=16, rerank=RerankMode.NEVER))[0].candidates
    after = reranked.link(["shivering"], Options(top_k=16))[0].candidates
    liked = {c.concept_id for c in before[:DEPTH] if LIKED in c.semantic_types}
    ids_before, ids_after = ([c.concept_id for c in found] for found in (before, after))
    assert liked
    assert liked != set(ids_before[: len(liked)])
    assert liked == set(ids_after[: len(liked)])
    assert sorted(ids_before) == sorted(ids_after)
    assert ids_before[DEPTH:] == ids_after[DEPTH:]  # what was not scored keeps its place


def test_the_mention_is_read_in_its_context(reranker: Path) -> None:
    """Context within reach changes the score; context beyond the window does not."""
    ranker = OnnxReranker(reranker)
    candidates = [_candidate(n) for n in range(3)]
    near = f"{LIKED} of cold"
    far = f"{LIKED} {'x ' * 200}cold"

    def score(context: str) -> float | None:
        mention = Mention("cold", context, len(context) - 4, len(context))
        return ranker.rerank([mention], [candidates])[0][0].rerank_score

    assert score(near) != score("absence of cold")
    assert score(far) == score(far.replace(LIKED, "absence"))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_every_list_is_a_permutation_and_does_not_depend_on_the_batch(reranker: Path, sizes: list[int]) -> None:
    ranker = OnnxReranker(reranker)
    mentions = [Mention(f"mention number {n}") for n in range(len(sizes))]
    lists = [[_candidate(n) for n in range(size)] for size in sizes]
    for mention, before, after in zip(mentions, lists, ranker.rerank(mentions, lists), strict=True):
        assert sorted(c.concept_id for c in before) == sorted(c.concept_id for c in after)
        assert after == ranker.rerank([mention], [before])[0]


def _candidate(n: int):
    from linker import Candidate, MatchSource

    name = f"{LIKED} {n}" if n % 3 == 0 else f"name {n}"
    return Candidate(n, f"X:{n}", name, name, "synonym", MatchSource.DENSE, 0.5 - n / 100)

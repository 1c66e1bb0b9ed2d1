"""A real, tiny cross-encoder in ONNX: its logit is the highest weight that any token of the pair has."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from linker import Candidate, Linker, MatchSource, Mention, Options, RerankMode
from linker.corpus import GoldMention
from linker.inference import load_tokenizer
from linker.outcomes import judge
from linker.reranking import OnnxReranker, Policy, encode_pairs, write_candidate, write_mention
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
        helper.make_node("ReduceMax", ["each"], ["logits"], axes=[1], keepdims=0),
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
    config |= {"context": 128, "other_names": 0}
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
    before, after = (
        reranked.link(["asthmatic attacks"], Options(top_k=16, rerank=mode))[0].candidates
        for mode in (RerankMode.NEVER, RerankMode.ALWAYS)
    )
    liked = {c.concept_id for c in before[:DEPTH] if LIKED in c.semantic_types}
    ids_before, ids_after = ([c.concept_id for c in found] for found in (before, after))
    assert liked
    assert liked != set(ids_before[: len(liked)])
    assert liked == set(ids_after[: len(liked)])
    assert sorted(ids_before) == sorted(ids_after)
    assert ids_before[DEPTH:] == ids_after[DEPTH:]  # what was not scored keeps its place


def test_who_is_sure_is_not_read_and_the_gate_says_how_sure(reranked: Linker) -> None:
    """At a gate just below a mention's confidence it is left alone, at one just above it is read."""
    mention = "shivering"
    retrieved = reranked.link([mention], Options(rerank=RerankMode.NEVER))[0].candidates
    sure = retrieved[0].confidence
    for gate, is_read in ((sure - 1e-6, False), (sure + 1e-6, True)):
        found = _gated(reranked, gate).link([mention])[0].candidates
        assert any(c.rerank_score is not None for c in found) is is_read
        assert is_read or found == retrieved
        always = _gated(reranked, gate).link([mention], Options(rerank=RerankMode.ALWAYS))[0].candidates
        assert always[0].rerank_score is not None


@pytest.mark.parametrize(("mention", "least"), [("zebra crossing", 0.5), ("cold", 0.999)])
def test_a_guess_without_hope_is_not_read_unless_it_is_a_name(reranked: Linker, mention: str, least: float) -> None:
    """What a detector guessed and retrieval finds nothing near; what it was given, or knows as a name, is read."""

    def is_read(options: Options, *, guessed: bool) -> bool:
        batch = [Mention(mention)]
        ((link,), _) = reranked.link_as_read(batch, batch, options, guessed=[guessed])
        return any(c.rerank_score is not None for c in link.candidates)

    asked = Options(min_confidence=least)
    sure = reranked.link([mention], Options(rerank=RerankMode.NEVER))[0].candidates[0].confidence
    assert sure < least / 2
    assert is_read(asked, guessed=False)
    assert is_read(asked, guessed=True) is (mention == "cold")
    assert is_read(Options(min_confidence=sure), guessed=True)  # less was asked for
    assert is_read(replace(asked, rerank=RerankMode.ALWAYS), guessed=True)


def test_the_ablation_says_what_the_pipeline_does(reranked: Linker) -> None:
    """Policies applied to candidates scored once give the ranks and pairs of the linker under each mode."""
    location = Path(__file__).parents[2] / "benchmarks/rerank.py"
    spec = importlib.util.spec_from_file_location("rerank", location)
    ablation = importlib.util.module_from_spec(spec)
    sys.modules["rerank"] = ablation  # dataclasses look their module up
    spec.loader.exec_module(ablation)
    texts = {"shivering": "0006", "cold": "0006", "asthma": "0015", "tightness of the chest": "0010"}
    gold = [GoldMention("1", (Mention(t),), frozenset({f"CLINIC:{i}"})) for t, i in texts.items()]
    gated = _gated(reranked, 0.3)
    judged = list(ablation.judge(gated, gold))
    rows = ablation.rows(gated, judged)
    modes = {"retrieval only": RerankMode.NEVER, "fused": RerankMode.ALWAYS, "gated": RerankMode.AUTO}
    for name, mode in modes.items():
        outcomes = judge(gated, gold, rerank=mode)
        assert rows[name].acc_at_1 == np.mean([outcome.right for outcome in outcomes])
        assert rows[name].pairs == np.mean([outcome.pairs for outcome in outcomes])
    assert 0 < rows["gated"].read < rows["fused, protected"].read + 0.01 < rows["fused"].read == 1.0


def _gated(linker: Linker, gate: float) -> Linker:
    return Linker(replace(linker.bundle, calibration=replace(linker.bundle.calibration, gate=gate)))


def _reranker(folder: Path, **options: object) -> OnnxReranker:
    return OnnxReranker(folder, names_of=lambda _: [], **options)


def test_the_mention_is_read_in_its_context(reranker: Path) -> None:
    """Context within reach changes the score; context beyond the window does not."""
    ranker = _reranker(reranker)
    candidates = [_candidate(n) for n in (1, 2)]
    near = f"{LIKED} of cold"
    far = f"{LIKED} {'x ' * 200}cold"

    def score(context: str) -> float | None:
        mention = Mention("cold", context, len(context) - 4, len(context))
        return ranker.score([mention], [candidates])[0][0].rerank_score

    assert score(near) != score("absence of cold")
    assert score(far) == score(far.replace(LIKED, "absence"))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6))
def test_every_list_is_a_permutation_and_does_not_depend_on_the_batch(reranker: Path, sizes: list[int]) -> None:
    ranker = _reranker(reranker, workers=2)
    mentions = [Mention(f"mention number {n}") for n in range(len(sizes))]
    lists = [[_candidate(n) for n in range(size)] for size in sizes]
    for mention, before, scored in zip(mentions, lists, ranker.score(mentions, lists), strict=True):
        assert [c.concept_id for c in before] == [c.concept_id for c in scored]
        assert sorted(c.concept_id for c in ranker.policy.order(scored)) == sorted(c.concept_id for c in before)
        assert scored == _reranker(reranker).score([mention], [before])[0]


scored_candidates = st.lists(st.tuples(st.floats(-1, 1), st.none() | st.floats(-20, 20)), min_size=1, max_size=8).map(
    lambda rows: [replace(_candidate(n), support=s, rerank_score=r) for n, (s, r) in enumerate(rows)]
)


@given(scored_candidates)
def test_a_weight_of_zero_is_retrieval_and_an_infinite_one_the_score_alone(candidates: list[Candidate]) -> None:
    def read(weight: float) -> list[Candidate]:
        return [c for c in Policy(weight=weight).order(candidates) if c.rerank_score is not None]

    supports, scores = [c.support for c in read(0.0)], [c.rerank_score or 0.0 for c in read(math.inf)]
    assert supports == sorted(supports, reverse=True)
    assert scores == sorted(scores, reverse=True)


words = st.text("ab cd", min_size=1, max_size=300)


@given(words, words, st.integers(0, 60))
def test_context_is_whole_words_of_the_window(before: str, after: str, context: int) -> None:
    text = f"{before} cold {after}"
    written = write_mention(Mention("cold", text, len(before) + 1, len(before) + 5), context=context)
    mention, _, around = written.partition(" | ")
    assert mention == "cold"
    left, _, right = around.partition("@")
    assert len(left) <= context
    assert len(right) <= context
    assert f"{before} ".endswith(left)
    assert f" {after}".startswith(right)
    assert set(around.replace("@", " ").split()) <= {*before.split(), *after.split()}


def test_of_a_pair_too_long_mention_and_name_are_what_is_left(reranker: Path) -> None:
    tokenizer = load_tokenizer(reranker)
    tokenizer.enable_truncation(24)
    context = f"{'fever and chills ' * 20}cold{' with pain' * 20}"
    mention = Mention("cold", context, context.index("cold"), context.index("cold") + 4)
    candidate = replace(_candidate(1), matched_name="common cold")
    pair = (write_mention(mention), write_candidate(candidate))
    [encoding] = encode_pairs(tokenizer, [pair])
    whole = tokenizer.encode("cold").ids[1:-1], tokenizer.encode(pair[1]).ids[1:-1]
    sides = [[t for t, kind in zip(encoding.ids, encoding.type_ids, strict=True) if kind == k] for k in (0, 1)]
    assert len(encoding.ids) == 24
    assert sides[0][1 : 1 + len(whole[0])] == whole[0]
    assert sides[1][:-1] == whole[1]


def test_a_candidate_is_written_without_a_name_twice() -> None:
    candidate = replace(_candidate(1), matched_name="common cold", preferred_name="Cold", semantic_types=("disorder",))
    names = ["Common  cold", "COLD", "coryza", "Coryza", "acute rhinitis"]
    assert write_candidate(candidate) == "common cold; Cold (disorder)"
    assert (
        write_candidate(candidate, names=names, other_names=2) == "common cold; Cold (disorder); Coryza; acute rhinitis"
    )
    assert write_candidate(replace(candidate, preferred_name="Common cold")) == "common cold (disorder)"


def _candidate(n: int) -> Candidate:
    name = f"{LIKED} {n}" if n % 3 == 0 else f"name {n}"
    return Candidate(n, f"X:{n}", name, name, "synonym", MatchSource.DENSE, 0.5 - n / 100, 0.5 - n / 100)

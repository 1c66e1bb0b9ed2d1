from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.errors import BundleMismatch
from linker.index import VECTORS, VectorIndex, index_scale, write_vectors
from linker.pipeline import Linker
from linker.records import ConceptFilter, MatchSource
from linker.retrieval import Retriever, smooth_maximum
from linker.surface import normalise

MENTIONS = ["heart attack", "cold", "MI", "diabetes", "high blood sugar", "fracture", "zzz", "infarto"]
filters = st.builds(
    ConceptFilter,
    st.frozensets(st.sampled_from(["disorder", "finding", "substance", "no such"]), max_size=2),
    st.frozensets(st.sampled_from(["DEMO", "OTHER", "CLINIC"]), max_size=2),
    st.frozensets(st.sampled_from(["en", "es"]), max_size=2),
)


def retrieve(linker: Linker, mentions: list[str], depth: int, wanted: ConceptFilter | None = None):
    keys = [normalise(mention) for mention in mentions]
    embeddings, _ = linker.bundle.encoder.encode(keys)
    return linker.bundle.retriever.retrieve(keys, embeddings, depth=depth, wanted=wanted)


@settings(deadline=None)
@given(st.lists(st.sampled_from(MENTIONS), min_size=1, max_size=9), st.integers(1, 20), filters)
def test_what_holds_of_every_list(linker: Linker, mentions: list[str], depth: int, wanted: ConceptFilter) -> None:
    terminology = linker.bundle.terminology
    allowed = set(terminology.concept_of_name[terminology.name_mask(wanted)].tolist())
    for mention, found in zip(mentions, retrieve(linker, mentions, depth, wanted), strict=True):
        concepts = [c.concept for c in found]
        assert len(concepts) == len(set(concepts)) == min(depth, len(allowed))
        assert set(concepts) <= allowed
        supports = [c.support for c in found if c.source is MatchSource.DENSE]
        assert supports == sorted(supports, reverse=True)
        assert all(-1 <= c.similarity <= 1 and c.similarity <= c.support + 1e-9 for c in found)
        assert found == retrieve(linker, [mention], depth, wanted)[0]  # alone as in a batch
        assert found == retrieve(linker, [mention], 20, wanted)[0][:depth]  # whatever number is asked for


def test_support_is_the_smooth_maximum_over_the_names_of_a_concept(linker: Linker) -> None:
    terminology, encoder = linker.bundle.terminology, linker.bundle.encoder
    for mention in MENTIONS:
        query = encoder.encode([normalise(mention)])[0][0]
        for candidate in retrieve(linker, [mention], 20)[0]:
            names = [normalise(name) for name in terminology.names(candidate.concept)]
            cosines = encoder.encode(names)[0] @ query
            if candidate.source is MatchSource.DENSE:
                assert candidate.support == pytest.approx(float(smooth_maximum(cosines)), abs=0.02)  # signed bytes
            assert candidate.similarity == pytest.approx(float(cosines.max()), abs=0.02)


def test_similarities_with_names_are_those_of_the_candidates(linker: Linker) -> None:
    retriever, terminology = linker.bundle.retriever, linker.bundle.terminology
    for mention in MENTIONS:
        [query] = linker.bundle.encoder.encode([normalise(mention)])[0]
        for candidate in retrieve(linker, [mention], 20)[0]:
            rows = terminology.name_rows(candidate.concept)
            assert [terminology.name(row) for row in rows] == terminology.names(candidate.concept)
            cosines = retriever.similarities(query, rows)
            if candidate.source is MatchSource.DENSE:
                assert candidate.similarity == pytest.approx(float(cosines.max()), abs=1e-6)
                assert candidate.matched_name == terminology.name(rows[int(cosines.argmax())])
                assert candidate.support == pytest.approx(float(smooth_maximum(cosines)), abs=1e-6)


def test_names_beyond_the_pool_say_nothing(build_bundle) -> None:
    """Of 300 equals it is chance which are fetched; none of them adds to what another concept says."""
    shared = "".join(f"A:{n:04d}\tswollen joint\n" for n in range(300))
    linker = build_bundle("concept_id\tname\n" + shared)
    found = retrieve(linker, ["swelling of a joint"], 50)[0]
    assert len({(c.similarity, c.support) for c in found}) == 1
    assert found[0].similarity == found[0].support


def test_exact_hits_are_all_there_and_first(linker: Linker) -> None:
    for mention in ("MI", "cold", "HEART-ATTACK"):
        found = retrieve(linker, [mention], 20)[0]
        exact = [c for c in found if c.source is MatchSource.EXACT]
        terminology = linker.bundle.terminology
        rows = terminology.names_equal(normalise(mention))
        assert {c.concept for c in exact} == {int(terminology.concept_of_name[row]) for row in rows}
        assert found[: len(exact)] == exact
        assert all(c.similarity == 1.0 for c in exact)
        assert {c.support for c in exact} == {max(c.support for c in found)}  # namesakes are equals


def test_a_preferred_name_comes_before_a_synonym(build_bundle) -> None:
    rows = "A:1\tflare\ten\trelated\nA:2\tflare\ten\tsynonym\nA:3\tflare\ten\tpreferred\nA:1\tother\ten\tpreferred\n"
    linker = build_bundle("concept_id\tname\tlanguage\tterm_type\n" + rows + "A:2\tthing\ten\tpreferred\n")
    links = linker.link(["flare"])
    assert [c.concept_id for c in links[0].candidates] == ["A:3", "A:2", "A:1"]
    assert links[0].candidates[0].confidence > links[0].candidates[1].confidence


def test_a_name_shared_by_more_concepts_than_are_fetched(build_bundle) -> None:
    """Ties at the edge of what is fetched do not decide who is in: equals come by concept id."""
    shared = "".join(f"A:{n:04d}\tswollen joint\n" for n in range(300))
    linker = build_bundle("concept_id\tname\n" + shared + "B:1\tjoint swelling\n")
    for depth in (1, 5, 50):
        found = retrieve(linker, ["swelling of a joint"], depth)[0]
        ids = [c.concept_id for c in found if c.matched_name == "swollen joint"]
        assert ids == [f"A:{n:04d}" for n in range(len(ids))]
        assert len(found) == depth


def test_an_index_that_does_not_fit_is_refused(bundle_copy: Path, linker: Linker) -> None:
    write_vectors(
        bundle_copy / VECTORS, [np.zeros((1, 384), dtype=np.float32)], vectors=1, dimension=384, scale=index_scale(384)
    )
    index = VectorIndex(bundle_copy, linker.bundle.manifest.index)
    with pytest.raises(BundleMismatch, match="1 vectors"):
        Retriever(linker.bundle.terminology, index)

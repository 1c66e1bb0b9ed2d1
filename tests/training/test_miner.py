"""Training lists of an invented ontology: what is right in them, and what must not be in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from linker.corpus import GoldMention
from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.records import Mention
from linker.surface import normalise
from ontologies.build import build
from ontologies.starter import ENCODER
from training import smoke
from training.lists import CandidateList, Shape, read_lists, write_lists
from training.miner import Miner

PLAIN = Shape(candidates=4, none_share=0.0, certain_share=1.0, perturbed_share=0.0)


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Linker:
    out = tmp_path_factory.mktemp("invented") / "bundle"
    build([smoke.invented_source()], out, encoder=ENCODER)
    return Linker.open(out)


def miner(linker: Linker, **changes: object) -> Miner:
    return Miner(linker, PLAIN.model_copy(update=changes), seed=1)


def gold(text: str, *ids: str) -> GoldMention:
    return GoldMention("note", (Mention(text),), frozenset(ids))


def test_every_list_of_gold_has_it_also_where_retrieval_missed_it(invented: Linker) -> None:
    far = gold("blue harbour brass band", "INVENTED:000")
    made = miner(invented)
    lists = made.from_gold([*smoke.invented_corpus(), far])
    assert made.tally.lists == len(lists) == len(smoke.invented_corpus()) + 1
    assert made.tally.inserted >= 1
    for each in lists:
        assert sum(each.right) == 1
        assert len(each.candidates) == len(each.supports) == len(each.right) <= 4
        assert list(each.supports) == sorted(each.supports, reverse=True)
    [inserted] = [each for each in lists if each.mention == far.parts[0].text]
    assert inserted.right[-1]  # it is the farthest of them, and yet there


def test_a_gold_that_the_bundle_lacks_is_counted_and_an_empty_one_teaches_none(invented: Linker) -> None:
    made = miner(invented)
    [nil] = made.from_gold([gold("renal pain", "X:1"), gold("renal ache", "X:1", "X:2"), gold("brass band")])
    assert made.tally.missing == {"X:1": 2, "X:2": 1}
    assert json.loads(json.dumps(made.tally.figures()))["missing"] == {"X:1": 2, "X:2": 1}
    assert not any(nil.right)


def test_a_share_of_the_lists_loses_its_gold(invented: Linker) -> None:
    kept, half, none = (miner(invented, none_share=share).from_gold(smoke.invented_corpus()) for share in (0, 0.5, 1))
    assert all(any(each.right) for each in kept)
    assert not any(any(each.right) for each in none)
    assert 0.2 < sum(any(each.right) for each in half) / len(half) < 0.8
    for whole, without in zip(kept, none, strict=True):
        left = [c for c, right in zip(whole.candidates, whole.right, strict=True) if not right]
        assert list(without.candidates) == left


def test_what_no_reranker_will_meet_is_left_out_and_repetition_too(invented: Linker) -> None:
    exact, other = gold("Acute renal failure", "INVENTED:000"), gold("sudden liver ache", "INVENTED:008")
    made = miner(invented, certain_share=0.0)
    assert [each.mention for each in made.from_gold([exact, other, other])] == [other.parts[0].text]
    assert (made.tally.certain_left_out, made.tally.repeated) == (1, 1)


def test_lists_of_names_never_show_the_hidden_name(invented: Linker) -> None:
    for shape in ({}, {"other_names": 3}, {"perturbed_share": 1.0, "perturbations": ("typo",), "other_names": 3}):
        made = miner(invented, **shape)
        hidden = made._hidden_names(60)
        lists = miner(invented, **shape).from_names(60)
        names = {one.mention.text: one.names for one in hidden}
        assert len(lists) > 40
        for each in lists:
            assert sum(each.right) == 1
            shown = each.candidates[each.right.index(True)].replace(" (disorder)", "")
            assert names[each.mention].isdisjoint(normalise(name) for name in shown.split("; "))
            assert normalise(each.mention) not in {normalise(name) for name in shown.split("; ")}


def test_a_name_that_two_concepts_share_makes_no_list(build_bundle: Callable[[str], Linker]) -> None:
    rows = [("A:1", "cold"), ("A:1", "common cold"), ("A:2", "cold"), ("A:2", "chill"), ("A:3", "asthma")]
    linker = build_bundle("concept_id\tname\n" + "".join("\t".join(row) + "\n" for row in rows))
    assert sorted(each.mention for each in miner(linker).from_names(10)) == ["chill", "common cold"]


def test_without_two_names_for_anything_there_is_nothing_to_learn(build_bundle: Callable[[str], Linker]) -> None:
    linker = build_bundle("concept_id\tname\nA:1\tcold\nA:2\tasthma\n")
    with pytest.raises(InvalidInput, match="two names"):
        miner(linker).from_names(10)


def test_the_same_seed_gives_the_same_lists(invented: Linker) -> None:
    def mined(seed: int) -> list[CandidateList]:
        made = Miner(invented, Shape(candidates=4, none_share=0.3, perturbed_share=0.5), seed=seed)
        return made.from_gold(smoke.invented_corpus()) + made.from_names(30)

    assert mined(1) == mined(1)
    assert mined(1) != mined(2)


def test_dev_lists_are_what_the_pipeline_meets(invented: Linker) -> None:
    composite = GoldMention(
        "note", (Mention("renal pain"), Mention("Acute renal failure")), frozenset({"INVENTED:000"})
    )
    lists = miner(invented, none_share=1.0, certain_share=0.0).dev([gold("brass band"), composite, gold("x", "X:1")])
    assert [each.mention for each in lists] == ["renal pain", "Acute renal failure", "x"]
    assert [each.certain for each in lists] == [False, True, False]
    assert lists[0].group == lists[1].group != lists[2].group
    assert lists[1].right[0]
    assert not any(lists[2].right)


def test_lists_read_back_as_written_and_a_broken_file_is_told(invented: Linker, tmp_path: Path) -> None:
    lists = miner(invented).from_gold(smoke.invented_corpus())
    write_lists(lists, tmp_path / "lists.gz")
    assert read_lists(tmp_path / "lists.gz") == lists
    whole = (tmp_path / "lists.gz").read_bytes()
    (tmp_path / "lists.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="lists.gz"):
        read_lists(tmp_path / "lists.gz")


def test_a_limit_draws_from_all_lists(invented: Linker) -> None:
    whole = miner(invented).from_gold(smoke.invented_corpus())
    made = miner(invented)
    some = made.from_gold(smoke.invented_corpus(), limit=5)
    assert len(some) == made.tally.lists == 5
    assert all(each in whole for each in some)
    assert some != whole[:5]


def test_a_name_in_text_is_learned_in_its_context_and_as_if_it_were_no_name(invented: Linker) -> None:
    text = "Ingresa por fallo agudo de riñón y fiebre."
    surface = "fallo agudo de riñón"
    begin = text.index(surface)
    place = Mention(surface, text, begin, begin + len(surface))
    [made] = miner(invented).from_matched([GoldMention("n", (place,), frozenset({"INVENTED:000"}))])
    assert made.mention == f"{surface} | Ingresa por @ y fiebre."
    assert not made.certain
    assert sum(made.right) == 1
    [right] = [c for c, fits in zip(made.candidates, made.right, strict=True) if fits]
    assert normalise(surface) not in normalise(right)
    assert max(made.supports) < 1.0


def test_a_matched_name_of_a_concept_that_is_not_there_is_tallied(invented: Linker) -> None:
    made = miner(invented)
    assert made.from_matched([gold("fallo agudo de riñón", "X:1")]) == []
    assert made.tally.missing == {"X:1": 1}

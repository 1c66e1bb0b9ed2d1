from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.comparison import OVERALL, compare
from linker.errors import InvalidInput
from linker.outcomes import Answer, Outcome
from linker.predictions import FILE, read_predictions, write_predictions


def outcome(note: str, position: int, *, right: bool, gold: str = "G:1") -> Outcome:
    return Outcome(
        note_id=note,
        position=position,
        gold=frozenset({gold} if gold else ()),
        rank=1.0 if right else float("inf"),
        exact_rank=1.0,
        seen=True,
        reachable=True,
        types=(),
        pairs=0,
        fault=None,
        answers=(Answer(("G:1",), (0.5,), nil=False),),
    )


def written(folder: Path, rows: list[tuple[str, Outcome]]) -> Path:
    folder.mkdir(exist_ok=True)
    write_predictions(rows, folder / FILE)
    return folder


def run_of(folder: Path, right: list[bool], *, notes: int, corpus: str = "c") -> Path:
    """Mentions spread evenly over notes."""
    return written(folder, [(corpus, outcome(str(i % notes), i // notes, right=r)) for i, r in enumerate(right)])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return folder / "a", folder / "b"


def test_a_run_is_no_better_than_itself(tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", [True, False] * 20, notes=10)
    (result,) = compare(a, a)
    assert (result.difference, result.interval, result.p_value) == (0.0, (0.0, 0.0), 1.0)
    assert (result.wins, result.losses) == (0, 0)
    assert result.verdict == "no difference that these data can show"


def test_many_notes_show_what_few_cannot(tmp_path: Path) -> None:
    """B is right on every mention, A on half of each note."""
    for notes, verdict in ((40, "B is better"), (3, "no difference that these data can show")):
        a = run_of(tmp_path / "a", [True] * notes + [False] * notes, notes=notes)
        b = run_of(tmp_path / "b", [True] * 2 * notes, notes=notes)
        (result,) = compare(a, b)
        assert result.difference == 0.5
        assert (result.wins, result.losses, result.notes) == (notes, 0, notes)
        assert result.verdict == verdict
        assert compare(b, a)[0].verdict == verdict.replace("B", "A")


def test_mentions_of_one_note_are_one_draw(tmp_path: Path) -> None:
    """The same gains spread over thirty notes, and in one of thirty."""
    gains = range(0, 900, 30)
    a = run_of(tmp_path / "a", [False] * 900, notes=30)
    (one_note,) = compare(a, run_of(tmp_path / "b", [i in gains for i in range(900)], notes=30))
    (all_notes,) = compare(a, run_of(tmp_path / "c", [i < 30 for i in range(900)], notes=30))
    assert one_note.difference == all_notes.difference
    assert one_note.p_value > 0.9
    assert all_notes.p_value < 0.001


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.integers(1, 9))
def test_a_and_b_change_places(folders: tuple[Path, Path], rights: list[tuple[bool, bool]], notes: int) -> None:
    a, b = (run_of(folders[side], [pair[side] for pair in rights], notes=notes) for side in (0, 1))
    one, two = compare(a, b)[0], compare(b, a)[0]
    low, high = one.interval
    assert low - 1e-12 <= one.difference <= high + 1e-12 or one.notes < 5
    assert two.interval == pytest.approx((-high, -low))
    assert two.p_value == one.p_value
    assert 0 < one.p_value <= 1
    assert one.wins - one.losses == round(one.difference * one.mentions)


def test_several_corpora_and_all_of_them(tmp_path: Path) -> None:
    rows = [(c, outcome(str(n), 0, right=c == "x")) for c in ("x", "y") for n in range(30)]
    better = [(c, outcome(str(n), 0, right=True)) for c in ("x", "y") for n in range(30)]
    results = compare(written(tmp_path / "a", rows), written(tmp_path / "b", better))
    assert [(r.corpus, r.difference) for r in results] == [("x", 0.0), ("y", 1.0), (OVERALL, 0.5)]
    assert results[-1].notes == 60
    assert results[-1].interval == (0.5, 0.5)  # corpora keep their share of what is drawn


def test_mentions_without_gold_take_no_part(tmp_path: Path) -> None:
    rows = [("c", outcome("n", i, right=bool(i), gold="G:1" if i else "")) for i in range(3)]
    assert compare(written(tmp_path / "a", rows), written(tmp_path / "b", rows))[0].mentions == 2


def test_runs_on_other_mentions_are_refused_and_the_first_is_named(tmp_path: Path) -> None:
    rows = [("c", outcome("n", i, right=True)) for i in range(4)]
    a = written(tmp_path / "a", rows)
    other_note = [*rows[:2], ("c", outcome("m", 7, right=True)), rows[3]]
    with pytest.raises(InvalidInput, match=r"predictions.jsonl:3: c, note m, mention 7, where .* note n, mention 2"):
        compare(a, written(tmp_path / "b", other_note))
    with pytest.raises(InvalidInput, match="3 mentions, where .* has 4"):
        compare(a, written(tmp_path / "b", rows[:3]))
    other_gold = [*rows[:3], ("c", outcome("n", 3, right=True, gold="G:2"))]
    with pytest.raises(InvalidInput, match="predictions.jsonl:4: .* gold"):
        compare(a, written(tmp_path / "b", other_gold))


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="linker evaluate --out"):
        read_predictions(tmp_path)
    (tmp_path / FILE).write_text('{"corpus": "c", "note": "n"}\n')
    with pytest.raises(InvalidInput, match="predictions.jsonl:1: expected an object"):
        read_predictions(tmp_path)
    (tmp_path / FILE).write_text("")
    with pytest.raises(InvalidInput, match="no mention with gold"):
        compare(tmp_path, tmp_path)


def test_predictions_are_read_as_written(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", [("c", outcome("a\u2028b", 3, right=True)), ("c", outcome("n", 0, right=False))])
    first, second = read_predictions(folder)
    assert (first.note, first.mention, first.gold, first.right) == ("a\u2028b", 3, ("G:1",), True)
    assert not second.right
    row = json.loads((folder / FILE).read_text().splitlines()[-1])
    assert row["answers"] == [{"concept_ids": ["G:1"], "confidences": [0.5], "nil": False}]

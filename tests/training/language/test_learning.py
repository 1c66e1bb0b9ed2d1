"""Shares of the names and of the notes that a learning curve is drawn from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from training.dictionary import Ontology, read_entries
from training.language.chain import train_language
from training.language.learning import SHARES, Point, _draw, _share_names, _share_notes, section
from training.language.recipe import SMOKE, Work

pytestmark = pytest.mark.filterwarnings("ignore:.*(SwigPy|swigvarlink):DeprecationWarning")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    work = Work(SMOKE, tmp_path_factory.mktemp("language"))
    train_language(SMOKE, work.run, only=["names"])
    return work


def forms(folder: Path) -> dict[str, set[str]]:
    entries = read_entries([Ontology(path=str(folder / "names" / "learn.tsv"))])
    found: dict[str, set[str]] = {}
    for entry in entries.values():
        for name in entry.names:
            found.setdefault(name.language, set()).add(name.name)
    return found


def test_each_share_of_the_names_is_of_the_next_and_the_pivot_stays(work: Work, tmp_path: Path) -> None:
    shares = []
    for label, share in SHARES.items():
        count = _share_names(work, Work(SMOKE, tmp_path / label), share)
        shares.append(forms(tmp_path / label))
        assert count == len(shares[-1]["es"])
    assert [len(each["es"]) for each in shares] == [18, 35, 70, 140]
    assert all(one["es"] < other["es"] for one, other in pairwise(shares))
    assert all(each["en"] == shares[0]["en"] for each in shares)
    assert shares[-1] == forms(work.run)
    assert Work(SMOKE, tmp_path / "1of8").pivot == "en"
    assert _share_names(work, Work(SMOKE, tmp_path / "1of8"), 1 / 8) == 18  # once more, as after a kill


def test_a_share_of_the_notes_keeps_every_name(work: Work, tmp_path: Path) -> None:
    (work / "names" / "learn-notes.jsonl").write_text("".join(f"{n}\n" for n in range(40)))
    own = Work(SMOKE, tmp_path / "notes")
    assert _share_notes(work, own, 1 / 4) == 10
    assert (own / "names" / "learn-notes.jsonl").read_text().split() == [str(n) for n in range(10)]
    assert forms(own.run) == forms(work.run)
    assert len((work / "names" / "learn-notes.jsonl").read_text().split()) == 40


def test_points_are_drawn_and_tabled(tmp_path: Path) -> None:
    points = [
        Point(of=of, count=count, question=question, mentions=20, at={1: 0.1, 5: 0.2, 25: 0.3})
        for of in ("names", "notes") for question in ("es to en", "notes") for count in (10, 20)
    ]  # fmt: skip
    _draw(tmp_path / "learning.png", points)
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    assert section(points).rows[0] == ("es to en: 10 names", "0.100", "0.200", "0.300", "20")

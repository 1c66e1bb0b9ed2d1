from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from ontologies.errors import BuildError
from ontologies.working import KEPT, work_folder


def test_an_error_leaves_what_was_embedded_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with pytest.raises(ZeroDivisionError), work_folder(target) as work:
        (work / "tables").mkdir()
        raise ZeroDivisionError
    assert not list(target.parent.iterdir())
    with pytest.raises(KeyboardInterrupt), work_folder(target) as work:
        (work / "tables").mkdir()
        (work / KEPT).mkdir()
        raise KeyboardInterrupt
    with work_folder(target) as again:
        assert again == work
        assert [path.name for path in again.iterdir()] == [KEPT]
    assert not list(target.parent.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot write beside it"), work_folder(tmp_path / "file" / "out"):
        pass


def _work(target: Path, order: list[str], who: str) -> None:
    with work_folder(target) as work:
        (work / "tables").mkdir()
        order.append(f"{who} begins")
        time.sleep(0.3)
        order.append(f"{who} ends")


def test_builds_of_one_target_take_turns(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        order = manager.list()
        processes = [spawn.Process(target=_work, args=(tmp_path / "out", order, who)) for who in "abc"]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        turns = list(order)
    assert len(turns) == 6
    assert all(begins.split()[0] == ends.split()[0] for begins, ends in zip(turns[::2], turns[1::2], strict=True))
    assert not list(tmp_path.iterdir())

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linker import publishing
from linker.publishing import publish


def _write(target: Path, text: str) -> None:
    with publish(target) as staging:
        (staging / "one").write_text(text)
        (staging / "two").write_text(text)


def _leftovers(parent: Path) -> list[str]:
    return [path.name for path in parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "no exchange"])
def test_replaces_the_older_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool) -> None:
    if not exchange:
        monkeypatch.setattr(publishing, "_exchange", lambda *_: False)
    target = tmp_path / "bundle"
    for text in ("old", "new"):
        _write(target, text)
        assert {path.read_text() for path in target.iterdir()} == {text}
    assert not _leftovers(tmp_path)


def test_an_error_leaves_the_older_one_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    _write(target, "old")
    with pytest.raises(ZeroDivisionError), publish(target) as staging:
        (staging / "one").write_text("half")
        raise ZeroDivisionError
    assert {path.read_text() for path in target.iterdir()} == {"old"}
    assert not _leftovers(tmp_path)


def test_an_old_one_left_aside_by_a_kill_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".bundle.old").mkdir()
    (tmp_path / ".bundle.old" / "one").write_text("old")
    with pytest.raises(ZeroDivisionError), publish(tmp_path / "bundle"):
        raise ZeroDivisionError
    assert (tmp_path / "bundle" / "one").read_text() == "old"


_KILLED = """
import os, sys
from pathlib import Path
from linker import publishing
calls = 0
def trace(frame, event, arg):
    global calls
    if event == "line" and frame.f_code.co_filename == publishing.__file__:
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), 9)
    return trace
sys.settrace(trace)
with publishing.publish(Path(sys.argv[1])) as staging:
    for name in ("one", "two"):
        (staging / name).write_text("new")
"""


def test_killed_at_any_line_the_target_is_whole(tmp_path: Path) -> None:
    """Kill -9 at every third line executed in the module: what stands at the target is the old or the new one."""
    target = tmp_path / "bundle"
    seen = set()
    for line in range(1, 200, 3):
        _write(target, "old")
        done = subprocess.run([sys.executable, "-c", _KILLED, str(target), str(line)], check=False, env=os.environ)
        texts = {path.read_text() for path in target.iterdir()}
        assert len(list(target.iterdir())) == 2
        assert texts in ({"old"}, {"new"})
        seen |= texts
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    else:
        pytest.fail("the publication never ran to its end")
    assert seen == {"old", "new"}

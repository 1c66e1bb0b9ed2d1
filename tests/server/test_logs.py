from __future__ import annotations

import io
import json
import threading
import warnings
from collections.abc import Callable

import pytest

from linker.server import logs

MARKER = "Zyx987 Canary"


def test_fields_that_are_not_on_the_list_are_dropped(log_lines: io.StringIO) -> None:
    logs.log("serving", address="127.0.0.1:1", mention=MARKER, text=MARKER, exc_info=MARKER)
    [line] = log_lines.getvalue().splitlines()
    assert set(json.loads(line)) == {"event", "level", "timestamp", "address"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_uncaught_exception_keeps_its_message(log_lines: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(MARKER)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    [line] = map(json.loads, log_lines.getvalue().splitlines())
    assert line["error"] == "builtins.ValueError"
    assert line["frames"][-1].startswith("server/test_logs.py:")
    assert line["frames"][-1].endswith(":fail")
    captured = capfd.readouterr()
    assert MARKER not in log_lines.getvalue() + captured.out + captured.err


def test_an_exception_of_the_process_keeps_its_message(log_lines: io.StringIO) -> None:
    import sys

    error = ValueError(MARKER)
    sys.excepthook(ValueError, error, None)
    assert MARKER not in log_lines.getvalue()
    assert json.loads(log_lines.getvalue())["error"] == "builtins.ValueError"


def test_warnings_keep_their_message(log_lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(log_lines)
        warnings.warn(MARKER, UserWarning, stacklevel=1)
    assert MARKER not in log_lines.getvalue()
    assert json.loads(log_lines.getvalue())["library"] == "py.warnings"


def test_a_deep_stack_is_cut(log_lines: io.StringIO) -> None:
    def deep(levels: int) -> Callable[[], None]:
        return deep(levels - 1) if levels else {}[MARKER]

    try:
        deep(100)
    except KeyError as error:
        logs.log_error("call failed", error)
    assert len(json.loads(log_lines.getvalue())["frames"]) == logs.MAX_FRAMES

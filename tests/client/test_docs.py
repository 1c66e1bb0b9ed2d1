"""What docs/clients.md shows is run as it stands there, but for the server's address."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import linker.client
from linker.cli import main
from linker.demo import serving

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
TEXT = PAGE.read_text()


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    with serving(bundle) as address:
        yield address


def test_the_python_examples(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed; it is in the extra `spacy`")
    import linker.spacy  # noqa: F401 - as its entry point does, which an older editable install does not know of

    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block.replace("127.0.0.1:50051", address), str(PAGE), "exec"), names)
    assert len(blocks) == 7
    assert names["linked"] == 1000
    out = capsys.readouterr().out
    assert "CLINIC:0003 " in out
    assert "heart attack CLINIC:0003 Myocardial infarction" in out


@pytest.mark.parametrize("command", re.findall(r"^(linker (?:link|health) [^#\n]*)", TEXT, flags=re.MULTILINE))
def test_the_commands(command: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(command.replace("127.0.0.1:50051", address)))
    try:
        main()
    except SystemExit as stop:
        assert not stop.code


def test_the_errors_it_names_are_there() -> None:
    table = TEXT[TEXT.index("| what happens") : TEXT.index("All of them are")]
    named = set(re.findall(r"`([A-Z]\w+)`", table)) - {"InvalidInput"}
    assert named <= set(linker.client.__all__)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((\.\./[^)]*)\)", TEXT):
        assert (PAGE.parent / target).exists(), target

"""What docs/notes.md shows is run as it stands there, with a small bundle in place of the starter."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from linker.assertion import Triggers
from linker.rules import read_rules

PAGE = Path(__file__).parents[2] / "docs" / "notes.md"
TEXT = PAGE.read_text()
COMMANDS = re.findall(r"^(?:echo (\".*\") \| )?(linker annotate .*)$", TEXT, flags=re.MULTILINE)


def test_the_commands(run, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("note.txt").write_text("No asthma")
    assert len(COMMANDS) == 3
    for echoed, command in COMMANDS:
        done = run(*shlex.split(command)[1:], "-b", bundle, stdin=echoed.strip('"').encode())
        assert done.code == 0
        assert "CLINIC:0015" in done.out + (Path("note.html").read_text() if "--html" in command else "")


def test_the_python_example(bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    exec(compile(block.replace("Linker.open()", f"Linker.open({str(bundle)!r})"), str(PAGE), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" Candidate")[0] for line in lines] == ["asthma", "chest pain", "Type 2 diabetes mellitus", "TD"]


def test_the_rules_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / "pt.toml"
    path.write_text(block)
    assert read_rules(path, "trigger")
    assert Triggers([path]).assertions("sem febre", [(4, 9)], "pt-BR") == [frozenset({"negated"})]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((\.\./[^)]*)\)", TEXT):
        assert (PAGE.parent / target).exists(), target

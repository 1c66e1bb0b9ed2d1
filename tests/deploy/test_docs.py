"""The commands in docs/deployment.md are ones that there are, and what it names is there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from linker.cli import main
from linker.server.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
TEXT = PAGE.read_text()
COMMANDS = [found.strip() for found in re.findall(r"^(linker [^#\n&]*)", TEXT, flags=re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_have_these_options(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [*shlex.split(command), "--help"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0


def test_files_and_settings_are_there() -> None:
    for target in re.findall(r"\]\((\.\./[^)]*)\)", TEXT):
        assert (PAGE.parent / target).exists(), target
    for path in re.findall(r"\bdeploy/[\w./-]*\w", TEXT):
        assert (PAGE.parents[1] / path).exists(), path
    for name in set(re.findall(r"LINKER_(\w+)", TEXT)) - {"BUNDLE"}:
        assert name.lower() in Settings.model_fields

"""The command line: `linker COMMAND`. Answers go to standard output, everything else to standard error.

Exit codes: 0 done; 2 bad input or usage, told in one line; 1 a bug.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import EntryPoint, entry_points, version
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from linker.console import stderr
from linker.errors import LinkerError

_PLUGINS = "linker.commands"
_COMMANDS = {
    "link": "linker.cli.link:link",
    "annotate": "linker.cli.annotate:annotate",
    "bulk": "linker.cli.bulk:bulk",
    "concept": "linker.cli.inspect:concept",
    "search": "linker.cli.inspect:search",
    "map": "linker.cli.mapping:map_codes",
    "inspect": "linker.cli.inspect:inspect",
    "evaluate": "linker.cli.evaluate:evaluate",
    "serve": "linker.cli.serve:serve",
    "health": "linker.cli.health:health",
    "token": "linker.cli.token:app",
    "descriptor": "linker.cli.descriptor:descriptor",
}


class _Commands(TyperGroup):
    """The commands of this package, and those that installed packages add. Each loads when it is called.

    So a command waits for nothing that only others import: a probe runs `linker health` every few seconds. Contexts and
    commands are click's, or those of the copy that newer versions of typer carry: hence `Any`.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return [*_COMMANDS, *sorted(p.name for p in entry_points(group=_PLUGINS))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name in _COMMANDS:
            return _flowing(_load(EntryPoint(cmd_name, _COMMANDS[cmd_name], _PLUGINS)))
        return next((_flowing(_load(p)) for p in entry_points(group=_PLUGINS, name=cmd_name)), None)


def _load(command: EntryPoint) -> Any:
    """The command, which is a function, or a typer app where it is a group of commands."""
    loaded = command.load()
    if isinstance(loaded, typer.Typer):
        group = typer.main.get_group(loaded)
        group.name = command.name
        return group
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(command.name)(loaded)
    return typer.main.get_command(app)


def _flowing(command: Any) -> Any:
    """The command with a help whose paragraphs are as wide as the terminal, not as the source; examples stay lines."""
    for each in (command, *getattr(command, "commands", {}).values()):
        each.help = re.sub(r"(?<=\S)\n(?=\S)", " ", cleandoc(each.help or ""))
    return command


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Link medical mentions to concepts in SNOMED CT, UMLS, MeSH or your own terminology.",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"medlinker {version('medlinker')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Link medical mentions to concepts in SNOMED CT, UMLS, MeSH or your own terminology."""


def main() -> None:
    """Run the command line; errors raised on purpose become one line, with a hint of what to do, and exit code 2."""
    try:
        app()
    except LinkerError as error:
        told = "; ".join([str(error), *getattr(error, "__notes__", ())])
        stderr.print(f"[bold red]error:[/] {_escaped(told)}", soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:  # `| head` closed our output: not an error, and nothing more can be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")

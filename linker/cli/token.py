"""`linker token`: bearer tokens of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linker.console import stderr
from linker.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Bearer tokens of a server.")
_FOLLOWING = (
    "The first line is the token: give it to the client, it is shown this once. The second goes into the file that "
    "`linker serve --tokens FILE` reads, as it is or with a `# comment`; a running server takes it up by itself."
)


@app.command("new")
def new(
    scope: Annotated[
        list[str],
        typer.Option(help="What it is for: link, read (look-ups) or admin. May be given again; none includes another."),
    ],
    key_id: Annotated[
        str | None,
        typer.Option("--id", help="Its name in audit logs: letters, digits and hyphens. Default: made up."),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append its line to this file, and print the token alone.")
    ] = None,
) -> None:
    """Make a token: print it, and the line that lets a server know it.

    To rotate one, make another, append its line, move the clients over, and delete the old line.

        linker token new --scope link --scope read --id etl-2026 --into tokens.txt
    """
    from linker.server.tokens import Scope, new_token, read_keys

    if unknown := set(scope) - set(Scope):
        raise InvalidInput(f"expected {', '.join(Scope)}, got {', '.join(sorted(unknown))}", field="--scope")
    made = new_token(map(Scope, scope), key_id=key_id)
    if into is None:
        typer.echo(f"{made.token}\n{made.line}")
        stderr.print(_FOLLOWING, soft_wrap=True)
        return
    if into.exists() and made.line.split()[0] in read_keys(into):
        raise InvalidInput(f"{into} has a token of this id already; choose another", field="--id")
    with into.open("a+", encoding="utf-8") as file:
        file.seek(0)
        before = file.read()
        file.write(("" if before.endswith("\n") or not before else "\n") + made.line + "\n")
    typer.echo(made.token)

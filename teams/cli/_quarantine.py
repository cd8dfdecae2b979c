"""`letitcrash quarantine`: the messages in quarantine of a running `letitcrash run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer

from actors._user_code.text import printable
from actors.spi import NAME
from teams.cli._control import NotOurs
from teams.cli._control_socket import asked
from teams.cli._options import JsonOption
from teams.cli._text import count, json_line

app = typer.Typer(
    help="Messages that crashed their actors too often, in a running tree.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

REFUSED, FAILED = 2, 1

Pid = Annotated[int, typer.Argument(metavar="PID", min=1, help=f"The process id of a `{NAME} run`.")]
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", help="The numbers of messages.", min=1)]
PathOption = Annotated[
    str | None, typer.Option("--path", metavar="PATH", help="Those of the actor at this path, and of those below it.")
]
CauseOption = Annotated[
    str | None, typer.Option("--cause", metavar="CLASS", help="Those with this class of exception.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All of them.")]


@app.command("list")
def list_(pid: Pid, path: PathOption = None, cause: CauseOption = None, as_json: JsonOption = False) -> None:
    """Lists the messages in quarantine, oldest first.

    Exits with 2 when the process is not a `letitcrash run` of this user.
    """
    rows = _ask(pid, "list", path=path, cause=cause)["messages"]
    for row in rows:
        text = "{id:>4}  {path}  {message_type}  {crashes} crashes  {cause}: {reason}"
        typer.echo(json_line(row) if as_json else printable(text.format(**row).splitlines()[0]))
    if not as_json and not rows:
        typer.echo(f"{NAME}: nothing is in quarantine", err=True)


@app.command()
def show(pid: Pid, id: Annotated[int, typer.Argument(metavar="ID", min=1)], as_json: JsonOption = False) -> None:
    """Shows one message, as Python shows it."""
    row = _ask(pid, "show", ids=[id])["message"]
    if as_json:
        typer.echo(json_line(row))
        return
    for name, value in row.items():
        typer.echo(f"{name:<13} {printable(str(value))}")


@app.command()
def retry(
    pid: Pid, ids: Ids = None, path: PathOption = None, cause: CauseOption = None, every: AllOption = False
) -> None:
    """Sends messages to their actors again.

    Exits with 1 when an actor takes one of them no more: it stays.
    """
    said = _ask(pid, "retry", **_chosen(ids, path, cause, every=every))
    typer.echo(f"{count(len(said['sent']), 'message')} sent again")
    for each in said["refused"]:
        typer.echo(f"{NAME}: message {each['id']} stays: {printable(each['why'])}", err=True)
    if said["refused"]:
        raise typer.Exit(FAILED)


@app.command()
def discard(
    pid: Pid, ids: Ids = None, path: PathOption = None, cause: CauseOption = None, every: AllOption = False
) -> None:
    """Forgets messages."""
    said = _ask(pid, "discard", **_chosen(ids, path, cause, every=every))
    typer.echo(f"{count(len(said['discarded']), 'message')} discarded")


def _chosen(ids: list[int] | None, path: str | None, cause: str | None, *, every: bool) -> dict[str, Any]:
    if not (ids or path is not None or cause is not None or every):
        _refuse("say which messages: their numbers, --path, --cause, or --all")
    return {"ids": ids, "path": path, "cause": cause}


def _ask(pid: int, command: str, **more: object) -> Mapping[str, Any]:
    try:
        return asked(pid, {"about": "quarantine", "command": command, **more})
    except NotOurs as error:
        _refuse(str(error))


def _refuse(text: str) -> NoReturn:
    typer.echo(f"{NAME}: {printable(text)}", err=True)
    raise typer.Exit(REFUSED)

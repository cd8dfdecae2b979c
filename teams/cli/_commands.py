"""Commands of other packages. An entry point of the group `letitcrash.commands` adds a command of its name::

    [project.entry-points."letitcrash.commands"]
    deploy = "my_package.cli:app"

The entry point is a `typer.Typer`, or a command of click. It is imported when its command is asked for, or the help of
all commands. No command of ours can be replaced; one that cannot be imported says why, and stops no other command.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from actors._user_code.text import printable
from actors.spi import NAME, TEXT, described

GROUP = f"{NAME}.commands"
REFUSED = 2


class Commands(TyperGroup):
    """The commands of ours, and those of other packages."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names: ours, then those of others."""
        ours = super().list_commands(ctx)
        return [*ours, *sorted(_others().keys() - set(ours))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None: there is none."""
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        entry = _others().get(cmd_name)
        return None if entry is None else _loaded(entry)


class WorkflowCommands(TyperGroup):
    """The commands of `letitcrash workflow`. They are imported when one of them is asked for: engines, stores and plans
    are a third of what the command line imports, and no other command needs them.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The names."""
        self._fill()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name; None: there is none."""
        self._fill()
        return super().get_command(ctx, cmd_name)

    def _fill(self) -> None:
        if not self.commands:
            from teams.cli._workflow import workflow

            self.commands.update(typer.main.get_group(workflow).commands)


def _others() -> dict[str, importlib.metadata.EntryPoint]:
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def _loaded(entry: importlib.metadata.EntryPoint) -> Any:
    """The command of an entry point, or one that says why there is none."""
    try:
        found = entry.load()
        if isinstance(found, typer.Typer):
            found = typer.main.get_command(found)
        elif not callable(getattr(found, "make_context", None)):
            raise TypeError(f"must be a typer.Typer or a command of click, got {type(found).__name__}")
    except Exception as error:  # noqa: BLE001 - whatever another package raises is said where it is asked for
        return _broken(entry, described(error, TEXT))
    found.name = entry.name
    return found


def _broken(entry: importlib.metadata.EntryPoint, why: str) -> Any:
    said = printable(f"command {entry.name} of {entry.value} cannot be used: {why}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, help=said)

    @app.command(entry.name, help=said, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    def refuse() -> NoReturn:
        typer.echo(f"{NAME}: {said}", err=True)
        raise typer.Exit(REFUSED)

    return typer.main.get_command(app)

"""The command line: `letitcrash run`, `check` and `tree`; `pause`, `resume` and `kill`.

General layout: `_app` declares the commands, `_commands` finds those of other packages; `_run_loop` takes a tree from
its start to an exit code, and `_session` gives it threads, signals and streams; `_live` and `_view` are its two views;
`_snapshot` is what the live view shows, as values; `_target` finds the tree; `_account` says what failed; `_control`
reaches a tree that another process runs; `_show` renders `check` and `tree`. This package alone imports typer and rich
(extra `cli`), reads the environment unasked (`LETITCRASH_...`; `EngineConfig.load` reads it when it is called),
configures logging and gives signals more meanings than the end. The script itself is `letitcrash.cli`.
"""

import sys
from typing import TYPE_CHECKING

from actors.spi import NAME, MissingExtra, needs_extra

if TYPE_CHECKING:
    from typer import Typer

__all__ = ["load"]


def load() -> "Typer":
    """The application with the commands. Exits with 2 if the extra `cli` is missing."""
    try:
        with needs_extra():
            from teams.cli._app import app
    except MissingExtra as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        sys.exit(2)
    return app

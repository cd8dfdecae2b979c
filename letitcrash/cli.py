"""The script `letitcrash`, and `python -m letitcrash`.

It looks whether the packages are ours before it imports them, and then hands over to `teams.cli`. `doctor` runs without
them, so that it can say what is wrong with them.
"""

import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from typer import Typer

__all__ = ["main"]

_INTERRUPTED = 128 + signal.SIGINT
_FAILED = 1
_REFUSED = 2
_CLOSED = 128 + signal.SIGPIPE


def main() -> None:
    """Runs the command. Exits with its code; with 2 if a package is not ours or an extra is missing, with 130 after a
    Ctrl-C, with 141 if the reader of the output has closed it, and with 1 if it cannot be written.
    """
    from letitcrash._packages import NAME

    app = doctor if sys.argv[1:] == ["doctor"] else partial(_without_trace(application), prog_name=NAME)
    try:
        app()
    except KeyboardInterrupt:  # outside of a command
        sys.exit(_INTERRUPTED)
    except OSError as error:  # of a help: a command says it itself
        if error.filename is not None:
            raise
        _discard_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(_CLOSED)
        sys.stderr.write(f"{NAME}: the output cannot be written: {error.strerror or error}\n")
        sys.exit(_FAILED)


def doctor() -> None:
    """Says what is installed, what is missing, and what stands in front of the packages.

    Exits with 1 when something is wrong, 141 when the reader of the output has closed it, 0 otherwise.
    """
    from letitcrash._doctor import report

    healthy = report(sys.stdout.write)
    sys.stdout.flush()
    sys.exit(0 if healthy else 1)


def application() -> "Typer":
    """All commands. Exits with 2 if a package is not ours or the extra `cli` is missing."""
    from letitcrash._packages import foreign

    if shadowed := foreign():
        sys.stderr.write("".join(f"{each.problem}\n" for each in shadowed))
        sys.exit(_REFUSED)
    from teams.cli import load

    app = load()
    if all(each.callback is not doctor for each in app.registered_commands):
        app.command()(doctor)
    return app


def _without_trace(work: "Callable[[], Typer]") -> "Typer":
    """Imports what the command needs. Nothing runs yet, so a Ctrl-C ends the process at once, without the traceback of
    an import.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return work()
    signal.signal(signal.SIGINT, _leave)
    try:
        return work()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _discard_output() -> None:
    """What is still to be printed goes nowhere, so that the interpreter ends in peace."""
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _leave(number: int, _: "FrameType | None") -> None:
    import os

    os._exit(128 + number)

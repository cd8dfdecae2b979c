"""How a command about workflows ends: its exit code, and what it says of an error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

import typer

from actors.spi import NAME, shown
from supervisors import SpecError, SpecFault, SupervisionError
from teams._journal.errors import JournalError, NotStorable, StoreAway, StoreRefused
from teams.cli._show import faults_of
from teams.cli._streams import discard, flush
from teams.cli._target import TargetError
from teams.cli._text import lines, unwritable
from teams.errors import RunCancelled, TeamError
from teams.workflows._engine.config import OF_ENVIRONMENT
from teams.workflows._engine.ref import RunStatus
from teams.workflows.errors import (
    BadBackfill,
    BadInput,
    CannotEdit,
    NoOpenQuestion,
    NoSuchRun,
    NoSuchSchedule,
    NoSuchStep,
    NoSuchWorkflow,
    NotAnOption,
)

OK = 0
FAILED = 1
REFUSED = 2
MISSING = 3
AWAY = 4
WAITING = 5
CANCELLED = 6
TIMED_OUT = 124
INTERRUPTED = 130
PIPE = 141

_CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((BadBackfill, BadInput, CannotEdit, NotAnOption, NotStorable), REFUSED),
    ((NoSuchRun, NoSuchSchedule, NoSuchWorkflow, NoSuchStep, NoOpenQuestion), MISSING),
    ((StoreAway, StoreRefused), AWAY),
    ((RunCancelled,), CANCELLED),
)


def code_of(status: RunStatus) -> int:
    """The exit code that says how a run is: that of a run that goes on is 0, as that of one that is done."""
    if status.state == "failed":
        return FAILED
    if status.state == "cancelled":
        return CANCELLED
    return WAITING if needs_people(status) else OK


def needs_people(status: RunStatus) -> bool:
    """Whether a run goes on only when a person says something."""
    return status.state in ("blocked", "paused") or (status.state == "waiting" and bool(status.questions))


def refuse(text: str, code: int = REFUSED) -> NoReturn:
    """Ends the command: the text goes to stderr."""
    typer.echo(f"{NAME}: {text}", err=True)
    raise typer.Exit(code)


def note(text: str) -> None:
    """A sentence about what was done, on stderr: stdout has the result alone."""
    typer.echo(f"{NAME}: {text}", err=True)


def _said(target: str, faults: Sequence[SpecFault]) -> str:
    """The faults of options and of the environment as such, and those of the target below its name."""
    outside = [each for each in faults if each.path.startswith("-") or each.path == OF_ENVIRONMENT]
    inside = [each for each in faults if each not in outside]
    said = [lines("; ".join(map(str, outside)))] if outside else []
    return "\n".join([*said, *([faults_of(target, inside)] if inside else [])])


@contextlib.contextmanager
def outcome(target: str = "the command", *, interrupted: str = "interrupted") -> Iterator[None]:
    """Turns what a command raises into its exit code. `target` is what has faults, `interrupted` is said at Ctrl-C."""
    try:
        try:
            yield
            flush()
        except SpecError as error:
            refuse(_said(target, error.faults))
        except TargetError as error:
            refuse(lines(str(error)))
        except (TeamError, JournalError, SupervisionError) as error:
            refuse(lines(str(error)), next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILED))
    except KeyboardInterrupt:
        refuse(interrupted, INTERRUPTED)
    except UnicodeEncodeError as error:
        refuse(f"{shown(error.object)} is not UTF-8")
    except OSError as error:
        if error.filename is not None:  # what is printed has no name
            refuse(f"{shown(error.filename)}: {error.strerror or error}", FAILED)
        if sys.stdout is not None:
            discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(PIPE) from None
        refuse(unwritable(error), FAILED)

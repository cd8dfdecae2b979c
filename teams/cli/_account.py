"""Failures of a run, with number and reason: collected while a tree runs, shown when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from actors import Crashed, CrashedExit, ExitReason, LifecycleEvent, RestartLimitExceeded
from actors import StartFailed as StartFailedEvent
from actors._user_code.account import account
from actors._user_code.text import cut, printable, shown, type_name
from actors.reasons import causes
from supervisors import ChildStartError, Restarted, SupervisionError
from teams.cli._text import count, lines

_KEPT = 1000
"""How many different failures are remembered; the later ones are then only counted."""
_TOLD = 10
"""How many different failures are told, the most frequent first."""
_LEVELS = 10
"""How many supervisors are told of that gave up one after the other."""


@dataclass(slots=True)
class FailedChild:
    """One way in which one actor failed."""

    path: str
    what: str
    times: int
    last: ExitReason
    message_type: str | None


class Failures:
    """A sink that counts failures by actor and kind."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], FailedChild] = {}
        self._others = 0
        self.restarts = 0

    def __call__(self, event: LifecycleEvent) -> None:
        match event:
            case CrashedExit(path=path, reason=reason, message_type=message_type):
                self._note(path, "crashed", reason, message_type)
            case StartFailedEvent(path=path, reason=reason):
                self._note(path, "failed to start", reason, None)
            case Restarted():
                self.restarts += 1
            case _:
                pass

    def _note(self, path: str, how: str, reason: ExitReason, message_type: str | None) -> None:
        if _root_cause(reason) is not reason:
            return  # a supervisor that fails by its child: the child is told of
        kind = type_name(reason.exception) if isinstance(reason, Crashed) else reason.kind
        key = (path, f"{how} {kind}")
        found = self._failures.get(key)
        if found is not None:
            found.times += 1
            found.last, found.message_type = reason, message_type
        elif len(self._failures) < _KEPT:
            self._failures[key] = FailedChild(path, how, 1, reason, message_type)
        else:
            self._others += 1

    def told(self) -> Iterator[str]:
        """Every failure as lines, the most frequent first, each with its last traceback."""
        found = sorted(self._failures.values(), key=lambda each: -each.times)
        for each in found[:_TOLD]:
            handling = f" (last while handling {cut(each.message_type)})" if each.message_type else ""
            yield f"  {each.path} {each.what} {count(each.times, 'time')}{handling}"
            yield from _indented(each.last)
        rest = self._others + sum(each.times for each in found[_TOLD:])
        if rest:
            yield f"  and {count(rest, 'failure')} of other kinds"


def gave_up(name: str, reason: ExitReason, failures: Failures) -> str:
    """The account of a root that ended abnormally."""
    told = [f"{name} gave up" if isinstance(reason, RestartLimitExceeded) else f"{name} ended: {reason}"]
    steps = list(causes(reason))
    limits = list(takewhile(lambda step: isinstance(step, RestartLimitExceeded), steps))
    for number, step in enumerate(limits):
        assert isinstance(step, RestartLimitExceeded)
        if number == _LEVELS:
            told.append(f"  and {count(len(limits) - _LEVELS, 'supervisor')} below")
            break
        allowed = "none is" if step.max_restarts == 0 else f"{step.max_restarts} are"
        told.append(
            f"  {step.path}: child {shown(step.child)} needed one restart more than the budget has; "
            f"{allowed} allowed {step.span}"
        )
    if limits:
        told.append(f"  last cause: {steps[len(limits)]}")
    told += ["what failed:", *failures.told()]
    return "\n".join(printable(line) for line in told)


def did_not_start(name: str, error: BaseException) -> str:
    """The account of a first start that failed (supervision rule 2)."""
    told = [f"{name} did not start; everything that had started is stopped again"]
    reason = error.reason if isinstance(error, ChildStartError) else None
    if isinstance(error, ChildStartError) and reason is not None:
        deepest = _root_start(error)
        told.append(printable(f"  {deepest.path} failed: {_root_cause(deepest.reason)}"))
        told += _indented(deepest.reason)
    else:
        text = lines(str(error)) if isinstance(error, SupervisionError) else account(error)
        told += [f"  {line}" for line in text.splitlines()]
    return "\n".join(told)


def _root_start(error: ChildStartError) -> ChildStartError:
    """The start at the bottom: a supervisor's own fails because a child's does."""
    reason = error.reason
    while isinstance(reason, Crashed) and isinstance(reason.exception, ChildStartError):
        error = reason.exception
        reason = error.reason
    return error


def _root_cause(reason: ExitReason) -> ExitReason:
    while True:
        if isinstance(reason, RestartLimitExceeded):
            reason = reason.cause
        elif isinstance(reason, Crashed) and isinstance(reason.exception, ChildStartError):
            reason = reason.exception.reason
        else:
            return reason


def _indented(reason: ExitReason) -> Iterator[str]:
    if isinstance(reason, Crashed):
        yield from (f"      {line}" for line in account(reason.exception).splitlines())
    else:
        yield f"      {reason}"

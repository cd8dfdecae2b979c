"""The log sink: lifecycle events as records of the standard logger `letitcrash`.

It configures nothing: structlog's global configuration and the handlers of the user's logging are left as they are.

The message of a record is a line for people: the name of the event, its path, its fields. The same fields are
attributes of the record, as with `extra=`: `letitcrash_event`, `letitcrash_path` and so on, so that a formatter which
writes JSON, Sentry or OpenTelemetry has them one by one. The prefix keeps them apart from the attributes of `logging`
itself (`message`, `name`, `args`) and from the application's. Each is a string, a number or a bool. The time is the
record's own, by the wall clock. The traceback of a crash is its `exc_info`.

A crash is one record, with the fate of its message and the decision of the supervisor. So it is written at the end of
the pass of the event loop in which it happened, and with it, in order, what is logged on the loop until then; or before
a record of another thread, if that comes first.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from actors._name import NAME
from actors._user_code.account import account, is_small
from actors._user_code.text import block, class_name, cut, described, said, shown, type_name
from actors.events import CrashedExit, DeadLetter, EventStream, LifecycleEvent, Redelivered, StartFailed, Subscription
from actors.reasons import ExitReason

logger = logging.getLogger(NAME)
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PREFIX = f"{NAME}_"
"""The prefix of the attributes of a record."""

_LEFT_OUT = frozenset({"path", "at", "until", "child"})
"""Fields of an event that stand elsewhere, or are times of a clock that means nothing outside of the process."""
_FIRST = ("reason", "cause", "error", "where")
"""Fields that come first: in a narrow terminal the others are cut off."""
_NOT_IN_LINE = frozenset({"stack"})
"""Fields of many lines, which are attributes of the record only."""
_OF_DECISIONS = frozenset({"attempt", "delay", "max_restarts", "period", "scope"})
"""Fields that `then` has in words."""
_PAYLOADS = frozenset({"message", "payload", "result", "value", "choice"})
"""Fields with values of users and models."""
_STACK_LENGTH = 4000
"""Characters of a stack."""
_FOLLOWED = 5000
"""Exceptions that may hang together with the one that a record holds: its readers follow them all."""
_PASSES = 4
"""Passes of the loop that a record waits for what its supervisor decides. It decides in the same pass, but where a pass
takes too long the rest of it is left to the next one.
"""
_JSON_EXACT = 2**53
"""Integers up to here are the same in every reader of JSON."""

FieldValue = str | int | float | bool


class LogSink:
    """Writes each event as one record. May be called in any thread."""

    def __init__(self, target: logging.Logger = logger, *, payloads: bool = True) -> None:
        """`payloads`: whether messages and results are shown, cut; otherwise only their types are, for they may be
        secret.
        """
        self._target = target
        self._payloads = payloads
        self._log = structlog.wrap_logger(
            _LogRecords(target), processors=[_render], wrapper_class=structlog.BoundLogger
        )
        self._subscription: Subscription | None = None
        self._lock = threading.Lock()
        self._held: list[_End | LifecycleEvent] = []
        """The records that are not written yet, in order."""
        self._ends: dict[str, _End] = {}
        """The last crash of each path among them."""

    def attach(self, events: EventStream) -> None:
        """Begins to log."""
        self._subscription = events.subscribe(self, LifecycleEvent)

    def detach(self) -> None:
        """Logs nothing more."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None
        self._write_held()

    def __call__(self, event: LifecycleEvent) -> None:
        if self._joins(event):
            return
        level = LEVELS[event.level]
        if self._target.isEnabledFor(level) and not (self._held and self._hold(event)):
            self._write_held()
            self._write(level, event, self._fields(event))

    # Crashes

    def _joins(self, event: LifecycleEvent) -> bool:
        """Whether the event is part of the record of a crash, which comes later."""
        if isinstance(event, Redelivered) or (isinstance(event, DeadLetter) and event.reason in ("crashed", "lost")):
            return self._hold(event)
        if isinstance(event, CrashedExit | StartFailed):
            return self._hold(_End(event))
        words = event.after_exit()
        if words is None:
            return False
        with self._lock:
            end = self._ends.get(event.path)
            if end is not None:
                end.then += [] if words in end.then else [words]
                end.decisions.append(event)
        return end is not None

    def _hold(self, what: _End | LifecycleEvent) -> bool:
        """Keeps it until its supervisor has decided, or the loop has made `_PASSES`. False: this thread runs no loop,
        and nothing will follow.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        with self._lock:
            if not self._held:
                loop.call_soon(self._write_decided, loop, _PASSES)
            if isinstance(what, _End):
                last = self._held[-1] if self._held else None
                if isinstance(last, DeadLetter | Redelivered) and last.path == what.event.path:
                    what.fate = last  # the exit follows at once
                    self._held.pop()
                self._ends[what.event.path] = what
            self._held.append(what)
        return True

    def _write_held(self) -> None:
        with self._lock:
            held, self._held = self._held, []
            self._ends.clear()
        failed: BaseException | None = None
        for each in held:
            try:
                if isinstance(each, _End):
                    hidden = _NOT_IN_LINE | _OF_DECISIONS
                    self._write(LEVELS[each.event.level], each.event, self._end_fields(each), hidden)
                else:
                    self._write(LEVELS[each.level], each, self._fields(each))
            except BaseException as error:  # noqa: BLE001 - of the user's handlers; the other records are written
                failed = failed or error
        if failed is not None:
            raise failed

    def _write_decided(self, loop: asyncio.AbstractEventLoop, passes: int) -> None:
        """The same once each crash has its decision, or after so many passes. An exception of the user's handlers must
        not reach the event loop.
        """
        with self._lock:
            decided = bool(self._ends) and all(end.then for end in self._ends.values())
            if self._held and not decided and passes > 1:
                loop.call_soon(self._write_decided, loop, passes - 1)
                return
        try:
            self._write_held()
        except BaseException:  # noqa: BLE001 - whatever a handler or filter of the user's raises
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc(file=sys.stderr)

    # Fields

    def _end_fields(self, end: _End) -> dict[str, FieldValue]:
        fields = self._fields(end.event)
        if end.fate is not None:
            fate = self._fields(end.fate)
            if not self._payloads and "message_type" in fields:
                fate.pop("message", None)  # its type is there
            fields |= {name: fate[name] for name in ("message", "sender", "crashes") if name in fate}
            fields["message_is"] = end.fate.name
        for each in end.decisions:
            decision = self._fields(each)
            fields |= {name: decision[name] for name in sorted(_OF_DECISIONS) if name in decision}
        if end.then:
            fields["then"] = "; ".join(end.then)
        return fields

    def _fields(self, event: LifecycleEvent) -> dict[str, FieldValue]:
        every = event.as_dict()
        first = {name: every[name] for name in _FIRST if name in every}
        fields: dict[str, FieldValue] = {}
        for name, value in (first | every).items():
            if name == "deadline" and isinstance(value, float):
                fields["time_left"] = value - event.at
            elif value is not None and name not in _LEFT_OUT:
                fields[name] = (
                    type_name(value) if name in _PAYLOADS and not self._payloads else _field_value(name, value)
                )
        return fields

    def _write(
        self, level: int, event: LifecycleEvent, fields: dict[str, FieldValue], hidden: frozenset[str] = _NOT_IN_LINE
    ) -> None:
        if self._target.isEnabledFor(level):
            error = event.exception
            self._log.write(event.name, level=level, path=event.path, fields=fields, hidden=hidden, error=error)


class _End:
    """An incarnation that crashed, and the known facts about it so far."""

    __slots__ = ("decisions", "event", "fate", "then")

    def __init__(self, event: CrashedExit | StartFailed) -> None:
        self.event = event
        self.fate: DeadLetter | Redelivered | None = None
        """The fate of the message that was being handled."""
        self.then: list[str] = []
        self.decisions: list[LifecycleEvent] = []
        """The decisions of the supervisor, in order."""


def _field_value(name: str, value: object) -> FieldValue:
    """A value as a record can hold it."""
    match value:
        case ExitReason():
            return said(value)
        case type():
            return class_name(value)
        case BaseException():
            return described(value)
        case str() if name == "stack":
            return block(value, _STACK_LENGTH)
        case str():
            return cut(value)
    if type(value) is bool or type(value) is float or (type(value) is int and -_JSON_EXACT <= value <= _JSON_EXACT):
        return value
    return shown(value)


def _render(_: object, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The line of an event. Its name is the template of the message, so that Sentry, which groups by that, keeps kinds
    of events apart.
    """
    fields: dict[str, FieldValue] = entry["fields"]
    event, path = cut(entry["event"]), cut(entry["path"])
    pairs = (f" {name}={_in_line(value)}" for name, value in fields.items() if name not in entry["hidden"])
    return {
        "level": entry["level"],
        "template": f"{event.replace('%', '%%')} path=%s%s",
        "values": (path, "".join(pairs)),
        "extra": {f"{PREFIX}{name}": value for name, value in {"event": event, "path": path, **fields}.items()},
        "error": entry["error"],
    }


class _LogRecords:
    """Where the lines go: to a logger of the standard library."""

    def __init__(self, target: logging.Logger) -> None:
        self._target = target

    def write(
        self,
        level: int,
        template: str,
        values: tuple[str, str],
        extra: dict[str, FieldValue],
        error: BaseException | None,
    ) -> None:
        """Makes a record and has the logger handle it.

        With an exception comes its account: a formatter that knows of no better takes that for the traceback, and so
        neither follows the exception without an end, nor writes to a terminal what steers it.
        """
        followed = error is not None and is_small(error, _FOLLOWED)
        about = (type(error), error, error.__traceback__) if error is not None and followed else None
        record = self._target.makeRecord(self._target.name, level, __file__, 0, template, values, about, "write", extra)
        if error is not None:
            record.exc_text = account(error, libraries=True)
        self._target.handle(record)


def _in_line(value: FieldValue) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

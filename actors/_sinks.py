"""The log sink: lifecycle events on the standard logger `understudy`, rendered by structlog.

It configures neither: the bound logger carries its own processors, so structlog's global configuration and the
handlers of the user's logging are left as they are.
"""

from __future__ import annotations

import logging

import structlog

from actors._events import EventStream, LifecycleEvent, Subscription
from actors._reasons import ExitReason

logger = logging.getLogger("understudy")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LogSink:
    """Writes each event as one line: its name, then its fields."""

    def __init__(self, target: logging.Logger = logger) -> None:
        self._target = target
        self._log = structlog.wrap_logger(
            target,
            processors=[
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(key_order=["event", "path"]),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        self._subscription: Subscription | None = None

    def attach(self, events: EventStream) -> None:
        """Begins to log."""
        self._subscription = events.subscribe(self, LifecycleEvent)

    def detach(self) -> None:
        """Logs nothing more."""
        if self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None

    def __call__(self, event: LifecycleEvent) -> None:
        level = _LEVELS[event.level]
        if not self._target.isEnabledFor(level):
            return
        told = {name: _shown(value) for name, value in event.as_dict().items()}
        self._log.log(level, event.name, exc_info=event.exception, **told)


LONGEST = 200
"""Characters of a value in a log line: a message may hold a whole file."""


def _shown(value: object) -> object:
    """Values as a line of a log can hold them."""
    if isinstance(value, ExitReason):
        return _cut(str(value))
    if isinstance(value, type):
        return value.__qualname__
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _cut(value)
    return _Shown(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


class _Shown:
    """A value by its `repr`, cut to length and fit for a terminal, whatever its class says of itself; one that cannot
    be shown is named by its class.
    """

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        try:
            text = _cut(repr(self._value))
        except BaseException:  # noqa: BLE001 - a log line about a message must not fail by the message's own repr
            return f"<{type(self._value).__qualname__}, cannot be shown>"
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

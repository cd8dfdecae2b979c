"""Log lines: lifecycle events and the user's own logging, rendered alike by structlog."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from supervisors._actors import ExitReason, LifecycleEvent, Runtime
from supervisors.cli._text import printable

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_LEFT_OUT = ("path", "at", "child")
"""Fields of an event that its line shows elsewhere, or not at all."""
_FIRST = ("reason", "cause", "error")
"""Fields that come first: in a narrow terminal the others are cut off."""
_PAYLOADS = ("message", "payload", "result", "value", "choice")
"""Fields that hold what users and models wrote: only their types are shown, for they may be long, or secret."""
_LONGEST = 200
"""Characters of a value in a log line."""
_OURS = logging.getLogger("understudy")


class EventLog:
    """The sink of the command line: one line an event, its name first, then its place in the tree."""

    def __init__(self) -> None:
        self._log = structlog.wrap_logger(
            _OURS,
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def attach(self, runtime: Runtime) -> None:
        """Begins to log."""
        runtime.events.subscribe(self, LifecycleEvent)

    def __call__(self, event: LifecycleEvent) -> None:
        level = _LEVELS[event.level]
        if _OURS.isEnabledFor(level):
            every = event.as_dict()
            first = {name: every[name] for name in _FIRST if name in every}
            fields = {name: value for name, value in (first | every).items() if name not in _LEFT_OUT}
            shown = {name: _shown(name, value) for name, value in fields.items() if value is not None}
            self._log.log(level, event.name, path=printable(event.path), **shown)


def _shown(name: str, value: object) -> object:
    """A value as one line can hold it."""
    match value:
        case ExitReason():
            return printable(str(value))
        case type():
            return value.__qualname__
        case BaseException():
            return _cut(printable(f"{type(value).__name__}: {value}"))
        case float():
            return round(value, 3)
        case str() if name == "stack":
            return value.rstrip().rpartition("\n")[2].strip()
        case _:
            return type(value).__qualname__ if name in _PAYLOADS else _cut(printable(str(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def send_logs_to(handler: logging.Handler, level: str) -> None:
    """Sends our lines to the handler, and everybody's where the program has configured no logging itself."""
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _line],
            foreign_pre_chain=[],
        )
    )
    _OURS.handlers[:] = [handler]
    _OURS.propagate = False
    _OURS.setLevel(_LEVELS[level])
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(_LEVELS[level])
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )


def _line(_: object, __: str, entry: MutableMapping[str, Any]) -> str:
    pairs = [f"{key}={value}" for key, value in entry.items() if key not in ("event", "exc_info")]
    return " ".join([str(entry.get("event", "")), *pairs])


class LineHandler(logging.Handler):
    """Hands each finished line to a function: time, level, text, and a traceback where there is one."""

    def __init__(self, write: Callable[[str, str], object]) -> None:
        super().__init__()
        self._write = write
        self._times = logging.Formatter(datefmt="%H:%M:%S")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            name = "" if record.name in ("understudy", "root") else f" [{record.name}]"
            level = record.levelname.lower()
            text = f"{self._times.formatTime(record, '%H:%M:%S')} {level:<7} {self.format(record)}"
            self._write(level, text + name)
        except Exception:  # noqa: BLE001 - logging's own contract: a record that cannot be shown never hurts who logs it
            self.handleError(record)

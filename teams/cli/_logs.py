"""Log lines: lifecycle events, which `actors.LogSink` logs, and the user's own logging, rendered alike.

Text has a line a record, its traceback below, with the frames of the user's own code. JSON has an object a line: `time`
(UTC, by the wall clock), `level`, `logger`, `message`, every attribute that the record was given with `extra=` or
structlog, and `exception`.
"""

from __future__ import annotations

import datetime
import logging
import sys
from collections.abc import Callable, MutableMapping
from enum import StrEnum
from typing import Any

import structlog

from actors._observe.sinks import LEVELS
from actors._user_code.account import account
from actors._user_code.text import said
from actors.spi import NAME
from teams.cli._text import json_line, lines

_OURS = logging.getLogger(NAME)
_STANDARD = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""Attributes that every record has."""
_OF_STRUCTLOG = frozenset({"event", "exc_info", "stack_info", "_record", "_from_structlog"})
_OFFSET = "    "
"""The beginning of the lines of a traceback."""
_times = logging.Formatter()


class LogFormat(StrEnum):
    """How log lines are written."""

    text = "text"
    json = "json"


def send_logs_to(handler: logging.Handler, level: str, format: LogFormat = LogFormat.text) -> None:
    """Sends our lines to the handler, and all lines if the program has not configured logging."""
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[_text if format is LogFormat.text else _json], foreign_pre_chain=[]
        )
    )
    _OURS.handlers[:] = [handler]
    _OURS.propagate = False
    _OURS.setLevel(LEVELS[level])
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(LEVELS[level])
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )


def record_of(text: str) -> logging.LogRecord:
    """A record for a sentence of the command line itself."""
    return logging.makeLogRecord({"name": _OURS.name, "levelno": logging.INFO, "levelname": "INFO", "msg": text})


def _text(_: object, __: str, entry: MutableMapping[str, Any]) -> str:
    record: logging.LogRecord = entry["_record"]
    pairs = "".join(f" {name}={said(value)}" for name, value in entry.items() if name not in _OF_STRUCTLOG)
    name = "" if record.name in (NAME, "root") else f" [{record.name}]"
    time = _times.formatTime(record, "%H:%M:%S")
    line = f"{time} {record.levelname.lower():<7} {lines(str(entry.get('event', '')))}{pairs}{name}"
    return "\n".join([line, *(f"{_OFFSET}{each}" for each in _below(entry).splitlines())])


def _json(_: object, __: str, entry: MutableMapping[str, Any]) -> str:
    record: logging.LogRecord = entry["_record"]
    time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    made: dict[str, object] = {
        "time": time.isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": said(entry.get("event", ""), sys.maxsize),
    }
    if below := _below(entry):
        made["exception"] = below
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    for name, value in (*extra.items(), *entry.items()):
        if name not in _OF_STRUCTLOG:
            made[f"{name}_" if name in made else name] = value
    return json_line(made)


def _below(entry: MutableMapping[str, Any]) -> str:
    """The text below the line: the traceback of an exception, or the stack that was asked for."""
    error: object = entry.get("exc_info")
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        return account(error)
    return lines(str(entry.get("stack_info") or ""))


class LineHandler(logging.Handler):
    """Hands each record, formatted, to a function, with its level."""

    def __init__(self, write: Callable[[str, str], object]) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(record.levelname.lower(), self.format(record))
        except Exception:  # noqa: BLE001 - logging's own contract: a record that cannot be shown never hurts who logs it
            self.handleError(record)

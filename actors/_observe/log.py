"""The log sink of a runtime, made when one is wanted: it alone needs structlog."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors._observe.sinks import LogSink


def log_sink() -> LogSink:
    """Makes a log sink. Imports structlog the first time."""
    from actors._observe.sinks import LogSink

    return LogSink()

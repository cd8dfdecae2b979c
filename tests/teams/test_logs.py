"""What logs show of a team: what happened, and of what users and models wrote no more than a line can hold."""

from __future__ import annotations

import logging

import pytest
import structlog

from actors._sinks import LONGEST, LogSink
from supervisors.cli._logs import EventLog, send_logs_to
from teams import StepDone, WorkGivenUp


class Evil:
    """Says of itself what would steer a terminal."""

    def __repr__(self) -> str:
        return "Evil\x1b[31m"


class Collected(logging.Handler):
    """Keeps finished lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


RESULTS = ["\x1b]0;owned\x07" + "secret " * 1000, {"key": "\x1b[31m"}, Evil(), b"\x1b"]


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_in_a_log_line_is_short_and_cannot_steer_a_terminal(result: object) -> None:
    """Guards the sink of the library, which shows values."""
    handler, target = Collected(), logging.getLogger("test.teams.logs")
    target.handlers, target.propagate, target.level = [handler], False, logging.DEBUG
    sink = LogSink(target)
    sink(StepDone("crew", 1.0, "run-1", "triage", 2.0, result))
    (line,) = handler.lines
    assert line.startswith("event='step_done' path='crew'")
    assert line.isprintable()
    assert len(line) < 3 * LONGEST


@pytest.mark.parametrize("result", RESULTS)
def test_the_command_line_shows_of_a_result_only_its_type(result: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the log of `understudy run`: a result may be long, or secret."""
    ours = logging.getLogger("understudy")
    monkeypatch.setattr(structlog, "is_configured", lambda: True)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    monkeypatch.setattr(ours, "handlers", [])
    monkeypatch.setattr(ours, "propagate", True)
    monkeypatch.setattr(ours, "level", ours.level)
    handler = Collected()
    send_logs_to(handler, "debug")
    EventLog()(StepDone("crew", 1.0, "run-1", "triage", 2.0, result))
    EventLog()(WorkGivenUp("crew", 1.0, "work-1", "triage", 2.0, 1.0, ValueError("\x1b[31m" + "x" * 1000)))
    done, failed = handler.lines
    assert done.endswith(f"result={type(result).__qualname__}")
    assert failed.isprintable()
    assert len(failed) < 3 * LONGEST
    ours.setLevel(logging.NOTSET)

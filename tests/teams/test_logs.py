"""What logs show of a team: what happened, and of what users and models wrote no more than a line can hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from actors import Crashed, CrashedExit, LogSink, Redelivered
from actors._user_code.text import LONGEST
from supervisors import constant, start
from teams import StepDone, TeamRef, WorkGivenUp, member, team
from teams.cli._logs import LogFormat, send_logs_to


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
    assert line.startswith("step_done path=crew ")
    assert line.isprintable()
    assert len(line) < 3 * LONGEST


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """A handler, and the loggers as they were afterwards."""
    ours = logging.getLogger("letitcrash")
    monkeypatch.setattr(structlog, "is_configured", lambda: True)
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    monkeypatch.setattr(ours, "handlers", [])
    monkeypatch.setattr(ours, "propagate", True)
    yield Collected()
    ours.setLevel(logging.NOTSET)


@pytest.mark.parametrize("result", RESULTS)
def test_the_command_line_shows_of_a_result_only_its_type(result: object, collected: Collected) -> None:
    """Guards the log of `letitcrash run`: a result may be long, or secret."""
    send_logs_to(collected, "debug")
    sink = LogSink(payloads=False)
    sink(StepDone("crew", 1.0, "run-1", "triage", 2.0, result))
    sink(WorkGivenUp("crew", 1.0, "work-1", "triage", 2.0, 1.0, ValueError("\x1b[31m" + "x" * 1000)))
    done, failed = collected.lines
    assert done.endswith(f"result={type(result).__qualname__}")
    assert failed.isprintable()
    assert len(failed) < 3 * LONGEST


def crash() -> CrashedExit:
    """A crash with an exception that was raised."""
    try:
        raise ValueError("\x1b[31mno luck")
    except ValueError as error:
        return CrashedExit("root/a", 1.0, Evil, 3, Crashed(error), "str")


def test_a_crash_on_the_command_line_is_a_line_with_its_traceback_below(collected: Collected) -> None:
    """Guards the plain view: the frames of the user's own code, and nothing that steers the terminal."""
    send_logs_to(collected, "info")
    LogSink(payloads=False)(crash())
    (text,) = collected.lines
    line, *below = text.splitlines()
    said = r"crashed_exit path=root/a reason=crashed(ValueError: \x1b[31mno luck)"
    assert f" error   {said} actor_class=Evil incarnation=3 message_type=str" in line
    assert below[0] == "    Traceback (most recent call last):"
    assert "in crash" in below[1]
    assert below[-1] == r"    ValueError: \x1b[31mno luck"


def test_a_json_line_has_each_field_by_its_name_and_the_wall_clock(collected: Collected) -> None:
    """Guards `--log-format json`: nothing has to be read out of the text of a message."""
    send_logs_to(collected, "debug", LogFormat.json)
    LogSink(payloads=False)(crash())
    LogSink(payloads=False)(Redelivered("root/a", 1.0, Evil(), 2, None))
    logging.getLogger("letitcrash.mine").warning("hello %s", "you", extra={"request": 7, "time": "mine"})
    structlog.wrap_logger(
        logging.getLogger("letitcrash.theirs"),
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).info("bound", user="ann", odd={1: object()})
    failed, again, mine, theirs = map(json.loads, collected.lines)
    assert failed["level"] == "error"
    assert failed["logger"] == "letitcrash"
    assert failed["time"].endswith("+00:00")
    assert failed["letitcrash_event"] == "crashed_exit"
    assert failed["letitcrash_path"] == "root/a"
    assert failed["letitcrash_incarnation"] == 3
    assert failed["letitcrash_reason"] == r"crashed(ValueError: \x1b[31mno luck)"
    assert failed["exception"].endswith(r"ValueError: \x1b[31mno luck")
    assert again["letitcrash_message"] == "Evil"
    assert (mine["message"], mine["request"], mine["time_"]) == ("hello you", 7, "mine")
    assert (theirs["message"], theirs["user"]) == ("bound", "ann")
    assert all(line.isprintable() for line in collected.lines)


def test_the_crash_of_a_member_is_one_record_with_what_follows(collected: Collected) -> None:
    """Guards the consequence: what the team says of the work comes after it, and does not cut it short."""
    send_logs_to(collected, "info")
    attempts: list[str] = []

    async def flaky(item: str) -> str:
        attempts.append(item)
        if len(attempts) == 1:
            raise ConnectionError("refused")
        return item

    with start(team("crew", member("a", flaky, backoff=constant(0.01)))) as crew:
        assert isinstance(crew, TeamRef)
        assert crew.assign("it", "a", attempts=2).get(timeout=20) == "it"
    heads = [line.split("\n")[0].split(" ", 1)[1].strip() for line in collected.lines]
    assert [head.split()[1] for head in heads] == ["crashed_exit", "work_retried"]
    assert heads[0].endswith("message_is=dead_letter then=restart 1 in 0.01 s")

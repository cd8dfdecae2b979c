"""Code of a user's that observes disturbs nothing: log handlers, filters, event sinks, metrics, callbacks."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from actors import Exited, Future, LogSink, Metrics, Started
from actors._user_code.reporting import contain, report
from supervisors import child, start, supervisor
from tests.actors.cast import PATIENCE, Host, Player, crash, script

ERRORS = [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError]


class Raising(logging.Handler):
    """A handler of the user's; its filter may be what raises."""

    def __init__(self, error: type[BaseException], *, in_filter: bool) -> None:
        super().__init__()
        self.error, self.in_filter = error, in_filter
        self.calls = 0
        self.addFilter(self.judge)

    def judge(self, record: logging.LogRecord) -> bool:
        if self.in_filter:
            self._raise()
        return True

    def emit(self, record: logging.LogRecord) -> None:
        self._raise()

    def _raise(self) -> None:
        self.calls += 1
        raise self.error("of the handler")


@contextmanager
def logging_by(handler: logging.Handler) -> Iterator[None]:
    """The library's logger with this handler, at the most talkative level."""
    logger = logging.getLogger("letitcrash")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.mark.parametrize("in_filter", [False, True])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("host", ["loop", "thread"])
def test_a_log_handler_or_filter_that_raises_does_not_stop_a_restart(
    host: Host, error: type[BaseException], in_filter: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """B2: the crash is answered, the actor restarted, the block left; what is wrong stands on stderr, once."""
    handler = Raising(error, in_filter=in_filter)
    with (
        logging_by(handler),
        start(supervisor("root", child("a", Player, host=host, backoff=None)), watchdog=None) as root,
    ):
        for _ in range(3):
            with pytest.raises(ValueError, match="boom"):
                root.child("a").ask(crash(ValueError("boom")), timeout=PATIENCE)
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"
    assert handler.calls > 3
    told = capsys.readouterr().err
    assert told.count("event sink LogSink failed") == 1
    assert f"further failures by {error.__qualname__} are not reported" in told
    assert "of the handler" in told


def test_a_processor_of_the_log_that_raises_does_not_stop_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The renderer of the line itself fails."""

    def no_line(*_: object, **__: object) -> Any:
        raise SystemExit("no line")

    monkeypatch.setattr("structlog.processors.KeyValueRenderer.__call__", no_line)
    with start(supervisor("root", child("a", Player, backoff=None)), watchdog=None) as root:
        with pytest.raises(ValueError, match="boom"):
            root.child("a").ask(crash(ValueError("boom")), timeout=PATIENCE)
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"


@pytest.mark.parametrize("error", ERRORS)
def test_a_sink_that_raises_is_reported_once_for_each_class_it_raises(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """It stays subscribed, the other sinks and the actors go on, and the log is not flooded."""
    calls: list[object] = []
    later: list[object] = []

    def sink(event: object) -> None:
        calls.append(event)
        raise error if len(calls) % 2 else LookupError

    with script() as runtime:
        runtime.events.subscribe(sink, Started)
        runtime.events.subscribe(later.append, Started)
        for _ in range(6):
            runtime.spawn(Player).get(timeout=PATIENCE)
    assert (len(calls), len(later)) == (6, 6)
    reports = [record for record in caplog.records if "event sink" in record.message]
    assert [record.exc_info[0] for record in reports if record.exc_info] == [error, LookupError]
    assert all("sink failed on Started of Player" in record.message for record in reports)


def test_a_sink_that_is_subscribed_again_is_reported_again(caplog: pytest.LogCaptureFixture) -> None:
    """What was known of it went with its subscription."""

    def sink(_: object) -> None:
        raise LookupError

    with script() as runtime:
        for _ in range(2):
            subscription = runtime.events.subscribe(sink, Started)
            runtime.spawn(Player).get(timeout=PATIENCE)
            subscription.cancel()
    assert len([record for record in caplog.records if "event sink" in record.message]) == 2


def test_a_subscription_to_what_is_no_event_is_refused() -> None:
    """At once, and not in the middle of the life of an actor."""
    with script() as runtime:
        wrong: Any
        for wrong in ("Started", int, 3):
            with pytest.raises(TypeError, match="subclasses of LifecycleEvent"):
                runtime.events.subscribe(print, wrong)
        assert runtime.spawn(Player).get(timeout=PATIENCE).ask(1, timeout=PATIENCE) == 1


def test_a_metric_that_raises_does_not_stop_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts in the middle of starts and ends."""

    def no_count(*_: object) -> None:
        raise SystemExit("no count")

    monkeypatch.setattr(Metrics, "add", no_count)
    tree = supervisor("root", child("a", Player, backoff=None))
    with start(tree, log=False, watchdog=None) as root, Metrics(root.runtime, CollectorRegistry()):
        with pytest.raises(ValueError, match="boom"):
            root.child("a").ask(crash(ValueError("boom")), timeout=PATIENCE)
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"


@pytest.mark.parametrize("error", ERRORS)
def test_a_callback_of_a_future_that_raises_keeps_nothing_from_the_others(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The one who settles the future goes on, and so do the callbacks behind it."""
    future: Future[int] = Future()
    called: list[int] = []

    def callback(_: Future[int]) -> None:
        raise error

    future.add_done_callback(callback)
    future.add_done_callback(lambda future: called.append(future.get()))
    future.set(1)
    assert called == [1]
    assert [record.message for record in caplog.records] == ["a callback of a future failed"]


@pytest.mark.parametrize("error", ERRORS)
def test_a_callback_added_to_a_done_future_that_raises_is_reported_too(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Code that adds a callback does not know whether the future is done."""
    future: Future[int] = Future()
    future.set(1)

    def callback(_: Future[int]) -> None:
        raise error

    future.add_done_callback(callback)
    assert [record.message for record in caplog.records] == ["a callback of a future failed"]


class Closed:
    """A stderr that cannot be written to."""

    def write(self, _: str) -> int:
        raise SystemExit("closed")


class Unshown(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise SystemExit("no text")


@pytest.mark.parametrize("stream", [None, Closed()])
def test_a_report_that_nothing_takes_raises_nothing(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No logger, no stderr, no text: the report is lost, and nothing else."""
    with logging_by(Raising(KeyboardInterrupt, in_filter=False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "__stderr__", stream)
        for error in (ValueError("v"), Unshown(), SystemExit()):
            report("something failed", error)


def test_a_report_that_the_logger_refuses_is_written_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """With the traceback, where the exception can show one."""
    with logging_by(Raising(RuntimeError, in_filter=True)):
        assert not contain("something failed", lambda: 1 / 0)
        report("and again", Unshown())
        assert contain("nothing failed", lambda: 1)
    told = capsys.readouterr().err
    assert "letitcrash: something failed\nTraceback (most recent call last)" in told
    assert "ZeroDivisionError" in told
    assert "letitcrash: and again" in told
    assert "Unshown" in told
    assert "nothing failed" not in told


class Unrepresentable:
    """A message whose `repr` exits."""

    def __repr__(self) -> str:
        raise SystemExit("no repr")


def test_a_message_whose_repr_exits_is_logged_by_its_class(caplog: pytest.LogCaptureFixture) -> None:
    """The line is written: a dead letter must not get lost by its content."""
    with caplog.at_level(logging.DEBUG, logger="letitcrash"), script() as runtime:
        sink = LogSink()
        sink.attach(runtime.events)
        ref = runtime.spawn(Player).get(timeout=PATIENCE)
        ref.suspend()
        ref.tell(Unrepresentable())
        ended = ref.ended()
        ref.kill()
        ended.get(timeout=PATIENCE)
        runtime.events.subscribe(print, Exited).cancel()
        sink.detach()
    assert "<Unrepresentable, cannot be shown>" in caplog.text

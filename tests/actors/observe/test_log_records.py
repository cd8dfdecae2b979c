"""What the library logs: records whose fields a formatter finds, with the traceback, one for a crash."""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from logging.handlers import QueueHandler
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import pykka
import pytest

from actors import Actor, AskFailed, Crashed, CrashedExit, DeadLetter, HookFailed, LifecycleEvent, LogSink, Runtime
from actors._observe.sinks import PREFIX
from actors._user_code.account import users_frame, users_stack
from actors._user_code.text import LONGEST
from supervisors import child, constant, start, supervisor
from tests.actors.cast import stage
from tests.support import in_loop


class Records(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, event: str) -> list[logging.LogRecord]:
        """Those of one kind of event."""
        return [each for each in self.records if field(each, "event") == event]

    @property
    def events(self) -> list[str]:
        """What was logged, in order."""
        return [str(field(each, "event")) for each in self.records]


def field(record: logging.LogRecord, name: str) -> Any:
    return getattr(record, f"{PREFIX}{name}", None)


@pytest.fixture
def records() -> Iterator[Records]:
    """What reaches the logger of the library at the level that logging has in production."""
    handler, ours = Records(), logging.getLogger("letitcrash")
    level = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield handler
    ours.removeHandler(handler)
    ours.setLevel(level)


class Worker(Actor):
    """Divides by what it is sent."""

    def on_receive(self, message: Any) -> Any:
        return "alive" if message == "?" else 1 / message


class Unlucky(Worker):
    """Fails at its end, too."""

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        raise OSError("no disk")


def crash_once(kind: type[Actor] = Worker, **options: Any) -> None:
    """A tree in which one child crashes once and comes up again."""
    with start(supervisor("root", child("a", kind, **{"backoff": None, **options}))) as root:
        ref = root.child("a")
        down = ref.monitor()
        ref.tell(0)
        down.get(timeout=10)
        assert ref.ask("?", timeout=10) == "alive"


def test_a_crash_is_one_record_with_its_cause_its_message_and_what_follows(records: Records) -> None:
    """Guards readers: not a dead letter, an exit and a restart as three lines."""
    crash_once()
    assert records.events == ["crashed_exit"]
    (crash,) = records.records
    assert crash.levelname == "ERROR"
    assert field(crash, "path") == "root/a"
    assert field(crash, "reason") == "crashed(ZeroDivisionError: division by zero)"
    assert (field(crash, "message"), field(crash, "message_type")) == ("0", "int") or field(crash, "message") == 0
    assert field(crash, "message_is") == "dead_letter"
    assert field(crash, "then") == "restart 1 now"
    assert field(crash, "attempt") == 1
    assert crash.getMessage().startswith(
        "crashed_exit path=root/a reason=crashed(ZeroDivisionError: division by zero) "
    )
    assert crash.getMessage().endswith("message_is=dead_letter then=restart 1 now")


def test_a_crash_says_how_long_its_actor_backs_off(records: Records) -> None:
    """Guards the consequence where the restart comes later."""
    crash_once(backoff=constant(0.01), redeliver=0)
    (crash,) = records.of("crashed_exit")
    assert field(crash, "then") == "restart 1 in 0.01 s"
    assert field(crash, "delay") == 0.01


def test_a_crash_says_what_follows_where_the_loop_stops_after_each_turn(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine where a turn takes longer than a pass may: the supervisor decides in a later one."""
    monkeypatch.setattr("actors._hosts.loop.PASS", -1.0)
    crash_once()
    assert records.events == ["crashed_exit"]
    assert field(records.records[0], "then") == "restart 1 now"


def test_a_crash_says_that_its_message_comes_again(records: Records) -> None:
    """Guards `redeliver`: the message is not lost, and the record does not say so."""
    with start(supervisor("root", child("a", Worker, backoff=None, redeliver=1))) as root:
        ref = root.child("a")
        ref.tell(0)
        assert ref.ask("?", timeout=10) == "alive"
    first, second = records.of("crashed_exit")
    assert field(first, "message_is") == "redelivered"
    assert field(second, "message_is") in ("dead_letter", None)
    assert "restarted" not in records.events


@pytest.mark.parametrize(
    ("options", "words", "events"),
    [
        (
            {"max_restarts": 1, "period": 60.0, "on_limit": "drop"},
            "given up: the limit is 1 restart within 60 s of running; not restarted",
            ["crashed_exit", "crashed_exit"],
        ),
        (
            {"max_restarts": 0, "on_limit": "escalate"},
            "its supervisor gives up: the limit is 0 restarts in a row without progress; not restarted",
            ["crashed_exit"],
        ),
    ],
)
def test_a_crash_for_which_a_budget_is_spent_is_one_record(
    records: Records, options: dict[str, Any], words: str, events: list[str]
) -> None:
    """Guards the last crash: the traceback of a child that is given up stands in the log once."""
    spec = supervisor("root", child("a", Worker, backoff=None, **options))
    with start(spec, on_give_up="ignore") as root:
        ref = root.child("a")
        for _ in events:
            ref.tell(0)
        ref.ended().get(timeout=10)
    assert records.events == events
    crash = records.records[-1]
    assert field(crash, "then") == words
    assert (field(crash, "max_restarts"), field(crash, "period")) == (options["max_restarts"], options.get("period"))
    assert field(crash, "scope") == ("child" if options["on_limit"] == "drop" else "supervisor")
    assert crash.getMessage().endswith(f"then={words}")


def test_a_crash_has_the_exception_for_those_who_group_by_its_stack(records: Records) -> None:
    """Guards Sentry and the like, and the traceback in the text of any formatter."""
    crash_once()
    (crash,) = records.of("crashed_exit")
    assert crash.exc_info is not None
    kind, error, trace = crash.exc_info
    assert (kind, type(error)) == (ZeroDivisionError, ZeroDivisionError)
    assert trace is not None
    text = logging.Formatter().format(crash)
    assert text.splitlines()[1] == "Traceback (most recent call last):"
    assert "in on_receive" in text
    assert text.endswith("ZeroDivisionError: division by zero")


def test_the_template_of_a_record_is_the_kind_of_event(records: Records) -> None:
    """Guards who groups records by `msg`: the path and the fields are its arguments."""
    crash_once()
    (crash,) = records.of("crashed_exit")
    assert crash.msg == "crashed_exit path=%s%s"
    assert crash.args is not None
    assert crash.args[0] == "root/a"  # type: ignore[index]


def test_a_record_says_nothing_in_monotonic_time(records: Records) -> None:
    """Guards times: they are the record's own, by the wall clock."""
    crash_once(backoff=constant(0.01))
    (crash,) = records.of("crashed_exit")
    assert abs(crash.created - time.time()) < 3600  # noqa: TID251 - what logging itself reads
    assert field(crash, "at") is None
    assert field(crash, "until") is None


def test_a_record_can_be_sent_to_another_process(records: Records) -> None:
    """Guards QueueHandler with a queue that pickles: every field is a plain value."""
    crash_once()
    queue: SimpleQueue[Any] = SimpleQueue()
    QueueHandler(queue).handle(records.records[0])
    copy = pickle.loads(pickle.dumps(queue.get()))
    assert field(copy, "reason") == "crashed(ZeroDivisionError: division by zero)"
    assert "in on_receive" in copy.getMessage() or "in on_receive" in str(copy.exc_text)


def test_a_hook_that_fails_after_a_crash_is_told_with_its_traceback(records: Records) -> None:
    """Guards `on_failure`: what it raises is dropped in favour of the first exception, and said."""
    crash_once(Unlucky)
    assert records.events == ["hook_failed", "crashed_exit"]
    failed, crash = records.records
    assert (field(failed, "hook"), field(failed, "error")) == ("on_failure", "OSError: no disk")
    assert failed.exc_info is not None
    assert isinstance(failed.exc_info[1], OSError)
    assert field(crash, "reason") == "crashed(ZeroDivisionError: division by zero)"


def test_what_on_stop_raises_is_the_reason_of_the_exit_and_told_once(records: Records) -> None:
    """Guards the other hook: one record, with the traceback."""

    class Last(Worker):
        def on_stop(self) -> None:
            raise OSError("no disk")

    with Runtime() as runtime:
        ref = runtime.spawn(Last).get()
        ref.stop()
    (crash,) = records.records
    assert field(crash, "event") == "crashed_exit"
    assert field(crash, "reason") == "crashed(OSError: no disk)"
    assert crash.exc_info is not None


class Plain(pykka.ThreadingActor):
    """A plain pykka actor, with pykka's own contract."""

    def on_receive(self, message: Any) -> Any:
        return 1 / message

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        raise OSError("no disk")


def test_a_plain_pykka_actor_logs_what_pykka_logs(records: Records) -> None:
    """Guards failed asks, crashes and hooks that raise: each an event, each with its traceback, by pykka's levels."""
    with start(supervisor("root", child("a", Plain, backoff=None))) as root:
        told: list[LifecycleEvent] = []
        root.runtime.events.subscribe(told.append, AskFailed, HookFailed)
        ref = root.child("a")
        with pytest.raises(ZeroDivisionError):
            ref.ask(0, timeout=10)
        assert ref.is_alive()
        down = ref.monitor()
        ref.tell(0)
        down.get(timeout=10)
    assert [(each.levelname, field(each, "event")) for each in records.records] == [
        ("INFO", "ask_failed"),
        ("ERROR", "hook_failed"),
        ("ERROR", "crashed_exit"),
    ]
    assert all(each.exc_info for each in records.records)
    assert [type(each) for each in told] == [AskFailed, HookFailed]


def test_a_start_that_fails_again_says_which_attempt_it_was(records: Records) -> None:
    """Guards restarts that fail: the failed start, its attempt and the next are one record."""

    class Starts(Worker):
        def on_start(self) -> None:
            if self.incarnation == 2:
                raise OSError("no disk")

    crash_once(Starts)
    assert records.events == ["crashed_exit", "start_failed"]
    assert field(records.records[1], "then") == "attempt 1 failed; restart 2 now"
    assert records.records[1].exc_info is not None


def crash_of(path: str) -> CrashedExit:
    return CrashedExit(path, 1.0, Worker, 1, Crashed(ValueError("no luck")))


@in_loop
async def test_crashes_are_written_in_order_and_none_is_lost_with_the_runtime() -> None:
    """Guards what waits for its consequence: what is logged next comes after it, and so does the end of the log."""
    target, handler = logging.getLogger("test.order"), Records()
    target.handlers, target.propagate, target.level = [handler], False, logging.INFO
    async with stage() as w:
        sink, events = LogSink(target), w.runtime.events
        sink.attach(events)
        events.publish(crash_of("a"))
        events.publish(crash_of("b"))
        assert handler.events == []
        events.publish(DeadLetter("c", 1.0, "x", "closed"))
        assert handler.events == []
        while not handler.records:  # no supervisor decides, so it takes a few passes
            await asyncio.sleep(0)
        assert [field(each, "path") for each in handler.records] == ["a", "b", "c"]
        events.publish(crash_of("d"))
        while len(handler.records) == 3:
            await asyncio.sleep(0)
        assert field(handler.records[-1], "path") == "d"
        events.publish(crash_of("e"))
        sink.detach()
        assert field(handler.records[-1], "path") == "e"


@in_loop
async def test_a_handler_that_raises_over_a_crash_does_not_reach_the_event_loop(capsys: Any) -> None:
    """Guards the loop from what a log handler of the user's raises when the crash is written, SystemExit included."""

    class Evil(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit

    target = logging.getLogger("test.evil")
    target.handlers, target.propagate, target.level = [Evil()], False, logging.INFO
    async with stage() as w:
        sink = LogSink(target)
        sink.attach(w.runtime.events)
        w.runtime.events.publish(crash_of("a"))
        await asyncio.sleep(0)
        assert (await w.runtime.spawn(Worker)).is_alive()
    assert "SystemExit" in capsys.readouterr().err


def test_the_frame_of_the_users_code_is_found_below_a_library() -> None:
    """Guards `loop_blocked`: it names the line of the user's that blocks, not the innermost of the library."""
    entered, leave = threading.Event(), threading.Event()

    def users_own_code() -> None:
        entered.set()
        leave.wait(60)

    thread = threading.Thread(target=users_own_code)
    thread.start()
    assert entered.wait(60)
    stack = ""
    while "leave.wait(60)" not in stack:  # it may be inside of entered.set() still
        frame = sys._current_frames()[thread.ident or 0]
        where, stack = users_frame(frame), users_stack(frame)
    leave.set()
    thread.join()
    assert where.startswith(f"{__file__}:")
    assert where.endswith("in test_the_frame_of_the_users_code_is_found_below_a_library.<locals>.users_own_code")
    assert stack.splitlines()[0].startswith(f'  File "{__file__}"')


def test_the_frame_of_a_file_in_a_deep_folder_keeps_its_line() -> None:
    """Guards the end of the place, which says more than the folders: file, line and function."""
    file = f"/{'deep/' * 60}blocking.py"
    scope: dict[str, Any] = {}
    exec(compile("import sys\n\ndef wait():\n    return sys._getframe()\n", file, "exec"), scope)
    where = users_frame(scope["wait"]())
    assert where.endswith("deep/blocking.py:4 in wait")
    assert where.startswith("...")
    assert len(where) == LONGEST

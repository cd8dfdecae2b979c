"""What users' exceptions and messages do when they are shown or compared does not reach the runtime, its values or its
logs: every text is there, cut, on a line that steers no terminal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import actors
import supervisors
import teams
from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    ActorError,
    Crashed,
    CrashedExit,
    DeadLetter,
    ExitReason,
    Killed,
    LifecycleEvent,
    LinkedExit,
    LogSink,
    RestartLimitExceeded,
    Shutdown,
    StartError,
)
from actors._observe.sinks import PREFIX
from actors._user_code.account import account
from actors._user_code.text import described, said, shown
from supervisors import LedgerEntry, child, start, supervisor
from tests.actors.hostile import (
    EXCEPTIONS,
    RAISES,
    VALUES,
    Array,
    Meta,
    chained,
    grouped,
    hostile_exceptions,
    hostile_values,
    off_the_main_thread,
    that_raises,
)

T = TypeVar("T")

LIMIT = 12_000
"""More characters than any text of ours has."""


def is_fit(text: str) -> bool:
    """Whether a text is one that can be shown anywhere."""
    return type(text) is str and len(text) < LIMIT and text.replace("\n", "").isprintable()


def built(kind: Callable[..., T], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """`st.builds`, which would show the parts of an example that fails; of some of them a `repr` has no end."""
    return st.tuples(*parts).map(lambda given: kind(*given))


def reasons() -> st.SearchStrategy[ExitReason]:
    """Exit reasons of hostile exceptions, in one another."""
    plain = st.one_of(
        built(Crashed, hostile_exceptions()),
        built(Shutdown, st.text() | st.booleans().map(lambda _: "\x1b" * 10_000_000)),
        built(Killed, st.none() | st.text()),
    )
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            built(RestartLimitExceeded, st.text(), st.text(), st.integers(), st.floats(0, 9), inner),
            inner.map(lambda reason: Crashed(StartError("root/a", reason))),
            inner.map(lambda reason: Crashed(LinkedExit("root/a", reason))),
        ),
        max_leaves=5,
    )


def errors() -> st.SearchStrategy[ActorError]:
    """Errors of ours about such things."""
    return st.one_of(
        built(StartError, st.text(), reasons()),
        built(ActorDeadError, st.text(), reasons(), hostile_values()),
        built(ActorCrashed, st.text(), hostile_exceptions()),
        built(teams.WorkFailed, st.text(), st.text(), st.text(), st.integers(), hostile_exceptions()),
    )


def events() -> st.SearchStrategy[LifecycleEvent]:
    """Events about such things."""
    return st.one_of(
        built(CrashedExit, st.text(), st.floats(), st.just(Actor), st.integers(), reasons(), st.none() | st.text()),
        built(DeadLetter, st.text(), st.floats(), hostile_values(), st.text(), st.none(), hostile_exceptions()),
        built(teams.StepDone, st.text(), st.floats(), st.text(), st.text(), st.floats(), hostile_values()),
    )


@settings(max_examples=60)
@given(st.one_of(reasons(), errors(), events()), st.one_of(reasons(), errors(), events()))
def test_our_values_can_always_be_shown_and_compared(one: Any, other: Any) -> None:
    """Guards exit reasons, errors and events: whatever they hold."""

    def check() -> None:
        assert is_fit(str(one))
        assert is_fit(repr(one))
        assert one == one
        assert (one == other) is (other == one)
        assert isinstance(hash(one), int)
        if one == other:
            assert hash(one) == hash(other)

    off_the_main_thread(check)


@pytest.mark.parametrize("number", range(len(EXCEPTIONS)))
def test_every_text_of_a_users_exception_is_cut_and_printable(number: int) -> None:
    """Guards the one place that logs, errors, accounts and the ledger call."""
    error = EXCEPTIONS[number]()

    def check() -> None:
        for text in (described(error), said(error), shown(error)):
            assert is_fit(text)
            assert "\n" not in text
        assert type(account(error)) is str
        assert account(error).replace("\n", "").isprintable()
        assert len(account(error)) < 100_000

    off_the_main_thread(check)


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_every_text_of_a_users_value_is_cut_and_printable(number: int) -> None:
    """The same of messages and results, and of an exception that holds one."""
    value = VALUES[number]()

    def check() -> None:
        error = ValueError(value, [value, (value,)])
        for text in (shown(value), said(value), described(error), shown(error), str(Crashed(error))):
            assert is_fit(text)
            assert "\n" not in text
        assert is_fit(account(error))

    off_the_main_thread(check)


class Counted(Exception):
    """Counts how often it is asked for its text."""

    asked = 0

    def __str__(self) -> str:
        type(self).asked += 1
        return "counted"


def test_an_account_of_a_long_chain_asks_few_of_it() -> None:
    """Guards the cost of a log line about the 1,500th failure of a retry loop: both ends of the chain are told."""
    last: Exception = Counted()
    for _ in range(1500):
        made = Counted()
        made.__cause__ = last
        last = made
    Counted.asked = 0
    text = account(last)
    assert Counted.asked < 40
    assert "and 1493 more exceptions" in text
    assert text.count("Counted: counted") == 8
    assert account(chained(1500)).startswith("ValueError: the first\n")


def test_an_account_of_groups_in_groups_is_bounded() -> None:
    """Guards against 2**200 lines for 200 exceptions."""
    text = account(grouped(200))
    assert text.startswith("ExceptionGroup: again")
    assert len(text.splitlines()) < 100


def test_a_reason_that_came_from_a_thousand_others_names_the_first() -> None:
    """Guards links in a row and supervisors below supervisors: neither a RecursionError, nor a text that grows."""
    reason: ExitReason = Crashed(ValueError("where it began"))
    limit: ExitReason = reason
    for number in range(3000):
        reason = Crashed(LinkedExit(f"root/{number}", reason))
        limit = RestartLimitExceeded(f"root/{number}", "a", 5, 60.0, limit)
    for each in (reason, limit):
        assert str(each).count("where it began") == 1
        assert "2999 between" in str(each) or "2998 between" in str(each)
        assert len(str(each)) < 400
        assert each == each
        assert isinstance(hash(each), int)
        assert is_fit(repr(each))


@pytest.mark.parametrize("package", [actors, supervisors, teams], ids=lambda each: str(each.__name__))
def test_every_event_compares_and_shows_itself_guarded(package: Any) -> None:
    """Guards events that are added: what `dataclass` writes for a class would call the user's code."""
    found = [each for name in package.__all__ if isinstance(each := getattr(package, name), type)]
    for kind in found:
        if issubclass(kind, LifecycleEvent):
            for name in ("__eq__", "__hash__", "__repr__"):
                assert getattr(kind, name) is getattr(LifecycleEvent, name), (kind, name)


def test_events_with_the_same_incomparable_message_are_equal() -> None:
    """Guards comparisons of events in users' tests."""
    message = Array()
    assert DeadLetter("root/a", 1.0, message, "closed") == DeadLetter("root/a", 1.0, message, "closed")
    assert DeadLetter("root/a", 1.0, message, "closed") != DeadLetter("root/a", 1.0, Array(), "closed")
    assert DeadLetter("root/a", 1.0, [1], "closed") == DeadLetter("root/a", 1.0, [1], "closed")
    assert hash(DeadLetter("root/a", 1.0, [1], "closed")) == hash(DeadLetter("root/a", 1.0, [1], "closed"))


class Records(logging.Handler):
    """Keeps records, and formats them as a user's formatter would."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()
        self.records.append(record)


@settings(max_examples=60)
@given(events())
def test_every_event_becomes_a_record_of_plain_fields(event: LifecycleEvent) -> None:
    """Guards handlers that pickle records, or write them as JSON; no field stands for one of logging's own."""

    def check() -> logging.LogRecord:
        target, handler = logging.getLogger("test.hostile"), Records()
        target.handlers, target.propagate, target.level = [handler], False, logging.DEBUG
        LogSink(target)(event)
        (record,) = handler.records
        return record

    record = off_the_main_thread(check)
    assert is_fit(record.getMessage())
    assert "\n" not in record.getMessage()
    fields = {name: value for name, value in vars(record).items() if name.startswith(PREFIX)}
    assert fields[f"{PREFIX}event"] == event.name
    for value in fields.values():
        assert type(value) in (str, int, float, bool)
        assert not isinstance(value, str) or is_fit(value)


class Messenger(metaclass=Meta):
    """A message of a class that does not say what it is called."""

    def __repr__(self) -> str:
        raise SystemExit


class Victim(Actor):
    """Raises what it is sent, or over the message."""

    def on_receive(self, message: Any) -> Any:
        if message == "ping":
            return self.incarnation
        raise message if isinstance(message, BaseException) else ValueError(message)


@pytest.mark.parametrize(
    "make",
    [
        *(lambda kind=kind: that_raises(kind)("x") for kind in RAISES),
        lambda: chained(1500),
        lambda: grouped(100),
        lambda: Messenger(),
    ],
)
def test_an_actor_is_restarted_whatever_its_exception_says_of_itself(make: Callable[[], Any]) -> None:
    """Guards the life-cycle step, its log lines and the ledger, all on the event loop."""
    quiet = logging.getLogger("letitcrash")
    handler = Records()
    quiet.addHandler(handler)
    try:
        with start(supervisor("root", child("a", Victim, backoff=None))) as root:
            ref = root.child("a")
            down = ref.monitor()
            ref.tell(make())
            assert isinstance(down.get(timeout=10).reason, Crashed)
            assert ref.ask("ping", timeout=10) == 2
            (entry,) = root.ledger().get(timeout=10)
            assert isinstance(entry, LedgerEntry)
            assert is_fit(repr(entry))
    finally:
        quiet.removeHandler(handler)
    (crash,) = [each for each in handler.records if getattr(each, f"{PREFIX}event") == "crashed_exit"]
    assert crash.exc_text
    assert is_fit(crash.exc_text)

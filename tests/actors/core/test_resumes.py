"""Exceptions after which an actor keeps its state and goes on (`Actor.resumes`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, DeadLetter, Down, HandlerTimeout, NotAnActor, Runtime, Survived
from actors.testing import FaultPlan, simulation
from actors.testing.faults import Crash
from supervisors import child, supervisor
from supervisors._supervisor.ledger import RESUMED
from tests.actors.cast import AsyncPlayer, Host, Player, crash, seen_by, stage, wait_then_crash
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]


class Tough(AsyncPlayer):
    """Survives errors of the system; a key that is missing is an answer."""

    answers = (KeyError,)
    resumes = (OSError, LookupError)


class ToughInThread(Player):
    """The same with plain handlers."""

    answers = (KeyError,)
    resumes = (OSError, LookupError)


CLASSES = [pytest.param(Tough, "loop"), pytest.param(Tough, "thread"), pytest.param(ToughInThread, "thread")]


@pytest.mark.parametrize(("kind", "host"), CLASSES)
def test_an_actor_keeps_its_state_after_an_exception_of_resumes(kind: Any, host: Host) -> None:
    """The asker gets the exception; the message is not delivered again; a restart would have lost the state."""
    with simulation() as sim:
        tree = supervisor("root", child("a", kind, host=host, backoff=None, redeliver=3))
        root = sim.start(tree)
        ref, error = root.child("a"), OSError("disk")
        events: list[Survived] = []
        sim.runtime.events.subscribe(events.append, Survived)
        act = crash(error)
        ref.tell("first")
        with pytest.raises(OSError, match="disk") as caught:
            ref.ask(act)
        ref.tell(act)
        sim.settle()
        assert caught.value is error
        assert (ref.incarnation, seen_by(ref)) == (1, ["first"])
        assert [(each.path, each.incarnation, each.message, each.error) for each in events] == [
            (ref.path, 1, act, error)
        ] * 2
        statistics = ref.statistics()
        assert (statistics.handled, statistics.resumed, statistics.crashes) == (3, 2, 0)
        assert sim.runtime.events.dead_letters == {}
        ledger = [(each.child, each.cause, each.message_type, each.outcome) for each in root.ledger().get()]
        assert ledger == [("a", "OSError", "function", "resumed")] * 2


def test_what_an_actor_survives_takes_no_place_of_a_restart_in_the_ledger() -> None:
    """Both are bounded, and stand in the order in which they happened."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Tough, backoff=None), max_restarts=None))
        ref = root.child("a")
        for error in (ValueError(), *[OSError()] * 200, ValueError()):
            sim.advance(0.1)
            ref.tell(crash(error))
        sim.settle()
        outcomes = [each.outcome for each in root.ledger().get()]
        assert outcomes == ["restarted", *["resumed"] * RESUMED, "restarted"]


errors = st.lists(st.sampled_from([KeyError, IndexError, OSError, ValueError, TimeoutError]), max_size=12)


@given(errors, st.sampled_from(CLASSES))
def test_each_exception_is_an_answer_or_survived_or_a_crash(kinds: list[type[Exception]], case: Any) -> None:
    """`answers` goes first, then `resumes`; the rest crashes. The asker gets it in every case."""
    kind, host = case.values
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", kind, host=host, backoff=None, max_restarts=99))).child("a")
        crashes = resumed = 0
        for error in kinds:
            with pytest.raises(error):
                ref.ask(crash(error()))
            sim.settle()
            resumed += error is not KeyError and issubclass(error, Tough.resumes)
            crashes += not issubclass(error, (*Tough.answers, *Tough.resumes))
            statistics = ref.statistics()
            assert (statistics.resumed, statistics.crashes, ref.incarnation) == (resumed, crashes, 1 + crashes)


def test_the_handlers_beside_the_one_that_raised_go_on() -> None:
    class Two(Tough):
        concurrency = 2

    with simulation() as sim:
        ref = sim.spawn(Two)

        async def slow(_: Any) -> str:
            await asyncio.sleep(1)
            return "slow"

        answer = ref.ask(slow, block=False)
        with pytest.raises(OSError, match="disk"):
            ref.ask(wait_then_crash(OSError("disk")))
        assert answer.get() == "slow"


def test_a_message_that_failed_is_not_progress() -> None:
    """Guards the backoff: an actor that only fails and then crashes is in a crash loop."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Tough, backoff=None), max_restarts=2))
        ref = root.child("a")
        for _ in range(2):
            for error in (OSError(), ValueError()):
                ref.tell(crash(error))
            sim.settle()
        assert ref.is_alive()
        for error in (OSError(), ValueError()):
            ref.tell(crash(error))
        sim.settle()
        assert not root.is_alive()


def test_the_failure_of_a_hook_is_still_a_crash() -> None:
    class Beginning(Tough):
        def on_continue(self) -> None:
            if self.incarnation == 1:
                raise OSError

    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Beginning, backoff=None))).child("a")
        sim.settle()
        assert (ref.incarnation, ref.statistics().crashes, ref.statistics().resumed) == (2, 1, 0)


@pytest.mark.parametrize("host", HOSTS)
def test_a_handler_that_passes_its_time_limit_is_still_a_crash(host: Host) -> None:
    """`HandlerTimeout` is a `TimeoutError`, and so an `OSError`: on a thread its handler runs on."""

    class Slow(AsyncPlayer):
        resumes = (HandlerTimeout, OSError)

    with simulation() as sim:
        tree = supervisor("root", child("a", Slow, host=host, backoff=None, handler_timeout=1))
        ref = sim.start(tree).child("a")

        async def slow(_: Any) -> None:
            await asyncio.sleep(5)

        with pytest.raises(HandlerTimeout):
            ref.ask(slow, timeout=None)
        sim.advance(10)
        assert ref.incarnation == 2


def test_a_handler_that_is_cut_off_is_not_survived() -> None:
    """The cancellation belongs to the crash of another handler, even if the class survives everything."""

    class Everything(AsyncPlayer):
        concurrency = 2
        resumes = (OSError, asyncio.CancelledError)

    with simulation() as sim:
        ref = sim.spawn(Everything)

        async def forever(_: Any) -> None:
            await asyncio.get_running_loop().create_future()

        ref.tell(forever)
        ref.tell(crash(ValueError()))
        sim.settle()
        assert (ref.is_alive(), ref.statistics().resumed) == (False, 0)


def test_a_notice_whose_handler_raises_is_survived_too() -> None:
    class Watching(Tough):
        async def on_receive(self, message: Any) -> Any:
            if isinstance(message, Down):
                raise OSError
            return await super().on_receive(message)

    with simulation() as sim:
        ref, other = sim.spawn(Watching), sim.spawn(Player)
        events: list[Survived] = []
        sim.runtime.events.subscribe(events.append, Survived)
        ref.ask(lambda self: self.monitor(other))
        other.kill()
        sim.settle()
        assert ref.is_alive()
        assert [type(each.message) for each in events] == [Down]


def test_a_failure_that_is_survived_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="letitcrash"), Runtime(watchdog=None) as runtime:
        ref = runtime.spawn(Tough).get()
        with pytest.raises(OSError, match="disk"):
            ref.ask(crash(OSError("disk")))
    (record,) = [each for each in caplog.records if each.name == "letitcrash"]
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"survived path={ref.path} error=")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)


@in_loop
async def test_an_actor_that_hears_of_what_it_survives_does_not_go_round() -> None:
    """Guards subscribers: the handling of a `Survived` that fails is not told to actors again."""

    class Hearing(Tough):
        heard = 0

        async def on_receive(self, message: Any) -> Any:
            if isinstance(message, Survived):
                self.heard += 1
                raise OSError
            return await super().on_receive(message)

    async with stage() as w:
        ref = await w.runtime.spawn(Hearing)
        await ref.call(lambda self: self.subscribe(Survived) and None)
        ref.tell(crash(OSError()))
        await w.settle()
        assert ref.state()["heard"] == 1
        assert len(w.seen(Survived)) == 2
        assert w.seen(DeadLetter) == []


def test_a_fault_that_crashes_a_tough_actor_is_a_crash() -> None:
    """Guards fault plans: an injected crash is none of the exceptions that a class lists by itself."""
    with simulation(FaultPlan(Crash("root/a"))) as sim:
        ref = sim.start(supervisor("root", child("a", Tough, backoff=None))).child("a")
        ref.tell("x")
        sim.settle()
        assert ref.incarnation == 2


BAD: list[Any] = [OSError, [OSError], (OSError, "x"), (int,), None]


@pytest.mark.parametrize("resumes", BAD, ids=repr)
def test_resumes_that_are_no_exception_classes_are_refused(resumes: Any) -> None:
    kind: Callable[..., Any] = type("Bad", (Actor,), {"resumes": resumes})
    with simulation() as sim, pytest.raises(NotAnActor, match="resumes must be a tuple of exception classes"):
        sim.spawn(kind)  # type: ignore[call-overload]

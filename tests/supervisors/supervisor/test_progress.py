"""What distinguishes a child that fails now and then from one in a crash loop: progress (rules 8, 9 and 11)."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, ActorRef, Down, ManualClock, RestartLimitExceeded
from actors.testing import Simulation, simulation
from supervisors import BackingOff, GaveUp, SupervisorGaveUp, child, constant, exponential, start, supervisor
from supervisors._specs.fields import MAX_RESTARTS
from tests.supervisors.cast import left_behind
from tests.support import in_loop


class Worker(Actor):
    """Calls every message that can be called, with itself."""

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else message


def boom(_: Any) -> None:
    """A message that crashes its actor."""
    raise ValueError("boom")


def fine(_: Any) -> None:
    """A message that is handled."""


def events(sim: Simulation, kind: type[Any]) -> list[Any]:
    """What is heard of this kind of event from now on."""
    heard: list[Any] = []
    sim.runtime.events.subscribe(heard.append, kind)
    return heard


def tell(sim: Simulation, ref: ActorRef[Any], *messages: object) -> None:
    """Sends these, and lets everything happen that takes no time."""
    for message in messages:
        ref.tell(message)
    sim.settle()


class TestAWorkerThatFailsNowAndThen:
    """With the defaults it is served, and costs neither its supervisor nor its siblings anything."""

    def test_a_worker_that_fails_every_fourth_call_serves_the_other_three(self) -> None:
        """Rule 11: what it handles makes its failures forgotten, so that the delay stays short."""
        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Worker)))
            answers: list[int] = []
            for number in range(1200):
                root.child("a").tell(boom if number % 4 == 3 else lambda _: answers.append(1))
                sim.advance(0.05)
            assert len(answers) == 900
            assert root.is_alive()

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 30), st.integers(0, 99))
    def test_an_ordinary_rate_of_failures_spends_no_budget(self, percent: int, seed: int) -> None:
        """Rule 8: up to three calls of ten, twenty a second, for a minute and longer."""
        choose = random.Random(seed)
        with simulation(seed=seed) as sim:
            root = sim.start(supervisor("root", child("a", Worker), child("b", Worker)))
            for _ in range(1500):
                root.child("a").tell(boom if choose.random() * 100 < percent else fine)
                sim.advance(0.05)
            assert root.is_alive()
            assert root.child("b").incarnation == 1

    def test_a_child_of_its_own_spends_nothing_of_its_siblings(self) -> None:
        """Rule 9: without a period each child has the whole budget for itself."""
        with simulation() as sim:
            children = [child(id, Worker, backoff=None) for id in "abc"]
            root = sim.start(supervisor("root", *children, max_restarts=2))
            for id in "abc":
                tell(sim, root.child(id), boom, boom)
            assert root.is_alive()
            tell(sim, root.child("b"), boom)
            assert not root.is_alive()


class TestACrashLoop:
    """It is found, whatever the delays, and has exponential backoff until then."""

    def test_a_child_that_crashes_on_every_message_ends_in_a_loud_account(self) -> None:
        """Rules 8 and 10: and on the way there it waits longer and longer."""
        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Worker, backoff=exponential(jitter="none"))))
            delays, gave_up = events(sim, BackingOff), events(sim, GaveUp)
            ended = root.ended()
            while root.is_alive():
                root.child("a").tell(boom)
                sim.advance(0.05)
            assert [event.delay for event in delays] == pytest.approx([0.1 * 2**n for n in range(9)] + [30.0] * 6)
            reason = ended.get()
            assert isinstance(reason, RestartLimitExceeded)
            assert (reason.max_restarts, reason.period) == (MAX_RESTARTS, None)
            assert "more than 15 restarts in a row without progress" in str(reason)
            assert len(gave_up) == 1

    def test_a_child_that_fails_in_every_restart_ends_in_a_loud_account(self) -> None:
        """Rule 8: every failed attempt counts once."""

        class Once(Worker):
            def on_start(self) -> None:
                if self.incarnation > 1:
                    raise OSError("no database")

        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Once)))
            gave_up = events(sim, GaveUp)
            tell(sim, root.child("a"), boom)
            sim.advance(1000)
            assert not root.is_alive()
            assert [event.max_restarts for event in gave_up] == [MAX_RESTARTS]

    def test_a_server_that_is_down_for_a_minute_ends_nothing(self) -> None:
        """Rules 8 and 11: the worker that needs it backs off, and goes on when it is back."""
        with simulation(seed=3) as sim:
            root = sim.start(supervisor("root", child("a", Worker)))
            answers: list[float] = []

            def serve(_: Any) -> None:
                if 30 <= sim.now < 90:
                    raise ConnectionError("down")
                answers.append(sim.now)

            while sim.now < 180:
                root.child("a").tell(serve)
                sim.advance(0.5)
            assert root.is_alive()
            assert answers[-1] > 179
            assert root.child("a").incarnation <= MAX_RESTARTS + 1

    def test_what_is_handled_between_two_failures_makes_the_delays_short_again(self) -> None:
        """Rule 11: one message is enough, and so is a run of `reset_after` without any."""
        with simulation() as sim:
            backoff = exponential(1, cap=8, jitter="none", reset_after=20)
            root = sim.start(supervisor("root", child("a", Worker, backoff=backoff)))
            delays = events(sim, BackingOff)
            a = root.child("a")
            for messages, up in [
                ((boom,), 0),
                ((boom,), 0),
                ((fine, boom), 0),
                ((boom,), 0),
                ((boom,), 20),
                ((boom,), 19),
            ]:
                tell(sim, a, *messages)
                sim.advance(delays[-1].delay + up)
            tell(sim, a, boom)
            assert [event.delay for event in delays] == [1, 2, 1, 2, 4, 1, 2]


class TestWhatIsProgress:
    """A message of the queue that is handled without failure."""

    @pytest.mark.parametrize("host", ["loop", "thread"])
    def test_a_message_that_fails_is_none(self, host: Any) -> None:
        """Neither the one that crashes it nor those beside it."""
        assert progress(child("a", Worker, host=host), lambda sim, a: None) is False
        assert progress(child("a", Worker, host=host), lambda sim, a: a.tell(fine)) is True

    def test_a_message_that_waits_for_something_is_none(self) -> None:
        """It counts when it is done."""

        class Two(Actor):
            concurrency = 2

            async def on_receive(self, message: Any) -> None:
                if message is boom:
                    boom(self)
                await asyncio.sleep(message if isinstance(message, float) else 0.0)

        assert progress(child("a", Two), lambda sim, a: a.tell(5.0)) is False

        def one_is_done(sim: Simulation, a: ActorRef[Any]) -> None:
            tell(sim, a, 5.0, 0.5)
            sim.advance(1)

        assert progress(child("a", Two), one_is_done) is True

    def test_a_message_that_is_stashed_is_none(self) -> None:
        """It has not been handled yet."""
        assert progress(child("a", Worker), lambda sim, a: a.tell(lambda actor: actor.stash())) is False

    def test_a_message_that_nothing_handles_is_none(self) -> None:
        """It is a dead letter."""

        class Picky(Actor):
            def on_receive(self, message: Any) -> Any:
                return boom(self) if message is boom else super().on_receive(message)

        assert progress(child("a", Picky), lambda sim, a: a.tell("what is this")) is False

    def test_a_start_and_a_continuation_are_none(self) -> None:
        """They come with every incarnation."""

        class Continuing(Worker):
            def on_continue(self) -> None:
                """Done at once."""

        assert progress(child("a", Continuing), lambda sim, a: None) is False

    def test_a_word_of_the_end_of_another_is_none(self) -> None:
        """It came by the system lane."""
        others: list[ActorRef[Any]] = []

        class Watching(Worker):
            def on_start(self) -> None:
                others.append(self.spawn(Worker).get())
                self.monitor(others[-1])

            def on_receive(self, message: Any) -> Any:
                return heard.append(message) if isinstance(message, Down) else super().on_receive(message)

        heard: list[Down] = []

        def end_the_other(sim: Simulation, _: ActorRef[Any]) -> None:
            others[-1].kill()
            sim.settle()

        assert progress(child("a", Watching, host="thread"), end_the_other) is False
        assert len(heard) == 1

    def test_a_permanent_child_that_only_stops_itself_makes_none(self) -> None:
        """Rule 8: or it would be restarted for ever."""

        class Leaving(Actor):
            def on_continue(self) -> None:
                self.stop()

        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Leaving)))
            sim.advance(1000)
            assert not root.is_alive()

    @in_loop
    async def test_what_a_thread_left_behind_still_handles_is_none(self) -> None:
        """It belongs to an incarnation that is gone."""
        clock, began, gate, stuck = ManualClock(), threading.Event(), threading.Event(), list[threading.Thread]()

        def block(_: Any) -> None:
            stuck.append(threading.current_thread())
            began.set()
            gate.wait(60)

        spec = supervisor("root", child("a", Worker, host="thread", handler_timeout=10, backoff=None))
        async with start(spec, clock=lambda _: clock, watchdog=None, log=False) as root:
            a = root.child("a")
            a.tell(block)
            assert await asyncio.to_thread(began.wait, 60)
            await left_behind(a, clock)
            assert await a.call("the next incarnation") == "the next incarnation"
            gate.set()
            await asyncio.to_thread(stuck[0].join, 60)
            assert a.incarnation == 2
            assert a._cell.handled - a._cell.unproductive == 1

    @pytest.mark.parametrize("asked", [False, True], ids=["told", "asked"])
    @in_loop
    async def test_a_message_that_its_thread_never_ends_is_none(self, asked: bool) -> None:
        """It counts as handled when its handler begins, and that handler never came to an end."""
        clock, gate, began = ManualClock(), threading.Event(), [threading.Event(), threading.Event()]
        stuck: list[threading.Thread] = []

        def block(_: Any) -> None:
            stuck.append(threading.current_thread())
            began[len(stuck) - 1].set()
            gate.wait(60)

        spec = supervisor("root", child("a", Worker, host="thread", handler_timeout=10, backoff=None), max_restarts=1)
        with pytest.raises(SupervisorGaveUp):
            async with start(spec, clock=lambda _: clock, watchdog=None, log=False) as root:
                a = root.child("a")
                for each in began:
                    if asked:
                        a.ask(block, block=False, timeout=None)
                    else:
                        a.tell(block)
                    assert await asyncio.to_thread(each.wait, 60)
                    await left_behind(a, clock)
        gate.set()
        for thread in stuck:
            await asyncio.to_thread(thread.join, 60)


def progress(spec: Any, meanwhile: Callable[[Simulation, ActorRef[Any]], object]) -> bool:
    """Whether the child, which may be restarted once in a row, survives a second crash after what happens meanwhile."""
    spec = type(spec)(**{**dict(spec), "max_restarts": 1})
    with simulation() as sim:
        root = sim.start(supervisor("root", spec))
        a = root.child("a")
        tell(sim, a, boom)
        sim.advance(0.2)
        assert a.incarnation == 2
        meanwhile(sim, a)
        tell(sim, a, boom)
        sim.advance(0.5)
        return bool(root.is_alive())


class TestTheLimit:
    """Whose end it is, and what OTP's window makes of progress."""

    def test_on_limit_drop_gives_up_the_child_alone_in_either_kind_of_budget(self) -> None:
        """Rule 9: no budget of its own is needed, and its siblings never hear of it."""
        for options in ({"max_restarts": 2}, {"max_restarts": 2, "period": 60.0}):
            with simulation() as sim:
                flaky = child("a", Worker, on_limit="drop", backoff=None)
                root = sim.start(supervisor("root", flaky, child("b", Worker), strategy="one_for_all", **options))
                gave_up = events(sim, GaveUp)
                tell(sim, root.child("a"), boom, boom)
                before = root.child("b").incarnation
                tell(sim, root.child("a"), boom)
                assert [(event.child, event.scope) for event in gave_up] == [("a", "child")]
                assert [(info.id, info.state.value) for info in root.which_children().get()] == [("b", "running")]
                assert root.child("b").incarnation == before

    def test_with_a_period_every_restart_counts_whatever_is_handled_between(self) -> None:
        """Rule 8: OTP's window, for those who ask for it."""
        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Worker, backoff=None), max_restarts=2, period=60))
            tell(sim, root.child("a"), fine, boom, fine, boom)
            assert root.is_alive()
            tell(sim, root.child("a"), fine, boom)
            assert not root.is_alive()

    def test_a_supervisor_that_gave_up_again_without_progress_escalates(self) -> None:
        """Rule 8: however long its crash loops take, the time that it was up is none."""
        with simulation() as sim:
            below = supervisor(
                "s", child("a", Worker, backoff=constant(20, reset_after=1000)), max_restarts=2, backoff=None
            )
            root = sim.start(supervisor("root", below, max_restarts=3))
            gave_up = events(sim, GaveUp)
            while root.is_alive():
                root.child("s/a").tell(boom)
                sim.advance(20)
            assert [event.path for event in gave_up] == [*["root/s/a"] * 4, "root/s"]

    def test_a_supervisor_that_gave_up_after_progress_counts_anew(self) -> None:
        """Rule 8: the child that ended it had handled something in that life."""
        with simulation() as sim:
            below = supervisor("s", child("a", Worker, backoff=None), child("b", Worker), max_restarts=0, backoff=None)
            root = sim.start(supervisor("root", below, max_restarts=2))
            for _ in range(5):
                tell(sim, root.child("s/a"), fine, boom)
            assert root.is_alive()
            tell(sim, root.child("s/b"), fine)
            tell(sim, root.child("s/a"), boom)
            assert root.is_alive()
            tell(sim, root.child("s/b"), fine)
            tell(sim, root.child("s/a"), boom)
            assert not root.is_alive()

"""Each oracle finds its planted bug, by a type of its own, and says what it saw."""

from __future__ import annotations

import asyncio
import math
import pickle
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, ActorRef, Killed, MailboxSpec, Started, bounded, prioritized
from actors._core.envelope import Envelope
from actors._core.outcomes import refuse, unhandled
from actors.testing import (
    EventMismatch,
    HandledTwice,
    InvariantBroken,
    LivelockFailure,
    LoopFailure,
    MessageLost,
    NeverSettled,
    OracleFailure,
    OrphanLeft,
    OutOfOrder,
    RepliedTwice,
    Simulation,
    StoppedLate,
    edge,
    simulation,
)
from supervisors import child, supervisor
from tests.actors.testing.cast import Counter, Echo, Sleepy, counters


def run(body: Callable[[Simulation], object]) -> None:
    """One simulation with this body."""
    with simulation() as sim:
        body(sim)


def test_a_lost_message_is_found() -> None:
    """A message that is taken out of a mailbox behind everybody's back is missed, with its sender and its time."""

    def lose(sim: Simulation) -> None:
        ref = sim.spawn(Sleepy, name="sleepy")
        ref.tell("first")
        ref.tell("second")
        sim.settle()
        ref._cell.queue.popleft()

    with pytest.raises(MessageLost, match=r"message 2 \(str, from outside to sleepy, sent at 0 s\)"):
        run(lose)


def test_messages_in_every_place_are_accounted_for() -> None:
    """Waiting, stashed, being handled, delayed by a bound or left in a stopped actor: none of it is a loss."""

    class Stasher(Echo):
        def on_receive(self, message: object) -> object:
            self.stash()
            return None

    def body(sim: Simulation) -> None:
        stasher, sleepy, gone = sim.spawn(Stasher), sim.spawn(Sleepy), sim.spawn(Sleepy)
        for ref in (stasher, sleepy, gone):
            for number in range(3):
                ref.tell(number)
        gone.stop(block=False)
        sim.run(until=1.5)

    run(body)


@pytest.mark.parametrize("mailbox", [None, bounded(9), prioritized(lambda _: 0.0)])
def test_a_message_that_is_handled_twice_is_found(mailbox: MailboxSpec | None) -> None:
    """One that stands in a mailbox twice, as after a stash that keeps it twice, with its number and its type."""

    def twice(sim: Simulation) -> None:
        ref = sim.spawn(Echo, name="echo", mailbox=mailbox)
        ref.suspend()
        ref.tell("x")
        sim.settle()
        waits = ref._cell.queue.popleft()
        for _ in range(2):
            ref._cell.queue.appendleft(waits)
        ref.resume()
        sim.settle()

    with pytest.raises(HandledTwice, match=r"echo handles message 1 \(str\), which was handled or refused before"):
        run(twice)


def test_a_message_that_is_refused_and_handled_all_the_same_is_found() -> None:
    """A dead letter is the end of a message."""

    def both(sim: Simulation) -> None:
        cell = sim.spawn(Echo, name="echo")._cell
        cell.suspend(True)
        cell.ref.tell("x")
        refuse(cell, next(iter(cell.queue)), "killed", ActorDeadError("echo", Killed(), "x"))  # type: ignore[call-overload]
        cell.suspend(False)
        sim.settle()

    with pytest.raises(HandledTwice, match="echo handles message 1"):
        run(both)


@given(
    st.lists(st.sampled_from(["stash", "unstash", "crash", "keep", "unheard", "fail"]), max_size=12), st.integers(0, 2)
)
def test_what_goes_back_and_comes_again_is_not_taken_for_handled_twice(words: list[str], redeliver: int) -> None:
    """Stashed, put back, given to the next incarnation, put in quarantine or answered with an error: each once."""

    class Moody(Actor):
        answers = (KeyError,)

        def on_receive(self, message: object) -> object:
            match message:
                case "stash" if self.incarnation < 3:
                    self.stash()
                case "unstash":
                    self.unstash()
                case "crash":
                    raise ZeroDivisionError
                case "unheard":
                    unhandled(self._cell)
                case "fail":
                    raise KeyError
            return message

    def body(sim: Simulation) -> None:
        one = child("moody", Moody, backoff=None, redeliver=redeliver)
        ref = sim.start(supervisor("root", one, max_restarts=None)).child("moody")
        for word in words:
            ref.tell(word)
        sim.settle()
        for word in words:
            ref.ask(word, block=False)
        sim.settle()

    run(body)


def test_messages_out_of_order_are_found() -> None:
    """Supervision rule 33: what one sender sent first is handled first."""

    def swap(sim: Simulation) -> None:
        ref = sim.spawn(Counter, name="counter")
        ref.tell(1)
        ref.tell(2)
        ref._cell.queue.rotate()  # type: ignore[attr-defined]
        sim.settle()

    with pytest.raises(OutOfOrder, match="counter handles message 1 of outside after its later message 2"):
        run(swap)


def test_a_second_answer_is_found() -> None:
    """One question, one answer."""

    class Lavish(Actor):
        def on_receive(self, message: object) -> object:
            reply = self._cell.envelope.reply if self._cell.envelope is not None else None
            assert reply is not None
            reply.inner.done = lambda: False  # type: ignore[attr-defined]
            reply.set_result(1)
            reply.inner.set_result = lambda _: None  # type: ignore[attr-defined]
            return 2

    def body(sim: Simulation) -> None:
        sim.spawn(Lavish, name="lavish").ask("x", block=False)
        sim.settle()

    with pytest.raises(RepliedTwice, match="lavish answers question 1 a second time"):
        run(body)


def test_a_question_that_is_never_settled_is_found() -> None:
    """An actor that takes the duty to answer and ends without answering leaves its asker waiting."""

    class Taker(Actor):
        def on_receive(self, message: object) -> None:
            self._cell.take_reply()

    def body(sim: Simulation) -> None:
        sim.spawn(Taker, name="taker").ask("x", block=False, timeout=None)
        sim.settle()

    with pytest.raises(NeverSettled, match="question 1 to taker"):
        run(body)


def test_a_task_that_outlives_its_actor_is_found() -> None:
    """A task that an actor makes in a context of its own does not end with it: it is the actor's to end."""

    class Leaky(Echo):
        async def forever(self) -> None:
            await asyncio.get_running_loop().create_future()

        async def on_receive(self, message: object) -> None:
            self.task = asyncio.create_task(self.forever(), context=Context())

    with pytest.raises(OrphanLeft, match=r"a task: .*Leaky.forever"):
        run(lambda sim: sim.spawn(Leaky).ask("x"))


def test_a_timer_that_outlives_its_actor_is_found() -> None:
    """A call that is still to come after the end would find nobody."""

    class Late(Echo):
        async def on_receive(self, message: object) -> None:
            asyncio.get_running_loop().call_later(900.0, print)

    with pytest.raises(OrphanLeft, match="a timer for 900 s: print"):
        run(lambda sim: sim.spawn(Late).ask("x"))


def test_a_name_that_outlives_its_actor_is_found() -> None:
    """Supervision rule 32 seen from the end."""

    def body(sim: Simulation) -> None:
        ref = sim.spawn(Echo)
        sim.runtime.registry._names["leak"] = ref._cell

    with pytest.raises(OrphanLeft, match="1 names or group memberships"):
        run(body)


def test_a_tree_that_ignores_the_order_to_stop_is_ended_in_time() -> None:
    """An actor whose `on_stop` never ends is killed when its shutdown time is over, which is in order."""

    class Deaf(Echo):
        async def on_stop(self) -> None:  # type: ignore[override]
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    return

    with simulation() as sim:
        sim.start(supervisor("root", child("deaf", Deaf, shutdown=3.0)))
    assert sim.now == 3.0


def test_a_stop_that_takes_too_long_is_found() -> None:
    """The whole tree is gone within the sum of the shutdown times (supervision rule 17)."""

    def body(sim: Simulation) -> None:
        sim.start(counters("a"))
        sim.runtime.loop_host.close = lambda: asyncio.sleep(6.5)  # type: ignore[method-assign]

    with pytest.raises(StoppedLate, match=r"took 6.5 s; the shutdown times allow 6 s"):
        run(body)


def test_an_event_too_many_is_found() -> None:
    """The lifecycle stream says each thing once."""

    def body(sim: Simulation) -> None:
        ref: ActorRef[Any] = sim.spawn(Echo, name="echo")
        sim.runtime.events.publish(Started(ref.path, sim.now, Echo, 1))

    with pytest.raises(EventMismatch, match="incarnation 1 of echo started 1 times, and there were 2 events"):
        run(body)


def test_what_a_callback_raises_is_found() -> None:
    """Otherwise asyncio would log it and go on."""

    def body(sim: Simulation) -> None:
        sim.loop.call_soon(lambda: 1 // 0)
        sim.settle()

    with pytest.raises(LoopFailure, match="ZeroDivisionError"):
        run(body)


def test_the_edge_of_a_window_is_three_moments() -> None:
    """Just before, at, and just after: also where a nanosecond is less than the clock can tell."""
    before, at, after = edge(10.0, 60.0)
    assert before < at == 70.0 < after
    assert after - before < 1e-8
    before, at, after = edge(1e9, 60.0)
    assert (before, after) == (math.nextafter(at, 0), math.nextafter(at, math.inf))


@pytest.mark.parametrize(
    "failure",
    [InvariantBroken(1.5, "x"), LivelockFailure(0.0, 9, ["a", ""]), MessageLost(2.0, "y")],
)
def test_failures_are_values_of_their_own_types(failure: OracleFailure) -> None:
    """They survive pickling, are assertion errors for pytest, and say when."""
    again = pickle.loads(pickle.dumps(failure))
    assert type(again) is type(failure)
    assert str(again) == str(failure)
    assert isinstance(failure, AssertionError)
    assert str(failure).startswith(f"at {failure.at:g} s: ")


def test_a_message_put_in_by_hand_is_a_message() -> None:
    """Whoever puts an envelope into a cell is watched like everybody else."""
    with simulation() as sim:
        ref = sim.spawn(Counter)
        ref._cell.put(Envelope("x"))
        sim.settle()
        assert sim.runtime.journal.messages == 1
        assert not sim.runtime.journal.open

"""An actor says itself that it works: `self.healthy()`, and a backoff that only this resets (rules 8 and 11)."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorRef, IncarnationEnded, ManualClock
from actors.testing import simulation
from supervisors import (
    BackingOff,
    SpecError,
    Supervisor,
    child,
    constant,
    exponential,
    linear,
    start,
    supervisor,
    tasks,
)
from supervisors._engine.children import Child
from supervisors.testing import ReferenceDisagreement, ScriptedAction, ScriptedActor, Trial
from tests.supervisors.cast import left_behind
from tests.support import in_loop

ONLY = exponential(1, cap=8, jitter="none", reset="healthy")


class Worker(Actor):
    """Calls what it is sent."""

    def on_receive(self, message: Any) -> Any:
        return message(self)


def boom(_: Any) -> None:
    """Crashes."""
    raise ValueError("boom")


def work(_: Any) -> None:
    """Is handled without failure."""


def healthy(actor: Any) -> None:
    """Says that it works."""
    actor.healthy()


def delays(*steps: Callable[[Any], object] | float, backoff: Any = ONLY, **options: Any) -> list[float]:
    """The delays that the supervisor announces while a child does these steps; a number lets so much time pass."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Worker, backoff=backoff, **options), max_restarts=None))
        found: list[float] = []
        sim.runtime.events.subscribe(lambda event: found.append(event.delay), BackingOff)
        for step in steps:
            if callable(step):
                root.child("a").tell(step)
                sim.advance(8)
            else:
                sim.advance(step)
        return found


def test_rule_11_healthy_resets_the_delay() -> None:
    """For an actor that gets no message, too."""
    assert delays(boom, boom, boom) == [1, 2, 4]
    assert delays(boom, boom, healthy, boom) == [1, 2, 1]


def test_rule_11_with_reset_healthy_nothing_else_resets_the_delay() -> None:
    """Neither what is handled nor a long run: a worker that answers before it fails still backs off."""
    assert delays(boom, work, boom, 1000.0, boom, work, boom) == [1, 2, 4, 8]
    usual = exponential(1, cap=8, jitter="none")
    assert delays(boom, work, boom, backoff=usual) == [1, 1]
    assert delays(boom, 1000.0, boom, backoff=usual) == [1, 1]


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_rule_8_healthy_counts_as_progress_for_the_budget(host: Any) -> None:
    """And with `reset="healthy"` what is handled does not."""

    class Loop(Actor):
        def on_continue(self) -> None:
            if works[0]:
                self.healthy()
            raise ValueError("its loop has ended")

    works = [True]
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Loop, backoff=constant(1), host=host), max_restarts=2))
        sim.advance(100)
        assert root.is_alive()
        works[0] = False
        sim.advance(100)
        assert not root.is_alive()
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Worker, backoff=ONLY, host=host), max_restarts=2))
        for _ in range(3):
            root.child("a").tell(work)
            root.child("a").tell(boom)
            sim.advance(10)
        assert not root.is_alive()


@given(st.lists(st.sampled_from([boom, work, healthy]), max_size=8))
def test_rule_11_the_delay_depends_on_the_crashes_since_it_was_healthy(steps: list[Callable[[Any], None]]) -> None:
    """Whatever it handled between."""
    expected, row, well = [], 0, False
    for step in steps:
        well = well or step is healthy
        if step is boom:
            row = 1 if well else row + 1
            expected.append(min(8.0, 2.0 ** (row - 1)))
            well = False
    assert delays(*steps) == expected


def test_healthy_in_a_start_that_fails_changes_nothing() -> None:
    """It has not worked: an incarnation that was never up makes no progress."""

    class Late(Actor):
        def on_start(self) -> None:
            self.healthy()
            if self.incarnation > 1:
                raise ValueError("not up")

        def on_receive(self, message: Any) -> Any:
            return message(self)

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Late, backoff=ONLY), max_restarts=None))
        found: list[float] = []
        sim.runtime.events.subscribe(lambda event: found.append(event.delay), BackingOff)
        root.child("a").tell(boom)
        sim.advance(8)
        assert found == [1, 2, 4, 8]


@in_loop
async def test_healthy_of_a_thread_that_was_left_behind_is_refused() -> None:
    """It speaks for an incarnation that has ended, and not for the next one."""
    clock, began, gate, done = ManualClock(), threading.Event(), threading.Event(), threading.Event()
    refused = list[BaseException]()

    def late(actor: Worker) -> None:
        began.set()
        gate.wait(60)
        try:
            actor.healthy()
        except IncarnationEnded as error:
            refused.append(error)
        done.set()

    spec = supervisor("root", child("a", Worker, host="thread", handler_timeout=10, backoff=None))
    async with start(spec, clock=lambda _: clock, watchdog=None, log=False) as root:
        a: ActorRef[Any] = root.child("a")
        a.tell(late)
        assert await asyncio.to_thread(began.wait, 60)
        await left_behind(a, clock)
        assert await a.call(lambda actor: actor.incarnation) == 2
        gate.set()
        assert await asyncio.to_thread(done.wait, 60)
        assert len(refused) == 1
        possessions = a._cell.possessions
        assert possessions is None or not possessions.healthy


class Plain(pykka.ThreadingActor):
    """Has no `healthy`."""


@pytest.mark.parametrize(
    "build",
    [
        lambda: child("a", Plain, backoff=ONLY),
        lambda: supervisor("a", backoff=ONLY),
        lambda: tasks("a", task_backoff=ONLY),
        lambda: exponential(reset="healthy", reset_after=5),
        lambda: linear(reset="healthy", reset_after=5),
        lambda: constant(1, reset="healthy", reset_after=5),
    ],
    ids=["pykka", "supervisor", "task", "exponential", "linear", "constant"],
)
def test_rule_22_reset_healthy_that_cannot_work_is_refused(build: Callable[[], object]) -> None:
    """Nothing there would ever call `healthy`."""
    with pytest.raises(SpecError, match="reset='healthy'"):
        build()


def test_a_class_named_by_its_place_is_checked_when_it_is_found() -> None:
    """As for its host."""
    spec = child("a", f"{__name__}:Plain", backoff=ONLY)
    with pytest.raises(SpecError, match=r"Plain has no healthy\(\)"):
        spec.resolve("root/a")


def test_a_supervisor_class_of_its_own_may_say_healthy() -> None:
    """It is an actor, too."""

    class Own(Supervisor):
        """One."""

    assert supervisor("a", supervisor_class=Own, backoff=ONLY).backoff == ONLY
    assert pickle.loads(pickle.dumps(ONLY)) == ONLY


def test_the_model_of_the_rules_knows_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the model of rule 11: a supervisor that resets too often, or never, is accused."""
    spec = child("a", ScriptedActor, backoff=linear(0.25, jitter="none", reset="healthy"))
    deeds = (
        *(ScriptedAction(1.0 + number, "root/a", "crash") for number in range(3)),
        *(ScriptedAction(0.5 + number, "root/a", "work") for number in range(3)),
        ScriptedAction(3.5, "root/a", "healthy"),
        ScriptedAction(4.0, "root/a", "crash"),
    )
    trial = Trial(supervisor("root", spec), deeds)
    assert not trial.run().silent
    assert Trial.decode(trial.encode()) == trial
    down = Child.down
    for said in (True, False):

        def mistaken(self: Child, now: float, handled: int, reason: Any, _: bool = False, said: bool = said) -> None:
            down(self, now, handled, reason, said)

        with monkeypatch.context() as patch:
            patch.setattr(Child, "down", mistaken)
            with pytest.raises(ReferenceDisagreement) as found:
                trial.run()
            assert found.value.rule == 11

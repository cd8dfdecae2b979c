"""Predicates of a test look at actors, at the calls of a workload, and may ask."""

from __future__ import annotations

import asyncio
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorRef
from actors.testing import (
    Crash,
    FaultPlan,
    InvariantBroken,
    NeverHappened,
    Simulation,
    SimulationError,
    Strategy,
    simulation,
)
from supervisors import child, constant, supervisor
from tests.actors.testing.cast import Account, Counter, Depositor, Echo


class Ticks(Actor):
    """Counts the seconds; answers with their number."""

    def on_start(self) -> None:
        self.seconds = 0
        self.tell_every(1.0, "tick")

    def on_receive(self, message: str) -> int:
        self.seconds += message == "tick"
        return self.seconds


def test_a_predicate_of_eventually_may_ask() -> None:
    """It is called once at each moment; its questions take no time."""
    with simulation() as sim:
        ref = sim.spawn(Ticks)
        sim.eventually("seven ticks", lambda: ref.ask("how many") >= 7, within=60)
        assert sim.now == 7.0
        with pytest.raises(NeverHappened, match="'many ticks' did not come true within 5 s"):
            sim.eventually("many ticks", lambda: ref.ask("how many") >= 100, within=5)


def test_a_predicate_may_return_the_future_of_its_question() -> None:
    """Its answer counts, not that there is a future."""
    with simulation() as sim:
        echo = sim.spawn(Echo)
        sim.eventually("yes", lambda: echo.ask(True, block=False), within=1)
        with pytest.raises(NeverHappened):
            sim.eventually("no", lambda: echo.ask(False, block=False), within=1)
        sim.always("yes", lambda: echo.ask(True, block=False))
        with pytest.raises(InvariantBroken, match="'no' does not hold"):
            sim.always("no", lambda: echo.ask(False, block=False))


def test_a_predicate_that_returns_a_coroutine_is_refused() -> None:
    """It would be true for ever, and never awaited."""

    async def is_true() -> bool:
        return False

    coroutine = is_true()
    with simulation() as sim, pytest.raises(SimulationError, match="which is true whatever comes of it"):
        sim.always("true", lambda: coroutine)
    coroutine.close()


def test_an_invariant_that_asks_is_checked_at_each_moment() -> None:
    """Before time moves on; the run ends at the moment that breaks it."""
    with simulation() as sim:
        ref = sim.spawn(Ticks)
        sim.always("few ticks", lambda: ref.ask("how many") < 5)
        sim.run(until=4.5)
        with pytest.raises(InvariantBroken, match="at 5 s: 'few ticks' does not hold"):
            sim.run(until=100)


def test_a_predicate_that_asks_only_later_is_none_the_worse() -> None:
    """It changes from a look after every step to a question at every moment."""
    with simulation() as sim:
        ref = sim.spawn(Ticks)
        calls: list[float] = []

        def few() -> bool:
            if sim.now < 3:
                return True
            calls.append(sim.now)
            return bool(ref.ask("how many") < 6)

        sim.always("few", few)
        with pytest.raises(InvariantBroken, match="at 6 s"):
            sim.run(until=100)
        assert calls == [3.0, 4.0, 5.0, 6.0]


def test_a_predicate_that_does_not_ask_takes_no_step() -> None:
    """A schedule keeps its meaning, and a blob its fingerprint."""

    def trace(*, watched: bool) -> object:
        with simulation(seed=3, search=Strategy("random", 3)) as sim:
            ref = sim.spawn(Ticks)
            if watched:
                sim.always("something", lambda: sim.now >= 0)
            sim.workload(lambda number: ref.ask("how many"), n=3, every=0.5)
            sim.run(until=10)
        return sim.trace_hash

    assert trace(watched=True) == trace(watched=False)


def test_what_a_predicate_that_asks_raises_names_its_place() -> None:
    """As for one that looks."""
    with simulation() as sim:
        ref = sim.spawn(Echo, name="echo")
        with pytest.raises(
            SimulationError, match=r"always\('odd'\) raised ZeroDivisionError.* at .*test_predicates.py"
        ):
            sim.always("odd", lambda: 1 / ref.ask(0))


def test_a_question_of_a_predicate_that_is_never_answered_is_told() -> None:
    """It is late by the default timeout, in virtual time."""

    class Silent(Actor):
        async def on_receive(self, message: object) -> None:
            await asyncio.sleep(1e6)

    with simulation(default_timeout=10) as sim:
        ref = sim.spawn(Silent, shutdown=1.0)
        with pytest.raises(SimulationError, match="CallTimeout"):
            sim.eventually("an answer", lambda: ref.ask("x"), within=60)
        assert sim.now == 10.0


@given(st.integers(0, 2**16))
def test_a_run_with_predicates_that_ask_repeats(seed: int) -> None:
    """Under every search; their questions are steps like any other."""

    def run() -> object:
        plan = FaultPlan(Crash("root/*", nth=4))
        with simulation(plan, seed=seed, search=Strategy("random", seed)) as sim:
            root = sim.start(supervisor("root", child("a", Ticks), child("b", Counter, backoff=constant(0.1))))
            ref = root.child("b")
            seen: list[object] = []

            def counts() -> bool:
                try:
                    seen.append(ref.ask("x"))
                except Exception as error:  # noqa: BLE001 - it crashes by the plan
                    seen.append(type(error).__name__)
                return True

            sim.always("counts", counts)
            sim.run(until=6)
            sim.heal()
            sim.eventually("two", lambda: ref.ask("x") >= 2, within=10)
        return sim.trace_hash, seen

    first = run()
    assert first == run()


def test_the_results_of_a_workload_are_there_for_predicates() -> None:
    """By the number of the call, as soon as it has ended; and so are its errors."""

    def call(echo: ActorRef[Echo], number: int) -> object:
        if number == 2:
            raise OSError("no connection")
        return echo.ask(number * 10)

    with simulation() as sim:
        echo = sim.spawn(Echo)
        work = sim.workload(lambda number: call(echo, number), n=4, every=1.0)
        sim.always("each result is that of its call", lambda: all(work.results[n] == 10 * n for n in work.results))
        sim.eventually("the second call has its result", lambda: work.results.get(1) == 10, within=10)
        assert (sim.now, work.done) == (1.0, 2)
        sim.eventually("all have ended", lambda: work.done == 4, within=10)
        assert work.results == {0: 0, 1: 10, 3: 30}
        assert [type(each) for each in work.errors.values()] == [OSError]


def test_a_lost_update_is_found_by_a_predicate_that_asks() -> None:
    """The balance is somebody's answer, and the deposits are the results of a workload."""

    def lost(sim: Simulation) -> None:
        account = sim.spawn(Account, name="account")
        depositors = [sim.spawn(Depositor, args=[account], name=f"d{number}") for number in range(2)]
        work = sim.workload(lambda number: depositors[number].ask("go"), n=2)
        sim.eventually("both have deposited", lambda: len(work.results) == 2, within=10)
        sim.always("nothing is lost", lambda: account.ask("read") == 2)

    found = 0
    for seed in range(20):
        try:
            with simulation(search=Strategy("random", seed)) as sim:
                lost(sim)
        except InvariantBroken:
            found += 1
    assert 0 < found < 20


def test_the_replay_line_names_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an argument of the shell, so that the line can be pasted; elsewhere than under pytest there is none."""

    def line() -> str:
        with pytest.raises(InvariantBroken) as caught, simulation() as sim:
            sim.always("never", lambda: False)
        return next(each for each in caught.value.__notes__[0].splitlines() if "--sim-replay" in each)

    words = shlex.split(line())
    assert words[:3] == ["or:", "pytest", "--sim-replay"]
    assert words[4:] == ["tests/actors/testing/test_predicates.py::test_the_replay_line_names_the_test"]
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "a.py::test[it's (x)] (call)")
    assert shlex.split(line())[4:] == ["a.py::test[it's (x)]"]
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert len(shlex.split(line())) == 4

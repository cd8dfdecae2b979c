"""The schedule is a value; every search can be written down as one, and is replayed exactly."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import CallTimeout
from actors.testing import (
    After,
    BadSchedule,
    Demote,
    Promote,
    Schedule,
    Simulation,
    SimulationError,
    Strategy,
    TimerFirst,
    portfolio,
    simulation,
)
from tests.actors.testing.cast import Account, Blocking, Depositor, Echo, Sleepy

PATHS = st.sampled_from(["", "a", "root/w1", "client-0"])
STEPS = st.integers(1, 20)
MOVES = st.one_of(
    st.builds(Demote, PATHS, STEPS),
    st.builds(Promote, PATHS, STEPS),
    st.builds(After, PATHS, STEPS, PATHS, STEPS),
    st.builds(TimerFirst, PATHS, STEPS),
)


@given(st.lists(MOVES, max_size=5))
def test_a_schedule_is_a_value(moves: list[Any]) -> None:
    """Equal, hashable, picklable, and the same after a trip through plain JSON values."""
    schedule = Schedule(*moves)
    assert Schedule.from_json(schedule.as_json()) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert eval(repr(schedule)) == schedule
    assert hash(schedule) == hash(Schedule(*moves))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([{"move": "Sideways", "path": "a", "step": 1}], "unknown move 'Sideways'"),
        ([{"move": "Demote", "path": "a"}], "does not take"),
        ([{"move": "Demote", "path": "a", "step": 0}], "an integer >= 1"),
        ([{"move": "Demote", "path": "a", "step": "1"}], "a step must be an integer >= 1"),
        ([{"move": "Demote", "path": None, "step": 1}], "a path must be a string"),
        ([{"move": "After", "path": "a", "step": 1, "other": "b", "other_step": 0}], "an integer >= 1"),
    ],
)
def test_a_schedule_that_says_nothing_is_refused(values: list[dict[str, object]], text: str) -> None:
    """Each fault of a schedule read from JSON is named."""
    with pytest.raises(BadSchedule, match=text):
        Schedule.from_json(values)


def traffic(**options: Any) -> Simulation:
    """A run with clients, a timer, an actor that blocks and one that waits."""
    with simulation(strict=False, **options) as sim:
        refs = [sim.spawn(kind) for kind in (Echo, Sleepy, Blocking)]
        sim.workload(lambda number: refs[number % 2].call(number), n=6, every=0.5)
        sim.workload(lambda number: refs[2].ask(number), n=2, every=0.5)
        sim.run(until=20)
    return sim


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Schedule([Demote("a", 1)]), r"one after another, not \[Demote"),  # type: ignore[arg-type]
        (lambda: Simulation(schedule=Demote("a", 1)), "takes a schedule such as"),  # type: ignore[arg-type]
        (lambda: Simulation(search="pct"), "searches by a Strategy"),  # type: ignore[arg-type]
        (lambda: Simulation(seed=None), "integer as its seed"),  # type: ignore[arg-type]
        (lambda: Simulation(default_timeout=-1), r"default_timeout=-1\)"),
        (lambda: Simulation(default_timeout="3"), r"default_timeout='3'\)"),  # type: ignore[arg-type]
        (lambda: Simulation(strict="name"), r"strict='name'\): True, False or 'names'"),  # type: ignore[arg-type]
    ],
)
def test_what_a_run_is_made_of_is_checked_before_it_begins(make: Any, text: str) -> None:
    """A move where a schedule belongs would otherwise fail somewhere inside."""
    with pytest.raises(SimulationError, match=text):
        make()


@given(st.sampled_from(sorted(Strategy.KINDS)), st.integers(0, 2**32))
def test_what_a_search_did_is_replayed_by_its_moves(kind: str, seed: int) -> None:
    """A hit of any scheduler can be handed on as named moves: the run is the same to the last step."""
    searched = traffic(search=Strategy(kind, seed))
    assert traffic(schedule=searched.schedule).trace_hash == searched.trace_hash


@given(st.lists(MOVES, max_size=5))
def test_moves_never_block_anything(moves: list[Any]) -> None:
    """Whatever a schedule says, everything is done in the end."""
    sim = traffic(schedule=Schedule(*moves))
    assert [work.done for work in sim.workloads] == [6, 2]


def order(schedule: Schedule, start: Callable[[Simulation], object]) -> list[str]:
    """The names of the lanes in the order of their steps, from the moment the test has set everything up."""
    with simulation(schedule=schedule) as sim:
        start(sim)
        begun = len(sim.trace)
        sim.settle()
        trace = sim.trace[begun:]
    return [path for path in trace if path in ("a", "b", "c")]


def rounds(sim: Simulation) -> None:
    """Three actors that have started, which is their first step, with two messages each."""
    refs = [sim.spawn(Echo, name=name) for name in "abc"]
    for _ in range(2):
        for ref in refs:
            ref.tell("x")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), "abcabc"),
        (Schedule(Demote("a", 2)), "bcbcaa"),
        (Schedule(Demote("a", 3), Demote("b", 2)), "accbba"),
        (Schedule(Promote("c", 3)), "abccab"),
        (Schedule(After("a", 2, "b", 3)), "bcbaca"),
        (Schedule(After("a", 2, "b", 3), After("b", 2, "a", 3)), "ccaabb"),
    ],
)
def test_moves_change_the_order_as_they_say(schedule: Schedule, expected: str) -> None:
    """First come, first served: one message each in turn. A move changes that from the step it names."""
    assert "".join(order(schedule, rounds)) == expected


def test_a_timer_may_be_faster_than_work_that_waits() -> None:
    """`TimerFirst` lets time move to the next timer before a step that was ready: a deadline passes."""

    def answer(schedule: Schedule) -> object:
        with simulation(schedule=schedule) as sim:
            ref = sim.spawn(Echo, name="a")
            try:
                return sim.call(ref.call("x", timeout=1.0))
            except CallTimeout:
                return sim.now

    assert answer(Schedule()) == "x"
    assert answer(Schedule(TimerFirst("a", 2))) == 1.0


def lost_update(**options: Any) -> int:
    """Two depositors on one account; returns the balance."""
    with simulation(**options) as sim:
        account = sim.spawn(Account, name="account")
        for name in ("first", "second"):
            sim.spawn(Depositor, name=name, args=(account,)).tell("deposit")
        sim.run(until=1)
        return int(account.ask("read"))


def test_every_search_finds_a_lost_update_and_another_order_avoids_it() -> None:
    """The planted race shows under first come first served; a single move makes it go away."""
    assert lost_update() == 1
    for kind in Strategy.KINDS:
        found = {lost_update(search=Strategy(kind, seed, length=30), record=False) for seed in range(60)}
        assert 1 in found, kind
    assert lost_update(schedule=Schedule(Demote("second", 2))) == 2


def test_a_step_that_never_comes_is_an_error_with_its_name() -> None:
    """A move of a replay that does nothing would show nothing."""
    with pytest.raises(BadSchedule, match=r"Demote\(path='a', step=99\).*a took \d+ steps"):
        order(Schedule(Demote("a", 99)), rounds)


def test_a_schedule_and_a_search_exclude_each_other() -> None:
    """It is either a replay or a search."""
    with pytest.raises(SimulationError, match="not both"):
        simulation(schedule=Schedule(Demote("a", 1)), search=Strategy("random"))


def test_a_portfolio_has_every_kind() -> None:
    """None of the searches finds everything, so that each gets its turn, after first come first served."""
    kinds = [strategy.kind for strategy in portfolio(8, seed=3)]
    assert kinds[0] == "fifo"
    assert set(kinds[1:]) == {"random", "pct3", "pos", "lag", "pct5", "lag2"}
    with pytest.raises(BadSchedule, match="unknown search 'luck'"):
        Strategy("luck")

"""`@simulate` finds what faults and schedules bring out, makes it small, and says how to see it again."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Iterator
from random import Random
from traceback import walk_tb
from typing import Any

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from actors import Actor
from actors.testing import (
    BadFaultPlan,
    BadSchedule,
    Crash,
    CrashInStart,
    Demote,
    FaultPlan,
    FenceError,
    InvariantBroken,
    Kill,
    KillDuringRestart,
    NeverHappened,
    NotDeterministic,
    Promote,
    Replay,
    Schedule,
    Simulation,
    SimulationError,
    Slow,
    StaleReplay,
    TimerFirst,
    WrongUse,
    example,
    faults,
    moves,
    plans,
    schedules,
    shrink,
    simulate,
)
from actors.testing._faults.strategies import REAL
from actors.testing._search import simulate as module
from actors.testing._search.options import PluginOptions, options
from supervisors import ChildStartError, SupervisorSpec, child, supervisor
from tests.actors.testing.cast import Account, Blocking, Counter, counters


class Teller(Actor):
    """Reads the balance, then writes one more: two of them lose an update."""

    async def on_receive(self, message: object) -> None:
        account = self.sibling("account")
        await account.call(await account.call("read") + 1)


class CarefulTeller(Actor):
    """Leaves reading and writing to the account, in one message."""

    async def on_receive(self, message: object) -> None:
        await self.sibling("account").call("add")


class AddingAccount(Account):
    """An account that adds by itself."""

    def on_receive(self, message: Any) -> int:
        return super().on_receive(self.balance + 1 if message == "add" else message)


def bank(teller: type[Actor] = Teller) -> SupervisorSpec:
    """Two tellers of one account."""
    return supervisor(
        "bank", child("account", AddingAccount), child("ann", teller, max_restarts=5), child("bob", teller)
    )


def deposits(sim: Simulation, teller: type[Actor] = Teller) -> None:
    """Two deposits, one after the other in any ordinary run."""
    root = sim.start(bank(teller))
    work = sim.workload(lambda i: root.child(("ann", "bob")[i]).call("go"), n=2, every=1.0)
    sim.run(until=20)
    sim.heal()
    account = root.child("account")
    sim.eventually("both are done", lambda: work.done == 2, within=100)
    assert account.ask("read") == 2, "a deposit is lost"


def failure_of(test: Callable[..., None], **asked: Any) -> BaseException:
    """What the test raises, under these options of the command line."""
    token = options.set(PluginOptions(**asked))
    try:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at it
            test()
    finally:
        options.reset(token)
    return caught.value


def note_of(failure: BaseException) -> str:
    """The report."""
    (note,) = failure.__notes__
    return note


def blob_in(note: str) -> str:
    """The replay blob of a report."""
    found = re.search(r"--sim-replay (\S+)", note)
    assert found is not None
    return found.group(1)


@pytest.fixture(autouse=True)
def _equal_searches() -> Iterator[None]:
    """What Hypothesis generates is the same in every run: no test here depends on luck, or on what failed before."""
    settings.load_profile("ci")
    yield
    settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


slowness = plans("bank/**", kinds=[Slow], max_faults=3, seconds=(0.5, 1.0, 5.0))


def test_a_race_that_faults_bring_out_is_found_and_becomes_one_fault() -> None:
    """Hypothesis owns the plan: of three faults at most, the one that is needed is left."""

    @simulate(plan=slowness, examples=100)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim)

    failure = failure_of(test)
    assert isinstance(failure, AssertionError)
    assert "a deposit is lost" in str(failure)
    assert (
        len(Replay.decode(blob_in(note_of(failure))).plan) + len(Replay.decode(blob_in(note_of(failure))).schedule) == 1
    )


def test_a_race_of_schedules_alone_becomes_at_most_three_moves() -> None:
    """What a search has found is handed on as named moves."""

    @simulate(examples=100)
    def test(sim: Simulation) -> None:
        root = sim.start(bank())
        work = sim.workload(lambda i: root.child(("ann", "bob")[i]).call("go"), n=2, every=1.0)
        sim.run(until=5)
        assert work.done == 2
        assert root.child("account").ask("read") == 2

    schedule = Replay.decode(blob_in(note_of(failure_of(test)))).schedule
    assert 1 <= len(schedule) <= 3


def test_a_search_hands_its_find_on_as_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where no move is ever drawn, the report names moves."""
    monkeypatch.setattr(module, "schedules_of", lambda cast: st.just(Schedule()))

    @simulate(examples=100, schedules=6)
    def test(sim: Simulation) -> None:
        came: list[int] = []
        sim.workload(came.append, n=3)
        sim.run(until=1)
        assert came == [0, 1, 2]

    note = note_of(failure_of(test))
    assert 1 <= len(Replay.decode(blob_in(note)).schedule) <= 3
    assert "first difference from a run that passed" in note


def test_the_pasted_example_shows_the_failure_before_anything_is_generated() -> None:
    """The line in the report is Python, and does what it says."""

    @simulate(plan=slowness, examples=100)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim)

    note = note_of(failure_of(test))
    line = re.search(r"@(example\(.*\))", note)
    assert line is not None
    names = {each.__name__: each for each in (FaultPlan, Schedule, Slow, Demote, Promote, TimerFirst, example)}
    pasted = eval(line.group(1), names)
    runs = []

    @simulate(plan=slowness, examples=100)
    def again(sim: Simulation, plan: FaultPlan) -> None:
        runs.append(plan)
        deposits(sim)

    for decorated in (pasted(again), simulate(plan=slowness)(pasted(again.__wrapped__))):  # type: ignore[attr-defined]
        runs.clear()
        failure = failure_of(decorated)
        assert "a deposit is lost" in str(failure)
        assert len(runs) == 1
        assert blob_in(note_of(failure)) == blob_in(note)


def test_a_mended_test_passes_with_its_example() -> None:
    """Paste, mend, pass: a move whose step no longer comes is no error, for the actor is still there."""

    @example(plan=FaultPlan(Slow("bank/*", seconds=1.0)), schedule=Schedule(Demote("bank/ann", 90)))
    @simulate(plan=slowness, examples=30)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim, CarefulTeller)

    test()


def test_an_example_that_names_no_actor_is_an_error() -> None:
    """A typing error in a pasted example would test nothing for ever."""

    @example(schedule=Schedule(Demote("bank/carl", 1)))
    @simulate()
    def moved(sim: Simulation) -> None:
        deposits(sim)

    @example(plan=FaultPlan(Crash("bank/carl")))
    @simulate(plan=slowness)
    def planned(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim)

    assert isinstance(failure_of(moved), BadSchedule)
    assert isinstance(failure_of(planned), BadFaultPlan)


def test_a_plan_that_names_no_actor_is_an_error_with_the_actors_there_were() -> None:
    """A pattern with a typing error in it would show that everything is survived."""

    @simulate(plan=plans("bnak/**"), examples=20)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim, CarefulTeller)

    failure = failure_of(test)
    assert isinstance(failure, BadFaultPlan)
    assert str(failure).endswith("names no actor; there were: bank, bank/account, bank/ann, bank/bob")


def test_a_blob_runs_exactly_what_it_says() -> None:
    """One run and no more, with the same failure at the same step."""
    runs = []

    @simulate(plan=slowness, examples=100)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        runs.append(plan)
        deposits(sim)

    blob = blob_in(note_of(failure_of(test)))
    runs.clear()
    again = failure_of(test, replay=blob)
    assert len(runs) == 1
    assert blob_in(note_of(again)) == blob


def test_an_example_gives_what_the_strategies_give() -> None:
    """A value that lacks, or one too many, is told by its name."""

    @example(seed=3, weight=1)
    @simulate(size=st.integers())
    def test(sim: Simulation, size: int) -> None:
        """Never begun."""

    with pytest.raises(WrongUse, match="gives weight, and @simulate size"):
        test()


def test_a_blob_for_a_test_that_is_given_more_is_refused() -> None:
    """It holds none of the values that the run was made of."""

    @simulate(size=st.integers())
    def test(sim: Simulation, size: int) -> None:
        """Never begun."""

    failure = failure_of(test, replay=Replay(FaultPlan(), Schedule(), 0, "AssertionError", "abc").encode())
    assert isinstance(failure, WrongUse)
    assert "is given size, which no blob holds" in str(failure)


def test_a_blob_of_what_is_mended_is_stale() -> None:
    """Guards against reading "it passes" as "it is mended" without being told so."""

    @simulate(plan=slowness, examples=100)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim)

    @simulate(plan=slowness)
    def mended(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim, CarefulTeller)

    blob = blob_in(note_of(failure_of(test)))
    assert isinstance(failure_of(mended, replay=blob), StaleReplay)
    assert isinstance(failure_of(mended, replay="no blob"), StaleReplay)


def test_a_blob_of_another_test_says_that_it_names_no_actor() -> None:
    """Nothing was tried, so that nothing passes; who could be meant is there to read."""

    @simulate()
    def test(sim: Simulation) -> None:
        sim.start(counters("a"))

    blob = Replay(FaultPlan(Crash("bank/ann")), Schedule(Demote("bank/bob", 2)), 0, "AssertionError", "abc").encode()
    failure = failure_of(test, replay=blob)
    assert isinstance(failure, StaleReplay)
    assert "Crash(path='bank/ann', nth=1, times=1), Demote(path='bank/bob', step=2) name no actor" in str(failure)
    assert "there were: root, root/a" in str(failure)


def test_a_blob_that_fails_alike_in_another_run_says_so() -> None:
    """The same type of failure may be another bug."""

    @simulate()
    def test(sim: Simulation) -> None:
        sim.start(counters("a"))
        raise ValueError("something else")

    failure = failure_of(test, replay=Replay(FaultPlan(), Schedule(), 0, "ValueError", "abc").encode())
    assert isinstance(failure, ValueError)
    assert any("in another run" in note for note in failure.__notes__)


def test_a_mended_team_stands_the_search() -> None:
    """No false alarm where there is nothing to find."""

    @simulate(plan=slowness, examples=60, schedules=4)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim, CarefulTeller)

    test()


def test_distinct_failures_are_distinct_bugs() -> None:
    """Two oracles that speak are two reports, each the smallest of its kind."""

    @simulate(plan=plans("root/*", kinds=[Crash], max_faults=2, most=2), examples=200)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        root = sim.start(counters("a", "b"))
        if any(isinstance(fault, Crash) and fault.nth == 2 for fault in plan.faults):
            sim.always("nobody crashes", lambda: not sim.fired)
        sim.workload(lambda i: root.child("a").tell("x"), n=2, every=1.0)
        sim.run(until=10)
        sim.heal()
        sim.eventually("nothing has happened", lambda: not sim.fired, within=1)

    failure = failure_of(test)
    assert isinstance(failure, ExceptionGroup)
    assert {type(each) for each in failure.exceptions} == {InvariantBroken, NeverHappened}
    assert all(len(Replay.decode(blob_in(note_of(each))).plan) == 1 for each in failure.exceptions)


def test_a_test_that_fails_without_any_fault_says_so_at_once() -> None:
    """The first run is ordinary; what fails there needs no search, and its report has neither faults nor moves."""
    runs = []

    @simulate(plan=slowness)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        runs.append(plan)
        raise ValueError("broken anyway")

    note = note_of(failure_of(test))
    assert runs == [FaultPlan()]
    assert "faults: none were planned" in note


def test_more_is_drawn_before_the_run_and_shown_in_the_example() -> None:
    """Further strategies are arguments; the report gives their smallest values, and no blob, which cannot hold them."""

    @simulate(examples=50, size=st.integers(0, 9))
    def test(sim: Simulation, size: int) -> None:
        sim.spawn(Counter, name="a")
        assert size < 4

    note = note_of(failure_of(test))
    assert "@example(plan=FaultPlan(), schedule=Schedule(), seed=0, size=4)" in note
    assert "--sim-replay" not in note


@pytest.mark.parametrize("where", ["actor", "test"])
def test_drawing_inside_a_run_is_refused(where: str) -> None:
    """A value drawn by an actor would depend on the schedule; the error names the place."""

    class Drawer(Actor):
        def __init__(self, data: st.DataObject) -> None:
            self.data = data

        def on_receive(self, message: object) -> int:
            return self.data.draw(st.integers())

    @simulate(examples=5, data=st.data())
    def test(sim: Simulation, data: st.DataObject) -> None:
        if where == "test":
            data.draw(st.integers())
        sim.spawn(Drawer, args=[data], name="drawer").tell("x")
        sim.run(until=1)

    failure = failure_of(test)
    assert isinstance(failure, FenceError)
    assert "test_simulate.py" in failure.place
    assert failure.path == ("drawer" if where == "actor" else "")


def test_an_oracle_that_raises_is_named() -> None:
    """A predicate with a bug of its own is neither a pass nor a hang."""

    @simulate(examples=5)
    def test(sim: Simulation) -> None:
        sim.spawn(Counter, name="a")
        sim.always("tidy", lambda: 1 / 0)

    failure = failure_of(test)
    assert isinstance(failure, SimulationError)
    assert "'tidy'" in str(failure)


def test_a_tree_that_a_fault_keeps_from_coming_up_is_passed_over() -> None:
    """A first start that fails is undone (supervision rule 2): no bug of anybody's, and nothing is left to test.
    What the test makes of it is the test's.
    """
    plan = faults.plans("root/*", kinds=[CrashInStart, KillDuringRestart, Kill, Slow], most=2, until=0.0)

    @simulate(plan=plan, examples=60)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        sim.start(supervisor("root", child("a", Counter), child("b", Blocking)))

    test()

    @simulate(plan=FaultPlan(CrashInStart("root/a")))
    def catching(sim: Simulation, plan: FaultPlan) -> None:
        try:
            sim.start(counters("a"))
        except ChildStartError:
            raise KeyError("the test's own") from None

    assert isinstance(failure_of(catching), KeyError)


def test_a_test_that_does_not_repeat_itself_is_told() -> None:
    """State that one run leaves to the next makes a failure that does not come back."""
    runs: list[int] = []

    @simulate(plan=slowness, examples=50)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        runs.append(1)
        deposits(sim, CarefulTeller)
        assert len(runs) != 7

    assert isinstance(failure_of(test), NotDeterministic)


def test_the_determinism_option_finds_what_differs_between_two_runs() -> None:
    """Every run is done twice; the error names the first step that differs."""
    other = Random(1)

    @simulate(examples=5)
    def test(sim: Simulation) -> None:
        sim.start(counters("a", "b")).child("a" if other.random() < 0.5 else "b").tell("x")
        sim.run(until=1)

    failure = failure_of(test, determinism=True)
    assert isinstance(failure, NotDeterministic)
    assert "was 'root/" in str(failure)


def test_the_schedules_option_overrides_the_decorator() -> None:
    """`--sim-schedules 1`: the drawn schedule and no search."""
    runs = []

    @simulate(examples=10, schedules=5)
    def test(sim: Simulation) -> None:
        runs.append(1)
        sim.spawn(Counter, name="a")

    token = options.set(PluginOptions(schedules=1))
    try:
        test()
    finally:
        options.reset(token)
    assert len(runs) <= 11


def no_sim(plan: FaultPlan) -> None:
    """A test without `sim`."""


def no_plan(sim: Simulation) -> None:
    """A test without `plan`."""


async def asynchronous(sim: Simulation) -> None:
    """A coroutine."""


def yielding(sim: Simulation) -> Iterator[None]:
    """A generator: calling it runs nothing."""
    yield


def returning(sim: Simulation) -> object:
    """What it returns is not awaited."""
    coroutine = asynchronous(sim)
    coroutine.close()
    return coroutine


def with_plan(sim: Simulation, plan: FaultPlan) -> None:
    """As it should be."""


@pytest.mark.parametrize(
    ("decorate", "says"),
    [
        (lambda: simulate(no_plan), "is called"),  # type: ignore[arg-type]
        (lambda: simulate()(no_sim), "has to take `sim`, the simulation: def no_sim(sim)"),
        (lambda: simulate()(with_plan), "takes a plan"),
        (lambda: simulate()(asynchronous), "is async"),  # type: ignore[arg-type]
        (lambda: simulate(size=st.integers())(no_plan), "does not take size"),
        (lambda: simulate(max_examples=25)(no_plan), "did you mean examples, not max_examples?"),  # type: ignore[arg-type]
        (lambda: simulate(max_examples=25)(no_plan), "itself takes plan, examples, schedules"),  # type: ignore[arg-type]
        (lambda: simulate()(simulate()(no_plan)), "has @simulate twice"),
        (lambda: simulate(plan=3)(with_plan), "give a strategy"),  # type: ignore[arg-type]
        (lambda: simulate()(yielding), "yields"),  # type: ignore[arg-type]
        (lambda: simulate()(returning)(), "returned <coroutine"),  # type: ignore[arg-type]
        (lambda: simulate(examples=0), "integers >= 1"),
        (lambda: simulate(examples="10"), "integers >= 1"),  # type: ignore[arg-type]
        (lambda: simulate(plan=st.just(3))(with_plan)(), "draws 3"),  # type: ignore[arg-type]
        (lambda: example(plan=[Crash("a")]), "takes a FaultPlan"),  # type: ignore[arg-type]
    ],
)
def test_wrong_use_is_an_error_that_says_what_to_write(decorate: Callable[[], object], says: str) -> None:
    """Every mistake in using the decorator is found where it is made."""
    with pytest.raises(WrongUse, match=re.escape(says)):
        decorate()


def test_the_example_of_hypothesis_is_refused() -> None:
    """It would be ignored in silence: it belongs to `@given`."""

    @hypothesis.example(plan=FaultPlan())
    @simulate(plan=slowness)
    def test(sim: Simulation, plan: FaultPlan) -> None:
        deposits(sim)

    with pytest.raises(WrongUse, match=r"take `example` from actors\.testing"):
        test()


@pytest.mark.parametrize(
    ("foreign", "says"),
    [
        (settings(max_examples=3), "@simulate(examples=...) says how many"),
        (hypothesis.seed(3), "--hypothesis-seed"),
        (hypothesis.reproduce_failure(hypothesis.__version__, b"AA=="), "paste the @example"),
    ],
)
def test_what_belongs_to_given_is_refused_above_and_below(foreign: Callable[[Any], Any], says: str) -> None:
    """Settings, a seed: Hypothesis would say that they are pointless, and not what to write."""
    with pytest.raises(WrongUse, match=re.escape(says)):
        simulate()(foreign(lambda sim: None))
    with pytest.raises(WrongUse, match=re.escape(says)):
        foreign(simulate()(lambda sim: None))()


def test_a_simulated_test_inside_a_test_of_hypothesis_is_refused() -> None:
    """One search inside another would run the product of both."""

    @hypothesis.given(size=st.integers())
    @simulate()
    def test(sim: Simulation, size: int) -> None:
        """Never begun."""

    with pytest.raises(WrongUse, match="let its strategies be arguments of @simulate"):
        test()


def test_what_a_test_does_not_assume_is_no_failure() -> None:
    """`hypothesis.assume` passes an example over, also the very first."""
    seen: list[int] = []

    @simulate(examples=30, size=st.integers(0, 9))
    def test(sim: Simulation, size: int) -> None:
        hypothesis.assume(size % 2)
        seen.append(size)

    test()
    assert seen
    assert all(size % 2 for size in seen)


def test_assume_note_and_event_of_hypothesis_work_in_every_run() -> None:
    """The first run, what was pasted, the report and a blob are run outside of Hypothesis's own."""
    runs: list[int] = []

    @example(seed=3, size=4)
    @simulate(examples=10, size=st.integers(0, 9))
    def passing(sim: Simulation, size: int) -> None:
        hypothesis.note("seen")
        hypothesis.event("seen")
        runs.append(size)

    passing()
    assert runs[:2] == [4, 0]

    @simulate(plan=slowness)
    def failing(sim: Simulation) -> None:
        hypothesis.note("seen")
        hypothesis.event("seen")
        deposits(sim)

    failure = failure_of(failing)
    assert "a deposit is lost" in str(failure)
    assert "a deposit is lost" in str(failure_of(failing, replay=blob_in(note_of(failure))))


def raise_nothing() -> None:
    """What was to raise did not."""
    with pytest.raises(KeyError):
        pass


@pytest.mark.parametrize("fail", [lambda: pytest.fail("lost"), raise_nothing])
def test_what_pytest_fails_with_is_made_small_and_has_a_report(fail: Callable[[], object]) -> None:
    """`pytest.fail` and `pytest.raises` raise something that is no `Exception`, and is a failure like any other."""

    @simulate(plan=slowness)
    def test(sim: Simulation) -> None:
        root = sim.start(bank())
        root.child("ann").tell("go")
        sim.run(until=20)
        if sim.fired:
            fail()

    with pytest.raises(pytest.fail.Exception) as caught:
        test()
    note = note_of(caught.value)
    assert len(Replay.decode(blob_in(note)).plan) == 1
    token = options.set(PluginOptions(replay=blob_in(note)))
    try:
        with pytest.raises(pytest.fail.Exception):
            test()
    finally:
        options.reset(token)


def test_an_error_of_use_is_told_once() -> None:
    """Hypothesis raises it for every further example; its traceback and its notes stay those of the first time."""

    @simulate(plan=plans("nobody/*"))
    def test(sim: Simulation) -> None:
        sim.start(bank())

    failure = failure_of(test)
    assert isinstance(failure, BadFaultPlan)
    names = [frame.f_code.co_name for frame, _ in walk_tb(failure.__traceback__)]
    assert names.count("_try_each") == 1
    assert not getattr(failure, "__notes__", [])


def test_fixtures_and_methods_are_left_to_pytest() -> None:
    """What is no strategy and no simulation is still in the signature, and `self` comes first."""

    class Suite:
        @simulate(examples=2, size=st.integers(0, 3))
        def test(self, sim: Simulation, size: int, tmp_path: str) -> None:
            assert (type(self), tmp_path) == (Suite, "here")

    assert [*inspect.signature(Suite.test).parameters] == ["self", "tmp_path"]
    Suite().test(tmp_path="here")


def test_shrink_is_there_for_searches_of_your_own() -> None:
    """Every fault and every move that is not needed goes, and what is left comes as early as it can."""

    def fails(plan: FaultPlan, schedule: Schedule) -> bool:
        return Crash("a") in plan.faults and any(move.path == "b" and move.step >= 2 for move in schedule.moves)

    plan = FaultPlan(Slow("x"), Crash("a"), Slow("y"))
    schedule = Schedule(Demote("c", 3), Demote("b", 9), Promote("c", 5))
    assert shrink(fails, plan, schedule) == (FaultPlan(Crash("a")), Schedule(Demote("b", 2)))


def test_plans_leave_out_what_cannot_happen_in_one_process() -> None:
    """A supervisor is not to blame for a message that no queue ever loses; ask for these kinds by name."""
    assert not {faults.DropMessage, faults.DuplicateMessage, faults.DelayMessage} & set(REAL)


def test_an_idle_actor_is_killed_late_and_the_kill_becomes_one_fault() -> None:
    """No message ever comes, so that of all kinds only a kill at a moment reaches it; the moment shrinks, too."""

    @simulate(plan=plans("root/a"), examples=100)
    def test(sim: Simulation) -> None:
        sim.start(counters("a"))
        sim.run(until=40)
        assert not any(isinstance(each.fault, Kill) and each.at > 10 for each in sim.fired)

    plan = Replay.decode(blob_in(note_of(failure_of(test)))).plan
    assert plan == FaultPlan(Kill("root/a", at=10.25))


@pytest.mark.parametrize(
    "make",
    [
        lambda: plans(""),
        lambda: plans("a", kinds=[]),
        lambda: plans("a", kinds=[int]),  # type: ignore[list-item]
        lambda: plans("a", kinds=Crash),  # type: ignore[arg-type]
        lambda: plans("a", kinds="Crash"),  # type: ignore[arg-type]
        lambda: plans(3),  # type: ignore[arg-type]
        lambda: plans("a", max_faults=0),
        lambda: plans("a", max_faults="3"),  # type: ignore[arg-type]
        lambda: plans("a", seconds=5),  # type: ignore[arg-type]
        lambda: plans("a", seconds=[-1]),
        lambda: plans("a", seconds=()),
        lambda: plans("a", seconds="5"),  # type: ignore[arg-type]
        lambda: plans("a", until=math.inf),
        lambda: plans("a", until=None),  # type: ignore[arg-type]
        lambda: faults.of_kind(int),  # type: ignore[arg-type]
        lambda: faults.of_kind(Crash, "a"),
        lambda: faults.of_kind(Crash, [""]),
        lambda: faults.of_kind(Crash, most=1.5),  # type: ignore[arg-type]
    ],
)
def test_a_strategy_for_plans_that_say_nothing_is_refused(make: Callable[[], object]) -> None:
    """The error comes where the strategy is made, and not from the middle of a search."""
    with pytest.raises(BadFaultPlan):
        make()


def test_all_that_is_wrong_with_plans_is_told_at_once() -> None:
    """Nobody mends one number to read about the next."""
    with pytest.raises(BadFaultPlan) as caught:
        plans("", kinds=[int], max_faults="3", most=0, until=math.nan, seconds=[-1])  # type: ignore[list-item,arg-type]
    assert all(name in str(caught.value) for name in ("''", "kinds=", "max_faults='3'", "most=0", "until=nan", "[-1]"))


def test_kinds_and_seconds_of_plans_may_be_generators() -> None:
    """They are read once, before anything is drawn."""
    plan = hypothesis.find(
        plans("a", kinds=(each for each in [Slow]), seconds=(each for each in [7.0])),  # type: ignore[arg-type]
        lambda plan: bool(plan),
    )
    assert plan == FaultPlan(Slow("a", seconds=7.0))


def test_moves_of_no_actor_are_refused() -> None:
    """The same for moves."""
    with pytest.raises(BadSchedule):
        moves({})
    with pytest.raises(BadSchedule):
        schedules(max_moves="3")  # type: ignore[arg-type]


def test_the_first_run_of_a_simulated_test_draws_few_arguments() -> None:
    """Its simplest arguments are looked for, not explained: that would draw hundreds before the first run."""
    drawn: list[int] = []

    def noted(number: int) -> int:
        drawn.append(number)
        return number

    numbers = st.lists(st.integers().map(noted), min_size=4, max_size=8)
    assert module._simplest({"numbers": numbers}) == {"numbers": [0, 0, 0, 0]}
    assert len(drawn) < 100

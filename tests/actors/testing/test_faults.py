"""The fault plan is a value; each fault happens where it says, and leaves evidence."""

from __future__ import annotations

import math
import pickle
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorDeadError, CallTimeout
from actors.testing import (
    AskTimeout,
    BadFaultPlan,
    ClockJump,
    Crash,
    CrashInStart,
    CrashInStop,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    Fault,
    FaultNotFired,
    FaultPlan,
    Hang,
    InjectedCrash,
    Kill,
    KillDuringRestart,
    Raise,
    Simulation,
    SimulationError,
    Slow,
    simulation,
)
from actors.testing import faults as fault_kinds
from actors.testing._faults.plan import KINDS as FAULTS
from actors.testing._faults.plan import matches
from actors.testing._sim import observations as seen
from supervisors import ChildStartError, SupervisorSpec, child, supervisor
from tests.actors.testing.cast import Blocking, Counter, counters

KINDS = st.sampled_from(sorted(FAULTS.values(), key=lambda kind: kind.__name__))


def tree(**options: Any) -> SupervisorSpec:
    """Two counters that are restarted at once."""
    return supervisor("root", *(child(name, Counter, backoff=None, **options) for name in ("a", "b")))


@given(st.lists(st.builds(lambda kind, path: kind(path), KINDS, st.sampled_from(["a", "root/**"])), max_size=4))
def test_a_plan_is_a_value(faults: list[Fault]) -> None:
    """Equal, hashable, picklable, and the same after a trip through plain JSON values."""
    plan = FaultPlan(*faults)
    assert FaultPlan.from_json(plan.as_json()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert eval(repr(plan), vars(fault_kinds)) == plan
    assert hash(plan) == hash(FaultPlan(*faults))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("team/w1", "team/w1", True),
        ("team/w1", "team/w10", False),
        ("team/*", "team/w1", True),
        ("team/*", "team/a/w1", False),
        ("team/**", "team/a/w1", True),
        ("team/**", "team", False),
        ("root/*/w1", "root/x/w1", True),
        ("root/w?", "root/w1", False),
        ("**", "anything/at/all", True),
        ("team/w*", "team/w12", True),
    ],
)
def test_patterns_name_paths(pattern: str, path: str, expected: bool) -> None:
    """`*` is anything within a level, `**` any number of levels, and nothing else is special."""
    assert matches(pattern, path) is expected


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Crash("a", nth=0), "nth must be >= 1"),
        (lambda: Slow("a", seconds=-1.0), "seconds must be at least 0"),
        (lambda: Crash(""), "names no actor"),
        (lambda: Crash(3), "names no actor"),  # type: ignore[arg-type]
        (lambda: Crash("a", nth="1"), "nth must be >= 1"),  # type: ignore[arg-type]
        (lambda: Crash("a", times=1.5), "times must be >= 1"),  # type: ignore[arg-type]
        (lambda: Slow("a", seconds=math.nan), "seconds must be at least 0 and finite"),
        (lambda: Kill("a", at=math.inf), "at must be at least 0 and finite"),
        (lambda: ClockJump(seconds=math.inf), "seconds must be finite"),
        (lambda: Raise("a", "nowhere"), "knows no such place"),  # type: ignore[arg-type]
        (lambda: Slow("", nth=0, seconds=-1.0), "names no actor.*; .*nth.*; .*seconds"),
        (lambda: FaultPlan([Crash("a")]), r"one after another, not \[Crash"),  # type: ignore[arg-type]
        (lambda: Simulation(Crash("a")), "takes a plan such as"),  # type: ignore[arg-type]
        (lambda: FaultPlan.from_json([{"fault": "Flood", "path": "a"}]), "unknown fault 'Flood'"),
        (lambda: FaultPlan.from_json([{"fault": "Crash", "path": "a", "nht": 1}]), "does not take"),
    ],
)
def test_a_plan_that_says_nothing_is_refused(make: Any, text: str) -> None:
    """Each fault of a plan is named."""
    with pytest.raises(BadFaultPlan, match=text):
        make()


def test_a_fault_that_names_no_actor_is_an_error() -> None:
    """A typo in a pattern would show a system that survives everything; the actors there were are listed."""
    plan = FaultPlan(Crash("rot/*"))
    with (
        pytest.raises(BadFaultPlan, match=r"'rot/\*'.* names no actor; there were: root, root/a"),
        simulation(plan) as sim,
    ):
        sim.start(counters("a"))


def test_a_crash_happens_at_its_message() -> None:
    """The n-th message over all targets raises instead of being handled, and the asker gets the exception."""
    with simulation(FaultPlan(Crash("root/*", nth=2))) as sim:
        root = sim.start(tree())
        assert root.child("a").ask("x") == 1
        with pytest.raises(InjectedCrash, match="injected into root/b at message 2"):
            root.child("b").ask("x")
        assert root.child("b").ask("x") == 1
        assert root.child("b").incarnation == 2
        fired = sim.fired[0]
        assert (fired.place, fired.path, fired.at, fired.number) == (0, "root/b", 0.0, 2)


def test_a_fault_may_happen_several_times_in_a_row() -> None:
    """`times` counts from the n-th."""
    with simulation(FaultPlan(Crash("root/a", nth=2, times=2))) as sim:
        ref = sim.start(tree()).child("a")
        answers = []
        for _ in range(4):
            try:
                answers.append(ref.ask("x"))
            except InjectedCrash:
                answers.append("crash")
        assert answers == [1, "crash", "crash", 1]


def test_a_crash_in_start_fails_the_first_start_of_the_tree() -> None:
    """Supervision rule 2, from a plan."""
    with simulation(FaultPlan(CrashInStart("root/b"))) as sim, pytest.raises(ChildStartError, match="root/b"):
        sim.start(tree())


def test_a_crash_in_a_restart_is_tried_again() -> None:
    """The second start of an actor fails, the third succeeds."""
    with simulation(FaultPlan(Crash("root/a"), CrashInStart("root/a", nth=2))) as sim:
        ref = sim.start(tree()).child("a")
        ref.tell("x")
        sim.run(until=60)
        assert ref.incarnation == 3
        sim.require_fired()


def test_a_crash_in_stop_is_the_exit_reason() -> None:
    """An end that was asked for becomes a crash."""
    with simulation(FaultPlan(CrashInStop("root/a"))) as sim:
        root = sim.start(tree())
        root.terminate_child("a").get()
        exits = [each for each in sim.observations if isinstance(each, seen.Exited)]
        assert [str(each.reason).partition("(")[0] for each in exits] == ["crashed"]


@pytest.mark.parametrize("actor_class", [Counter, Blocking])
def test_slow_spends_virtual_time_before_the_handler(actor_class: type[Any]) -> None:
    """A slow handler of either host keeps its actor busy, and nobody else."""
    with simulation(FaultPlan(Slow("slow", seconds=7.0))) as sim:
        slow, other = sim.spawn(actor_class, name="slow"), sim.spawn(Counter)
        future = slow.ask("x", block=False)
        other.ask("y")
        assert sim.now == 0.0
        future.get()
        assert sim.now == (7.0 if actor_class is Counter else 8.0)


@pytest.mark.parametrize("actor_class", [Counter, Blocking])
def test_a_handler_that_hangs_goes_on_after_healing(actor_class: type[Any]) -> None:
    """Until then its asker runs into the deadline."""
    with simulation(FaultPlan(Hang("hung"))) as sim:
        ref = sim.spawn(actor_class, name="hung")
        with pytest.raises(CallTimeout):
            ref.ask("x", timeout=5.0)
        later = ref.ask("y", block=False, timeout=None)
        sim.run(until=100)
        assert not later.done()
        sim.heal()
        later.get()


def test_a_hanging_handler_is_ended_by_its_handler_timeout() -> None:
    """The tree's own defences work against injected faults."""
    with simulation(FaultPlan(Hang("root/a"))) as sim:
        ref = sim.start(tree(handler_timeout=3.0)).child("a")
        ref.tell("x")
        sim.run(until=10)
        assert ref.incarnation == 2


def test_a_kill_at_a_message_and_at_a_time() -> None:
    """A killed actor has no say; a supervised one comes back."""
    with simulation(FaultPlan(Kill("root/a", nth=2), Kill("root/b", at=5.0))) as sim:
        root = sim.start(tree())
        a, b = root.child("a"), root.child("b")
        assert [a.ask("x"), b.ask("x")] == [1, 1]
        a.tell("x")
        sim.run(until=10)
        assert (a.incarnation, b.incarnation) == (2, 2)
        assert [(each.path, each.at) for each in sim.fired] == [("root/a", 0.0), ("root/b", 5.0)]


def test_a_kill_at_a_time_reaches_every_target_of_its_pattern() -> None:
    """The first by path is not the only one that a search can kill while it is idle."""

    def killed(nth: int) -> list[str]:
        with simulation(FaultPlan(Kill("root/*", nth=nth, at=1.0))) as sim:
            sim.start(tree())
            sim.run(until=10)
            return [each.path for each in sim.fired]

    assert [killed(nth) for nth in (1, 2, 3)] == [["root/a"], ["root/b"], ["root/a"]]


def test_a_kill_during_a_restart() -> None:
    """The incarnation that is starting ends before it is up, and the next attempt succeeds."""
    with simulation(FaultPlan(Crash("root/a"), KillDuringRestart("root/a"))) as sim:
        ref = sim.start(tree()).child("a")
        ref.tell("x")
        sim.run(until=60)
        assert ref.incarnation == 3
        started = [each.incarnation for each in sim.observations if isinstance(each, seen.Started)]
        assert 2 not in [each for each in started if each != 1]
        sim.require_fired()


def test_a_dropped_message_does_not_arrive() -> None:
    """The asker runs into its deadline, and nobody calls it a lost message."""
    with simulation(FaultPlan(DropMessage("a", nth=2))) as sim:
        ref = sim.spawn(Counter, name="a")
        assert ref.ask("x") == 1
        with pytest.raises(CallTimeout):
            ref.ask("x")
        assert ref.ask("x") == 2


def test_a_duplicate_message_arrives_twice() -> None:
    """The asker gets one answer."""
    with simulation(FaultPlan(DuplicateMessage("a"))) as sim:
        ref = sim.spawn(Counter, name="a")
        assert ref.ask("x") == 1
        assert ref.ask("x") == 3


def test_a_delayed_message_is_overtaken() -> None:
    """It arrives so many seconds late, and the order oracle lets it."""
    with simulation(FaultPlan(DelayMessage("a", seconds=4.0))) as sim:
        ref = sim.spawn(Counter, name="a")
        late, early = ref.ask("x", block=False), ref.ask("y", block=False)
        assert (early.get(), sim.now) == (1, 0.0)
        assert (late.get(), sim.now) == (2, 4.0)


def test_a_delayed_message_to_one_that_is_gone_is_a_dead_letter() -> None:
    """Nothing gets lost on the way."""
    with simulation(FaultPlan(DelayMessage("a", seconds=4.0))) as sim:
        ref = sim.spawn(Counter, name="a")
        late = ref.ask("x", block=False)
        ref.stop()
        with pytest.raises(ActorDeadError):
            late.get()


def test_an_ask_that_times_out_was_handled_all_the_same() -> None:
    """The answer does not come; the effect is there."""
    with simulation(FaultPlan(AskTimeout("a"))) as sim:
        ref = sim.spawn(Counter, name="a")
        with pytest.raises(CallTimeout):
            ref.ask("x", timeout=2.0)
        assert sim.now == pytest.approx(2.0, abs=0.02)
        assert ref.ask("x") == 2


def test_a_question_whose_answer_does_not_come_may_crash_its_actor() -> None:
    """The crash is told once, to nobody: it is no second answer."""
    with simulation(FaultPlan(AskTimeout("root/a"), Crash("root/a"))) as sim:
        ref = sim.start(counters("a")).child("a")
        with pytest.raises(CallTimeout):
            ref.ask("x", timeout=2.0)
        sim.require_fired()


@pytest.mark.parametrize("order", [(DropMessage, DuplicateMessage), (DuplicateMessage, DropMessage)])
def test_of_a_message_doubled_and_dropped_one_copy_arrives(order: tuple[type[Fault], ...]) -> None:
    """In whichever order the plan names them."""
    with simulation(FaultPlan(*(kind("a") for kind in order))) as sim:
        ref = sim.spawn(Counter, name="a")
        assert ref.ask("x") == 1
        assert ref.ask("x") == 2


@pytest.mark.parametrize(
    "fault", [DelayMessage("a", seconds=60), Slow("a", seconds=60), Kill("a", at=60.0), ClockJump(at=60.0, seconds=1)]
)
def test_a_fault_that_is_not_due_at_the_end_is_not_an_orphan(fault: Fault) -> None:
    """Timers of the kit's own are taken back; a message on its way to one who is gone is a dead letter."""
    with simulation(FaultPlan(fault)) as sim:
        ref = sim.spawn(Counter, name="a")
        asked = ref.ask("x", block=False, timeout=None)
        sim.run(until=1)
    assert isinstance(fault, Kill | ClockJump) or sim.fired
    assert asked.done()


@pytest.mark.parametrize("fault", [Slow("a", seconds=1000), DelayMessage("a", seconds=1000), Hang("a")])
def test_healing_ends_what_is_late(fault: Fault) -> None:
    """Liveness is judged after it: a fault that goes on would be blamed on the system under test."""
    with simulation(FaultPlan(fault)) as sim:
        ref = sim.spawn(Counter, name="a")
        asked = ref.ask("x", block=False, timeout=None)
        sim.run(until=60)
        assert not asked.done()
        sim.heal()
        sim.eventually("it is answered", asked.done, within=1)


@pytest.mark.parametrize("fault", [Slow("a", seconds=1000), Hang("a")])
def test_two_of_them_at_one_message_end_with_healing(fault: Fault) -> None:
    """The second begins where the first has ended: at the moment of healing."""
    with simulation(FaultPlan(fault, fault)) as sim:
        ref = sim.spawn(Counter, name="a")
        asked = ref.ask("x", block=False, timeout=None)
        sim.run(until=60)
        assert not asked.done()
        sim.heal()
        assert asked.get(timeout=1) == 1


def test_a_clock_jump_makes_everything_due_at_once() -> None:
    """As after a suspended machine: time is there, and the timers of the gap fire now."""
    with simulation(FaultPlan(ClockJump(at=1.0, seconds=100.0))) as sim:
        ref = sim.spawn(Counter, name="a")
        ref._cell.runtime.clock.call_at(50.0, lambda: ref.tell("tick"))
        sim.run(until=1.0)
        assert sim.now == 101.0
        assert ref.ask("x") == 2


def test_a_clock_that_has_jumped_past_the_end_of_a_run_is_no_wrong_use() -> None:
    """A test says until when it runs; that a plan was there before is not its fault. Without a plan it is."""
    with simulation(FaultPlan(ClockJump(at=1.0, seconds=100.0))) as sim:
        ref = sim.spawn(Counter, name="a")
        sim.run(until=2)
        ref.tell("x")
        sim.run(until=60)
        assert sim.now == 101.0
        assert ref.ask("x") == 2
    with simulation() as sim:
        sim.run(until=2)
        with pytest.raises(SimulationError, match="it is 2 s already"):
            sim.run(until=1)


def test_the_wall_clock_may_go_back() -> None:
    """A negative jump moves only what people read."""

    class Wall(Counter):
        def on_receive(self, message: object) -> Any:
            return time.time(), time.monotonic()  # noqa: TID251 - virtual

    with simulation(FaultPlan(ClockJump(at=1.0, seconds=-3600.0))) as sim:
        ref = sim.spawn(Wall)
        before = ref.ask("x")
        sim.run(until=2.0)
        after = ref.ask("x")
        assert after[0] - before[0] == pytest.approx(-3598.0)
        assert after[1] - before[1] == pytest.approx(2.0)


def test_no_fault_after_healing() -> None:
    """Liveness is judged without faults."""
    with simulation(FaultPlan(Crash("a", nth=1, times=99)), strict=False) as sim:
        ref = sim.spawn(Counter, name="a")
        sim.heal()
        assert ref.ask("x") == 1
        with pytest.raises(FaultNotFired, match="Crash"):
            sim.require_fired()


def test_liveness_is_not_judged_before_healing() -> None:
    """Nothing is promised while faults still come."""
    with simulation(FaultPlan(Crash("a"))) as sim:
        sim.spawn(Counter, name="a")
        with pytest.raises(SimulationError, match=r"call sim\.heal\(\) first"):
            sim.eventually("never", lambda: False, within=1)

"""The seam between hosts, in the simulation: children on the loop, in threads and of pykka's own under one supervisor.

They ask each other across the seam while faults of every kind happen, in every order of steps, and while a thread
stops, kills or crashes one of them at every single step. The oracles of the simulation say whether a message is lost,
a question is never settled, anything is left over, or a stop takes longer than it may; the test adds that no caller
waits for ever, and that every child runs again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import pykka
import pytest
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, CallTimeout, DeadlockError
from actors.testing import FaultPlan, InjectedCrash, Simulation, faults, simulate, simulation
from actors.testing._faults.plan import KINDS
from supervisors import SupervisorSpec, child, supervisor

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
PATIENCE = 5.0
"""Seconds that one asks another."""


class Hop(NamedTuple):
    """Ask the next, who asks the one after it; the answer says how many there were."""

    way: tuple[Any, ...]


class OnLoop(Actor):
    """Awaits the next."""

    async def on_receive(self, hop: Hop) -> int:
        return 1 + (await hop.way[0].call(Hop(hop.way[1:]), timeout=PATIENCE) if hop.way else 0)


class InThread(Actor):
    """Blocks for the next, in a thread of its own."""

    host = "thread"

    def on_receive(self, hop: Hop) -> int:
        return 1 + (hop.way[0].ask(Hop(hop.way[1:]), timeout=PATIENCE) if hop.way else 0)


class OfPykka(pykka.ThreadingActor):
    """The same, and knows nothing of us."""

    def on_receive(self, hop: Hop) -> int:
        return 1 + (hop.way[0].ask(Hop(hop.way[1:]), timeout=PATIENCE) if hop.way else 0)


MEMBERS: dict[str, type[pykka.Actor]] = {"loop": OnLoop, "thread": InThread, "pykka": OfPykka}
WAYS = list(itertools.permutations(MEMBERS))
"""Every way through all three, so that each edge of the seam is crossed in both directions."""
EXPECTED = (ActorDeadError, CallTimeout, DeadlockError, InjectedCrash)
"""What an asker may hear instead of an answer."""


def mixed(strategy: Strategy = "one_for_one") -> SupervisorSpec:
    """One child on each host; the supervisor never gives up, so each child must come back."""
    children = [child(name, kind, shutdown=1.0) for name, kind in MEMBERS.items()]
    return supervisor("root", *children, strategy=strategy, max_restarts=1000)


def ask_every_way(sim: Simulation, root: Any, every: float) -> Any:
    """One client for each way through the members."""
    refs = {name: root.child(name) for name in MEMBERS}  # a tree that has ended has no children to ask for

    def ask(number: int) -> Any:
        first, *rest = (refs[name] for name in WAYS[number])
        return first.call(Hop(tuple(rest)), timeout=4 * PATIENCE)

    return sim.workload(ask, n=len(WAYS), every=every)


def judge(sim: Simulation, root: Any, work: Any) -> None:
    """Everybody who asked has heard something that may be said, and everybody who lived lives."""
    sim.heal()
    sim.eventually("every question is settled", lambda: work.done == work.n, within=300)
    assert all(answer == len(MEMBERS) for answer in work.results.values())
    for error in work.errors.values():
        assert isinstance(error, EXPECTED), error
    for name in MEMBERS:
        assert root.child(name).ask(Hop(()), timeout=300) == 1


@simulate(
    plan=faults.plans("root/*", kinds=KINDS.values(), max_faults=4, most=4, times=2, until=10.0),
    examples=60,
    schedules=4,
    strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
)
def test_whatever_happens_across_the_seam_everybody_hears_and_comes_back(
    sim: Simulation, plan: FaultPlan, strategy: Strategy
) -> None:
    """Every kind of fault, generated schedules, all three hosts in one tree."""
    root = sim.start(mixed(strategy))
    work = ask_every_way(sim, root, every=0.5)
    sim.run(until=60)
    judge(sim, root, work)


def stop(sim: Simulation, path: str) -> None:
    """The actor stops by itself, and is started again."""
    ref = sim.runtime.find(path)
    if ref is not None:
        ref.stop(block=False)


def kill(sim: Simulation, path: str) -> None:
    """The actor is killed."""
    ref = sim.runtime.find(path)
    if ref is not None:
        ref.kill()


def crash(sim: Simulation, path: str) -> None:
    """The actor crashes between two messages."""
    sim.crash(path)


def disturbed(step: int, disturb: Callable[[Simulation], object]) -> int:
    """One run in which something is done right after a step; returns how many steps its first second takes."""
    with simulation() as sim:
        root = sim.start(mixed())
        began = sim.steps

        def look() -> None:
            if sim.steps == began + step:
                disturb(sim)

        sim.loop.after_step.append(look)
        work = ask_every_way(sim, root, every=0.0)
        sim.run(until=1.0)
        steps = sim.steps - began
        judge(sim, root, work)
    return steps


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("disturb", [stop, kill, crash])
def test_one_of_them_may_go_at_every_single_step(disturb: Callable[[Simulation, str], object], member: str) -> None:
    """No step of a conversation across the seam is one at which an end loses a message or leaves an asker waiting."""
    steps = disturbed(0, lambda _: None)
    assert steps > 50
    for step in range(1, steps + 1):
        disturbed(step, lambda sim: disturb(sim, f"root/{member}"))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_whole_tree_may_end_at_every_single_step(end: str) -> None:
    """Each caller gets an answer; nothing is left, and an orderly stop stays within the shutdown times."""

    def run(step: int) -> int:
        with simulation() as sim:
            root = sim.start(mixed())
            began = sim.steps

            def look() -> None:
                if sim.steps == began + step:
                    root.kill() if end == "kill" else root.stop(block=False)

            sim.loop.after_step.append(look)
            work = ask_every_way(sim, root, every=0.0)
            sim.run(until=1.0)
            steps = sim.steps - began
            sim.eventually("every question is settled", lambda: work.done == work.n, within=60)
            assert root.is_alive() is (step == 0)
            for error in work.errors.values():
                assert isinstance(error, EXPECTED), error
        return steps

    for step in range(1, run(0) + 1):
        run(step)

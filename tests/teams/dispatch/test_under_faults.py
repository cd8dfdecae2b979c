"""Work and handoffs while anything crashes or is killed at any step: members, the coordinator, the supervisors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from actors.testing import Crash, FaultPlan, Kill, Simulation, Slow, faults, simulate
from supervisors import SupervisorSpec, constant
from teams import Context, Handoff, NoCapableAgent, TeamError, can, member, role, team
from tests.teams.cast import begun

CREW = ("crew/members/*", "crew/coordinator")
anything = faults.plans(*CREW, kinds=[Crash, Kill, Slow], max_faults=4, seconds=(0.5, 3.0))


class Floor:
    """Where the work happens: who is at what, and what was finished."""

    def __init__(self) -> None:
        self.at: dict[object, str] = {}
        self.clashes: list[tuple[object, str, str]] = []
        self.finished: Counter[object] = Counter()

    def work(self, name: str, then: Callable[[Any, Context], object]) -> Callable[..., Any]:
        """A function that takes a second over what it gets."""

        async def act(value: Any, context: Context) -> object:
            if value in self.at:
                self.clashes.append((value, self.at[value], name))
            self.at[value] = name
            try:
                await asyncio.sleep(1.0)
            finally:
                del self.at[value]
            result = then(value, context)
            if not isinstance(result, Handoff):
                self.finished[value] += 1
            return result

        act.__name__ = name
        return act


def chain(floor: Floor) -> SupervisorSpec:
    """Reception hands on to one of two experts, who hand on to the office."""
    quick: dict[str, Any] = {"backoff": constant(0.1), "max_restarts": 1000}
    return team(
        "crew",
        role("expert", max_members=2),
        member("reception", floor.work("reception", lambda *_: Handoff("expert")), **quick),
        member("expert", floor.work("expert", lambda *_: Handoff(can("sign"))), role="expert", count=2, **quick),
        member("office", floor.work("office", lambda value, _: value), capabilities={"sign"}, **quick),
        max_restarts=None,
    )


@simulate(plan=anything, examples=30)
def test_one_member_owns_work_at_every_moment_and_every_caller_is_answered(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the handoff: no member works on what another works on, and no work is lost in silence."""
    floor = Floor()
    crew = begun(sim, chain(floor))
    if crew is None:
        return
    work = sim.workload(lambda number: crew.assign(number, "reception", attempts=10), n=5, every=0.7)
    sim.always("one owner", lambda: not floor.clashes)
    sim.advance(30)
    sim.heal()
    sim.eventually("every caller is answered", lambda: work.done == 5, within=120)
    for number, result in work.results.items():
        assert result == number
        assert floor.finished[number] >= 1
    assert all(floor.finished[number] <= 1 + len(plan) for number in range(5))
    assert not work.errors


@simulate(plan=faults.plans("crew/members/*", kinds=[Kill], max_faults=3), examples=20)
def test_work_that_may_be_tried_once_is_done_at_most_once(sim: Simulation, plan: FaultPlan) -> None:
    """Guards at-most-once: without attempts to spare, nothing is begun a second time."""
    tries: Counter[int] = Counter()

    async def act(number: int) -> int:
        tries[number] += 1
        await asyncio.sleep(1.0)
        return number

    tree = team("crew", member("worker", act, count=2, backoff=constant(0.1)), max_restarts=None)
    crew = begun(sim, tree)
    if crew is None:
        return
    work = sim.workload(lambda number: crew.assign(number, "worker"), n=6, every=0.3)
    sim.always("at most once", lambda: all(count <= 1 for count in tries.values()))
    sim.advance(15.0)
    sim.heal()
    sim.eventually("every caller is answered", lambda: work.done == 6, within=30)


@simulate(plan=faults.plans("crew/**", kinds=[Crash, Kill], max_faults=4), examples=30)
def test_a_team_gets_over_a_crash_of_any_of_its_parts(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the tree of a team: its supervisors too may crash, and it works again afterwards."""

    async def act(number: int) -> int:
        await asyncio.sleep(0.5)
        return number

    crew = begun(sim, team("crew", member("worker", act, count=2, backoff=constant(0.1)), max_restarts=100))
    if crew is None:
        return
    work = sim.workload(lambda number: crew.assign(number, "worker", attempts=5), n=6, every=0.5)
    sim.advance(10)
    sim.heal()
    sim.eventually("every caller is answered", lambda: work.done == 6, within=60)
    if crew.is_alive():
        sim.advance(5.0)
        assert crew.assign(42, "worker", attempts=5).get() == 42


@simulate(plan=anything, examples=20)
def test_no_work_waits_for_a_member_that_left(sim: Simulation, plan: FaultPlan) -> None:
    """Guards leaving: it drains, and what only the one that left could have done fails with a typed error."""
    floor = Floor()
    tree = team(
        "crew",
        member("stays", floor.work("stays", lambda value, _: value), backoff=constant(0.1)),
        member("leaves", floor.work("leaves", lambda value, _: value), backoff=constant(0.1)),
        max_restarts=None,
    )
    crew = begun(sim, tree)
    if crew is None:
        return
    work = sim.workload(
        lambda number: crew.assign(number, ("stays", "leaves")[number % 2], attempts=10), n=8, every=0.4
    )
    sim.advance(1.5)
    gone = crew.leave("leaves")
    sim.advance(30)
    sim.heal()
    sim.eventually("every caller is answered", lambda: work.done == 8, within=60)
    sim.eventually("it has left, or the request was lost in a crash", gone.done, within=60)
    for number, error in work.errors.items():
        if isinstance(error, TeamError):
            assert isinstance(error, NoCapableAgent)
            assert number % 2 == 1

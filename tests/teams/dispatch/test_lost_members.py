"""Members that terminate: the coordinator hears of it, and what they would have got is done by those that are left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from actors import Actor, DeadLetter, bounded
from actors.testing import FaultPlan, Kill, Simulation, faults, simulate, simulation
from supervisors import constant
from teams import (
    Context,
    MemberLost,
    NoCapableAgent,
    RunFailed,
    SlotInfo,
    TeamMetrics,
    WorkFailed,
    can,
    member,
    pool,
    role,
    team,
)
from teams.patterns import sequential
from tests.teams.cast import begun

ROUTES: Any = ("least_loaded", "round_robin", "random", "consistent_hash")


class Worker(Actor):
    """An actor that says who it is."""

    def on_receive(self, message: object) -> str:
        return self.path.rpartition("/")[2]


async def who(value: object, context: Context) -> str:
    """Says who it is, on the loop."""
    return context.member


def who_blocks(value: object, context: Context) -> str:
    """Says who it is, in a thread."""
    return context.member


KINDS = pytest.mark.parametrize("work", [who, who_blocks, Worker], ids=["async", "blocking", "actor"])


def slots_of(crew: Any) -> list[str]:
    """The ids in the roster."""
    slots: tuple[SlotInfo, ...] = crew.roster().get()
    return [each.id for each in slots]


@pytest.mark.parametrize("route", ROUTES)
@KINDS
def test_work_for_a_pool_never_goes_to_a_member_that_has_terminated(work: Any, route: Any) -> None:
    """Guards the first work after a loss: it failed once for each member that had terminated."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", work, count=3, role="r", restart="temporary")))
        crew.member("w-1").kill()
        sim.advance(1.0)
        answers = [crew.assign(number, pool("r", route)).get() for number in range(6)]
        assert set(answers) <= {"w-2", "w-3"}
        crew.member("w-3").kill()
        sim.settle()
        assert {crew.assign(number, pool("r", route)).get() for number in range(6)} == {"w-2"}


@pytest.mark.parametrize("route", ROUTES)
@KINDS
def test_when_every_member_has_terminated_no_agent_is_capable(work: Any, route: Any) -> None:
    """Guards the error: `NoCapableAgent`, for work that comes and for work that waits."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", work, count=2, role="r", restart="temporary")))
        crew.pause_work().get()
        waiting = [crew.assign(number, pool("r", route)) for number in range(3)]
        for name in ("w-1", "w-2"):
            crew.member(name).kill()
        sim.settle()
        for each in [*waiting, crew.assign(9, pool("r", route)), crew.assign(9, "w-1"), crew.assign(9, "r")]:
            with pytest.raises(NoCapableAgent):
                each.get()
        assert crew.is_alive()


def test_the_coordinator_hears_of_a_lost_member_when_it_is_lost() -> None:
    """Guards against a roster that is corrected by failed work: nothing was asked of the team here."""
    lost: list[MemberLost] = []
    with simulation() as sim, TeamMetrics(sim.runtime, _registry()) as metrics:
        sim.runtime.events.subscribe(lost.append, MemberLost)
        crew: Any = sim.start(
            team(
                "crew", member("w", who, count=2, role="r", restart="temporary"), member("t", who, restart="transient")
            )
        )
        crew.member("w-2").kill()
        sim.settle()
        assert [(each.path, each.member) for each in lost] == [("crew", "w-2")]
        assert slots_of(crew) == ["w-1", "t"]
        assert metrics.health("crew").slots == 2
        crew.member("t").stop(block=False)
        sim.settle()
        assert [each.member for each in lost] == ["w-2", "t"]
        assert crew.check(sequential("t", "r")) == ("t",)
        crew.join(member("t", who)).get()
        assert crew.assign(1, "t").get() == "t"


def _registry() -> Any:
    from prometheus_client import CollectorRegistry

    return CollectorRegistry()


def test_a_member_that_is_lost_while_another_joins_is_missed_too() -> None:
    """Guards the roster against a loss that is not looked at while a join is under way."""

    class Slow(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            await asyncio.sleep(10.0)

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", who, restart="temporary"), member("b", who)))
        joining = crew.join(member("slow", Slow))
        sim.advance(1.0)
        crew.member("a").kill()
        sim.advance(1.0)
        with pytest.raises(NoCapableAgent):
            crew.assign(1, "a").get()
        assert joining.get() == ("slow",)
        assert slots_of(crew) == ["b", "slow"]


@pytest.mark.parametrize("how", ["halt and reset", "members are started anew"])
def test_members_that_have_joined_come_back_with_all_others(how: str) -> None:
    """Guards members that were not there when the team was made: the team does not lose them when it starts anew."""
    lost: list[MemberLost] = []
    with simulation() as sim:
        sim.runtime.events.subscribe(lost.append, MemberLost)
        crew: Any = sim.start(team("crew", member("a", who)))
        crew.join(member("new", who, count=2, role="r")).get()
        if how == "halt and reset":
            crew.halt().get()
            crew.reset().get()
        else:
            crew.child("members").kill()
        asked = [crew.assign(number, name) for number, name in enumerate(("a", "new-1", "new-2"))]
        sim.advance(5.0)
        assert [each.get() for each in asked] == ["a", "new-1", "new-2"]
        assert slots_of(crew) == ["a", "new-1", "new-2"]
        assert lost == []
        crew.leave("new").get()
        assert slots_of(crew) == ["a"]


@pytest.mark.parametrize("how", ["halt and reset", "members are started anew"])
def test_a_lost_member_comes_back_with_all_others_and_one_that_left_not(how: str) -> None:
    """Guards the roster when all members are started anew, which starts all that the team was made with."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", who, count=3, role="r", restart="temporary")))
        crew.leave("w-1").get()
        crew.member("w-2").kill()
        sim.settle()
        assert slots_of(crew) == ["w-3"]
        if how == "halt and reset":
            crew.halt().get()
            crew.reset().get()
        else:
            crew.child("members").kill()
        sim.advance(5.0)
        assert sorted(slots_of(crew)) == ["w-2", "w-3"]
        assert crew.runtime.find("crew/members/w-1") is None
        assert crew.assign(1, "w-2").get() == "w-2"
        crew.join(member("w-1", who)).get()
        assert crew.assign(1, "w-1").get() == "w-1"


def test_a_slot_that_ends_while_the_others_of_its_member_join_is_missed() -> None:
    """Guards the slots of a member that comes in: one is up and has ended before the last is up."""

    class Short(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            if self.path.endswith("-2"):
                await asyncio.sleep(5.0)

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", who)))
        joining = crew.join(member("s", Short, count=2, restart="temporary"))
        sim.advance(1.0)
        crew.member("s-1").kill()
        sim.advance(10.0)
        assert joining.get() == ("s-1", "s-2")
        assert slots_of(crew) == ["a", "s-2"]


@pytest.mark.parametrize("route", ROUTES)
@KINDS
def test_work_waits_for_no_member_that_is_being_restarted(work: Any, route: Any) -> None:
    """Guards work for a pool: while one backs off, another member does it at once."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", work, count=2, role="r", backoff=constant(30.0))))
        key = next(key for key in range(100) if crew.assign(key, pool("r", route)).get() == "w-2")
        crew.member("w-1").kill()
        sim.advance(1.0)
        assert [crew.assign(key, pool("r", route)).get() for _ in range(4)] == ["w-2"] * 4
        assert sim.now < 2.0
        sim.advance(40.0)
        assert {crew.assign(key, pool("r", route)).get() for key in range(20)} == {"w-1", "w-2"}


def test_work_for_a_member_that_is_being_restarted_begins_when_it_is_up() -> None:
    """Guards work for one member: it waits with the team, and the member gets it as soon as it is up again."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", who, backoff=constant(10.0))))
        crew.member("w").kill()
        sim.advance(1.0)
        asked = [crew.assign(number, "w") for number in range(3)]
        sim.advance(8.9)
        assert not any(each.done() for each in asked)
        sim.advance(0.2)
        assert [each.done() for each in asked] == [True] * 3


@pytest.mark.parametrize("route", ROUTES)
def test_work_that_a_lost_member_had_not_begun_is_done_by_another(route: Any) -> None:
    """Guards at most once: what still waited in the mailbox of a member that has terminated was not begun, and is not
    a failure. What it had begun is one.
    """
    tries: Counter[object] = Counter()

    class Busy(Actor):
        async def on_receive(self, message: object) -> str:
            tries[message] += 1
            await asyncio.sleep(1.0)
            return self.path.rpartition("/")[2]

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", Busy, count=2, role="r", restart="temporary")))
        for name in ("w-1", "w-2"):
            crew.member(name).tell("of its own")
        asked = [crew.assign(number, pool("r", route)) for number in range(2)]
        sim.advance(0.5)
        crew.member("w-1").kill()
        sim.advance(10.0)
        assert [each.get() for each in asked] == ["w-2", "w-2"]
        assert [tries[number] for number in range(2)] == [1, 1]
        last = crew.assign("last", pool("r", route))
        sim.advance(0.5)
        crew.member("w-2").kill()
        with pytest.raises(WorkFailed):
            last.get()
        assert tries["last"] == 1


SOME = faults.plans("crew/members/*", kinds=[Kill], max_faults=3, seconds=(0.0, 8.0))


def crew_of(tries: Counter[int], restart: Any) -> Any:
    """Four workers, who take a second over a piece of work."""

    async def act(number: int, context: Context) -> str:
        tries[number] += 1
        await asyncio.sleep(1.0)
        return context.member

    return team("crew", role("r"), member("w", act, count=4, role="r", restart=restart, backoff=constant(0.5)))


@simulate(plan=SOME, examples=30, route=st.sampled_from(ROUTES), restart=st.sampled_from(["temporary", "permanent"]))
def test_work_never_fails_while_a_working_member_of_the_role_is_there(
    sim: Simulation, plan: FaultPlan, route: Any, restart: Any
) -> None:
    """Guards every route against kills at any time: of four members, at most three are lost."""
    tries: Counter[int] = Counter()
    crew = begun(sim, crew_of(tries, restart))
    if crew is None:
        return
    work = sim.workload(lambda number: crew.assign(number, pool("r", route), attempts=4), n=12, every=0.4)
    sim.advance(20.0)
    sim.heal()
    sim.eventually("every work is done", lambda: work.done == 12, within=60)
    assert not work.errors
    assert all(count <= 4 for count in tries.values())


@simulate(plan=SOME, examples=30, route=st.sampled_from(ROUTES), restart=st.sampled_from(["temporary", "permanent"]))
def test_work_that_may_be_tried_once_fails_only_when_it_had_begun(
    sim: Simulation, plan: FaultPlan, route: Any, restart: Any
) -> None:
    """Guards at most once for every route: no work is begun twice, and none fails that was not begun."""
    tries: Counter[int] = Counter()
    crew = begun(sim, crew_of(tries, restart))
    if crew is None:
        return
    work = sim.workload(lambda number: crew.assign(number, pool("r", route)), n=12, every=0.4)
    sim.advance(20.0)
    sim.heal()
    sim.eventually("every work is answered", lambda: work.done == 12, within=60)
    assert all(tries[number] == 1 for number in range(12))
    assert all(isinstance(error, WorkFailed) for error in work.errors.values())


def test_a_step_of_a_pattern_says_that_no_member_is_left() -> None:
    """Guards patterns: the run fails with the same error."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("w", who, capabilities={"dig"}, restart="temporary")))
        run = crew.play(sequential(can("dig")), 1)
        assert run.get() == "w"
        crew.member("w").kill()
        sim.settle()
        with pytest.raises(RunFailed, match=r"can\('dig'\)"):
            crew.play(sequential(can("dig")), 1).get()


def failed_at(asked: Any) -> str:
    """The member that failed over a piece of work, or did not take a broadcast."""
    try:
        (failed,) = asked.get().failures
    except WorkFailed as error:
        failed = error.member
    return str(failed)


@pytest.mark.parametrize("policy", ["reject", "drop_newest", "block"])
@pytest.mark.parametrize(
    "ask", [lambda crew: crew.assign("work", "w", attempts=3), lambda crew: crew.broadcast("work")]
)
def test_a_full_mailbox_of_a_member_costs_that_work_and_no_more(ask: Callable[[Any], Any], policy: Any) -> None:
    """Guards the coordinator against what a mailbox refuses: it is the outcome of that work, and no crash of it."""
    letters: list[DeadLetter] = []
    with simulation() as sim:
        sim.runtime.events.subscribe(letters.append, DeadLetter)
        crew: Any = sim.start(team("crew", member("w", Worker, mailbox=bounded(1, policy)), member("v", Worker)))
        crew.member("w").suspend()
        crew.member("w").tell("first")
        asked = ask(crew)
        crew.tell_all("news")
        sim.advance(1.0)
        assert failed_at(asked) == "w"
        assert [each.path for each in letters if each.message == "news"] == ["crew/members/w"]
        assert crew.assign(1, "v").get() == "v"
        assert sim.runtime.cells["crew/coordinator"].incarnation == 1

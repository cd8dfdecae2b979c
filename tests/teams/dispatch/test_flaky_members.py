"""Members that fail: now and then, all the time, or whenever they start. None of them costs another member its work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor
from actors.testing import Simulation, simulation
from supervisors import ChildSpec, GaveUp, SupervisorSpec, constant
from teams import (
    Context,
    MemberLost,
    NoCapableAgent,
    TeamError,
    WorkFailed,
    goal,
    member,
    role,
    team,
)
from teams.patterns import sequential


async def flaky(value: object) -> object:
    """Fails over what it is told to fail over."""
    if value == "fail":
        raise OSError("429 Too Many Requests")
    return value


async def hour(value: object) -> object:
    """Takes an hour."""
    await asyncio.sleep(3600.0)
    return value


class Broken(Actor):
    """Comes up once, and never again."""

    def on_start(self) -> None:
        if self.incarnation > 1:
            raise OSError("no disk")


@settings(max_examples=30, deadline=None)
@given(
    failures=st.sampled_from([7, 13, 100]) | st.integers(1, 120),
    every=st.floats(0.0, 0.6),
    backoff=st.sampled_from([None, constant(0.05), "default"]),
    share=st.sampled_from(["all", "every other"]),
)
def test_a_flaky_member_never_costs_a_healthy_one_its_work(
    failures: int, every: float, backoff: Any, share: str
) -> None:
    """Guards the budget of a member, which is its own: however often it fails within a minute, the work of another goes
    on, and so does the team.
    """
    options: dict[str, Any] = {} if backoff == "default" else {"backoff": backoff}
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("flaky", flaky, **options), member("healthy", hour)))
        work = crew.assign("long", "healthy")
        asked = []
        for number in range(failures):
            asked.append(crew.assign("fail", "flaky"))
            if share == "every other":
                asked.append(crew.assign(number, "flaky"))
            sim.advance(every)
        sim.advance(60.0)
        assert not work.done()
        assert crew.member("healthy").incarnation == 1
        assert work.get() == "long"
        assert crew.incarnation == 1
        for each in asked:
            if each.done():
                assert outcome_of(each) in (WorkFailed, NoCapableAgent, int)


def outcome_of(future: Any) -> type:
    """What a future settled with: the type of its result, or of its error."""
    try:
        return type(future.get())
    except TeamError as error:
        return type(error)


@pytest.mark.parametrize("backoff", [None, constant(0.1)])
def test_a_member_that_works_between_its_failures_is_never_given_up(backoff: Any) -> None:
    """Guards the defaults: 100 failures in a minute, with results between them."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("flaky", flaky, backoff=backoff)))
        for number in range(100):
            failing, working = crew.assign("fail", "flaky"), crew.assign(number, "flaky")
            with pytest.raises(WorkFailed, match="429"):
                failing.get()
            assert working.get() == number
        assert sim.now < 60.0


def lost_in(sim: Simulation) -> tuple[list[MemberLost], list[GaveUp]]:
    """What is told of members that are given up."""
    lost: list[MemberLost] = []
    gave_up: list[GaveUp] = []
    sim.runtime.events.subscribe(lost.append, MemberLost)
    sim.runtime.events.subscribe(gave_up.append, GaveUp)
    return lost, gave_up


@pytest.mark.parametrize("backoff", [None, constant(0.5)])
def test_a_member_that_crash_loops_is_given_up_alone(backoff: Any) -> None:
    """Guards the rest of the team: it hears of the loss, and what only that member could do is answered."""
    with simulation() as sim:
        lost, gave_up = lost_in(sim)
        crew: Any = sim.start(
            team("crew", member("broken", Broken, backoff=backoff), member("healthy", hour), member("quick", flaky))
        )
        work = crew.assign("long", "healthy")
        crew.member("broken").kill()
        waiting = crew.assign("only it can", "broken")
        sim.advance(60.0)
        with pytest.raises(NoCapableAgent):
            waiting.get()
        with pytest.raises(NoCapableAgent):
            crew.assign("only it could", "broken").get()
        assert [(each.path, each.member) for each in lost] == [("crew", "broken")]
        assert [(each.path, each.scope) for each in gave_up] == [("crew/members/broken", "child")]
        assert [each.id for each in crew.roster().get()] == ["healthy", "quick"]
        assert crew.assign("fine", "quick").get() == "fine"
        assert work.get() == "long"
        assert crew.member("healthy").incarnation == 1


def test_a_member_that_fails_over_all_it_gets_is_given_up_alone() -> None:
    """Guards work for a member that never does any: in the end the team says that there is none for it."""
    with simulation() as sim:
        lost, _ = lost_in(sim)
        crew: Any = sim.start(team("crew", member("broken", flaky, backoff=None), member("healthy", hour)))
        work = crew.assign("long", "healthy")
        outcomes = [outcome_of(crew.assign("fail", "broken")) for _ in range(100)]
        last = outcomes.index(NoCapableAgent)
        assert set(outcomes[:last]) == {WorkFailed}
        assert set(outcomes[last:]) == {NoCapableAgent}
        assert [each.member for each in lost] == ["broken"]
        assert work.get() == "long"


def test_what_a_member_that_is_given_up_had_is_done_by_another_of_its_role() -> None:
    """Guards the work of the whole role: it waits for none that will not come back."""

    async def breaks(value: object) -> object:
        raise OSError("always")

    async def works(value: object, context: Context) -> str:
        return context.member

    with simulation() as sim:
        bad = member("bad", breaks, role="r", backoff=None, max_restarts=2)
        crew: Any = sim.start(team("crew", role("r"), bad, member("good", works, role="r")))
        assert [crew.assign("work", "r", attempts=2).get() for _ in range(10)] == ["good"] * 10
        assert [each.id for each in crew.roster().get()] == ["good"]


def test_a_team_goes_on_when_every_member_is_given_up() -> None:
    """Guards the team itself: new members may join, and get the work."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", Broken, backoff=None), member("b", Broken, backoff=None)))
        for name in ("a", "b"):
            crew.member(name).kill()
        sim.advance(10.0)
        assert crew.roster().get() == ()
        crew.join(member("a", flaky)).get()
        assert crew.assign(1, "a").get() == 1


def own_budgets(spec: SupervisorSpec) -> dict[str, tuple[int | None, float | None, str | None]]:
    """The budget of each member of a team."""
    (members,) = (each for each in spec.children if each.id == "members")
    assert isinstance(members, SupervisorSpec)
    assert members.max_restarts is None
    found = [each for each in members.children if isinstance(each, ChildSpec)]
    return {each.id: (each.max_restarts, each.period, each.on_limit) for each in found}


def test_a_member_has_the_budget_it_says_or_else_that_of_the_team() -> None:
    """Guards the options: the member's own words come first."""
    people = (
        member("plain", flaky),
        member("own", flaky, max_restarts=2, period=7.0),
        member("vital", flaky, max_restarts=2, on_limit="escalate"),
        member("once", flaky, restart="temporary"),
    )
    assert own_budgets(team("crew", *people, max_restarts=9, period=30.0)) == {
        "plain": (9, 30.0, "drop"),
        "own": (2, 7.0, "drop"),
        "vital": (2, None, "escalate"),
        "once": (None, None, None),
    }
    default = SupervisorSpec.model_fields["max_restarts"].default
    assert own_budgets(team("crew", *people))["plain"] == (default, None, "drop")
    assert own_budgets(team("crew", *people, max_restarts=None))["plain"] == (None, None, None)


def test_a_member_that_joins_has_a_budget_like_the_others() -> None:
    """Guards members that come while the team runs."""
    with simulation() as sim:
        lost, _ = lost_in(sim)
        crew: Any = sim.start(team("crew", member("healthy", hour), max_restarts=3))
        crew.join(member("broken", flaky, backoff=None)).get()
        work = crew.assign("long", "healthy")
        outcomes = [outcome_of(crew.assign("fail", "broken")) for _ in range(5)]
        assert outcomes == [WorkFailed] * 4 + [NoCapableAgent]
        assert [each.member for each in lost] == ["broken"]
        assert work.get() == "long"


def test_a_member_that_is_vital_takes_the_others_along_and_all_come_back() -> None:
    """Guards `on_limit="escalate"`: the members are started anew, and the roster is the same afterwards."""
    with simulation() as sim:
        lost, _ = lost_in(sim)
        crew: Any = sim.start(
            team(
                "crew",
                member("vital", flaky, backoff=None, max_restarts=1, on_limit="escalate"),
                member("healthy", flaky, count=3),
            )
        )
        for _ in range(2):
            with pytest.raises(WorkFailed):
                crew.assign("fail", "vital").get()
        asked = [crew.assign(name, name) for name in ("vital", "healthy-1", "healthy-3")]
        sim.advance(30.0)
        assert [each.get() for each in asked] == ["vital", "healthy-1", "healthy-3"]
        assert lost == []
        assert crew.child("members").incarnation == 2
        assert crew.is_alive()


@pytest.mark.parametrize("part", ["coordinator", "topics", "members", "goal"])
def test_a_team_gives_up_when_a_part_it_cannot_be_without_keeps_crashing(part: str) -> None:
    """Guards the end of a team: it ends for what it cannot be without, and says which."""
    with simulation() as sim:
        aim = goal(sequential("healthy"), 1) if part == "goal" else None
        crew: Any = sim.start(team("crew", member("healthy", hour), goal=aim, max_restarts=2, period=60.0))
        reasons = crew.ended()
        for _ in range(3):
            assert crew.is_alive()
            crew.child(part).kill()
            sim.advance(0.2 if part in ("coordinator", "topics") else 5.0)
        sim.advance(10.0)
        assert not crew.is_alive()
        assert f"child '{part}'" in str(reasons.get())

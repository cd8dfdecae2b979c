"""A member's failures never cost another member its work (supervision rules 8 and 9)."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor
from actors.testing import Simulation, simulation
from supervisors import GaveUp
from teams import NoCapableAgent, WorkFailed, goal, member, team
from teams.patterns import sequential


class Flaky:
    """A function that fails as often as it is told to."""

    def __init__(self, percent: float, seed: int = 0) -> None:
        self.percent = percent
        self.choose = random.Random(seed)

    async def __call__(self, work: object) -> object:
        await asyncio.sleep(0.1)
        if self.choose.random() * 100 < self.percent:
            raise ConnectionError("429")
        return work


async def steady(work: object) -> object:
    """Takes a while."""
    await asyncio.sleep(50)
    return work


def incarnation(sim: Simulation, path: str) -> int:
    """Which incarnation of the actor is there."""
    (ref,) = sim.actors(path)
    return int(ref.incarnation)


@settings(max_examples=8, deadline=None)
@given(percent=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_member_that_fails_now_and_then_costs_no_other_its_work(percent: int, seed: int) -> None:
    """Nor does it end the team, however long it goes on."""
    with simulation(seed=seed) as sim:
        crew = sim.start(team("crew", member("flaky", Flaky(percent, seed)), member("steady", steady)))
        slow = crew.assign("slow", "steady", timeout=200)
        done = [crew.assign(number, "flaky", attempts=50, timeout=None) for number in range(100)]
        sim.advance(60)
        assert slow.get() == "slow"
        assert incarnation(sim, "crew/members/steady") == 1
        while not all(each.done() for each in done):
            sim.advance(60)
        assert [each.get() for each in done] == list(range(100))
        assert crew.is_alive()


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_member_in_a_crash_loop_is_given_up_alone(strategy: Any) -> None:
    """With an account, and the work of the others goes on."""
    with simulation() as sim:
        people = member("broken", Flaky(100)), member("steady", steady)
        crew = sim.start(team("crew", *people, strategy=strategy))
        gave_up: list[GaveUp] = []
        sim.runtime.events.subscribe(gave_up.append, GaveUp)
        failed = crew.assign("no way", "broken", attempts=1000, timeout=None)
        sim.advance(1000)
        assert [(event.path, event.scope) for event in gave_up] == [("crew/members/broken", "child")]
        with pytest.raises((WorkFailed, NoCapableAgent)):
            failed.get()
        before = incarnation(sim, "crew/members/steady")
        assert crew.assign("slow", "steady", timeout=200).get() == "slow"
        assert incarnation(sim, "crew/members/steady") == before
        assert crew.is_alive()


def test_a_member_may_make_its_budget_the_business_of_the_team() -> None:
    """With "escalate" all members are started anew, and that counts in the budget of the team, which then gives up."""

    class Broken(Actor):
        def on_receive(self, message: object) -> None:
            raise OSError(message)

    with simulation() as sim:
        people = member("broken", Broken, on_limit="escalate", backoff=None), member("steady", steady)
        crew = sim.start(team("crew", *people, max_restarts=2))
        gave_up: list[GaveUp] = []
        sim.runtime.events.subscribe(gave_up.append, GaveUp)
        while crew.is_alive():
            (broken,) = sim.actors("crew/members/broken")
            broken.tell("work")
            sim.advance(1)
        assert [event.path for event in gave_up] == ["crew/members/broken"] * 3 + ["crew/members"]


def test_a_goal_that_always_fails_ends_the_team_soon() -> None:
    """The messages that it handles on the way are no progress: five restarts within a minute are the limit."""
    with simulation() as sim:
        crew = sim.start(team("crew", member("broken", Flaky(100)), goal=goal(sequential("broken"), "x")))
        sim.advance(120)
        assert not crew.is_alive()

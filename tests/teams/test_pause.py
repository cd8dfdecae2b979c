"""Pausing a tree that has a team in it."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor
from actors.testing import simulation
from supervisors import child, start, supervisor
from teams import member, team
from teams.protocols import choreography, on


class Echo(Actor):
    """Answers with what it gets."""

    def on_receive(self, message: object) -> object:
        return message


def test_a_team_below_pauses_in_its_own_way() -> None:
    """Guards the hook: the coordinator of a team holds work back, and is not itself suspended."""

    async def double(number: int) -> int:
        return 2 * number

    with start(supervisor("root", child("a", Echo), team("crew", member("double", double))), log=False) as root:
        crew: Any = root.child("crew")
        assert root.pause_work().get(timeout=10) is True
        assert crew.pause_work().get(timeout=10) is False
        assert crew.roster().get(timeout=10)[0].id == "double"
        answer = crew.assign(21, to="double")
        assert root.resume_work().get(timeout=10) is True
        assert answer.get(timeout=10) == 42


@pytest.mark.parametrize("meanwhile", ["nothing", "topics", "coordinator", "halt and reset"])
def test_events_wait_while_a_team_is_paused(meanwhile: str) -> None:
    """Guards members that only hear of events: they begin nothing either, whatever becomes of the topics meanwhile."""
    heard: list[object] = []

    async def hear(order: object) -> None:
        heard.append(order)

    orders = choreography("orders", on("order.received", "clerk"))
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("clerk", hear), choreographies=[orders]))
        crew.pause_work()
        sim.advance(1)
        if meanwhile in ("topics", "coordinator"):
            crew.child(meanwhile).kill()
        elif meanwhile == "halt and reset":
            crew.halt()
            sim.advance(1)
            crew.reset()
        sim.advance(10)
        told = crew.topics.publish("order.received", 7)
        sim.advance(3600)
        assert heard == []
        crew.resume_work()
        sim.advance(10)
        assert heard == [7]
        assert told.get().subscribers == 1


def test_work_that_waited_for_a_pause_to_end_begins_once() -> None:
    """Guards at most once when the coordinator crashes while the team is paused."""
    begun: list[object] = []

    async def act(value: object) -> object:
        begun.append(value)
        return value

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", act, concurrency=3)))
        crew.pause_work().get()
        work = crew.assign(1, "a")
        sim.advance(1.0)
        crew.child("coordinator").kill()
        sim.advance(1.0)
        crew.resume_work().get()
        assert work.get() == 1
        sim.settle()
        assert begun == [1]

"""The topics of a team: members subscribe, what they emit is published, and chains are played as patterns."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from actors import Exited
from actors.testing import Crash, FaultPlan, Kill, Schedule, Simulation, TimerFirst, faults, simulate, simulation
from supervisors import SpecError, constant
from teams import Emit, RunFailed, StepFailed, goal, member, team
from teams.patterns import event_driven, pipeline, stage
from teams.protocols import ChainEnded, Event, NobodyHears, Undo, choreography, on
from tests.teams.cast import begun


async def forward(value: Any) -> Emit:
    """Passes on what it hears."""
    return Emit("passed.on", value)


def test_members_hear_of_their_topics_and_what_they_emit_is_published() -> None:
    """Guards `subscribes` and `Emit`: the payload for one that takes a value, the event for one that asks for it."""
    heard: list[object] = []

    async def by_value(value: object) -> None:
        heard.append(value)

    async def by_event(event: Event) -> None:
        heard.append(event.topic)

    crew_spec = team(
        "crew",
        member("forward", forward, subscribes=["first"]),
        member("value", by_value, subscribes=["passed.*"]),
        member("event", by_event, subscribes=["**"]),
    )
    with simulation() as sim:
        crew: Any = sim.start(crew_spec)
        sim.advance(1.0)
        crew.topics.publish("first", 1)
        crew.assign(2, "forward")
        sim.advance(1.0)
        assert Counter(heard) == Counter({1: 1, 2: 1, "first": 1, "passed.on": 2})
        crew.halt().get()
        crew.reset().get()
        sim.advance(1.0)
        heard.clear()
        crew.topics.publish("first", 3)
        sim.advance(1.0)
        assert 3 in heard


def test_event_driven_on_a_topic_without_subscribers_names_the_nearest() -> None:
    """Guards against a goal that is reached by doing nothing: the step fails once, with what to write instead."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("forward", forward, subscribes=["order.received"])))
        run = crew.play(event_driven("order.recieved"), 1)
        with pytest.raises(RunFailed, match=r"did you mean 'order\.received'") as caught:
            run.get(timeout=60)
        failed = caught.value.error
        assert isinstance(failed, StepFailed)
        assert isinstance(failed.error, NobodyHears)
        assert failed.error.topics == "crew/topics"


def test_a_choreography_without_its_member_and_bad_topics_are_refused() -> None:
    """Guards bad input: every fault, before anything starts."""
    with pytest.raises(SpecError, match="member: no member 'ghost'"):
        team("crew", member("forward", forward), choreographies=[choreography("c", on("a", "ghost"))])
    with pytest.raises(SpecError, match="subscribes"):
        member("forward", forward, subscribes=["a..b"])
    with pytest.raises(SpecError, match=r"topic.*\n.*deadline"):
        event_driven("not a topic", deadline=0.0)


Account = tuple[int, int]


def orders_of(sim: Simulation) -> tuple[list[Account], list[ChainEnded]] | None:
    """A shop that has three orders reserved and paid, the second of which cannot be paid: what came of each, and how
    the chains ended. None: it did not start, or gave up.
    """
    booked: dict[tuple[str, int], int] = Counter()
    seen: set[str] = set()

    def once(event: Event, account: str) -> None:
        if event.id not in seen:
            seen.add(event.id)
            booked[account, event.payload] += 1  # type: ignore[index]

    async def reserve(event: Event) -> Emit:
        once(event, "reserved")
        return Emit("reserved", event.payload)

    async def pay(event: Event) -> Emit:
        if event.payload == 2:
            raise ValueError("no money")
        once(event, "paid")
        return Emit("paid", event.payload)

    undone: set[str] = set()

    async def unreserve(undo: Undo) -> None:
        if undo.id not in undone:
            undone.add(undo.id)
            booked["reserved", undo.event.payload] -= 1  # type: ignore[index]

    async def refund(undo: Undo) -> None:
        if undo.id not in undone:
            undone.add(undo.id)
            booked["paid", undo.event.payload] -= 1  # type: ignore[index]

    order = choreography(
        "order",
        on("received", "reserve", undo="unreserve", attempts=10, undo_attempts=10),
        on("reserved", "pay", undo="refund", attempts=10, undo_attempts=10),
        ends="paid",
    )
    quick: Any = {"backoff": constant(0.05), "max_restarts": 1000}
    ended: list[ChainEnded] = []
    sim.runtime.events.subscribe(ended.append, ChainEnded)
    shop = begun(
        sim,
        team(
            "shop",
            *(member(each.__name__, each, **quick) for each in (reserve, pay, unreserve, refund)),
            choreographies=[order],
            goal=goal(pipeline(stage("order", event_driven("received"), parallel=3)), [1, 2, 3]),
            max_restarts=1000,
        ),
    )
    if shop is None:
        return None
    sim.advance(30.0)
    sim.heal()
    sim.eventually("the shop has reached its goal, or given up", lambda: not shop.is_alive(), within=600)
    if not shop.ended().get().expected:
        return None
    return [(booked["reserved", number], booked["paid", number]) for number in (1, 2, 3)], ended


@simulate(plan=faults.plans("shop/**", kinds=[Crash, Kill], max_faults=4), examples=25)
def test_a_chain_ends_whole_or_undone_whatever_crashes(sim: Simulation, plan: FaultPlan) -> None:
    """Guards choreography in a team: what is booked is booked wholly or not at all, once for each order."""
    lost: list[Exited] = []
    sim.runtime.events.subscribe(lost.append, Exited)
    found = orders_of(sim)
    # The supervisor of the members takes along those that could undo. An event says so; more cannot be promised.
    if found is None or any(each.status == "compensation_failed" for each in found[1]):
        return
    orders = found[0]
    assert orders[1] == (0, 0)
    # Only a deadline, which some schedules let pass, and the loss of those whose step it is keep the others from being
    # booked.
    assert all(each in ((1, 1), (0, 0)) for each in orders)
    members_lost = any(each.path == "shop/members" and not each.reason.expected for each in lost)
    assert sim.now > 300 or members_lost or orders == [(1, 1), (0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("plan", "schedule"),
    [
        (FaultPlan(Kill("shop/**", nth=2, at=0.0), Crash("shop/**", nth=1)), Schedule()),
        (FaultPlan(Kill("shop/members", at=0.0)), Schedule(TimerFirst("shop/coordinator", 3))),
    ],
    ids=["topics crash meanwhile", "members go meanwhile"],
)
def test_topics_hear_of_the_members_that_there_are_when_the_team_is_up(plan: FaultPlan, schedule: Schedule) -> None:
    """Guards the start of the coordinator: it repeated an order that named members that were gone, or did not notice
    that they went, and every chain failed for want of them.
    """
    with simulation(plan, schedule) as sim:
        found = orders_of(sim)
        assert found is not None
        assert found[0] == [(1, 1), (0, 0), (1, 1)]

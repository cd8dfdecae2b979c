"""Intentions: two that conflict never act at the same time, and every one ends acted, yielded or failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from actors import ActorDeadError, ActorError, Runtime, sleep
from actors.spi import notice
from actors.testing import FaultPlan, InjectedCrash, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, CrashInStart, Kill, KillDuringRestart, Slow
from supervisors import SpecError, SupervisorSpec, child, constant, start, supervisor
from teams.protocols import (
    Acted,
    ActFailed,
    FunctionPeer,
    Intend,
    Intention,
    IntentionActed,
    IntentionAnnounced,
    IntentionFailed,
    IntentionYielded,
    Peer,
    PeerRef,
    Yielded,
)
from teams.protocols._mesh.intention import PeerEnded

OFTEN = 1000
NAMES = ("ann", "bob", "cid")


class World:
    """What the peers act on, and who does so now."""

    def __init__(self, tidy: float = 0.0) -> None:
        self.tidy = tidy
        """How long it takes to end an action, well or not."""
        self.acting: list[Intention] = []
        self.log: list[str] = []

    @property
    def at_peace(self) -> bool:
        """The invariant."""
        resources = [each.resource for each in self.acting]
        return len(resources) == len(set(resources))


class Worker(Peer):
    """Acts for as many seconds as its action says."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    async def act(self, intention: Intention) -> object:
        self.world.acting.append(intention)
        try:
            await sleep(intention.action)
        finally:
            try:
                if self.world.tidy:
                    await sleep(self.world.tidy)
            finally:
                self.world.acting.remove(intention)
        self.world.log.append(self.path.rpartition("/")[2])
        return "done"

    def objection(self, intention: Intention) -> str | None:
        return "never" if intention.resource == f"private {self.path}" else None


def mesh(world: World, **options: Any) -> SupervisorSpec:
    """Three peers."""
    return supervisor("mesh", *(child(name, Worker, args=[world], **options) for name in NAMES), max_restarts=OFTEN)


def peers(sim: Simulation, world: World, **options: Any) -> list[PeerRef]:
    """The refs of three new peers."""
    root = sim.start(mesh(world, **options))
    return [root.child(name, PeerRef) for name in NAMES]


def test_a_peer_acts_when_no_peer_objects() -> None:
    """Guards the case without faults, and its events."""
    with simulation() as sim:
        told: list[object] = []
        sim.runtime.events.subscribe(told.append, IntentionAnnounced, IntentionActed)
        ann, _, _ = peers(sim, World())
        outcome = ann.intend(1.0, "disk").get()
        assert isinstance(outcome, Acted)
        assert (outcome.result, outcome.intention.resource, outcome.intention.by) == ("done", "disk", "mesh/ann")
        assert [type(each) for each in told] == [IntentionAnnounced, IntentionActed]
        assert sim.now == 1.0


def test_different_resources_are_used_at_the_same_time() -> None:
    """Guards against waiting for nothing."""
    with simulation() as sim:
        ann, bob, cid = peers(sim, World())
        asked = [ann.intend(5.0, "a"), bob.intend(5.0, "b"), cid.intend(5.0, "c"), ann.intend(5.0, "d")]
        assert all(isinstance(each.get(), Acted) for each in asked)
        assert sim.now == 5.0


def test_one_resource_goes_by_priority_and_then_by_time() -> None:
    """Guards precedence, of intentions of one peer, too."""
    with simulation() as sim:
        world = World()
        ann, bob, cid = peers(sim, world)
        asked = [ann.intend(1.0, "disk")]
        sim.advance(0.1)
        asked += [ann.intend(1.0, "disk"), bob.intend(1.0, "disk", priority=1), cid.intend(1.0, "disk", priority=2)]
        sim.advance(0.1)
        asked += [bob.intend(1.0, "disk", priority=3)]
        assert all(isinstance(each.get(), Acted) for each in asked)
        assert world.log == ["ann", "bob", "cid", "bob", "ann"]


def test_a_peer_that_objects_is_yielded_to() -> None:
    """Guards objections and who is named."""
    with simulation() as sim:
        told: list[IntentionYielded] = []
        sim.runtime.events.subscribe(told.append, IntentionYielded)
        ann, _, _ = peers(sim, World())
        outcome = ann.intend(1.0, "private mesh/bob").get()
        assert isinstance(outcome, Yielded)
        assert (outcome.to, outcome.why) == (("mesh/bob",), "never")
        assert [each.to for each in told] == [("mesh/bob",)]
        assert isinstance(ann.intend(1.0, "private mesh/ann").get(), Acted), "a peer does not object to itself"


def test_a_deadline_bounds_the_wait() -> None:
    """Guards against waiting behind one who acts for ever."""
    with simulation() as sim:
        ann, bob, cid = peers(sim, World())
        ann.intend(1e6, "disk")
        sim.settle()
        outcome = bob.intend(1.0, "disk", within=10.0).get()
        assert isinstance(outcome, Yielded)
        assert outcome.to == ("mesh/ann",)
        assert sim.now == 10.0
        own = ann.intend(1.0, "disk", within=10.0).get()
        assert isinstance(own, Yielded)
        assert own.to == ("mesh/ann",)


@pytest.mark.parametrize("end", ["crash", "kill"])
def test_acting_ends_with_the_incarnation_and_those_who_wait_go_on_at_once(end: str) -> None:
    """Guards the end of a peer that acts: a failure for its asker, consent for the others, long before it is back."""
    with simulation() as sim:
        world = World()
        failed: list[IntentionFailed] = []
        sim.runtime.events.subscribe(failed.append, IntentionFailed)
        ann, bob, _ = peers(sim, world, backoff=constant(1000.0))
        first = ann.intend(60.0, "disk")
        sim.advance(1)
        second = bob.intend(1.0, "disk")
        sim.advance(1)
        if end == "crash":
            sim.crash("mesh/ann")
        else:
            ann.kill()
        outcome = first.get()
        assert isinstance(outcome, ActFailed)
        assert outcome.reason.kind == ("crashed" if end == "crash" else "killed")
        assert isinstance(second.get(), Acted)
        assert sim.now < 10
        assert [each.path for each in failed] == ["mesh/ann"]
        assert isinstance(bob.intend(1.0, "disk").get(), Acted), "a peer that is down does not object"
        assert sim.now < 10


def test_the_end_of_an_earlier_incarnation_says_nothing_of_this_one() -> None:
    """Guards notices that come late."""
    with simulation() as sim:
        refs = peers(sim, World())
        ann: Any = refs[0]
        first = refs[1].intend(5.0, "disk")
        sim.settle()
        second = ann.intend(1.0, "disk")
        sim.settle()
        notice(ann, PeerEnded("mesh/bob", 0))
        assert isinstance(first.get(), Acted)
        assert sim.now == 5.0
        assert isinstance(second.get(), Acted)
        assert sim.now == 6.0


def test_an_action_that_raises_is_a_crash() -> None:
    """Guards that errors of the action reach the supervisor and the asker."""
    with simulation() as sim:
        ann, _, _ = peers(sim, World())
        outcome = ann.intend("no number", "disk").get()
        assert isinstance(outcome, ActFailed)
        assert "TypeError" in str(outcome.reason)


def test_a_caller_hears_when_the_peer_has_terminated() -> None:
    """Guards owed answers."""
    with simulation() as sim:
        root = sim.start(mesh(World()))
        ann, bob = root.child("ann"), root.child("bob")
        assert isinstance(ann, PeerRef)
        assert isinstance(bob, PeerRef)
        first, second = ann.intend(60.0, "disk"), bob.intend(1.0, "disk")
        sim.advance(1)
        root.terminate_child("ann").get()
        assert isinstance(first.get(), ActFailed)
        assert isinstance(second.get(), Acted)


class Nested(Peer):
    """Announces something of its own while it handles a message."""

    def __init__(self, world: World) -> None:
        super().__init__("a mesh of its own")

    async def act(self, intention: Intention) -> object:
        return intention.action

    async def on_receive(self, message: Any) -> object:
        return await self.intend(message, "disk")


def test_a_peer_may_announce_from_its_own_handlers() -> None:
    """Guards `Peer.intend`."""
    with simulation() as sim:
        ref = sim.spawn(Nested, args=[World()])
        outcome = ref.ask("hello")
        assert isinstance(outcome, Acted)
        assert outcome.result == "hello"


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_function_can_be_a_peer(kind: str) -> None:
    """Guards peers made of functions."""

    async def later(intention: Intention) -> object:
        await sleep(1.0)
        return intention.action

    act: Callable[[Intention], object] = later if kind == "async" else lambda intention: intention.action
    with simulation() as sim:
        ref = sim.spawn(FunctionPeer, args=[act])
        assert isinstance(ref, PeerRef)
        outcome = ref.intend("x", "y").get()
        assert isinstance(outcome, Acted)
        assert outcome.result == "x"


def test_it_works_on_the_real_runtime() -> None:
    """Guards the parts that the simulation replaces."""
    world = World()
    with Runtime(log=False) as runtime, start(mesh(world), runtime=runtime) as root:
        asked = [root.child(NAMES[n % 3]).ask(Intend(0.001, "disk", n % 2), block=False) for n in range(30)]
        assert all(isinstance(each.get(timeout=60), Acted) for each in asked)
    assert len(world.log) == 30


@simulate(
    plan=faults.plans(
        "mesh/*",
        kinds=[Crash, CrashInStart, Kill, KillDuringRestart, Slow],
        max_faults=5,
        most=15,
        seconds=(0.5, 1.0, 2.0, 5.0),
    ),
    examples=30,
    wishes=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from("xy"), st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0, 3.0])),
        min_size=2,
        max_size=10,
    ),
)
def test_never_two_act_on_one_resource_and_every_intention_ends(
    sim: Simulation, plan: FaultPlan, wishes: list[tuple[int, str, int, float]]
) -> None:
    """Guards the promise under crashes, kills and slow peers at every step; and progress once they stop."""
    world = World(tidy=0.3)
    refs = peers(sim, world, max_restarts=OFTEN, retry_start=True, backoff=constant(0.7))
    events: list[Any] = []
    sim.runtime.events.subscribe(events.append, IntentionAnnounced, IntentionActed, IntentionYielded, IntentionFailed)
    sim.always("never two on one resource", lambda: world.at_peace)

    def intend(number: int) -> object:
        who, resource, priority, seconds = wishes[number]
        return refs[who].intend(seconds, resource, priority=priority)

    work = sim.workload(intend, n=len(wishes), every=0.5)
    sim.run(until=40)
    sim.heal()
    sim.eventually("every intention has ended", lambda: work.done == len(wishes), within=200)
    assert all(isinstance(each, Acted | Yielded | ActFailed) for each in work.results.values())
    assert all(isinstance(each, InjectedCrash | ActorDeadError | ActorError) for each in work.errors.values())
    again = [ref.intend(1.0, "x", within=60.0) for ref in refs]
    assert all(isinstance(each.get(), Acted) for each in again)
    announced = sorted(each.intention for each in events if isinstance(each, IntentionAnnounced))
    assert sorted(each.intention for each in events if not isinstance(each, IntentionAnnounced)) == announced
    assert not world.acting


def test_a_bad_intention_is_refused_with_all_faults_and_crashes_nothing() -> None:
    """Guards the other peers, who compare it with their own."""

    async def act(intention: Intention) -> object:
        return "done"

    with simulation() as sim:
        peers = [child(name, FunctionPeer, args={"function": act}) for name in ("ann", "bob")]
        root = sim.start(supervisor("mesh", *peers))
        ann: Any = root.child("ann")
        with pytest.raises(SpecError) as refused:
            ann.intend("x", "r", priority="high", within="soon").get()
        assert len(refused.value.faults) == 2
        assert isinstance(root.child("bob", PeerRef).intend("x", "r").get(), Acted)
        assert [root.child(name).incarnation for name in ("ann", "bob")] == [1, 1]

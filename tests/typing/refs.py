"""What a type checker says about refs. Checked by `docs/types.py`, never run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, assert_type

import pykka

from actors import Actor, ActorRef, Future, Runtime
from actors.testing import Simulation
from supervisors import Supervisor, SupervisorRef, child
from teams import EventSourced, EventSourcedRef, SharedState, SharedStateRef, TeamRef, team
from teams.protocols import Candidate, CandidateRef, Courier, CourierRef, Peer, PeerRef, Person, PersonRef, Topics
from teams.protocols import TopicsRef as OfTopics


class Greeter(Actor):
    def on_start(self) -> None:
        assert_type(self.sibling("clerk"), ActorRef[Any])
        assert_type(self.sibling("clerk", Clerk), ClerkRef)
        assert_type(self.sibling("greeter", Greeter), ActorRef[Greeter])
        assert_type(self.spawn(Greeter, args=["hello"]), Future[ActorRef[Greeter]])
        assert_type(self.kept(set[int]), set[int])
        assert_type(self.kept(lambda: 1.5), float)


class ClerkRef(ActorRef[Any]):
    def hire(self) -> Future[int]:
        return self.ask("hire", block=False)


class Clerk(Actor):
    ref_type = ClerkRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> ClerkRef: ...


class Old(pykka.ThreadingActor):
    pass


def a_spawn_gives_the_ref_of_its_class(runtime: Runtime, sim: Simulation, ref: ActorRef[Any]) -> None:
    assert_type(runtime.spawn(Greeter), Future[ActorRef[Greeter]])
    assert_type(runtime.spawn(Clerk, args={}, name="clerk", parent=ref), Future[ClerkRef])
    assert_type(runtime.spawn(Old).get(), ActorRef[Old])
    assert_type(runtime.spawn(Greeter).get().proxy().path.get(), Any)
    assert_type(sim.spawn(Greeter), ActorRef[Greeter])
    assert_type(sim.spawn(Clerk, parent=ref).hire().get(), int)
    assert_type(sim.actor("clerk", Clerk), ClerkRef)
    assert_type(sim.actor("root/greeter", Greeter), ActorRef[Greeter])
    assert_type(sim.actor("root", SupervisorRef), SupervisorRef)
    assert_type(sim.actor("root/greeter"), ActorRef[Any])


def a_ref_alone_is_that_of_any_actor(refs: list[ActorRef], one: ActorRef[Greeter]) -> None:
    refs.append(one)
    assert_type(refs, list[ActorRef[Any]])


def the_actors_of_teams_have_their_refs(runtime: Runtime) -> None:
    assert_type(runtime.spawn(SharedState).get(), SharedStateRef)
    assert_type(runtime.spawn(EventSourced).get(), EventSourcedRef)
    assert_type(runtime.spawn(Topics).get(), OfTopics)
    assert_type(runtime.spawn(Person).get(), PersonRef)
    assert_type(runtime.spawn(Candidate).get(), CandidateRef)
    assert_type(runtime.spawn(Peer).get(), PeerRef)
    assert_type(runtime.spawn(Courier).get(), CourierRef)


def a_child_has_the_type_that_is_expected(root: SupervisorRef) -> None:
    assert_type(root.child("greeter"), ActorRef[Any])
    assert_type(root.child("greeter", Greeter), ActorRef[Greeter])
    assert_type(root.child("clerk", Clerk), ClerkRef)
    assert_type(root.child("clerk", ClerkRef), ClerkRef)
    assert_type(root.child("old", Old), ActorRef[Old])
    assert_type(root.child("below", Supervisor), SupervisorRef)
    assert_type(root.child("crew", TeamRef), TeamRef)
    assert_type(root.partition(7, Greeter), ActorRef[Greeter])
    assert_type(root.start_child(team("crew")), Future[TeamRef])
    assert_type(root.start_child(child("greeter", Greeter)), Future[ActorRef[Any]])
    assert_type(root.start_child({"name": "Ada"}), Future[ActorRef[Any]])
    root.child("greeter", int)  # type: ignore[type-var]


def a_member_has_the_type_that_is_expected(crew: TeamRef) -> None:
    assert_type(crew.member("greeter", Greeter), ActorRef[Greeter])
    assert_type(crew.member("clerk", Clerk), ClerkRef)


async def work(number: int, *, twice: bool = False) -> str:
    return str(number)


def blocking(number: int) -> float:
    return number / 2


async def a_task_gives_what_its_function_returns(root: SupervisorRef, given: Any) -> None:
    assert_type(root.run(work, 1, twice=True).get(), str)
    assert_type(root.run(blocking, 1).get(timeout=5), float)
    assert_type(await root.run(work, 1), str)
    assert_type(root.run(lambda: 7).get(), int)
    assert_type(await root.run(asyncio.sleep, 1, "late"), str)
    assert_type(await root.run(given, 1), Any)
    root.run(work, "one")  # type: ignore[call-overload]
    root.run(blocking)  # type: ignore[call-overload]


def a_simulation_runs_a_coroutine_to_its_result(sim: Simulation) -> None:
    assert_type(sim.call(work(1)), str)


def the_children_of_a_supervisor_have_refs(root: SupervisorRef) -> None:
    for info in root.which_children().get():
        if info.ref is not None:
            assert_type(info.ref, ActorRef[Any])

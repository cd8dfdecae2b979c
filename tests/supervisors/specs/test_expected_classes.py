"""The class that a caller expects of a child, and the class of the ref that a spec says."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pykka
import pytest

from actors import Actor, ActorRef, WrongActorClass
from actors.testing import SimulationError, simulation
from supervisors import (
    NotFound,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    child,
    partition_supervisor,
    start,
    supervisor,
    tasks,
)
from teams import TeamRef, member, team
from teams.workflows import EngineRef, engine


class Greeter(Actor):
    def on_receive(self, message: Any) -> Any:
        return self.sibling("b", message)


class Polite(Greeter):
    pass


class Old(pykka.ThreadingActor):
    pass


CREW = team("crew", member("clerk", len))
TREE = supervisor("root", child("a", Greeter), child("b", Polite), child("old", Old), CREW)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", Greeter),
        ("a", Actor),
        ("a", pykka.Actor),
        ("a", ActorRef),
        ("b", Polite),
        ("b", Greeter),
        ("old", Old),
        ("old", pykka.ThreadingActor),
        ("crew", TeamRef),
        ("crew", SupervisorRef),
        ("crew", Supervisor),
        ("crew/members", SupervisorRef),
    ],
)
def test_a_child_of_the_expected_class_is_the_same_ref(path: str, expected: Any) -> None:
    """An actor class, its bases, or the class of the ref."""
    with simulation() as sim:
        root = sim.start(TREE)
        assert root.child(path, expected) is root.child(path)


@pytest.mark.parametrize(
    ("path", "expected", "found"),
    [("a", Polite, "Greeter"), ("a", SupervisorRef, "ActorRef"), ("old", Actor, "Old"), ("crew", EngineRef, "TeamRef")],
)
def test_a_child_of_another_class_is_an_error_that_names_both(path: str, expected: Any, found: str) -> None:
    with simulation() as sim:
        root = sim.start(TREE)
        with pytest.raises(WrongActorClass) as caught:
            root.child(path, expected)
    assert (caught.value.path, caught.value.expected, caught.value.found) == (
        f"root/{path}",
        expected.__qualname__,
        found,
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_partition_and_a_member_may_have_an_expected_class_too() -> None:
    tree = supervisor("root", partition_supervisor("shards", child("shard", Polite), partitions=2), CREW)
    with simulation() as sim:
        root = sim.start(tree)
        shards, crew = root.supervisor("shards"), root.child("crew", TeamRef)
        assert shards.partition(7, Greeter) is shards.partition(7)
        assert crew.member("clerk", Actor) is crew.member("clerk")
        with pytest.raises(WrongActorClass, match="root/shards/1: must be of class Old, got Polite"):
            shards.partition(7, Old)
        with pytest.raises(WrongActorClass, match="root/crew/members/clerk"):
            crew.member("clerk", Greeter)


def test_a_child_that_is_not_there_is_not_found_whatever_is_expected() -> None:
    with simulation() as sim:
        root = sim.start(TREE)
        with pytest.raises(NotFound):
            root.child("c", Greeter)


def test_a_sibling_may_have_an_expected_class_too() -> None:
    with simulation() as sim:
        root = sim.start(TREE)
        assert root.child("a").ask(Polite) is root.child("b")
        with pytest.raises(WrongActorClass, match="root/b: must be of class Old, got Polite"):
            root.child("a").ask(Old)


def test_a_simulation_finds_an_actor_by_path_and_class() -> None:
    with simulation() as sim:
        root = sim.start(TREE)
        assert sim.actor("root/a", Greeter) is root.child("a")
        assert sim.actor("root/crew/members/clerk") is root.child("crew/members/clerk")
        with pytest.raises(WrongActorClass, match="root/a: must be of class Polite, got Greeter"):
            sim.actor("root/a", Polite)
        with pytest.raises(SimulationError, match=r"actor\('root/c'\): there is no such actor \(actors: root, root/a,"):
            sim.actor("root/c", Greeter)


def test_what_is_expected_must_be_a_class() -> None:
    with simulation() as sim:
        root = sim.start(TREE)
        with pytest.raises(TypeError, match="got 'Greeter'"):
            root.child("a", "Greeter")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("spec", "ref"),
    [(TREE, SupervisorRef), (tasks("t"), SupervisorRef), (CREW, TeamRef), (engine("e", store="memory:"), EngineRef)],
    ids=lambda value: getattr(value, "id", None),
)
def test_a_spec_says_the_class_of_the_ref_that_its_start_gives(spec: SupervisorSpec, ref: type[SupervisorRef]) -> None:
    assert spec.ref_class is ref
    with simulation() as sim:
        assert type(sim.start(spec)) is ref
    with start(spec, log=False) as root:
        assert type(root) is ref


def test_the_parameter_of_a_spec_does_not_exist_at_run_time() -> None:
    """Guards `isinstance`, pickling and equality of specs."""
    assert SupervisorSpec[TeamRef] is SupervisorSpec
    assert type(CREW) is SupervisorSpec
    assert copy.deepcopy(TREE) == TREE
    spec = supervisor("root", child("a", Greeter))
    assert pickle.loads(pickle.dumps(spec)) == spec

"""What a type checker says about trees and the refs of their roots. Checked by `docs/types.py`, never run."""

from __future__ import annotations

from typing import Any, assert_type

from actors import Actor, ActorRef
from actors.testing import Simulation, simulation
from supervisors import (
    ChildSpec,
    Spec,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
    as_tree,
    child,
    dynamic_supervisor,
    partition_supervisor,
    start,
    supervisor,
    tasks,
)
from teams import TeamRef, load_team, member, parse_team, team
from teams.workflows import EngineRef, engine


class Greeter(Actor):
    pass


crew = team("crew", member("clerk", len))
flow = engine("eng", store="sqlite:///runs.db")
root = supervisor("root", child("greeter", Greeter), crew, flow)


def a_builder_says_the_ref_of_its_tree() -> None:
    assert_type(root, SupervisorSpec)
    assert_type(root, SupervisorSpec[SupervisorRef])
    assert_type(crew, SupervisorSpec[TeamRef])
    assert_type(flow, SupervisorSpec[EngineRef])
    assert_type(tasks("tasks"), SupervisorSpec)
    assert_type(dynamic_supervisor("many", crew), SupervisorSpec)
    assert_type(partition_supervisor("some", crew, partitions=3), SupervisorSpec)
    assert_type(load_team("crew.toml"), SupervisorSpec[TeamRef])
    assert_type(parse_team({}), SupervisorSpec[TeamRef])
    assert_type(crew.ref_class, type[TeamRef])
    assert_type(crew.renamed("other"), SupervisorSpec[TeamRef])
    assert_type(as_tree(crew), SupervisorSpec[TeamRef])
    assert_type(as_tree(Greeter), SupervisorSpec)


def a_block_gives_the_ref_of_its_tree() -> None:
    with start(root, log=False) as at_root:
        assert_type(at_root, SupervisorRef)
        assert_type(at_root.child("greeter", Greeter), ActorRef[Greeter])
    with start(crew, on_give_up="ignore", kill_grace=1.0) as team_ref:
        assert_type(team_ref, TeamRef)
        assert_type(team_ref.assign("a word", "clerk").get(timeout=5), Any)
    with start(flow) as engine_ref:
        assert_type(engine_ref, EngineRef)
    for each in (Greeter, "tree.toml", child("greeter", Greeter)):
        with start(each) as found:
            assert_type(found, SupervisorRef)


async def an_async_block_does_too() -> None:
    async with start(crew) as team_ref, start(root) as at_root, start(flow) as engine_ref:
        assert_type(team_ref, TeamRef)
        assert_type(at_root, SupervisorRef)
        assert_type(engine_ref, EngineRef)


def so_does_a_simulation(sim: Simulation) -> None:
    assert_type(sim.start(crew), TeamRef)
    assert_type(sim.start(root), SupervisorRef)
    assert_type(sim.start(flow), EngineRef)
    with simulation() as other:
        assert_type(other.start(team("crew", member("clerk", len))).roster().get()[0].id, str)


def a_tree_of_any_kind_is_a_spec(spec: Spec) -> None:
    trees: list[SupervisorSpec] = [crew, flow, root]
    specs: list[ChildSpec | SupervisorSpec] = [*trees, child("greeter", Greeter), spec]
    print(specs)
    wrong: SupervisorSpec[TeamRef] = root  # type: ignore[assignment]
    print(wrong)
    with start(root) as at_root:
        at_root.assign("a word", "clerk")  # type: ignore[attr-defined]


class Ours(Supervisor):
    @classmethod
    def tree(cls) -> SupervisorSpec:
        return supervisor("ours", supervisor_class=cls)


def a_supervisor_class_is_a_tree() -> None:
    with start(Ours) as ours:
        assert_type(ours, SupervisorRef)

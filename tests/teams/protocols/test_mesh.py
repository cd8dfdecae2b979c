"""The adaptive mesh: members act on a shared state until there is nothing left to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import Runtime, sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, Kill, KillDuringRestart, Slow
from supervisors import SpecError, constant, start, supervisor
from teams import SharedStateRef
from teams.protocols import Behaviour, MeshMove, mesh, rest
from teams.protocols._mesh.mesh import Values

OFTEN = 1000
TASKS = 6


def first_open(values: Values) -> MeshMove | None:
    """The next task, for any member."""
    left = [task for task in range(TASKS) if task not in values["done"]]
    return MeshMove(left[0], "the list") if left else None


def finished(values: Values) -> bool:
    """Whether all tasks are done."""
    return len(values.get("done", ())) >= TASKS


class World:
    """What was done outside of the mesh."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.began: list[object] = []
        self.at_once = 0
        self.most = 0

    async def act(self, move: MeshMove, state: SharedStateRef) -> None:
        """A second of work, and then the state is told."""
        self.began.append(move.action)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await sleep(self.seconds)
            await state.update("done", lambda done: [*done, move.action])
        finally:
            self.at_once -= 1


def tree(world: World, **options: Any) -> Any:
    """A mesh of three that are alike."""
    behaviour = Behaviour(first_open, world.act)
    return mesh(
        "mesh", dict.fromkeys(("ann", "bob", "cid"), behaviour), until=finished, initial={"done": []}, **options
    )


def state_of(root: Any) -> SharedStateRef:
    """The state of a mesh."""
    found = root.child("state")
    assert isinstance(found, SharedStateRef)
    return found


def test_members_share_the_work_without_doing_any_of_it_twice() -> None:
    """Guards the case without faults: the second member looks again and takes the next task."""
    with simulation() as sim:
        world = World()
        state = state_of(sim.start(tree(world)))
        assert sim.call(rest(state, finished)) == {"done": list(range(TASKS))}
        assert world.began == list(range(TASKS))
        assert world.most == 1
        sim.advance(100)
        assert world.began == list(range(TASKS)), "it is at rest"


def test_an_idle_member_looks_again_when_the_state_changes() -> None:
    """Guards adaptation: the mesh goes on when other code changes the state."""
    with simulation() as sim:
        world = World()
        state = state_of(sim.start(tree(world)))
        sim.call(rest(state, finished))
        state.set("done", [1, 2, 3, 4, 5]).get()
        assert sim.call(rest(state, finished))["done"] == [1, 2, 3, 4, 5, 0]


def test_an_action_without_effect_is_not_repeated_until_a_change() -> None:
    """Guards against running in a circle without time passing."""
    tried: list[object] = []
    with simulation() as sim:
        behaviour = Behaviour(lambda values: MeshMove("x", "y"), lambda move, state: tried.append(move.action))
        state = state_of(sim.start(mesh("mesh", {"ann": behaviour}, until=lambda values: False, initial={"a": 1})))
        sim.advance(10)
        assert tried == ["x"]
        state.set("a", 2).get()
        sim.advance(10)
        assert tried == ["x", "x"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: mesh("mesh", {}, until=finished),
        lambda: mesh("mesh", {"state": Behaviour(first_open, print)}, until=finished),
    ],
)
def test_bad_meshes_are_refused(make: Callable[[], object]) -> None:
    """Guards the builder."""
    with pytest.raises(SpecError):
        make()


def test_it_works_on_the_real_runtime() -> None:
    """Guards the parts that the simulation replaces."""
    world = World(seconds=0.001)
    with Runtime(log=False) as runtime, start(tree(world), runtime=runtime) as root:
        state = state_of(root)
        watch = state.watch(current=True).get()
        while not finished({"done": state.get("done").get()}):
            watch.get(timeout=30)
    assert world.began == list(range(TASKS))


@simulate(
    plan=faults.plans(
        "mesh/*", kinds=[Crash, Kill, KillDuringRestart, Slow], max_faults=4, most=12, seconds=(0.5, 1.0, 5.0)
    ),
    examples=30,
)
def test_under_faults_every_task_is_done_once(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise: never two at once, nothing in the state twice, and rest in the end."""
    world = World()
    root = sim.start(tree(world, max_restarts=OFTEN, backoff=constant(0.5)))
    sim.always("never two at once", lambda: world.at_once <= 1)
    sim.run(until=60)
    sim.heal()
    done = sim.call(rest(state_of(root), finished))["done"]
    assert sorted(done) == list(range(TASKS))


def test_an_impossible_move_of_a_member_ends_the_mesh_with_an_error() -> None:
    """Guards against a member that waits for the end of an intention that never began."""
    wrong: Any = MeshMove("it", "r", priority="high")  # type: ignore[arg-type]
    behaviour = Behaviour(lambda values: wrong, lambda move, state: None)
    with simulation() as sim:
        root = sim.start(
            supervisor("root", mesh("mesh", {"ann": behaviour}, until=finished, initial={"done": ()}), max_restarts=0)
        )
        sim.run(until=600)
        assert not root.is_alive()

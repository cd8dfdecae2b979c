"""Resources: granted as a whole, in order, and given back under any crashes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, BlockingCallError, Message, Runtime, sleep
from actors.testing import (
    AskTimeout,
    ClockJump,
    Crash,
    CrashInStart,
    CrashInStop,
    FaultPlan,
    Kill,
    KillDuringRestart,
    Simulation,
    Slow,
    faults,
    simulate,
    simulation,
)
from supervisors import ChildStartError, SpecError, SupervisorSpec, child, constant, supervisor
from teams.resilience import (
    ResourcePool,
    Resources,
    ResourcesGranted,
    ResourcesReleased,
    ResourceTimeout,
    ResourceUnavailable,
    WrongCall,
    holding,
    resources,
    retry,
)
from tests.support import in_loop

POOLS = {"db": ResourcePool.count(2), "memory": ResourcePool.amount(1.0), "api": ResourcePool.rate(3, per=10.0)}
NAMES = ("ann", "bob", "cid")


class Job(Message):
    """Hold so much for so long."""

    wants: dict[str, float]
    takes: float = 1.0
    priority: int = 0
    timeout: float | None = None
    fails: bool = False


class World:
    """What is held, as the holders see it, and what was granted of the rate."""

    def __init__(self) -> None:
        self.held: list[Mapping[str, float]] = []
        self.order: list[tuple[str, float]] = []
        self.api: list[tuple[float, float]] = []

    def granted(self, event: ResourcesGranted) -> None:
        """Something was granted."""
        self.api.append((event.at, event.wants.get("api", 0.0)))

    def within(self) -> bool:
        """Whether no pool is exceeded."""
        over = any(
            math.fsum(wants.get(name, 0.0) for wants in self.held) > POOLS[name].size for name in ("db", "memory")
        )
        rates = (sum(n for at, n in self.api if start <= at < start + 10.0) for start, _ in self.api)
        return not over and all(rate <= 3 for rate in rates)


class Taker(Actor):
    """Does jobs, several at a time."""

    concurrency = 3

    def __init__(self, world: World) -> None:
        self.world = world

    async def on_receive(self, job: Job) -> str:
        grants = resources(self.sibling("resources"))
        async with grants.acquire(job.wants, priority=job.priority, timeout=job.timeout):
            self.world.order.append((self.path.rpartition("/")[2], self.runtime.now()))
            self.world.held.append(job.wants)
            try:
                await sleep(job.takes)
                if job.fails:
                    raise OSError("the job failed")
            finally:
                self.world.held.remove(job.wants)
        return "done"


def team(world: World) -> SupervisorSpec:
    """The resources and those who share them."""
    takers = [child(name, Taker, args=[world], backoff=constant(0.5), retry_start=True) for name in NAMES]
    shared = child("resources", Resources, args={"pools": POOLS}, backoff=constant(0.5), retry_start=True)
    return supervisor("team", shared, *takers, max_restarts=None)


def usage(sim: Simulation, root: Any) -> dict[str, tuple[float, int]]:
    """What is used of each pool, and how many wait for it."""
    found = sim.call(resources(root.child("resources")).usage())
    return {name: (each.used, each.waiting) for name, each in found.items()}


def test_who_does_not_get_all_waits_until_it_can() -> None:
    """Guards the way of a grant, and its events."""
    world = World()
    with simulation() as sim:
        seen: list[Any] = []
        sim.runtime.events.subscribe(seen.append, ResourcesGranted, ResourcesReleased)
        root = sim.start(team(world))
        asked = [root.child(name).ask(Job(wants={"db": 2}, takes=4), block=False) for name in ("ann", "bob")]
        sim.settle()
        assert usage(sim, root) == {"db": (2, 1), "memory": (0, 0), "api": (0, 0)}
        assert [future.get() for future in asked] == ["done", "done"]
        sim.settle()
    assert world.order == [("ann", 0.0), ("bob", 4.0)]
    told = [(type(each).__name__, each.holder, each.at) for each in seen]
    assert told == [
        ("ResourcesGranted", "team/ann", 0.0),
        ("ResourcesReleased", "team/ann", 4.0),
        ("ResourcesGranted", "team/bob", 4.0),
        ("ResourcesReleased", "team/bob", 8.0),
    ]
    assert (seen[2].waited, seen[3].held, seen[3].died) == (4.0, 4.0, False)


def test_higher_priority_is_served_first() -> None:
    """Guards that the priority arrives."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))
        jobs = {"ann": 0, "bob": 1, "cid": 5}
        for name, priority in jobs.items():
            root.child(name).tell(Job(wants={"db": 2}, takes=4, priority=priority))
            sim.advance(1)
        sim.advance(20)
    assert world.order == [("ann", 0.0), ("cid", 4.0), ("bob", 8.0)]


@pytest.mark.parametrize("end", ["fails", "kill", "crash", "stop"])
def test_the_end_of_the_holder_gives_everything_back(end: str) -> None:
    """Guards exceptions, kills, crashes of another handler, and orderly stops."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))
        ann = root.child("ann")
        ann.tell(Job(wants={"db": 2, "memory": 0.3}, takes=4, fails=end == "fails"))
        root.child("bob").tell(Job(wants={"db": 2}, takes=4))
        sim.advance(1)
        match end:
            case "kill":
                ann.kill()
            case "crash":
                sim.crash("team/ann")
            case "stop":
                ann.stop(block=False, drain=False)
        sim.advance(30)
        assert usage(sim, root) == {"db": (0, 0), "memory": (0, 0), "api": (0, 0)}
    assert world.order[1][1] == (4.0 if end in ("fails", "stop") else 1.0)


@pytest.mark.parametrize("fault", [Crash("team/resources", nth=1), Kill("team/resources", nth=1)], ids=str)
def test_a_question_that_a_crash_has_swallowed_is_asked_again(fault: Crash | Kill) -> None:
    """Guards the client from failures that are not its own."""
    with simulation(FaultPlan(fault)) as sim:
        root = sim.start(team(World()))
        asked = root.child("ann").ask(Job(wants={"db": 1}), block=False)
        sim.advance(5)
        sim.require_fired()
        assert asked.get() == "done"


@pytest.mark.parametrize("meanwhile", ["nothing", "resources restart", "resources are down"])
def test_a_holder_that_never_says_so_is_found_out(meanwhile: str) -> None:
    """Guards the monitor: code that does not leave its block, whatever becomes of `Resources` meanwhile."""

    class Careless(Actor):
        async def on_receive(self, message: object) -> None:
            grant = resources(self.sibling("resources")).acquire({"db": 2})
            await grant.__aenter__()

    with simulation() as sim:
        shared = child("resources", Resources, args={"pools": POOLS}, backoff=constant(1.0))
        root = sim.start(supervisor("team", shared, child("ann", Careless, backoff=constant(1.0))))
        seen: list[Any] = []
        sim.runtime.events.subscribe(seen.append, ResourcesReleased)
        root.child("ann").tell("x")
        sim.advance(5)
        assert usage(sim, root)["db"] == (2, 0)
        if meanwhile != "nothing":
            sim.crash("team/resources")
            sim.advance(2.0 if meanwhile == "resources restart" else 0.5)
        root.child("ann").kill()
        sim.advance(2)
        assert usage(sim, root)["db"] == (0, 0)
        assert [each.died for each in seen] == [True]


def test_out_of_time_nothing_is_held() -> None:
    """Guards the timeout, and the claim that timed out."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))
        root.child("ann").tell(Job(wants={"db": 2}, takes=10))
        with pytest.raises(ResourceTimeout, match=r"team/resources did not grant 1 db in time"):
            root.child("bob").ask(Job(wants={"db": 1}, timeout=3))
        assert sim.now == 3.0
        sim.settle()
        assert usage(sim, root)["db"] == (2, 0)


def test_a_cancelled_caller_leaves_the_queue() -> None:
    """Guards cancellation while waiting, from outside of actors."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))

        async def main() -> tuple[int, int]:
            grants = resources(root.child("resources"))

            async def hold() -> None:
                async with grants.acquire({"db": 2}):
                    await sleep(10)

            tasks = [asyncio.ensure_future(hold()) for _ in range(2)]
            await sleep(1)
            tasks[1].cancel()
            await sleep(1)
            waiting = (await grants.usage())["db"].waiting
            tasks[0].cancel()
            await sleep(1)
            return waiting, int((await grants.usage())["db"].used)

        assert sim.call(main()) == (0, 0)


def test_what_can_never_be_granted_is_refused_at_once_with_every_fault() -> None:
    """Guards waiting for ever, and the actor from bad input."""
    with simulation() as sim:
        root = sim.start(team(World()))
        with pytest.raises(ResourceUnavailable) as caught:
            root.child("ann").ask(Job(wants={"dbs": 1, "api": 4}))
        assert "did you mean 'db'" in str(caught.value)
        assert "asked for 4, and there are 3 in all" in str(caught.value)
        grants = resources(root.child("resources"))
        for wants in ({}, {"db": 0}, {"db": -1}, {"db": math.nan}, {"db": "2"}, {3: 1}):
            with pytest.raises(SpecError, match="wants"):
                grants.acquire(wants)  # type: ignore[arg-type]
        with pytest.raises(SpecError, match="priority"):
            grants.acquire({"db": 1}, priority="high")  # type: ignore[arg-type]
        assert root.child("resources").incarnation == 1


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"pools": {}}, "must have at least one entry"),
        ({"pools": ["db"]}, "pools: must be a mapping"),
        ({"pools": POOLS, "ageing": "long"}, "ageing: must be more than 0 seconds, got 'long'"),
        ({"pools": {"db": {"kind": "count"}}}, "team/resources/db: size"),
        ({"pools": {"db": {"kind": "cuont", "size": 1}}}, "team/resources/db: kind"),
        ({"pools": {"db": 3}}, "team/resources/db"),
        ({"pools": POOLS, "ageing": 0}, "ageing"),
    ],
)
def test_pools_that_cannot_work_fail_the_start(args: dict[str, Any], problem: str) -> None:
    """Guards the arguments, those from a file among them."""
    with simulation() as sim, pytest.raises(ChildStartError, match=problem):
        sim.start(supervisor("team", child("resources", Resources, args=args)))


def test_pools_may_be_written_as_tables() -> None:
    """Guards trees in files."""
    with simulation() as sim:
        pools = {"db": {"kind": "count", "size": 1}, "api": {"kind": "rate", "size": 2, "per": 60.0}}
        root = sim.start(supervisor("team", child("resources", Resources, args={"pools": pools})))
        assert usage(sim, root) == {"db": (0, 0), "api": (0, 0)}


@pytest.mark.parametrize("end", ["kill", "crash"])
def test_a_restart_of_resources_forgets_no_claim(end: str) -> None:
    """Guards what is kept: holders hold, and those who wait are served."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))
        asked = [root.child(name).ask(Job(wants={"db": 2}, takes=4), block=False) for name in NAMES]
        sim.advance(1)
        if end == "kill":
            root.child("resources").kill()
        else:
            sim.crash("team/resources")
        sim.advance(1)
        assert usage(sim, root)["db"] == (2, 2)
        assert [future.get() for future in asked] == ["done"] * 3
    assert world.order == [("ann", 0.0), ("bob", 4.0), ("cid", 8.0)]


def test_waiting_clients_hear_when_resources_have_terminated() -> None:
    """Guards against waiting for a terminated actor."""
    world = World()
    with simulation() as sim:
        root = sim.start(team(world))
        root.child("ann").tell(Job(wants={"db": 2}, takes=4))
        asked = root.child("bob").ask(Job(wants={"db": 2}), block=False)
        sim.advance(1)
        root.terminate_child("resources")
        with pytest.raises(ActorDeadError):
            asked.get()
        sim.advance(10)


def test_a_grant_is_for_one_block_at_a_time() -> None:
    """Guards against giving back what another holds."""
    with simulation() as sim:
        root = sim.start(team(World()))

        async def main() -> None:
            grant = resources(root.child("resources")).acquire({"db": 1})
            async with grant:
                with pytest.raises(WrongCall, match="entered already"):
                    await grant.__aenter__()
            async with grant:
                assert grant.wants == {"db": 1}

        sim.call(main())


def test_holding_is_a_policy() -> None:
    """Guards resources around any call, composed with others."""
    with simulation() as sim:
        root = sim.start(team(World()))
        ref = root.child("resources")

        async def call() -> int:
            return int((await resources(ref).usage())["db"].used)

        assert sim.call((retry(1) | holding(ref, {"db": 2}))(call)()) == 2
        sim.settle()
        assert usage(sim, root)["db"] == (0, 0)


def test_a_thread_holds_resources_in_a_plain_with_block() -> None:
    """Guards scripts and blocking code, on a real runtime."""
    with Runtime(log=False) as runtime:
        ref = runtime.spawn(Resources, args={"pools": POOLS}).get()
        with resources(ref).acquire({"db": 2}), pytest.raises(ResourceTimeout):
            resources(ref).acquire({"db": 1}, timeout=0.01).__enter__()
        with resources(ref).acquire({"db": 2}, timeout=10):
            pass


@in_loop
async def test_another_event_loop_than_the_runtimes_may_hold_resources() -> None:
    """Guards a web server's loop beside a runtime in a thread."""
    runtime = await asyncio.to_thread(Runtime(log=False).__enter__)
    ref = await runtime.spawn(Resources, args={"pools": POOLS})
    async with resources(ref).acquire({"db": 2}):
        assert (await resources(ref).usage())["db"].used == 2
    assert (await resources(ref).usage())["db"].used == 0
    await runtime.stop()


REAL_BUT_HANG = (Crash, CrashInStart, CrashInStop, Kill, KillDuringRestart, Slow, AskTimeout, ClockJump)
"""What happens in one process and passes by itself: with a handler that hangs, a run has nothing to do but wait."""

WANTS = st.fixed_dictionaries(
    {}, optional={"db": st.integers(1, 2), "memory": st.sampled_from([0.1, 0.4, 1.0]), "api": st.integers(1, 3)}
).filter(bool)
JOBS = st.lists(
    st.builds(
        Job,
        wants=WANTS,
        takes=st.sampled_from([0.0, 0.5, 2.0]),
        priority=st.integers(0, 2),
        timeout=st.sampled_from([None, 1.0, 20.0]),
        fails=st.booleans(),
    ),
    min_size=4,
    max_size=8,
)


def shared(sim: Simulation, jobs: list[Job]) -> None:
    """Many jobs under faults; then everything is free, and everybody gets everything."""
    world = World()
    # A rate counts from the grant; its holder may hear of it later.
    sim.runtime.events.subscribe(
        lambda event: world.api.append((event.at, event.wants.get("api", 0.0))), ResourcesGranted
    )
    root = sim.start(team(world))
    work = sim.workload(lambda n: root.child(NAMES[n % 3]).call(jobs[n], timeout=None), n=len(jobs), every=0.25)
    sim.always("no pool is exceeded", world.within)
    sim.run(until=20)
    sim.heal()
    sim.eventually("every job has an answer", lambda: work.done == len(jobs), within=600)
    sim.advance(20)
    assert usage(sim, root) == {"db": (0, 0), "memory": (0, 0), "api": (0, 0)}
    assert world.held == []
    everything: dict[str, float] = {"db": 2, "memory": 1.0, "api": 3}
    assert root.child("ann").ask(Job(wants=everything)) == "done"


@simulate(plan=faults.plans("team/**", kinds=[Crash, Kill], max_faults=3, most=12), examples=8, jobs=JOBS)
def test_no_pool_is_exceeded_and_no_claim_is_lost_under_any_crashes(
    sim: Simulation, plan: FaultPlan, jobs: list[Job]
) -> None:
    """Guards the promise of `Resources` under crashes and kills of holders and of itself, at every step."""
    shared(sim, jobs)


@simulate(plan=faults.plans("team/*", kinds=REAL_BUT_HANG, max_faults=3, times=2), examples=8, jobs=JOBS)
def test_nothing_is_exceeded_and_nothing_is_lost_under_any_fault(
    sim: Simulation, plan: FaultPlan, jobs: list[Job]
) -> None:
    """Guards the same with slow handlers, failing starts and stops, jumps of the clock, and answers that come late."""
    shared(sim, jobs)


@in_loop
async def test_a_plain_with_on_an_event_loop_is_refused_and_not_tried_for_ever() -> None:
    """Guards the loop: a wait that cannot begin is not a crash of `Resources`, after which it would be asked again."""
    runtime = await asyncio.to_thread(Runtime(log=False).__enter__)
    ref = await runtime.spawn(Resources, args={"pools": POOLS})
    with pytest.raises(BlockingCallError), resources(ref).acquire({"db": 1}):
        pass
    async with resources(ref).acquire({"db": 1}):
        assert (await resources(ref).usage())["db"].used == 1
    await runtime.stop()


def test_only_resources_are_asked_for_resources() -> None:
    """Guards any other actor, which would crash over the question again and again."""
    with simulation() as sim:
        for ref in ("resources", None, sim.spawn(Actor)):
            for ask in (resources, lambda ref: holding(ref, {"db": 1})):
                make: Any = ask
                with pytest.raises(SpecError, match="must be the ref of a Resources actor"):
                    make(ref)

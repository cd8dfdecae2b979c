"""What incarnations own, under generated faults and in every order of steps: it ends before the next one begins.

Crashes, kills, hangs and slow handlers hit actors with tasks and resources, functions and context managers, on the loop
and in threads. The oracles of the simulation say whether a task, thread or timer is left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from actors import Actor, wait_for_stop
from actors.testing import FaultPlan, Simulation, faults, simulate
from actors.testing._faults.plan import Crash, CrashInStop, Kill, KillDuringRestart, Slow
from supervisors import SupervisorSpec, child, supervisor


class Account:
    """What is open at present, by owner; a second one of the same owner is a fault."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.begun = 0

    def begin(self, owner: str) -> None:
        assert self.open.get(owner, 0) == 0, f"{owner} begins again before its last one has ended"
        self.open[owner] = 1
        self.begun += 1

    def end(self, owner: str) -> None:
        assert self.open[owner] == 1, f"{owner} ends twice"
        self.open[owner] = 0

    @contextlib.asynccontextmanager
    async def held(self, owner: str) -> AsyncIterator[str]:
        """A resource that takes a step to open and to close."""
        await asyncio.sleep(0)
        self.begin(owner)
        try:
            yield owner
        finally:
            self.end(owner)
            await asyncio.sleep(0)


class Owner(Actor):
    """Owns a context, a callback and a task."""

    def __init__(self, account: Account) -> None:
        self.account = account

    async def on_start(self) -> None:  # type: ignore[override]
        await self.enter_async_context(self.account.held(f"{self.path} context"))
        self.account.begin(f"{self.path} callback")
        self.callback(self.account.end, f"{self.path} callback")
        self.create_task(self.work())
        await asyncio.sleep(0)

    async def work(self) -> None:
        async with self.account.held(f"{self.path} task"):
            await asyncio.Event().wait()

    async def on_receive(self, message: Any) -> None:
        await asyncio.sleep(0.5)


async def looping(account: Account) -> None:
    """A function on the loop."""
    async with account.held("function"):
        await asyncio.Event().wait()


def threaded(account: Account) -> None:
    """A function in a thread."""
    account.begin("thread")
    try:
        while not wait_for_stop(0.3):
            pass
    finally:
        account.end("thread")


def owners(account: Account) -> SupervisorSpec:
    """One of each, which the supervisor does not give up."""
    return supervisor(
        "root",
        child("loop", Owner, args=[account], shutdown=1),
        child("worker", Owner, args=[account], host="thread", shutdown=1),
        child("looping", looping, args=[account], shutdown=1),
        child("threaded", threaded, args=[account], shutdown=1),
        child("resource", account.held, args=["resource"], shutdown=1),
        strategy="rest_for_one",
        max_restarts=1000,
    )


def ends_all(sim: Simulation, account: Account) -> None:
    """Messages and kills of children, then the stop of the tree."""
    root = sim.start(owners(account))
    for number, id in enumerate(["loop", "worker", "looping", "resource", "threaded", "loop"]):
        for name in ("loop", "worker"):
            root.child(name).tell(number)
        sim.advance(0.4)
        root.child(id).kill()
    sim.advance(60)
    assert all(info.ref is not None and info.ref.is_alive() for info in root.which_children().get())
    assert sorted(account.open.values()) == [1] * len(account.open)
    root.stop()
    assert set(account.open.values()) == {0}


@simulate(
    # Until a slow handler in a thread ends, what it holds is not free, and the next incarnation waits for that.
    plan=faults.plans(
        "root/*", max_faults=4, kinds=[Crash, Kill, Slow, KillDuringRestart, CrashInStop], seconds=(0.125, 1.0, 5.0)
    ),
    examples=20,
)
def test_what_an_incarnation_owns_ends_before_the_next_one_begins(sim: Simulation, plan: FaultPlan) -> None:
    """On every host and for every kind of child, whatever the faults and the order of steps."""
    ends_all(sim, Account())

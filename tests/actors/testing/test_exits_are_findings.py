"""An exit inside a simulation: a crash where it is an actor's, a finding with a report where it is nobody's."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from actors import Actor, ActorCrashed, Crashed, LoopStopRefused
from actors.testing import LoopEnded, simulate, simulation
from supervisors import child, supervisor


async def tool() -> None:
    """Exits after a while."""
    await asyncio.sleep(1)
    sys.exit(2)


class Doer(Actor):
    """Does what it is told."""

    async def on_receive(self, message: Any) -> Any:
        return await message(self) if callable(message) else message


async def in_background(actor: Any) -> None:
    actor.task = asyncio.create_task(tool())


async def in_callback(_: Any) -> None:
    asyncio.get_running_loop().call_later(1, sys.exit, 2)


async def by_stop(_: Any) -> None:
    asyncio.get_running_loop().stop()


def awaited(_: Any) -> Awaitable[Any]:
    return asyncio.wait_for(tool(), 10)


Way = Callable[[Any], Awaitable[Any]]


# What a handler on a thread leaves behind runs with the next handler there, and not before: as on a real thread.
@pytest.mark.parametrize(
    ("way", "host"), [(awaited, "loop"), (awaited, "thread"), (in_background, "loop"), (in_callback, "loop")]
)
def test_an_exit_of_an_actors_own_is_its_crash_as_in_reality(way: Way, host: Literal["loop", "thread"]) -> None:
    """The simulation goes on, and so do the others."""
    with simulation() as sim:
        tree = supervisor("root", child("a", Doer, host=host, backoff=None), child("b", Doer))
        root = sim.start(tree)
        down = root.child("a").monitor()
        root.child("a").tell(way)
        sim.advance(5)
        assert down.get().reason == Crashed(SystemExit(2))
        assert (root.child("a").incarnation, root.child("b").incarnation) == (2, 1)


def test_a_stop_of_the_simulated_loop_is_refused_as_on_a_real_one() -> None:
    """It would have been without effect, and the test would pass where the program fails."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Doer)))
        with pytest.raises(LoopStopRefused, match="root/a"):
            sim.call(root.child("a").call(by_stop))


def in_the_test(_: Any) -> None:
    sys.exit(3)


def in_a_timer(sim: Any) -> None:
    sim.loop.call_later(1, sys.exit, 3)
    sim.advance(2)


def in_a_task(sim: Any) -> None:
    sim.call(tool())


def in_an_actor(sim: Any) -> None:
    sim.call(sim.start(supervisor("root", child("a", Doer))).child("a").call(awaited))


def cancelled(sim: Any) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    sim.call(work())


@pytest.mark.parametrize(
    ("act", "finding"),
    [
        (in_the_test, SystemExit),
        (in_a_timer, LoopEnded),
        (in_a_task, LoopEnded),
        (in_an_actor, ActorCrashed),
        (cancelled, asyncio.CancelledError),
    ],
)
def test_an_exit_is_a_finding_with_a_report_and_a_replay(
    act: Callable[[Any], None], finding: type[BaseException]
) -> None:
    """Not the end of pytest: the search goes on, and what it found can be run again."""

    @simulate(examples=3)
    def found(sim: Any) -> None:
        act(sim)

    with pytest.raises(finding) as caught:
        found()
    notes = "\n".join(caught.value.__notes__)
    assert "pytest --sim-replay" in notes
    assert "@example(plan=" in notes


def test_a_ctrl_c_ends_a_simulated_test_and_is_no_finding() -> None:
    """Whoever pressed it wants the search to end."""
    runs: list[int] = []

    @simulate(examples=50)
    def interrupted(sim: Any) -> None:
        runs.append(1)
        sim.loop.call_later(1, signal.raise_signal, signal.SIGINT)
        sim.advance(2)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(runs) == 1

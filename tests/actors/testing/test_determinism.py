"""Equal inputs give equal runs: in one process, in another, and whatever the hash seed is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, Future
from actors.testing import (
    Crash,
    DeadlockFailure,
    Demote,
    FaultPlan,
    InvariantBroken,
    Kill,
    Replay,
    Schedule,
    Slow,
    StaleReplay,
    Strategy,
    simulation,
)
from supervisors import child, supervisor
from tests.actors.testing.cast import Blocking, Counter, Echo, PlainBlocking, Sleepy

ROOT = Path(__file__).parents[3]
PLAN = FaultPlan(Crash("root/*", nth=3), Kill("root/blocking", nth=2), Slow("root/sleepy", nth=2, seconds=0.5))


def fingerprint(kind: str, seed: int) -> str:
    """One run with everything in it: all hosts, faults, backoff with jitter, a search."""
    children = [Counter, Sleepy, Blocking, PlainBlocking]
    with simulation(PLAN, seed=seed, search=Strategy(kind, seed)) as sim:
        root = sim.start(supervisor("root", *(child(each.__name__.lower(), each) for each in children)))
        for each in children:
            ref = root.child(each.__name__.lower())
            sim.workload(lambda number, ref=ref: ref.call(number, timeout=5.0), n=4, every=0.2)  # type: ignore[misc]
        sim.run(until=60)
    return sim.trace_hash


@given(st.sampled_from(["fifo", "random", "pct3", "pos"]), st.integers(0, 1000))
def test_equal_runs_have_equal_fingerprints(kind: str, seed: int) -> None:
    """Nothing of one run reaches the next, and nothing of the machine reaches any."""
    assert fingerprint(kind, seed) == fingerprint(kind, seed)


def cancelled(library: str, host: str) -> list[int]:
    """The order in which a task group cancels its tasks."""

    async def cancel() -> list[int]:
        seen: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                seen.append(number)
                raise

        if library == "anyio":
            async with anyio.create_task_group() as of_anyio:
                for number in range(30):
                    of_anyio.start_soon(wait, number)
                await asyncio.sleep(1)
                of_anyio.cancel_scope.cancel()
        else:
            with contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as of_asyncio:
                    for number in range(30):
                        of_asyncio.create_task(wait(number))
                    await asyncio.sleep(1)
                    raise KeyError
        return seen

    class Cancels(Actor):
        async def on_receive(self, message: object) -> list[int]:
            return await cancel()

    with simulation() as sim:
        found: list[int] = sim.spawn(Cancels, host=host).ask("go")
    return found


@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("library", ["asyncio", "anyio"])
def test_a_task_group_cancels_in_the_same_order_in_every_run(library: str, host: str) -> None:
    """It keeps its tasks in a set, whose order was that of their places in memory."""
    kept: list[object] = []
    orders = set()
    for size in range(5):
        kept.append([bytearray(17 + 100 * size) for _ in range(50 + 37 * size)])  # other places for what comes
        orders.add(tuple(cancelled(library, host)))
    assert len(orders) == 1
    assert sorted(*orders) == list(range(30))


def test_different_seeds_are_different_runs() -> None:
    """The fingerprint sees the schedule and the jitter."""
    assert len({fingerprint("random", seed) for seed in range(5)}) == 5


def test_the_hash_seed_and_the_process_do_not_matter() -> None:
    """Three other processes with three hash seeds agree with this one."""
    code = "from tests.actors.testing.test_determinism import fingerprint; print(fingerprint('random', 5))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    assert found == {fingerprint("random", 5)}


def test_a_replay_blob_is_a_run_in_a_line() -> None:
    """What comes out is what went in."""
    replay = Replay(PLAN, Schedule(Demote("root/a", 3)), 7, "MessageLost", "abc")
    assert Replay.decode(replay.encode()) == replay


@pytest.mark.parametrize("blob", ["", "no blob", "eJwDAAAAAAE=", "AAAA"])
def test_what_is_no_blob_is_refused(blob: str) -> None:
    """Damaged or foreign text is told apart from a stale blob."""
    with pytest.raises(StaleReplay, match="not a replay blob"):
        Replay.decode(blob)


def test_a_blob_with_values_of_other_types_is_refused() -> None:
    """It would fail somewhere inside the run."""
    with pytest.raises(StaleReplay, match="a seed 'x'"):
        Replay.decode(Replay(FaultPlan(), Schedule(), "x", "MessageLost", "abc").encode())  # type: ignore[arg-type]


def test_a_blob_of_another_version_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not guessed what it may have meant."""
    monkeypatch.setattr("actors.testing._report.replay.VERSION", 99)
    blob = Replay(FaultPlan(), Schedule(), 0, "MessageLost", "abc").encode()
    monkeypatch.undo()
    with pytest.raises(StaleReplay, match="version 99"):
        Replay.decode(blob)


def test_a_blob_that_shows_nothing_any_more_is_stale() -> None:
    """A replay that passes says so, instead of passing as if something had been tested."""
    replay = Replay(FaultPlan(), Schedule(), 0, "MessageLost", "abc")
    replay.check("abc", "MessageLost")
    with pytest.raises(StaleReplay, match="showed MessageLost; the run passes now, and the run has changed"):
        replay.check("def", None)


def test_the_report_says_what_a_person_needs() -> None:
    """Oracle, time, faults that fired and did not, moves, the last things seen, an example to paste, and the blob."""
    plan = FaultPlan(Slow("echo", seconds=2.0), Crash("echo", nth=9))

    def run() -> None:
        with simulation(plan, Schedule(Demote("echo", 2))) as sim:
            ref = sim.spawn(Echo, name="echo")
            sim.always("quick", lambda: sim.now < 1.0)
            ref.ask("x")

    with pytest.raises(InvariantBroken) as caught:
        run()
    note = "\n".join(caught.value.__notes__)
    assert "InvariantBroken at 2 virtual seconds" in note
    assert "Slow(path='echo', nth=1, seconds=2.0, times=1) fired at 0 s in echo, message 1" in note
    assert "Crash(path='echo', nth=9, times=1) did not fire" in note
    assert "Demote(path='echo', step=2)" in note
    assert f"@example(plan={plan!r}, schedule=Schedule(Demote(path='echo', step=2)), seed=0)" in note
    blob = note.partition("--sim-replay ")[2].split()[0]
    assert Replay.decode(blob)[:2] == (plan, Schedule(Demote("echo", 2)))
    assert Replay.decode(blob).failure == "InvariantBroken"


def test_the_report_is_written_once() -> None:
    """An exception that passes through keeps the one note."""
    with pytest.raises(DeadlockFailure) as caught, simulation(default_timeout=None) as sim:
        Future[None](sim.runtime.park).get()
    assert len(caught.value.__notes__) == 1

"""The stop path of the command line in the simulation: a signal at every step of start, run and stop.

What runs is the loop of a session as the command runs it, on simulated threads and virtual time; only the view and
the threads are the test's. The oracles of the simulation say whether anything is left, or the stop took too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, Runtime
from actors.testing import Simulation, simulation
from actors.testing._sim import observations as seen
from supervisors import SupervisorRef, SupervisorSpec, child, supervisor
from teams.cli._account import Failures
from teams.cli._control import KILL, PAUSE, RESUME
from teams.cli._run_loop import ECHO, PATIENCE, GaveUpWaiting, RunLoop, TreeEnded

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class OnLoop(Actor):
    """Needs a while to start and to stop."""

    async def on_start(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.1)

    async def on_stop(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0.1)

    def on_receive(self, message: object) -> object:
        return message


class InThread(Actor):
    """The same in a thread."""

    host = "thread"

    def on_start(self) -> None:
        time.sleep(0.1)  # noqa: TID251 - virtual

    def on_stop(self) -> None:
        time.sleep(0.1)  # noqa: TID251 - virtual


class OfPykka(pykka.ThreadingActor):
    """The same of pykka's own kind."""

    def on_start(self) -> None:
        time.sleep(0.1)  # noqa: TID251 - virtual

    def on_stop(self) -> None:
        time.sleep(0.1)  # noqa: TID251 - virtual


class Job(Actor):
    """Is done after a second, and the tree with it."""

    async def on_continue(self) -> None:
        await asyncio.sleep(1.0)
        self.stop()


class Stubborn(Actor):
    """Never gets done with stopping."""

    async def on_stop(self) -> None:  # type: ignore[override]
        await asyncio.Event().wait()


class Stuck(Actor):
    """The same in a thread, which cannot be killed."""

    host = "thread"

    def on_stop(self) -> None:
        while True:
            time.sleep(3600)  # noqa: TID251 - virtual


def shop() -> SupervisorSpec:
    """A tree on all hosts, two levels deep, that ends by itself when its job is done."""
    return supervisor(
        "shop",
        child("loop", OnLoop),
        supervisor("back", child("thread", InThread), child("pykka", OfPykka)),
        child("job", Job, restart="transient", significant=True),
        auto_shutdown="any_significant",
    )


@dataclass
class Said:
    """A view that remembers what it was told."""

    every: float | None = None
    wants_keys: bool = False
    lines: list[str] = field(default_factory=list)

    def open(self) -> None: ...

    def begun(self, runtime: Runtime) -> None: ...

    def up(self, root: SupervisorRef) -> None: ...

    def refresh(self) -> None: ...

    def pressed(self, key: str) -> None: ...

    def ask(self, text: str) -> None: ...

    def answered(self) -> None: ...

    def close(self) -> None: ...

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Command:
    """What came of one command."""

    code: int
    end: TreeEnded | GaveUpWaiting
    killed: int | None
    said: list[str]
    steps: int
    seconds: float
    observations: list[Any]

    def order(self, kind: type[Any]) -> list[str]:
        """The affected actors, in order, without what the job did by itself."""
        return [each.path for each in self.observations if isinstance(each, kind) and not each.path.endswith("/job")]


def run(
    tree: SupervisorSpec,
    signals: Mapping[int, signal.Signals],
    later: Mapping[float, signal.Signals] | None = None,
    held: float = 0.0,
) -> Command:
    """Runs the command; each signal comes right after the step of that number, or before the first one (0).

    Those that come `later` do so at a time, in virtual seconds. What the command prepared takes `held` seconds to end.
    """

    @contextlib.contextmanager
    def prepared(_: Runtime) -> Iterator[None]:
        yield
        time.sleep(held)  # noqa: TID251 - virtual

    with simulation() as sim:
        view = Said()
        run_loop = RunLoop(tree, view, Failures(), prepared, lambda: borrowed(sim))
        ended: list[TreeEnded | GaveUpWaiting] = []

        def look() -> None:
            if sim.steps in signals and not ended:
                run_loop.told(signals[sim.steps])

        timers = [sim.loop.call_at(at, run_loop.told, number) for at, number in (later or {}).items()]
        look()
        sim.loop.after_step.append(look)
        sim.runtime.start_strand(run_loop.work, "work", outside=True)
        sim.runtime.start_strand(lambda: ended.append(run_loop.follow()), "main", outside=True)
        sim.eventually("the command has ended", lambda: bool(ended), within=60)
        steps, seconds, observations = sim.steps, sim.now, list(sim.observations)
        for timer in timers:
            timer.cancel()
        code = run_loop.conclude(ended[0])
        if isinstance(ended[0], TreeEnded):
            assert not sim.runtime.cells, "nothing is left before the command ends"
        else:
            sim.runtime.kill()
    return Command(code, ended[0], run_loop.killed, view.lines, steps, seconds, observations)


@contextlib.contextmanager
def borrowed(sim: Simulation) -> Iterator[Runtime]:
    """The runtime of the simulation as a command has one: it stops when its block is left."""
    try:
        yield sim.runtime
    finally:
        sim.runtime.stop().get()


PLAIN = run(shop(), {})
STOPS = ("shop/back/pykka", "shop/back/thread", "shop/back", "shop/loop", "shop")
"""The stop order: last started first, and a supervisor after all that is below it."""


def test_without_a_signal_the_command_ends_with_its_tree() -> None:
    """What the others are compared with: there are steps of start, run and stop to send signals at."""
    assert PLAIN.code == 0
    assert PLAIN.said == ["shop has ended: shutdown(auto_shutdown)"]
    assert PLAIN.seconds == pytest.approx(1.6)
    assert PLAIN.steps > 40


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_a_signal_at_any_step_stops_the_tree_in_order(number: signal.Signals) -> None:
    """While it starts, runs, or stops by itself: what has started stops in reverse, and the exit code is 0."""
    late = 0
    for step in range(PLAIN.steps):
        command = run(shop(), {step: number})
        assert (command.code, command.killed) == (0, None), step
        assert isinstance(command.end, TreeEnded)
        if command.said == PLAIN.said:
            late += 1  # it came when all was over and only the main thread had not heard of it
        else:
            assert command.said == [
                f"{number.name}: stopping shop in order; once more kills it",
                "shop has stopped",
            ]
        started, exited = command.order(seen.Started), command.order(seen.Exited)
        assert exited == [path for path in STOPS if path in exited], step
        assert set(started) <= set(exited), step
        assert not command.order(seen.KillOrdered), step
        assert command.seconds <= 1.7, step
    assert late < 5


@pytest.mark.parametrize("distance", [0, 1, 2, 5, 10])
def test_a_second_signal_at_any_step_kills_the_tree(distance: int) -> None:
    """Unless it has ended before, it is killed, and the exit code says by what."""
    killed = 0
    for step in range(PLAIN.steps):
        second = {step: INT, step + distance: TERM} if distance else {step: INT}
        command = run(shop(), second)
        if command.killed is None:
            assert command.code == 0
        else:
            killed += 1
            assert command.code == 128 + TERM
            assert command.said[-2:] == ["SIGTERM again: killing shop", "shop is killed"]
            assert command.seconds <= 1.7, step
    assert bool(killed) is (distance > 0)


@pytest.mark.parametrize("number", [INT, TERM])
@pytest.mark.parametrize("distance", [1, 5])
def test_a_signal_that_comes_twice_at_once_is_one_at_any_step(number: signal.Signals, distance: int) -> None:
    """GNU timeout signals the command and then its group, the command included."""
    for step in range(PLAIN.steps):
        command = run(shop(), {step: number, step + distance: number})
        if command.seconds < 1.6:  # the steps between them took no time, or less than `ECHO`
            assert (command.code, command.killed) == (0, None), step
            assert not command.order(seen.KillOrdered), step


@given(gap=st.floats(0.001, 3.0).filter(lambda gap: gap != ECHO), other=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_second_signal_counts_after_half_a_second_or_if_it_differs(gap: float, other: bool) -> None:
    """Two kinds are two orders, however close they come."""
    tree = supervisor("root", child("bad", Stubborn, shutdown="infinity"))
    command = run(tree, {}, {1.0: TERM, 1.0 + gap: INT if other else TERM, 20.0: TERM, 30.0: INT})
    assert command.killed is not None
    assert command.seconds == pytest.approx(1.0 + gap if other or gap > ECHO else 20.0)


@given(st.lists(st.sampled_from([INT, TERM]), min_size=1, max_size=8), st.floats(0.01, 0.06))
@settings(max_examples=25, deadline=None)
def test_a_burst_of_signals_counts_once_for_each_kind(burst: list[signal.Signals], gap: float) -> None:
    """What comes again and again within half a second never leaves the tree behind."""
    tree = supervisor("root", child("bad", Stubborn, shutdown="infinity"))
    later = {1.0 + gap * number: each for number, each in enumerate(burst)} | {20.0: INT}
    command = run(tree, {}, later)
    assert isinstance(command.end, TreeEnded)
    assert (command.seconds < 20.0) is (len(set(burst)) == 2)


@pytest.mark.parametrize("first", [INT, HUP])
@pytest.mark.parametrize("distance", [1, 5])
def test_a_hangup_is_not_a_second_signal_at_any_step(first: signal.Signals, distance: int) -> None:
    """The kernel and the shell both send one when a terminal is closed: the ordered stop goes on."""
    for step in range(PLAIN.steps):
        command = run(shop(), {step: first, step + distance: HUP})
        assert (command.code, command.killed) == (0, None), step
        assert not command.order(seen.KillOrdered), step
        assert command.seconds <= 1.7, step


def test_a_hangup_after_a_kill_does_not_hurry_it() -> None:
    """What does not end has its five seconds all the same."""
    signals = {1.0: INT, 2.0: TERM, 3.0: HUP}
    command = run(supervisor("root", child("loop", OnLoop)), {}, signals, held=4.0)
    assert isinstance(command.end, TreeEnded)
    assert command.code == 128 + TERM


def test_the_kill_switch_at_any_step_kills_the_tree() -> None:
    """No second signal is needed; one that comes before anything has begun keeps everything from beginning."""
    for step in range(PLAIN.steps - 5):
        command = run(shop(), {step: KILL})
        assert (command.code, command.killed) == (128 + KILL, KILL), step
        assert command.said == [f"{KILL.name}: killing shop", "shop is killed"]
        assert command.seconds <= 1.7, step


def test_a_pause_and_a_resume_at_any_step_lose_nothing() -> None:
    """The job waits meanwhile, and the tree ends as it would have."""
    for step in range(PLAIN.steps - 5):
        command = run(shop(), {step: PAUSE}, {5.0: RESUME})
        assert (command.code, command.killed) == (0, None), step
        assert command.said[-1] == PLAIN.said[-1]


@pytest.mark.parametrize(("kind", "seconds"), [(Stubborn, 10.0), (Stuck, 11.0)])
def test_what_does_not_stop_is_killed_by_the_second_signal(kind: type[Actor], seconds: float) -> None:
    """A stop without a limit waits for ever, until the user loses patience; a thread is left behind a second later."""
    tree = supervisor("root", child("loop", OnLoop), child("bad", kind, shutdown="infinity"))
    stuck = 0
    for step in range(20):
        command = run(tree, {step: INT}, {10.0: TERM})
        if command.killed is None:
            assert command.code == 0, "it was stopped before the bad one had started"
        else:
            stuck += 1
            assert command.code == 128 + command.killed
            assert isinstance(command.end, TreeEnded)
            assert command.seconds == seconds
    assert stuck > 5


@pytest.mark.parametrize(("third", "seconds"), [(None, 2.0 + PATIENCE), (3.0, 3.0)])
def test_what_a_kill_does_not_end_is_left_behind(third: float | None, seconds: float) -> None:
    """After five seconds, or at once at the third signal."""
    signals = {1.0: INT, 2.0: TERM} | ({third: TERM} if third is not None else {})
    command = run(supervisor("root", child("loop", OnLoop)), {}, signals, held=1000.0)
    assert command.end == GaveUpWaiting(TERM)
    assert command.code == 128 + TERM
    assert command.said[-1] == "it does not end; leaving without it"
    assert command.seconds == seconds

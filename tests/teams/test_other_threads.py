"""What other threads see of a team: values that its coordinator shows, whatever it does between two lines of theirs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import teams
from actors import DeadLetter
from actors.testing import simulation
from supervisors import constant, supervisor
from teams import Context, TeamHalted, TeamMetrics, can, goal, member, team
from teams.patterns import sequential

HERE = str(Path(teams.__file__).parent)


async def who(value: object, context: Context) -> str:
    """Says who it is."""
    return context.member


async def slow(value: float) -> float:
    """Takes as long as it is told to."""
    await asyncio.sleep(value)
    return value


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[list[int]]:
    """Does something between every two lines of `teams` that this thread runs in the block. Counts how often."""
    times = [0]

    def between(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        if event == "line":
            times[0] += 1
            sys.settrace(None)
            try:
                act()
            finally:
                sys.settrace(between)
        return between

    before = sys.gettrace()
    sys.settrace(between)
    try:
        yield times
    finally:
        sys.settrace(before)


def coming_and_going(crew: Any) -> Callable[[], None]:
    """A member joins or leaves with each call."""
    joined: list[str] = []

    def change() -> None:
        if joined:
            crew.leave(joined.pop()).get()
        else:
            joined.append("new")
            crew.join(member("new", who, capabilities={"do"})).get()

    return change


@pytest.mark.parametrize(
    "read",
    [
        lambda crew, metrics, registry: crew.check(sequential(can("do"), "base", can("fly"))),
        lambda crew, metrics, registry: metrics.health(crew),
        lambda crew, metrics, registry: generate_latest(registry),
        lambda crew, metrics, registry: crew.goal(),
    ],
    ids=["check", "health", "scrape", "goal"],
)
def test_what_other_threads_read_of_a_team_may_change_meanwhile(read: Any) -> None:
    """Guards against the memory of the coordinator: it was read while it changed, which is an error where it is a
    dictionary.
    """
    registry = CollectorRegistry()
    with simulation() as sim, TeamMetrics(sim.runtime, registry) as metrics:
        crew: Any = sim.start(
            team(
                "crew",
                member("base", who, capabilities={"do"}, count=8),
                member("slow", slow),
                goal=goal(sequential("slow"), 1e6),
            )
        )
        change = coming_and_going(crew)
        for _ in range(3):
            # The sink of metrics has a lock of its own, for which an event of the loop would have to wait.
            with meanwhile(lambda: None if metrics._lock.locked() else change()) as times:
                read(crew, metrics, registry)
            assert times[0] > 0


def test_check_says_what_the_team_can_do_now() -> None:
    """Guards the view: it follows members that come, leave and terminate, and roles that lend capabilities."""
    pattern = sequential("a", "b", can("do"), can("fly"))
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", who, capabilities={"do"}), member("slow", slow)))
        assert crew.check(pattern) == ("b", "can('fly')")
        crew.join(member("b", who, capabilities={"fly"}, restart="temporary")).get()
        assert crew.check(pattern) == ()
        crew.member("b").kill()
        sim.settle()
        assert crew.check(pattern) == ("b", "can('fly')")
        work = crew.assign(5.0, "slow")
        leaving = crew.leave("slow")
        sim.advance(1.0)
        assert crew.check(sequential("slow")) == ("slow",)
        assert work.get() == 5.0
        assert leaving.get() == ("slow",)
        crew.child("coordinator").kill()
        sim.settle()
        assert crew.check(pattern) == ("b", "can('fly')")
        crew.stop(block=False)
        sim.advance(10.0)
        assert crew.check(pattern) == tuple(str(each) for each in ("a", "b", can("do"), can("fly")))


def test_a_run_of_a_halted_team_fails_at_once_for_every_caller() -> None:
    """Guards play(): whether the team is halted is shown to every thread."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", who)))
        crew.halt("fire").get()
        with pytest.raises(Exception, match="fire") as caught:
            crew.play(sequential("a"), 1).get()
        assert isinstance(caught.value.__cause__, TeamHalted)
        crew.reset().get()
        assert crew.play(sequential("a"), 1).get() == "a"


def test_the_figures_of_a_team_outlive_a_crash_of_its_coordinator() -> None:
    """Guards the view through a crash of the coordinator, and what is shown of slots and work."""
    registry = CollectorRegistry()
    with simulation() as sim, TeamMetrics(sim.runtime, registry) as metrics:
        crew: Any = sim.start(team("crew", member("slow", slow, concurrency=2)))
        works = [crew.assign(10.0, "slow") for _ in range(5)]
        sim.advance(4.0)

        def figures() -> list[float | None]:
            labels = {"team": "crew", "member": "slow"}
            names = ("capacity", "capacity_reserved", "busy_seconds_total")
            return [registry.get_sample_value(f"letitcrash_team_{name}", labels) for name in names]

        assert figures() == [2.0, 2.0, pytest.approx(8.0)]
        assert (metrics.health("crew").active, metrics.health("crew").waiting) == (2, 3)
        crew.child("coordinator").kill()
        sim.advance(1.0)
        assert figures() == [2.0, 2.0, pytest.approx(10.0)]
        assert (metrics.health("crew").active, metrics.health("crew").waiting) == (2, 3)
        assert [each.get() for each in works] == [10.0] * 5
        sim.settle()
        assert figures() == [2.0, 0.0, pytest.approx(50.0)]
        assert (metrics.health("crew").active, metrics.health("crew").waiting) == (0, 0)


def test_a_message_to_all_of_a_team_that_is_started_again_waits_for_it() -> None:
    """Guards tell_all(): it reaches the members when they are up, or is a dead letter when they never are."""
    heard: list[object] = []
    letters: list[DeadLetter] = []

    async def hear(value: object) -> None:
        heard.append(value)

    with simulation() as sim:
        sim.runtime.events.subscribe(letters.append, DeadLetter)
        root: Any = sim.start(supervisor("root", team("crew", member("a", hear), backoff=constant(10.0))))
        crew = root.child("crew")
        crew.kill()
        sim.advance(1.0)
        crew.tell_all("one")
        sim.advance(1.0)
        assert heard == []
        sim.advance(10.0)
        assert heard == ["one"]
        crew.kill()
        sim.advance(1.0)
        crew.tell_all("two")
        root.terminate_child("crew").get()
        assert [each.message for each in letters if each.path == "root/crew" and isinstance(each.message, str)] == [
            "two"
        ]
        with pytest.raises(Exception, match="root/crew has terminated"):
            crew.tell_all("three")


def test_a_team_keeps_no_caller_that_does_not_wait_any_more() -> None:
    """Guards the team against callers whose time is up while a part of it is not there."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", who)))
        crew.terminate_child("coordinator").get()
        for _ in range(50):
            asked = crew.assign(1, "a", timeout=0.5)
            sim.advance(1.0)
            assert asked.done()
        last = crew.assign(2, "a")
        crew_actor = sim.runtime.cells["crew"].actor
        assert len(crew_actor._callers._waiting["coordinator"]) == 1
        crew.restart_child("coordinator").get()
        assert last.get() == "a"


def test_no_module_of_teams_but_its_seam_reaches_into_an_actors_place() -> None:
    """Guards the wall: what is behind a ref is read and written by the runtime alone."""
    found = [
        f"{path.name}:{number}"
        for path in sorted(Path(HERE).rglob("*.py"))
        if path.name != "_actors.py" and path.parent.name != "cli"  # its view is taken on the loop thread
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "._cell" in line
    ]
    assert found == []

"""Teams that stop, or are started again by their supervisor, while something is wanted of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import ActorDeadError
from actors.testing import simulation
from supervisors import constant, supervisor
from teams import Context, RunFailed, WorkFailed, WorkTimeout, goal, member, team
from teams._team import RUN_RESTARTS
from teams.patterns import sequential


async def waits(value: object) -> object:
    """Takes an hour."""
    await asyncio.sleep(3600)
    return value


async def echo(value: object) -> object:
    """Answers at once."""
    return value


def crew_under(sim: Any, *members: Any, wait: float = 10.0) -> Any:
    """A team that its supervisor starts again `wait` seconds after it has crashed."""
    root = sim.start(supervisor("root", team("crew", *members, backoff=constant(wait))))
    return root.child("crew")


def test_an_orderly_stop_calls_off_what_members_wait_in() -> None:
    """Guards a stop that took the grace of every busy member, one after another, for results that no caller gets."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("worker", waits, count=20), goal=goal(sequential("worker"), 1)))
        pending = [crew.assign(number, "worker") for number in range(19)]
        run = crew.play(sequential("worker"), 1)
        sim.advance(1.0)
        crew.stop(block=False)
        sim.advance(0.5)
        assert not crew.is_alive()
        for each in pending:
            with pytest.raises(ActorDeadError, match="shutdown"):
                each.get()
        with pytest.raises(RunFailed):
            run.get()


def test_what_a_team_is_asked_for_while_it_is_started_again_waits_for_it() -> None:
    """Guards the ref of a team: like any ref it is the same through a restart, and what is asked meanwhile is done."""
    with simulation() as sim:
        crew = crew_under(sim, member("worker", echo))
        crew.kill()
        sim.advance(1.0)
        listening = len(sim.runtime.events._subscriptions)
        alone = crew.assign(0, "worker", timeout=0.5)
        sim.advance(0.5)
        assert alone.done()
        assert len(sim.runtime.events._subscriptions) == listening
        work, run, report = crew.assign(1, "worker"), crew.play(sequential("worker"), 2), crew.broadcast(3)
        late = crew.assign(4, "worker", timeout=5.0)
        sim.advance(4.5)
        assert len(sim.runtime.events._subscriptions) == listening
        assert not any(each.done() for each in (work, run, report, late))
        sim.advance(0.5)
        with pytest.raises(WorkTimeout):
            late.get()
        sim.advance(5.0)
        assert (work.get(), run.get(), report.get().results) == (1, 2, {"worker": 3})
        assert len(sim.runtime.events._subscriptions) == listening


def test_a_timeout_counts_from_the_request_though_the_team_starts_later() -> None:
    """Guards the time limit of work that waited for its team."""
    with simulation() as sim:
        crew = crew_under(sim, member("worker", waits))
        crew.kill()
        sim.advance(1.0)
        work = crew.assign(1, "worker", timeout=12.0)
        sim.advance(11.9)
        assert not work.done()
        sim.advance(0.2)
        assert work.done()
        with pytest.raises(WorkTimeout):
            work.get()


def test_work_that_a_team_had_when_it_was_started_again_is_not_begun_twice() -> None:
    """Guards at most once: with the team, all is gone that says who has begun what."""
    begun: list[object] = []

    async def begins(value: object) -> object:
        begun.append(value)
        await asyncio.sleep(2.0)
        return value

    with simulation() as sim:
        crew = crew_under(sim, member("worker", begins), wait=1.0)
        pending = crew.assign(1, "worker")
        sim.advance(1.0)
        crew.kill()
        sim.advance(20.0)
        with pytest.raises(ActorDeadError) as refused:
            pending.get()
        assert (refused.value.path, refused.value.undelivered) == ("root/crew", 1)
        assert begun == [1]


def test_a_caller_that_waits_for_a_team_that_does_not_return_is_answered() -> None:
    """Guards every caller that waits for a restart."""
    with simulation() as sim:
        root: Any = sim.start(supervisor("root", team("crew", member("worker", echo), backoff=constant(10.0))))
        crew = root.child("crew")
        crew.kill()
        sim.advance(1.0)
        work, run = crew.assign(1, "worker"), crew.play(sequential("worker"), 2)
        root.terminate_child("crew")
        sim.advance(1.0)
        with pytest.raises(ActorDeadError):
            work.get()
        with pytest.raises(RunFailed):
            run.get()


def test_a_decorator_that_hides_a_signature_does_not_hide_the_context() -> None:
    """Guards `through` with any decorator, one without `functools.wraps` too."""

    def plain(function: Callable[..., Any]) -> Callable[..., Any]:
        async def around(*args: Any) -> Any:
            return await function(*args)

        return around

    async def who(_: object, context: Context) -> str:
        return context.member

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("ann", who, through=plain)))
        assert crew.assign(1, "ann").get() == "ann"


def test_an_exception_that_cannot_be_shown_does_not_hide_which_work_failed() -> None:
    """Guards the text of errors against an exception of the user's whose own `__str__` fails."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async def fails(_: object) -> None:
        raise Mute

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("worker", fails)))
        with pytest.raises(WorkFailed, match="last by worker: .*Mute, cannot be shown"):
            crew.assign(1, "worker").get()


def test_a_run_that_crashes_over_and_over_fails_and_harms_no_other() -> None:
    """Guards the budget of a run: it is its own, and a run whose budget is spent is answered with what was done."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("worker", waits), member("quick", echo)))
        doomed, other = crew.play(sequential("quick", "worker"), 1), crew.play(sequential("worker"), 2)
        sim.advance(1.0)
        restarts = 0
        while not doomed.done():
            run: Any = sim.runtime.find("crew/runs/1")
            restarts = run.incarnation - 1
            run.kill()
            sim.advance(0.25)
        assert restarts == RUN_RESTARTS
        with pytest.raises(RunFailed):
            doomed.get()
        assert doomed.partial == {"quick": 1}
        assert not other.done()
        sim.advance(3600.0)
        assert other.get() == 2

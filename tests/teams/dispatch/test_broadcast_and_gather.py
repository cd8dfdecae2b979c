"""Broadcast and gather: every member is asked, no answer is lost, and a dead member stops nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorCrashed, ActorDeadError, Crashed, Killed
from actors.testing import Crash, FaultPlan, Kill, Simulation, Slow, faults, simulate, simulation
from supervisors import constant
from teams import GatherPolicy, NoCapableAgent, collect, fail_fast, first, member, quorum, team
from teams._dispatch.gather import Gathering
from tests.teams.cast import begun

policies = st.one_of(st.sampled_from([collect(), fail_fast(), first()]), st.integers(1, 6).map(quorum))


@given(policies, st.permutations(list("abcde")), st.sets(st.sampled_from("abcde")))
def test_a_gathering_ends_when_its_policy_says_and_keeps_all_that_finished(
    policy: GatherPolicy, order: list[str], failing: set[str]
) -> None:
    """Guards the policies: whatever order the ends come in, each is a result, a failure or named as unanswered."""
    gathering = Gathering("abcde", policy)
    told: list[str] = []
    for name in order:
        if gathering.over:
            break
        told.append(name)
        if name in failing:
            gathering.failed(name, OSError(name))
        else:
            gathering.done(name, name.upper())
    assert gathering.over
    gathered = gathering.gathered()
    assert gathered.results == {name: name.upper() for name in told if name not in failing}
    assert set(gathered.failures) == {name for name in told if name in failing}
    assert set(gathered.unanswered) == set("abcde") - set(told)
    if policy.kind == "collect":
        assert gathered.satisfied
        assert not gathered.unanswered
    elif policy.kind == "fail_fast":
        assert gathered.satisfied == (not failing)
        assert len(gathered.failures) <= 1
    else:
        assert gathered.satisfied == (len(set("abcde") - failing) >= policy.n)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_quorum_is_a_whole_number_from_one(n: Any) -> None:
    """Guards bad input."""
    with pytest.raises(ValueError, match="quorum"):
        quorum(n)


async def answer(value: object) -> object:
    """Agrees, unless told to fail or to wait."""
    return value


async def refuse(value: object) -> object:
    """Crashes."""
    raise OSError("no")


async def wait(value: object) -> object:
    """Takes a minute."""
    await asyncio.sleep(60.0)
    return value


def test_a_broadcast_reports_answers_failures_and_silence() -> None:
    """Guards the acknowledged broadcast: a dead or slow member is a line of the report and stops nothing."""
    with simulation() as sim:
        crew: Any = sim.start(
            team("crew", member("good", answer, count=2, role="yes"), member("bad", refuse), member("late", wait))
        )
        report = crew.broadcast("hear", within=5.0).get()
        assert report.results == {"good-1": "hear", "good-2": "hear"}
        assert isinstance(report.failures["bad"].reason, Crashed)
        assert report.unanswered == ("late",)
        assert sim.now == 5.0
        assert crew.broadcast("hear", "yes").get().satisfied
        assert crew.broadcast("hear", policy=quorum(2)).get().satisfied
        assert not crew.broadcast("hear", "bad", policy=first()).get().satisfied
        with pytest.raises(NoCapableAgent):
            crew.broadcast("hear", "ghost").get()


def test_a_message_to_all_is_heard_by_all() -> None:
    """Guards the broadcast that no member acknowledges."""
    heard: list[str] = []

    async def hear(value: str, context: Any) -> None:
        heard.append(f"{context.member} {value}")

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("ear", hear, count=3)))
        crew.tell_all("hello")
        sim.advance(1.0)
        assert sorted(heard) == ["ear-1 hello", "ear-2 hello", "ear-3 hello"]


@simulate(plan=faults.plans("crew/**", kinds=[Crash, Kill, Slow], max_faults=4, seconds=(0.5, 3.0)), examples=30)
def test_a_broadcast_is_answered_and_loses_no_answer_whatever_crashes(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the broadcast under faults: every member is accounted for, once."""
    said: list[str] = []

    async def say(value: int, context: Any) -> int:
        await asyncio.sleep(0.5)
        said.append(f"{context.member} {value}")
        return value

    crew = begun(sim, team("crew", member("ear", say, count=3, backoff=constant(0.1)), max_restarts=100))
    if crew is None:
        return
    work = sim.workload(lambda number: crew.broadcast(number, within=8.0), n=3, every=1.0)
    sim.advance(15.0)
    sim.heal()
    sim.eventually("every caller is answered", lambda: work.done == 3, within=60)
    for number, report in work.results.items():
        named = [*report.results, *report.failures, *report.unanswered]
        assert len(named) == len(set(named))
        for name, value in report.results.items():
            assert value == number
            assert f"{name} {number}" in said
        for failed in report.failures.values():
            assert isinstance(failed.reason, Crashed | Killed) or not failed.reason.expected or plan
    for error in work.errors.values():
        assert plan
        assert not isinstance(error, ActorCrashed | TimeoutError) or isinstance(error, ActorDeadError)

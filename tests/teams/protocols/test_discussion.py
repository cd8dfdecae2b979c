"""Discussions: turns, rounds, their end, and what a crash costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors import sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, Kill, Slow
from supervisors import SpecError
from teams import member, team
from teams.protocols import Missed, Pass, Said, Transcript, Turn, consensus, discussion
from tests.teams.cast import begun

CREW = ("crew/members/*", "crew/runs/*", "crew/coordinator")


async def counts(turn: Turn) -> int:
    """Says how many spoke before."""
    return len(turn.transcript.entries)


async def comes_round(turn: Turn) -> str:
    """Agrees in the second round."""
    return "tea" if turn.round > 1 else "coffee"


async def tea(turn: Turn) -> str:
    return "tea"


async def late(turn: Turn) -> str:
    await sleep(1000.0)
    return "late"


async def broken(turn: Turn) -> str:
    raise RuntimeError("out of order")


async def shy(turn: Turn) -> Pass | None:
    return Pass("nothing new") if turn.round == 1 else None


def test_everybody_speaks_in_turn_and_knows_what_was_said() -> None:
    """Guards turn order, rounds and the transcript that grows."""
    with simulation() as sim:
        crew = begun(sim, team("crew", member("ann", counts), member("bob", counts)))
        assert crew is not None
        transcript = crew.play(discussion(["ann", "bob"], max_rounds=2), "a topic").get()
        said = (Said("ann", 1, 0), Said("bob", 1, 1), Said("ann", 2, 2), Said("bob", 2, 3))
        assert transcript == Transcript("a topic", said, "rounds")
        assert transcript.said == said
        assert transcript.round(2) == said[2:]


def test_it_ends_with_consensus() -> None:
    """Guards the end before the last round."""
    with simulation() as sim:
        crew = begun(sim, team("crew", member("ann", tea), member("bob", comes_round)))
        assert crew is not None
        transcript = crew.play(discussion(["ann", "bob"], max_rounds=5, until="consensus"), "tea or coffee").get()
        assert transcript.ended == "consensus"
        assert len(transcript.entries) == 4


def test_it_ends_when_the_predicate_holds() -> None:
    """Guards an end of one's own."""
    with simulation() as sim:
        crew = begun(sim, team("crew", member("ann", tea)))
        assert crew is not None
        pattern = discussion(["ann"], max_rounds=9, until=lambda transcript: len(transcript.said) >= 3)
        transcript = crew.play(pattern, "tea").get()
        assert (transcript.ended, len(transcript.entries)) == ("until", 3)


def test_a_participant_that_crashes_or_is_late_loses_only_that_turn() -> None:
    """Guards the promise, with the reasons."""
    works = {"ann": tea, "bob": broken, "cid": late, "dan": shy}
    with simulation() as sim:
        crew = begun(sim, team("crew", *(member(name, work) for name, work in works.items())))
        assert crew is not None
        transcript = crew.play(discussion(list(works), max_rounds=2, turn_timeout=5.0, until="consensus"), "tea").get()
        assert transcript.ended == "rounds", "a missed turn is not consent"
        assert [entry.by for entry in transcript.entries] == list(works) * 2
        assert transcript.said == (Said("ann", 1, "tea"), Said("ann", 2, "tea"))
        missed = {(entry.by, entry.round): entry.why for entry in transcript.entries if isinstance(entry, Missed)}
        assert "out of order" in missed["bob", 1]
        assert missed["cid", 2] == "it said nothing within 5.0 s"
        assert (missed["dan", 1], missed["dan", 2]) == ("nothing new", "it passed")


def test_consensus_is_that_all_said_the_same_last() -> None:
    """Guards the predicate at its edges."""
    assert not consensus(Transcript("t"))
    assert consensus(Transcript("t", (Said("a", 1, "x"), Said("a", 2, "y"), Said("b", 2, "y"))))
    assert not consensus(Transcript("t", (Said("a", 1, "x"), Said("b", 1, "y"))))
    assert not consensus(Transcript("t", (Said("a", 1, "x"), Missed("b", 1, "late"))))


@pytest.mark.parametrize(
    ("make", "faults"),
    [
        (lambda: discussion([], max_rounds=0, turn_timeout=-1, until="peace"), 4),  # type: ignore[arg-type]
        (lambda: discussion(["a", "a"]), 1),
    ],
)
def test_bad_arguments_are_refused_with_every_fault(make: Callable[[], object], faults: int) -> None:
    """Guards the builder."""
    with pytest.raises(SpecError) as caught:
        make()
    assert len(caught.value.faults) == faults


@simulate(plan=faults.plans(*CREW, kinds=[Crash, Kill, Slow], max_faults=3), examples=25)
def test_under_faults_everybody_has_every_turn_said_or_missed(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the transcript: complete and in order, under any crashes."""
    names = ["ann", "bob", "cid"]
    crew = begun(sim, team("crew", *(member(name, tea) for name in names)))
    if crew is None:
        return
    run = crew.play(discussion(names, max_rounds=2, turn_timeout=10.0), "tea")
    sim.run(until=60)
    sim.heal()
    transcript = run.get()
    assert [(entry.by, entry.round) for entry in transcript.entries] == [(n, r) for r in (1, 2) for n in names]

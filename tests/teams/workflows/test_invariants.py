"""What an engine promises, under generated workflows and faults: of the disk, of processes, of every actor.

Each world is judged by all that `teams.workflows.testing` knows: what was acknowledged is there (1), what is done does
not begin again (2), a step has one outcome (3), one process writes a run (4), every step ends (5), results are
those of a quiet run (6) and replay gives the values that there were (7), under keys that stay (8), what is undone is
undone in reverse (11), there is one run a key (12), timers are never early (13), signals are taken once and in order
(14), so many runs are awake and no more (15), an edit is all or nothing (16), a cancelled run ends (20), nothing is
left (21), parked or awake (22).
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from actors.testing import ClockJump, Crash, FaultPlan, Kill
from teams._journal.rows import ENDED, InboxRow
from teams.workflows._engine.desk import Desk
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.past import Past
from teams.workflows._run.run import Live
from teams.workflows.testing import (
    EngineAction,
    FailCommit,
    LeaseEnds,
    Piece,
    PromiseBroken,
    Reboot,
    Sketch,
    SlowCommit,
    StoreGone,
    UnknownCommit,
    World,
    sketches,
    worlds,
)

WORK, NAP = Piece("a", seconds=1.0), Piece("b", "sleep", seconds=4.0)


@settings(max_examples=30)
@given(worlds())
def test_whatever_fails_an_engine_keeps_its_promises(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(actor_kinds=(), kinds=[Reboot]))
def test_results_survive_kill_nine_between_any_two_commits(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(kinds=[FailCommit, UnknownCommit, SlowCommit, StoreGone], actor_kinds=()))
def test_a_store_that_fails_slows_runs_and_changes_nothing(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(engines=2, actor_kinds=(), kinds=[Reboot, LeaseEnds, SlowCommit, StoreGone]))
def test_of_two_engines_on_one_disk_one_has_a_run(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(kinds=(), actor_kinds=[Crash, Kill, ClockJump]))
def test_clocks_that_jump_make_no_timer_early(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(sketches(once=True, kinds=["work", "sleep", "wait"], failing=False), deeds=["say", "pause", "resume"]))
def test_a_step_for_at_most_once_never_begins_twice(world: World) -> None:
    outcome = world.run()
    once = {each.id for each in world.sketch.pieces if each.once}
    for work, count in outcome.ledger.begun.items():
        if work.rpartition(":")[2] in once:
            assert count == 1, work


@settings(max_examples=16)
@given(worlds(sketches(failing=False), deeds=["cancel", "cancel_now"], kinds=[Reboot, FailCommit, LeaseEnds]))
def test_a_cancelled_run_ends_and_undoes_what_was_done(world: World) -> None:
    outcome = world.run()
    for number in outcome.heard.cancelled:
        assert outcome.rows[number].state in ("cancelled", "failed", "done")


@settings(max_examples=20)
@given(worlds(deeds=["edit"], max_runs=1, actor_kinds=[Kill]))
def test_an_edit_is_all_or_nothing_whatever_fails(world: World) -> None:
    world.run()


@settings(max_examples=12)
@given(worlds(deeds=["edit", "pause", "resume"], engines=2, actor_kinds=(), kinds=[Reboot, LeaseEnds, SlowCommit]))
def test_an_edit_by_another_process_is_all_or_nothing(world: World) -> None:
    world.run()


@settings(max_examples=16)
@given(worlds(deeds=["cancel", "cancel_now", "say"], engines=2, max_runs=3))
def test_whatever_fails_every_cancelled_run_ends_soon_after(world: World) -> None:
    """`World` holds each against `WITHIN`, from the end of the faults on."""
    outcome = world.run()
    assert outcome.heard.asked_to_cancel <= outcome.heard.cancelled | outcome.rows.keys()
    for number in outcome.heard.cancelled:
        assert outcome.rows[number].state in ENDED


@settings(max_examples=12)
@given(worlds(sketches(most=3), max_runs=7, max_faults=2))
def test_so_many_runs_are_awake_and_none_starves(world: World) -> None:
    world.run()


def test_a_desk_killed_while_the_store_is_away_gives_back_its_lease() -> None:
    """The store stays away for longer than all the starts of the desk that its death takes."""
    script = (EngineAction(0.125, "start"), EngineAction(0.125, "start", run=1))
    plan = FaultPlan(Kill("engine-0/desk", at=17.75))
    World(Sketch((Piece("a"),)), script, plan, disk=(StoreGone(10.25, 16.0),), seed=1).run()


def test_a_run_whose_first_commit_fails_while_the_desk_dies_is_played() -> None:
    """The desk that comes after looks for such runs when what its predecessor had sent is written, and not before."""
    script = (EngineAction(0.125, "start"), EngineAction(0.125, "start", run=1))
    plan = FaultPlan(Kill("engine-0/desk", nth=1), Crash("engine-0/desk", nth=4))
    World(Sketch((Piece("a"),), chain=False), script, plan, disk=(FailCommit(1),)).run()


def test_a_run_that_ends_while_it_is_being_parked_stays_ended() -> None:
    """Between two rounds of its loop the run waits for its sleep alone, so it is parked; and then the loop fails."""
    loop = Piece("a", "loop", seconds=0.5, undo=True, good_after=4)
    sketch = Sketch((loop, Piece("b", "sleep", seconds=4.0), Piece("c", uses=("a",))), chain=False)
    script = (
        EngineAction(4.375, "start"),
        EngineAction(4.125, "start", 1),
        *(EngineAction(at, "cancel") for at in (8.0, 12.0)),
    )
    World(sketch, script, search=("pos", 1000)).run()


@pytest.mark.parametrize("nth", range(2, 12))
def test_a_desk_that_crashes_while_it_parks_has_no_run_end_twice(nth: int) -> None:
    """What it has parked in the store is awake all the same, and gets its signal here and by a claim."""
    script = (EngineAction(0.5, "start"), EngineAction(0.5, "start", 1))
    plan = FaultPlan(Crash("engine-0/desk", nth=nth))
    World(Sketch((Piece("a", "wait"),)), script, plan, search=("random", 0)).run()


def test_an_edit_from_another_process_that_comes_late_writes_nothing() -> None:
    sketch = Sketch((Piece("a", "sleep", seconds=0.5),), chain=False)
    World(sketch, (EngineAction(0.25, "start", 0, 1), EngineAction(0.5, "edit", 0, 0, "a")), engines=2).run()


# The judge is no rubber stamp


def test_a_disk_that_forgets_what_it_acknowledged_is_noticed() -> None:
    world = World(Sketch((WORK, NAP)), disk=(Reboot(at=3.0, power=True),), durability="process")
    with pytest.raises(PromiseBroken, match="1 acknowledged and there|ends"):
        world.run()


def test_an_engine_that_begins_again_what_is_done_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DurableKeeper, "recall", lambda *_: None)
    with pytest.raises(PromiseBroken, match="2 done and not begun again|3 one outcome"):
        World(Sketch((WORK, NAP))).run()


def test_an_engine_that_hands_on_another_value_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    recall = DurableKeeper.recall

    def other(keeper: DurableKeeper, step: str, returns: object = None) -> object:
        found = recall(keeper, step, returns)
        return None if found is None else type(found)({"n": 5}) if step == "a" else found

    monkeypatch.setattr(DurableKeeper, "recall", other)
    with pytest.raises(PromiseBroken, match="results"):
        World(Sketch((WORK, NAP, Piece("c", uses=("a",))))).run()


def test_a_timer_that_is_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    until = DurableKeeper._until

    async def early(keeper: DurableKeeper, step: str, what: str, seconds: float | None, asks: object = None) -> object:
        found = await until(keeper, step, what, seconds, asks)
        return None if found is None else found - 1_000_000

    monkeypatch.setattr(DurableKeeper, "_until", early)
    with pytest.raises(PromiseBroken, match="13 timers"):
        World(Sketch((WORK, NAP))).run()


def test_an_engine_that_goes_on_with_a_cancelled_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = Desk._deliver

    def deaf(desk: Desk, live: Live, message: InboxRow) -> None:
        if message.kind == "cancel":
            live.keeper.took(message)
        else:
            deliver(desk, live, message)

    monkeypatch.setattr(Desk, "_deliver", deaf)
    nap = Sketch((Piece("a", "sleep", seconds=1_000.0),))
    with pytest.raises(PromiseBroken, match="cancel ends: run 0 was cancelled and has not ended"):
        World(nap, (EngineAction(0.5, "start"), EngineAction(3.0, "cancel"))).run()


def test_an_engine_that_chooses_again_how_steps_run_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DurableKeeper, "noted", lambda *_: None)
    monkeypatch.setattr(Past, "note", lambda *_: None)
    nap = Piece("b", "sleep", seconds=30.0)
    with pytest.raises(PromiseBroken, match="3 decided once"):
        World(Sketch((WORK, nap), chain=False, auto=True), disk=(Reboot(at=3.0),)).run()


def test_a_world_is_the_same_whenever_it_is_played() -> None:
    """Guards finding a failure again: a world is a value with one outcome."""
    world = World(
        Sketch((WORK, Piece("b", "map", seconds=0.5), Piece("c", "wait"))),
        (EngineAction(0.5, "start"), EngineAction(3.0, "say", step="c")),
        FaultPlan(Kill("engine-0/runs/*", at=1.2)),
        (Reboot(nth=5), SlowCommit(3)),
        search=("random", 3),
    )
    first, second = world.run(), world.run()
    assert first.tables == second.tables
    assert first.fired >= 2


def test_an_engine_that_forgets_an_edit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(Sketch((WORK, NAP)), (EngineAction(0.5, "start"), EngineAction(1.0, "edit", step="z")))
    world.run()
    monkeypatch.setattr(DurableKeeper, "edit", lambda *_: None)
    with pytest.raises(PromiseBroken, match="16 edits"):
        world.run()

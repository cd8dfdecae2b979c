"""The table of a life: every phase with every event, and what holds for the table as a whole."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import StartError
from actors._core.cell import _CARRIED_OUT
from actors._core.life import ABSENT, STATES, TABLES, LifeEffect, LifeEvent, Phase, State, transition
from tests.actors.cast import Starter, forever, stage
from tests.support import in_loop

EXPECTED = """
           BEGIN    BUILT    READY    FAILED   DECLINED  STOP     DONE     CRASH    KILL     HALTED   LEFT    CHILDLESS UNWATCHED SETTLE CLOSE    EXIT
NEW        STARTING -        -        -        -         NEW      -        -        -        -        -       -         -         -      CLOSED   -
STARTING   -        RUNNING  -        FAILING  DECLINING RECALLED -        ABORTING ABORTING -        -       -         -         -      -        -
RECALLED   -        LEAVING  -        FAILING  DECLINING RECALLED -        HALTING  HALTING  -        -       -         -         -      -        -
RUNNING    -        -        -        -        -         LEAVING  -        LEAVING  HALTING  -        -       -         -         -      -        LEAVING
ORDERED    -        -        -        -        -         -        -        -        -        -        -       -         -         -      -        -
LEAVING    -        -        -        -        -         LEAVING  -        LEAVING  HALTING  -        ENDING  -         -         -      -        -
HALTING    -        -        -        -        -         HALTING  -        HALTING  -        ENDING   -       -         -         -      -        -
ABORTING   -        -        -        -        -         ABORTING -        ABORTING -        FAILING  -       -         -         -      -        -
ENDING     -        -        -        -        -         ENDING   -        ENDING   HALTING  -        -       ENDED     -         -      -        -
FAILING    -        -        -        -        -         FAILING  -        FAILING  ABORTING -        -       ENDED     -         -      -        -
DECLINING  -        -        -        -        -         DECLINING -       DECLINING ABORTING -       -       DOWN      -         -      -        -
ENDED      -        -        -        -        -         ENDED    -        ENDED    -        -        -       -         DOWN      DOWN   CLOSED   -
DOWN       STARTING -        -        -        -         DOWN     -        DOWN     -        -        -       -         -         -      CLOSED   -
CLOSED     -        -        -        -        -         -        -        CLOSED   -        -        -       -         -         -      -        -
"""  # noqa: E501 - a table
OF_A_SUPERVISOR = """
           BEGIN    BUILT    READY    FAILED   DECLINED  STOP     DONE     CRASH    KILL     HALTED   LEFT    CHILDLESS UNWATCHED SETTLE CLOSE    EXIT
STARTING   -        STARTING RUNNING  FAILING  DECLINING ORDERED  LEAVING  FAILING  ABORTING -        -       -         -         -      -        -
RUNNING    -        -        -        FAILING  DECLINING ORDERED  LEAVING  LEAVING  HALTING  -        -       -         -         -      -        LEAVING
ORDERED    -        ORDERED  ORDERED  FAILING  DECLINING ORDERED  LEAVING  LEAVING  HALTING  -        -       -         -         -      -        -
"""  # noqa: E501 - a table

Next = dict[tuple[Phase, LifeEvent], Phase | None]


def read(text: str) -> Next:
    """The table as it is written above."""
    head, *rows = (line.split() for line in text.strip().splitlines())
    return {
        (Phase[row[0]], LifeEvent[event]): None if to == "-" else Phase[to]
        for row in rows
        for event, to in zip(head, row[1:], strict=True)
    }


ACTOR = read(EXPECTED)
SUPERVISOR = ACTOR | read(OF_A_SUPERVISOR)
EVERY = list(itertools.product(Phase, LifeEvent))
KINDS = [pytest.param(False, id="actor"), pytest.param(True, id="supervisor")]


@pytest.mark.parametrize(("phase", "event"), EVERY)
@pytest.mark.parametrize("supervisor", KINDS)
def test_every_event_in_every_phase_leads_where_it_should(supervisor: bool, phase: Phase, event: LifeEvent) -> None:
    """The whole table: what is not in it changes nothing."""
    found = transition(phase, event, supervisor=supervisor)
    assert (None if found is None else found[0]) is (SUPERVISOR if supervisor else ACTOR)[phase, event]
    assert TABLES[supervisor][phase][event] == found


REPORTS = {LifeEffect.REPORT_EXIT, LifeEffect.REPORT_FAILED, LifeEffect.REPORT_DECLINED}


@pytest.mark.parametrize("supervisor", KINDS)
def test_a_kill_ends_every_life_without_help_of_the_actor(supervisor: bool) -> None:
    """From every phase in which an incarnation is there: what the host and the tree report is enough."""
    for phase in set(Phase) - ABSENT:
        if phase is Phase.ORDERED and not supervisor:
            continue  # no actor comes there
        here = phase
        steps: list[LifeEffect] = []
        for event in (LifeEvent.KILL, LifeEvent.HALTED, LifeEvent.CHILDLESS):
            found = transition(here, event, supervisor=supervisor)
            if found is not None:
                here, steps = found[0], [*steps, *found[1]]
        assert here in ABSENT, phase.name
        assert len(REPORTS.intersection(steps)) == 1


@pytest.mark.parametrize("supervisor", KINDS)
def test_what_raised_is_a_reason_or_refused_in_every_phase(supervisor: bool) -> None:
    """No message whose handler raised is lost, whenever the loop thread hears of it."""
    deciding = {LifeEffect.BREAK, LifeEffect.HALT, LifeEffect.END_BELOW}
    for phase in set(Phase) - {Phase.NEW}:
        found = transition(phase, LifeEvent.CRASH, supervisor=supervisor)
        if found is None:
            assert phase is Phase.ORDERED
            assert not supervisor
        else:
            assert (LifeEffect.REFUSE in found[1]) != bool(deciding.intersection(found[1])), phase.name


@given(st.booleans(), st.lists(st.sampled_from(LifeEvent), max_size=60))
def test_every_incarnation_is_reported_up_and_gone_at_most_once(supervisor: bool, events: list[LifeEvent]) -> None:
    """And gone exactly once when the next one begins; watchers are told once of each exit."""
    phase, ups, reports, told = Phase.NEW, 0, 0, 0
    begun = False
    for event in events:
        found = transition(phase, event, supervisor=supervisor)
        if found is None:
            continue
        phase, effects = found
        told += LifeEffect.TELL in effects
        if LifeEffect.LAUNCH in effects:
            assert not begun or reports == 1
            begun, ups, reports, told = True, 0, 0, 0
        ups += LifeEffect.REPORT_UP in effects
        reports += bool(REPORTS.intersection(effects))
        assert reports <= 1
        assert told <= 1
        assert supervisor or ups <= 1  # a supervisor's engine says it once
        assert (phase in ABSENT) == (not begun or reports == 1)


@pytest.mark.parametrize("supervisor", KINDS)
def test_watchers_are_told_of_an_exit_before_anything_follows(supervisor: bool) -> None:
    """Where there are any. No incarnation begins in `ENDED`: one linked to itself would end by that."""
    found = [transition(Phase.ENDED, event, supervisor=supervisor) for event in LifeEvent]
    left = [each for each in found if each is not None and each[0] is not Phase.ENDED]
    assert left == [(Phase.DOWN, ()), (Phase.DOWN, (LifeEffect.TELL,)), (Phase.CLOSED, (LifeEffect.SHUT_DOWN,))]


@pytest.mark.parametrize("supervisor", KINDS)
def test_nothing_leaves_the_closed_phase(supervisor: bool) -> None:
    """An actor that has terminated begins no incarnation."""
    for event in LifeEvent:
        found = transition(Phase.CLOSED, event, supervisor=supervisor)
        assert found is None or found[0] is Phase.CLOSED


def test_every_effect_is_carried_out_and_every_phase_is_shown() -> None:
    """No row of the table is without a meaning in the cell."""
    used = {effect for table in TABLES for row in table for found in row if found is not None for effect in found[1]}
    assert used == set(LifeEffect)
    assert set(_CARRIED_OUT) == set(LifeEffect) - {LifeEffect.HALT}
    assert set(STATES) == set(State)


@in_loop
async def test_an_exit_of_a_task_in_the_start_fails_the_start() -> None:
    """It is not dropped because the incarnation is not up yet."""

    async def leave() -> None:
        raise SystemExit(3)

    async def on_start(_: object) -> None:
        task = asyncio.ensure_future(leave())
        del task
        await forever()

    async with stage() as w:
        starting = w.runtime.spawn(Starter, args={"on_start": on_start})
        await w.settle()
        with pytest.raises(StartError) as refused:
            await starting
        assert isinstance(refused.value.__cause__, SystemExit)

"""The table of a life: every phase with every event, and what holds for the table as a whole."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import StartError
from actors._core.cell import _CARRIED_OUT
from actors._core.life import (
    ABSENT,
    BEING_KILLED,
    OF_A_SUPERVISOR,
    OF_AN_ACTOR,
    STATES,
    TABLES,
    LifeEffect,
    LifeEvent,
    Phase,
    State,
    transition,
)
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
EXPECTED_OF_A_SUPERVISOR = """
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
SUPERVISOR = ACTOR | read(EXPECTED_OF_A_SUPERVISOR)
EVERY = list(itertools.product(Phase, LifeEvent))
KINDS = [pytest.param(False, id="actor"), pytest.param(True, id="supervisor")]


@pytest.mark.parametrize(("phase", "event"), EVERY)
@pytest.mark.parametrize("supervisor", KINDS)
def test_every_event_in_every_phase_leads_where_it_should(supervisor: bool, phase: Phase, event: LifeEvent) -> None:
    """The whole table: what is not in it changes nothing. A cell reads the compiled form of the same table."""
    found = transition(phase, event, supervisor=supervisor)
    assert (None if found is None else found[0]) is (SUPERVISOR if supervisor else ACTOR)[phase, event]
    assert TABLES[supervisor][phase][event] == found


# The effects. Where each of them stands follows from the phases above: no rule below reads the table.

CLEARED = {Phase.ENDING, Phase.FAILING, Phase.DECLINING}
"""Only what the incarnation has started, and what lives below it, is left."""


class Row(NamedTuple):
    """An event that changes something in this phase."""

    supervisor: bool
    phase: Phase
    event: LifeEvent
    to: Phase

    def enters(self, *phases: Phase) -> bool:
        """Whether the event leads from another phase into one of these."""
        return self.to in phases and self.to is not self.phase

    @property
    def stays(self) -> bool:
        """Whether the phase remains."""
        return self.to is self.phase

    def __repr__(self) -> str:
        return f"{self.phase.name}/{self.event.name}"


F, E, P = LifeEffect, LifeEvent, Phase

RULES: dict[LifeEffect, tuple[str, Callable[[Row], bool]]] = {
    F.LAUNCH: ("an incarnation that begins is launched", lambda row: row.enters(P.STARTING)),
    # A kill, and a crash in the start, after which there is no hook for the end.
    F.SHUT: ("an incarnation that is killed takes nothing more", lambda row: row.enters(*BEING_KILLED)),
    F.HALT: ("an incarnation that is killed is halted", lambda row: row.enters(*BEING_KILLED)),
    # Orders. The order is noted first: what follows may ask for it.
    F.KEEP: (
        "an order that finds no incarnation is kept for the next",
        lambda row: row.event is E.STOP and row.phase in ABSENT,
    ),
    F.NOTE: (
        "an order that finds an incarnation is noted",
        lambda row: row.event is E.STOP and row.phase not in ABSENT,
    ),
    # The order waits in the system lane when the mailbox opens, which gives a turn.
    F.ORDER: ("a supervisor gets the first order as a message", lambda row: row.enters(P.ORDERED)),
    # The parent is told first: what an actor does in its first turn comes after its start.
    F.REPORT_UP: (
        "an incarnation is reported up when its start is complete",
        lambda row: row.event is (E.READY if row.supervisor else E.BUILT),
    ),
    # A supervisor hears of its children while it starts them and while it stops them.
    F.OPEN: (
        "messages come in once it runs, to a supervisor once it is built or ordered",
        lambda row: row.enters(P.RUNNING, P.ORDERED) or (row.supervisor and row.event is E.BUILT),
    ),
    # The way out. A crash limits the time of the hook itself (`BREAK`).
    F.FAREWELL: (
        "an incarnation that leaves says farewell once",
        lambda row: row.enters(P.LEAVING) and row.event is not E.CRASH,
    ),
    F.BREAK: (
        "an incarnation that crashes while it lives breaks off",
        lambda row: row.enters(P.LEAVING) and row.event is E.CRASH,
    ),
    # After a kill each part has a time limit of its own. Only an order, and an exit of its own, have a grace.
    F.TIME: (
        "every order and own exit is timed unless a kill came first",
        lambda row: row.event is E.EXIT or (row.event is E.STOP and row.phase not in ABSENT | BEING_KILLED),
    ),
    F.REFUSE: (
        "a message that raises when the end is decided is refused",
        lambda row: row.event is E.CRASH and row.stays,
    ),
    # Once for each way there: a kill in these phases leads out of them, and comes back to have the rest hurry.
    F.END_BELOW: ("what lives below ends when nothing of it runs", lambda row: row.enters(*CLEARED)),
    # The reports
    F.REPORT_EXIT: ("an incarnation that was up is reported gone", lambda row: leaves(row, P.ENDING)),
    F.REPORT_FAILED: ("an incarnation whose start failed is reported so", lambda row: leaves(row, P.FAILING)),
    F.REPORT_DECLINED: ("an incarnation that declined is reported so", lambda row: leaves(row, P.DECLINING)),
    F.TELL: ("watchers are told before another incarnation", lambda row: row.event is E.SETTLE),
    F.SHUT_DOWN: ("an actor is shut down once, when it closes", lambda row: row.enters(P.CLOSED)),
}
"""For each effect the rule that says where it stands; in the order in which they stand where there are several."""


def leaves(row: Row, phase: Phase) -> bool:
    """Whether the row leads from this phase to one without an incarnation."""
    return row.phase is phase and row.to in ABSENT


def rows_of(supervisor: bool) -> list[Row]:
    """The rows of a kind, in the phases that it reaches."""
    phases = SUPERVISOR if supervisor else ACTOR
    reached, found = [Phase.NEW], []
    for phase in reached:
        for event in LifeEvent:
            to = phases[phase, event]
            if to is not None:
                found.append(Row(supervisor, phase, event, to))
                reached += [to] if to not in reached else []
    return found


def effects_of(row: Row) -> tuple[LifeEffect, ...]:
    """What the table has in this row."""
    found = transition(row.phase, row.event, supervisor=row.supervisor)
    return () if found is None else found[1]


@pytest.mark.parametrize("effect", LifeEffect, ids=lambda effect: RULES[effect][0])
@pytest.mark.parametrize("supervisor", KINDS)
def test_an_effect_stands_exactly_where_its_rule_says(supervisor: bool, effect: LifeEffect) -> None:
    """In no row too many, in none too few, and once."""
    rows = rows_of(supervisor)
    _, stands = RULES[effect]
    assert [row for row in rows for each in effects_of(row) if each is effect] == [row for row in rows if stands(row)]


@pytest.mark.parametrize("supervisor", KINDS)
def test_the_effects_of_a_row_stand_in_the_order_of_the_rules(supervisor: bool) -> None:
    """They are carried out in that order."""
    for row in rows_of(supervisor):
        effects = effects_of(row)
        assert list(effects) == [effect for effect in RULES if effect in effects], row


def test_a_kind_has_no_row_of_its_own_in_a_phase_it_never_reaches() -> None:
    """The rules above say nothing of these."""
    reached = [{row.phase for row in rows_of(supervisor)} for supervisor in (False, True)]
    assert [set(Phase) - phases for phases in reached] == [{Phase.ORDERED}, {Phase.RECALLED}]
    assert OF_AN_ACTOR.get(Phase.ORDERED) is None
    assert OF_A_SUPERVISOR.get(Phase.RECALLED) is None


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

"""The dispatcher by itself: what it decides, with a stand-in for all that it does to others."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from actors import ActorDeadError, Killed
from teams import Handoff, Member, NoCapableAgent, TeamHalted, WorkFailed, WorkTimeout, can, handoff, member, pool
from teams._dispatch.dispatcher import Dispatcher
from teams._dispatch.messages import CancelWork, EndRun
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.spec import TeamSpec
from teams._dispatch.state import DispatchState
from teams._dispatch.work import Assign, Reservation, Work
from teams._members.results import Outcome
from tests.support import steps


async def act(value: object) -> object:
    """Is never called."""
    return value


class Ref:
    """A member that is alive, or has terminated."""

    def __init__(self) -> None:
        self.alive = True
        self.killed = False

    def is_alive(self) -> bool:
        return self.alive

    def kill(self) -> None:
        self.killed = True


class Timer:
    """A timer that the test may look at."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Team:
    """A dispatcher, and the edge that notes what it does to others."""

    def __init__(self, *members: Member, **spec: Any) -> None:
        self.time = 0.0
        self.delivered: list[tuple[str, object]] = []
        self.reservations: list[Reservation] = []
        self.timers: list[Timer] = []
        self.answers: list[tuple[object, Outcome]] = []
        self.events: list[str] = []
        self.idles: list[str] = []
        self.state = DispatchState()
        self.state.roster = Roster((), lambda ref: ref.is_alive(), self.state.view)
        for each in members:
            for slot in self.state.roster.add(each, each.concurrency):
                self.state.roster.joined(slot, Ref())  # type: ignore[arg-type]
        self.spec = TeamSpec("crew", members, (), **{"handoffs": (), "max_hops": 10, "ageing": 60.0, **spec})
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        """The dispatcher of the next incarnation."""
        edge: Any = self
        return Dispatcher(self.spec, "crew", self.state, edge, lambda: self.time, Random(1))

    def deliver(self, slot: Slot, message: Any, reservation: Reservation) -> None:
        self.delivered.append((slot.id, message.value if hasattr(message, "context") else message))
        self.reservations.append(reservation)

    def call_due(self, work: str, at: float) -> Timer:
        self.timers.append(Timer(at))
        return self.timers[-1]

    def answer(self, reply: object, outcome: Outcome) -> None:
        self.answers.append((reply, outcome))

    def tell_event(self, kind: Callable[..., Any], *values: object) -> None:
        self.events.append(kind.__name__)

    def lost(self, slot: Slot) -> None:
        self.state.roster.vacated(slot)

    def idle(self, slot: Slot) -> None:
        self.idles.append(slot.id)

    def assign(self, value: object, to: Any, **options: Any) -> Work:
        work = self.dispatcher.assign(Assign(value, to, **options))
        self.dispatcher.wait_for(work, value)  # type: ignore[arg-type]
        return work

    def settle(self, value: object = None, error: BaseException | None = None, number: int = 0) -> None:
        """The member that got something as the next one, or a later one, answers."""
        reservation = self.reservations.pop(number)
        reservation.outcome = Outcome(value, error)
        self.dispatcher.settled(reservation)


def test_work_is_delivered_at_once_and_its_outcome_answers_every_caller() -> None:
    """Guards the way of one piece of work, and a second question with the same id."""
    crew = Team(member("a", act))
    crew.assign(1, "a", id="x")
    crew.dispatcher.wait_for(crew.dispatcher.assign(Assign(1, "a", "x")), "second")  # type: ignore[arg-type]
    assert crew.delivered == [("a", 1)]
    crew.settle("done")
    assert [(reply, outcome.value) for reply, outcome in crew.answers] == [(1, "done"), ("second", "done")]
    assert crew.state.works == {}
    assert crew.events == ["WorkBegan", "WorkEnded"]


def test_the_end_of_a_run_costs_the_same_however_much_work_others_have() -> None:
    """Guards that no work of others is looked at: a team plays many runs at a time."""

    def cost(count: int) -> int:
        crew = Team(member("a", act))
        for number in range(count):
            crew.assign(number, "a", id=f"{number}", run=f"run-{number % 5}")
        crew.assign("last", "a", id="last", run="over")
        end = EndRun("over", "its run has ended")
        spent = steps(lambda: crew.dispatcher.end_run(end))
        assert "last" not in crew.state.works
        assert len(crew.state.works) == count
        return spent

    assert cost(10_000) == cost(10)


def test_what_waits_is_done_by_priority_and_a_level_is_worth_its_ageing() -> None:
    """Guards the line: the more urgent first, unless the other has waited longer than a level is worth."""
    crew = Team(member("a", act), ageing=10.0)
    for value, priority, at in ((0, 0, 0.0), ("low", 0, 0.0), ("high", 1, 5.0), ("late", 1, 20.0)):
        crew.time = at
        crew.assign(value, "a", priority=priority)
    for _ in range(4):
        crew.settle()
    assert [value for _, value in crew.delivered] == [0, "high", "low", "late"]


def test_a_reservation_that_a_crash_left_is_settled_by_the_next_dispatcher() -> None:
    """Guards recover(): an outcome that the last incarnation was not told of is not lost and not counted twice."""
    crew = Team(member("a", act))
    crew.assign(1, "a")
    (reservation,) = crew.reservations
    reservation.outcome = Outcome("done")
    crew.dispatcher = crew.another()
    crew.dispatcher.recover()
    crew.dispatcher.settled(reservation)
    assert [outcome.value for _, outcome in crew.answers] == ["done"]
    assert crew.state.roster.slots["a"].reserved == 0


@pytest.mark.parametrize("crashes", [0, 1, 2])
def test_work_that_waits_in_a_paused_team_begins_once(crashes: int) -> None:
    """Guards at most once: each crash of the coordinator put the work into its line once more, and as often it was
    begun when the team went on.
    """
    crew = Team(member("a", act, concurrency=5))
    crew.state.paused = True
    crew.assign(1, "a")
    for _ in range(crashes):
        crew.dispatcher = crew.another()
        crew.dispatcher.recover()
    crew.state.paused = False
    crew.dispatcher.place_all()
    assert crew.delivered == [("a", 1)]


def test_work_that_had_not_begun_in_a_terminated_member_goes_to_another() -> None:
    """Guards at most once: what a member had begun is a failed attempt, what it had not begun is none."""
    crew = Team(member("w", act, role="r", count=2))
    for value in (1, 2):
        crew.assign(value, "r")
    ref: Any = crew.state.roster.slots["w-1"].ref
    ref.alive = False
    crew.settle(error=ActorDeadError("crew/members/w-1", Killed("boom"), 1))
    assert crew.answers == []
    crew.settle("second")
    assert crew.delivered[-1] == ("w-2", 1)
    crew.settle("first")
    assert [(reply, outcome.value) for reply, outcome in crew.answers] == [(2, "second"), (1, "first")]


def test_an_attempt_that_failed_is_repeated_as_often_as_the_caller_says() -> None:
    """Guards `attempts`, and the error of the last one."""
    crew = Team(member("a", act))
    crew.assign(1, "a", attempts=2)
    crew.settle(error=ValueError("one"))
    assert len(crew.delivered) == 2
    crew.settle(error=ValueError("two"))
    ((_, outcome),) = crew.answers
    assert isinstance(outcome.error, WorkFailed)
    assert str(outcome.error.error) == "two"


def test_a_slot_stays_reserved_until_a_cancelled_member_has_stopped() -> None:
    """Guards a time limit: the caller is answered at once, and the member gets nothing else before it has stopped."""
    crew = Team(member("a", act, on_timeout="kill"))
    crew.assign(1, "a", timeout=5.0)
    crew.assign(2, "a")
    assert crew.timers[0].at == 5.0
    crew.time = 5.0
    crew.dispatcher.due("work-1")
    ((_, outcome),) = crew.answers
    assert isinstance(outcome.error, WorkTimeout)
    ref: Any = crew.state.roster.slots["a"].ref
    assert ref.killed
    assert len(crew.delivered) == 1
    crew.settle("too late")
    assert crew.delivered[-1] == ("a", 2)
    assert len(crew.answers) == 1


def test_work_for_a_pool_outlives_the_slot_it_was_routed_to() -> None:
    """Guards routes: when the chosen slot is removed, another one of the pool is chosen; without any, the work ends."""
    crew = Team(member("w", act, role="r", count=2))
    for value in (1, 2, 3):
        crew.assign(value, pool("r", "round_robin"))
    slots = crew.state.roster.slots
    waiting = crew.state.works["work-3"]
    assert waiting.to == "w-1"
    crew.state.roster.remove(slots["w-1"])
    crew.dispatcher.fail_stranded(["w-1"])
    assert waiting.to == "w-2"
    crew.state.roster.remove(slots["w-2"])
    crew.dispatcher.fail_stranded(["w-2", "r"])
    assert isinstance(crew.answers[-1][1].error, NoCapableAgent)


def test_a_handoff_moves_the_work_and_a_loop_comes_back_to_its_giver() -> None:
    """Guards the owner: it changes in one step, and a handoff to one that had the work already is refused."""
    crew = Team(member("a", act, role="x"), member("b", act, role="y"), handoffs=(handoff("x", "y", "go"),))
    work = crew.assign(1, "a")
    crew.settle({"trigger": "go"})
    assert (crew.delivered[-1][0], work.owner, work.chain) == ("b", "b", ("a", "b"))
    crew.settle(Handoff("a"))
    assert (crew.delivered[-1][0], work.owner) == ("b", "b")
    assert "loop" in work.refused[0].why
    crew.settle("done")
    assert [outcome.value for _, outcome in crew.answers] == ["done"]


def test_a_halted_or_unable_team_refuses_work_and_takes_none_of_it() -> None:
    """Guards what is refused: nothing of it is left."""
    crew = Team(member("a", act))
    with pytest.raises(NoCapableAgent):
        crew.assign(1, can("fly"))
    crew.state.halted = "fire"
    with pytest.raises(TeamHalted):
        crew.assign(1, "a")
    assert crew.state.works == {}
    assert crew.state.view.works == (0, 0)


def test_a_slot_that_leaves_is_idle_when_its_last_work_has_ended() -> None:
    """Guards leave: what the slot has is done first, and cancelled work counts until the member has stopped."""
    crew = Team(member("a", act, concurrency=2))
    for value in (1, 2):
        crew.assign(value, "a")
    crew.state.roster.leave(crew.state.roster.slots["a"])
    assert crew.dispatcher.cancel(CancelWork("work-1", "no"))
    assert not crew.dispatcher.cancel(CancelWork("work-1", "no"))
    crew.settle()
    assert crew.idles == []
    crew.settle()
    assert crew.idles == ["a"]

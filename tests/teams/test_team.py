"""A team: members of every kind, roles, assignment, and bad specs."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pykka
import pytest

from actors import Actor, handles
from actors.testing import simulation
from supervisors import ChildStartError, SpecError, check, constant, start
from teams import (
    Accept,
    AlreadyMember,
    Context,
    Decline,
    Done,
    Emit,
    Handoff,
    HandoffRefused,
    NoCapableAgent,
    Offer,
    RoleFull,
    TeamHalted,
    TeamRef,
    UnknownMember,
    UnknownRole,
    WorkFailed,
    WorkTimeout,
    can,
    first,
    goal,
    handoff,
    member,
    pool,
    role,
    team,
)
from teams.patterns import sequential
from teams.resilience import retry


async def echo(value: Any) -> Any:
    """Gives back what it gets."""
    return value


def blocking(value: Any) -> str:
    """Says in which thread it ran."""
    return f"{value} in {'main' if threading.current_thread() is threading.main_thread() else 'a thread of its own'}"


async def slow(value: Any) -> Any:
    """Takes five seconds."""
    await asyncio.sleep(5.0)
    return value


class Typed(Actor):
    """An actor of the user's."""

    @handles
    def number(self, message: int) -> int:
        return message + 1


class Old(pykka.ThreadingActor):
    """A plain pykka actor."""

    def on_receive(self, message: Any) -> Any:
        return f"pykka got {message}"


class Picky(Actor):
    """An actor that is asked before work is handed to it."""

    @handles
    def consider(self, offer: Offer) -> Accept | Decline:
        return Accept() if offer.work != "dull" else Decline("too dull")

    def on_receive(self, message: Any) -> str:
        return f"picked {message}"


def crew_of(root: Any) -> TeamRef:
    """The ref of a team, for a checker."""
    assert isinstance(root, TeamRef)
    return root


def test_a_member_may_be_a_function_an_actor_or_a_pykka_actor() -> None:
    """Guards what most people have: nothing has to be rewritten to work in a team."""
    crew_spec = team(
        "crew",
        member("async", echo),
        member("thread", blocking),
        member("bound", partial(pow, 2)),
        member("actor", Typed),
        member("pykka", Old),
        member("named", "operator:neg", host="loop"),
    )
    with start(crew_spec, log=False) as root:
        crew = crew_of(root)
        assert crew.assign("a", "async").get() == "a"
        assert crew.assign("b", "thread").get() == "b in a thread of its own"
        assert crew.assign(5, "bound").get() == 32
        assert crew.assign(1, "actor").get() == 2
        assert crew.assign("c", "pykka").get() == "pykka got c"
        assert crew.assign(3, "named").get() == -3
        assert crew.member("async").ask("d") == "d"


def test_work_goes_by_member_by_role_and_by_capability() -> None:
    """Guards the three ways to say who shall do it, and that a role lends its capabilities."""
    crew_spec = team(
        "crew",
        role("expert", "knows it all", capabilities={"explain"}),
        member("ann", echo, role="expert"),
        member("bob", lambda value, context: context.member, host="loop", capabilities={"sign"}),
    )
    with start(crew_spec, log=False) as root:
        crew = crew_of(root)
        assert crew.assign(1, "ann").get() == crew.assign(1, "expert").get() == crew.assign(1, can("explain")).get()
        assert crew.assign(1, can("sign")).get() == "bob"
        with pytest.raises(NoCapableAgent, match=r"can\('fly'\)"):
            crew.assign(1, can("fly")).get()


def test_a_bad_team_is_refused_with_every_fault() -> None:
    """Guards the check of specs: all that is wrong is said at once, before anything starts."""
    with pytest.raises(SpecError) as error:
        team(
            "crew",
            role("expert", max_members=1),
            member("ann", echo, role="expert", count=2),
            member("bob", echo, role="novice"),
            member("bob", echo),
            echo,  # type: ignore[arg-type]
            handoffs=[handoff("expert", "nobody", "done")],
            max_hops=-1,
            ageing=0,
        )
    text = str(error.value)
    for part in ("max_members is 1", "'novice' is not declared", "2 members have it", "write member()"):
        assert part in text
    for part in ("'nobody'", "max_hops", "ageing"):
        assert part in text


def test_a_bad_member_is_refused_with_every_fault() -> None:
    """Guards the check of members."""
    with pytest.raises(SpecError) as error:
        member("a/b", Typed, capabilities="fly", count=0, concurrency=2, accepts=bool, on_timeout="wait")  # type: ignore[arg-type]
    text = str(error.value)
    for part in (
        "capabilities",
        "count",
        "concurrency is for functions",
        "accepts is for functions",
        "on_timeout",
        "'/'",
    ):
        assert part in text
    for work in ("nowhere:nothing", "no colon", 42, dict):
        with pytest.raises(SpecError, match="work:"):
            member("x", work)  # type: ignore[arg-type]


def test_a_crash_is_the_askers_to_see_and_the_member_goes_on() -> None:
    """Guards survival: the function that fails is restarted, and the cause is told."""

    async def fragile(value: int) -> float:
        return 1 / value

    with start(team("crew", member("fragile", fragile, backoff=None)), log=False) as root:
        crew = crew_of(root)
        with pytest.raises(WorkFailed) as error:
            crew.assign(0, "fragile").get()
        assert isinstance(error.value.__cause__, ZeroDivisionError)
        assert crew.assign(2, "fragile").get() == 0.5


def test_work_is_handed_on_with_its_chain() -> None:
    """Guards the handoff as a function says it: whoever gets it knows who had it."""

    async def first(value: str) -> Handoff:
        return Handoff("second", reason="not mine")

    async def second(value: str, context: Context) -> tuple[str, tuple[str, ...]]:
        return value, context.chain

    with start(team("crew", member("first", first), member("second", second)), log=False) as root:
        assert crew_of(root).assign("w", "first").get() == ("w", ("first",))


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_handoff_loop_of_any_length_is_refused(length: int) -> None:
    """Guards the loop: it comes back to the giver, and one that insists fails the work with the loop in the error."""

    async def around(value: object, context: Context) -> Handoff:
        return Handoff(f"m{(int(context.member[1:]) + 1) % length}")

    crew_spec = team("crew", *(member(f"m{number}", around) for number in range(length)))
    with start(crew_spec, log=False) as root:
        with pytest.raises(HandoffRefused, match="loop") as error:
            crew_of(root).assign("w", "m0").get(timeout=10)
        assert error.value.giver == f"m{length - 1}"


def test_a_refusal_comes_back_to_the_giver_which_may_do_without() -> None:
    """Guards refusals: declined by its receiver, the work is its giver's again, which learns why."""

    async def giver(value: str, context: Context) -> object:
        return Handoff("picky") if not context.refused else f"did {value} myself: {context.refused[0].why}"

    with start(team("crew", member("giver", giver), member("picky", Picky)), log=False) as root:
        crew = crew_of(root)
        assert crew.assign("fun", "giver").get() == "picked fun"
        assert crew.assign("dull", "giver").get() == "did dull myself: declined by picky: too dull"


def test_hops_are_limited() -> None:
    """Guards against work that is passed around without end."""

    async def on(value: object, context: Context) -> Handoff:
        return Handoff(f"m{int(context.member[1:]) + 1}")

    crew_spec = team("crew", *(member(f"m{number}", on) for number in range(6)), max_hops=3)
    with start(crew_spec, log=False) as root, pytest.raises(HandoffRefused, match="3 times already"):
        crew_of(root).assign("w", "m0").get(timeout=10)


def test_a_rule_hands_results_on_and_transforms_them() -> None:
    """Guards automatic handoffs: by name, by class and by predicate."""

    async def research(topic: str) -> object:
        return Done("research_complete", {"topic": topic})

    async def analyse(data: dict[str, object]) -> int:
        return len(str(data["research"]))

    async def write(length: int) -> str:
        return f"a report of {length}"

    crew_spec = team(
        "crew",
        member("ann", research, role="researcher"),
        member("bob", analyse, role="analyst"),
        member("cid", write, role="writer"),
        handoffs=[
            handoff("researcher", "analyst", "research_complete", transform=lambda data: {"research": data}),
            handoff("analyst", "writer", int),
        ],
    )
    with start(crew_spec, log=False) as root:
        assert crew_of(root).assign("AI", "researcher").get() == "a report of 15"


def test_a_time_limit_is_kept_and_the_function_cancelled() -> None:
    """Guards the limit: the asker has it on the second, and the member is free again."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("slow", slow)))
        late = crew.assign(1, "slow", timeout=2.0)
        sim.run(until=2.5)
        with pytest.raises(WorkTimeout, match="slow had it"):
            late.get()
        (seat,) = crew.roster().get()
        assert seat.reserved == 0
        assert crew.assign(2, "slow").get() == 2
        assert sim.now == 7.5


def test_more_urgent_work_goes_first_and_waiting_counts_as_urgency() -> None:
    """Guards priorities with ageing: a low one does not starve behind a stream of high ones."""
    order: list[Any] = []

    async def note(value: Any) -> None:
        order.append(value)
        await asyncio.sleep(1.0)

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("one", note), ageing=10.0))
        crew.assign("first", "one")
        crew.assign("low", "one", priority=0)
        for number in range(30):
            sim.advance(1.0)
            crew.assign(number, "one", priority=1)
        sim.advance(40.0)
    assert order[0] == "first"
    assert order.index("low") <= 12


def test_members_join_and_leave_while_the_team_runs() -> None:
    """Guards the roster: new ones get work, those that leave finish what they have."""
    crew_spec = team("crew", role("expert", max_members=2), member("ann", echo, role="expert"))
    with simulation() as sim:
        crew: Any = sim.start(crew_spec)
        assert crew.join(member("bob", slow, role="expert")).get() == ("bob",)
        for joining, error in (
            (member("bob", echo), AlreadyMember),
            (member("cid", echo, role="expert"), RoleFull),
            (member("dan", echo, role="cook"), UnknownRole),
        ):
            with pytest.raises(error):
                crew.join(joining).get()
        last = crew.assign("last", "bob")
        left = crew.leave("bob")
        assert left.get() == ("bob",)
        assert last.get() == "last"
        with pytest.raises(NoCapableAgent):
            crew.assign("more", "bob").get()
        with pytest.raises(UnknownMember):
            crew.leave("bob").get()
        assert [seat.id for seat in crew.roster().get()] == ["ann"]


def test_a_member_that_does_not_come_up_does_not_join() -> None:
    """Guards joining: it fails whole, with the reason, and the team is as it was."""

    class Broken(Actor):
        def on_start(self) -> None:
            raise OSError("no disk")

    with start(team("crew", member("ann", echo)), log=False) as root:
        crew = crew_of(root)
        with pytest.raises(Exception, match="no disk"):
            crew.join(member("broken", Broken)).get()
        assert [seat.id for seat in crew.roster().get()] == ["ann"]


def test_a_paused_team_begins_nothing_and_goes_on_afterwards() -> None:
    """Guards pausing: what has begun is finished, what waits is kept."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("slow", slow)))
        begun = crew.assign(1, "slow")
        sim.advance(1.0)
        assert crew.pause_work().get() is True
        waiting = crew.assign(2, "slow")
        sim.advance(20.0)
        assert begun.done()
        assert not waiting.done()
        assert crew.resume_work().get() is True
        assert crew.resume_work().get() is False
        assert waiting.get() == 2


def test_the_kill_switch_stops_everything_until_it_is_reset() -> None:
    """Guards the kill switch: work under way fails at once, nothing is begun, and a reset starts afresh."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("slow", slow, count=2)))
        work = [crew.assign(number, "slow") for number in range(4)]
        sim.advance(1.0)
        for _ in range(3):
            crew.halt("it went wrong").get()
            for each in [*work, crew.assign(9, "slow")]:
                with pytest.raises(TeamHalted, match="it went wrong"):
                    each.get()
            assert sim.now < 2.0
            assert crew.runtime.find("crew/members/slow-1") is None
            crew.reset().get()
        assert crew.assign(5, "slow").get() == 5


def test_a_team_that_dies_while_it_is_asked_answers() -> None:
    """Guards everybody who waits: the end of the team is an answer."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("slow", slow), restart="temporary"))
        pending = crew.assign(1, "slow")
        sim.advance(1.0)
        crew.stop(block=False)
        sim.advance(10.0)
        with pytest.raises((pykka.ActorDeadError, WorkFailed)):
            pending.get()
        with pytest.raises(pykka.ActorDeadError):
            crew.assign(2, "slow").get()


def test_a_policy_goes_around_the_function_of_a_member() -> None:
    """Guards `through`: what the policy gets over is no crash, for functions that wait and for those that block."""
    tries = {"async": 0, "plain": 0}

    async def flaky(value: int) -> int:
        tries["async"] += 1
        if tries["async"] < 3:
            raise OSError("again")
        return value

    def blocks(value: int) -> int:
        tries["plain"] += 1
        if tries["plain"] < 3:
            raise OSError("again")
        return value

    guarded = retry(3, backoff=constant(0.01))
    crew_spec = team("crew", member("waits", flaky, through=guarded), member("blocks", blocks, through=retry(3)))
    with start(crew_spec, log=False) as root:
        crew = crew_of(root)
        assert crew.assign(1, "waits").get() == 1
        assert crew.assign(2, "blocks").get() == 2
        assert crew.member("waits").incarnation == crew.member("blocks").incarnation == 1


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda crew: crew.assign(1, ["echo"]), r"crew\.assign\(\): to: must be .*\['echo'\]"),
        (lambda crew: crew.assign(1, ""), "to: must be the name of a member"),
        (lambda crew: crew.assign(1, "echo", timeout="3"), "timeout: must be more than 0 seconds, .*'3'"),
        (lambda crew: crew.assign(1, "echo", timeout=float("nan")), "timeout: .*nan"),
        (lambda crew: crew.assign(1, "echo", priority="high"), "priority: must be a whole number, got 'high'"),
        (lambda crew: crew.assign(1, "echo", priority=None), "priority: must be a whole number, got None"),
        (lambda crew: crew.assign(1, "echo", attempts=0), "attempts: must be an integer >= 1, got 0"),
        (lambda crew: crew.assign(1, None, timeout=-1, attempts="2"), "3 faults"),
        (lambda crew: crew.broadcast(1, ["echo"], policy="first", within=0), "3 faults"),
        (lambda crew: crew.broadcast(1, policy=first), "policy: must be collect"),
        (lambda crew: crew.tell_all(1, 3), "to: must be"),
        (lambda crew: crew.join(echo), r"member: must be made by member\(\)"),
        (lambda crew: crew.halt(None), "reason: must be a text, got None"),
        (lambda crew: crew.play("echo"), "pattern: must be one, .*'echo'"),
        (lambda crew: crew.check(3), "pattern: must be one"),
    ],
)
def test_a_bad_argument_is_refused_where_it_is_given_and_costs_the_team_nothing(ask: Any, named: str) -> None:
    """Guards everybody else in the team: the coordinator is not told of what would crash it."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("echo", echo)))
        for _ in range(2):
            with pytest.raises(SpecError, match=named):
                ask(crew)
        assert crew.assign(1, "echo").get() == 1
        assert crew.ledger().get() == ()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (lambda: Handoff(["echo"]), r"to: must be .*\['echo'\]"),  # type: ignore[arg-type]
        (lambda: Emit("not a topic"), "a topic is words.*'not a topic'"),
        (lambda: [Emit("fine"), Emit("")], "a topic is words"),
    ],
)
def test_a_member_that_answers_nonsense_fails_its_own_work_and_nobody_elses(bad: Any, named: str) -> None:
    """Guards the coordinator against what members return: their work fails, with the value named."""

    async def odd(value: Any) -> Any:
        return bad()

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("odd", odd), member("echo", echo)))
        for _ in range(3):
            with pytest.raises(WorkFailed, match=named):
                crew.assign(1, "odd").get()
        assert crew.assign(1, "echo").get() == 1
        assert [each.child for each in crew.ledger().get()] == []


def test_capabilities_may_come_from_an_iterator() -> None:
    """Guards against losing what can be read only once."""
    assert member("a", echo, capabilities=(each for each in ("x", "y"))).capabilities == {"x", "y"}
    assert role("a", capabilities=iter(["x"])).capabilities == {"x"}


def test_everything_that_is_wrong_with_the_arguments_of_a_team_is_told_at_once() -> None:
    """Guards against faults that come one at a time, and against faults of ours in their place."""
    nonsense: Any = {
        "handoffs": ["a"],
        "choreographies": handoff("a", "a", "x"),
        "goal": "a",
        "strategy": "some",
        "period": -1,
        "on_failure": 3,
        "max_hops": -1,
    }
    with pytest.raises(SpecError, match="pattern: must be one, .*'a'"):
        goal("a")  # type: ignore[arg-type]
    with pytest.raises(SpecError) as caught:
        team("crew", member("a", echo), member("a", echo), **nonsense)
    told = str(caught.value)
    assert len(caught.value.faults) == 8
    for each in ("handoffs", "choreographies", "goal", "strategy", "period", "on_failure", "max_hops", "2 members"):
        assert each in told


def test_everything_that_is_wrong_with_the_arguments_of_a_member_is_told_at_once() -> None:
    """Guards against faults that come one at a time, and against faults of ours in their place."""
    nonsense: Any = {"accepts": 3, "through": 4, "subscribes": 5, "count": 0}
    with pytest.raises(SpecError) as caught:
        member("a", echo, **nonsense)
    assert len(caught.value.faults) == 4
    for each in ("accepts: must be callable, got 3", "through: must be callable, got 4", "got 5", "count"):
        assert each in str(caught.value)


async def several(value: Any) -> Any:
    """A generator."""
    yield value


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda: 1, "too many positional arguments"),
        (lambda a, b, c: 1, "missing a required argument: 'c'"),
        (lambda a, *, context: 1, "missing a required .*argument: 'context'"),
        (several, "several is a generator, .*return a list"),
    ],
)
def test_a_function_that_cannot_be_called_with_work_is_refused_when_it_is_made_a_member(
    function: Any, named: str
) -> None:
    """Guards against a member that would crash over every piece of work, or answer with what nobody can use."""
    with pytest.raises(SpecError, match=named):
        member("a", function)


class Caller:
    """An object whose call is a coroutine."""

    async def __call__(self, value: Any, context: Context | None = None) -> str:
        assert context is not None
        return context.member


class Heir(Caller):
    """One that inherits its call."""


@pytest.mark.parametrize("function", [Caller(), Heir(), partial(Heir()), Caller().__call__])
def test_an_object_whose_call_is_async_works_on_the_loop_and_gets_its_context(function: Any) -> None:
    """Guards the host and the context of everything that can be called."""
    made = member("a", function)
    assert [spec.host for spec in made.specs] == ["loop"]
    with simulation() as sim:
        crew: Any = sim.start(team("crew", made))
        assert crew.assign(1, "a").get() == "a"


def test_halts_and_resets_that_overlap_are_done_one_after_another() -> None:
    """Guards the kill switch in haste: each future settles when what it asked for is so, and the last order counts."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("slow", slow, count=2)))
        first_halt, second_halt = crew.halt("fire"), crew.halt("again")
        second_halt.get()
        assert first_halt.done()
        assert crew.runtime.find("crew/members/slow-1") is None
        crew.reset().get()
        crew.halt("fire")
        resets = [crew.reset(), crew.reset()]
        assert [each.get() for each in resets] == [None, None]
        assert crew.assign(1, "slow").get() == 1
        crew.halt("fire").get()
        crew.reset()
        crew.halt("not yet").get()
        assert crew.runtime.find("crew/members/slow-1") is None
        with pytest.raises(TeamHalted, match="not yet"):
            crew.assign(1, "slow").get()
        crew.reset().get()
        assert crew.assign(2, "slow").get() == 2


def test_a_reset_that_failed_may_be_tried_again() -> None:
    """Guards a halted team against staying down for ever because somebody did not come up once."""
    starts: list[int] = []

    class Moody(Actor):
        def on_start(self) -> None:
            starts.append(1)
            if len(starts) == 2:
                raise OSError("not today")

        def on_receive(self, message: object) -> object:
            return message

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("moody", Moody), member("slow", slow)))
        crew.halt().get()
        with pytest.raises(ChildStartError, match="not today"):
            crew.reset().get()
        with pytest.raises(TeamHalted):
            crew.assign(1, "slow").get()
        crew.reset().get()
        assert crew.assign(1, "moody").get() == 1
        assert crew.assign(1, "slow").get() == 1


@pytest.mark.parametrize("function", [echo, partial(echo), Heir()])
def test_an_async_function_is_refused_where_nobody_awaits_it(function: Any) -> None:
    """Guards against coroutines, all of which are true: everything would be accepted, and every rule would fire."""
    for make in (
        lambda: handoff("a", "b", function),
        lambda: handoff("a", "b", "x", transform=function),
        lambda: pool("a", "consistent_hash", key=function),
    ):
        with pytest.raises(SpecError, match="must be a plain function, .* is async"):
            make()


def test_an_async_accepts_is_awaited() -> None:
    """Guards `accepts` that asks somebody else: a coroutine is no yes."""

    async def picky(value: int) -> bool | str:
        return value != 2 or "not two"

    def giver(value: int) -> Handoff:
        return Handoff("taker")

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("giver", giver), member("taker", echo, accepts=picky)))
        assert crew.assign(1, "giver").get() == 1
        with pytest.raises(HandoffRefused, match="not two"):
            crew.assign(2, "giver").get()


def test_nobody_joins_under_a_name_that_could_mean_a_role_or_a_member() -> None:
    """Guards the rule that a team is made by: work for a name goes to those it means."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", echo, role="clerk"), member("b", echo)))
        for newcomer in (member("clerk", echo), member("c", echo, role="b")):
            with pytest.raises(AlreadyMember, match="already has a member or role '(clerk|b)'"):
                crew.join(newcomer).get()
        assert crew.join(member("d", echo, role="d")).get() == ("d",)
        assert crew.join(member("e", echo, role="clerk")).get() == ("e",)


def test_when_nobody_is_left_to_try_again_the_last_failure_is_the_cause() -> None:
    """Guards the reason: that nobody is able is only what followed from it."""

    async def breaks(value: Any) -> Any:
        raise OSError("lost")

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("a", breaks, restart="temporary")))
        with pytest.raises(NoCapableAgent) as caught:
            crew.assign(1, "a", attempts=5).get()
        assert "lost" in str(caught.value.__cause__)


@pytest.mark.parametrize("max_restarts", [5, 0, None])
def test_check_remarks_on_nothing_a_team_is_made_of_that_nobody_wrote(max_restarts: int | None) -> None:
    """Guards `letitcrash check`: what it says of a team is about its members and its options."""
    for aim in (None, goal(sequential("echo"))):
        assert check(team("crew", member("echo", echo), goal=aim, max_restarts=max_restarts)).findings == ()
    busy = team("crew", member("echo", echo, backoff=None), max_restarts=None)
    assert {each.path for each in check(busy).findings} == {"crew/members/echo"}

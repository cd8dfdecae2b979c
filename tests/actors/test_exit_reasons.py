"""Exit reasons: why an incarnation ended, as values (supervision.md, "Exit reasons")."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    ActorCrashed,
    Crashed,
    CrashedExit,
    Exited,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    RestartLimitExceeded,
    Shutdown,
)
from tests.actors.cast import AsyncPlayer, Player, Starter, crash, forever, script, stage, wait_then_crash
from tests.support import in_loop

RAISED = [
    ValueError("bad"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    StopIteration(1),
]
RAISED_BY_COROUTINES = [error for error in RAISED if not isinstance(error, StopIteration)]


def reasons() -> st.SearchStrategy[ExitReason]:
    plain: st.SearchStrategy[ExitReason] = st.one_of(
        st.just(Normal()),
        st.just(NoProc()),
        st.builds(Shutdown, st.none() | st.text()),
        st.builds(Killed, st.none() | st.text()),
        st.builds(Crashed, st.builds(ValueError, st.text())),
    )
    return plain | st.builds(RestartLimitExceeded, st.text(), st.text(), st.integers(), st.floats(0, 9), plain)


@given(reasons())
def test_a_reason_survives_pickling_and_compares_by_value(reason: ExitReason) -> None:
    """Guards reasons that cross a process: they are values, not objects with an identity."""
    copy = pickle.loads(pickle.dumps(reason))
    assert copy == reason
    assert hash(copy) == hash(reason)
    assert str(copy) == str(reason)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Normal(), True),
        (Shutdown(), True),
        (Shutdown("why"), True),
        (Killed(), False),
        (Crashed(ValueError()), False),
        (NoProc(), False),
        (RestartLimitExceeded("root", "a", 1, 1.0, Killed()), False),
    ],
)
def test_normal_and_shutdown_are_expected_and_the_rest_is_abnormal(reason: ExitReason, expected: bool) -> None:
    """Guards the table of restarts, which asks nothing else of a reason; a supervisor that gave up is abnormal."""
    assert reason.expected is expected


def test_crashes_are_equal_when_their_exceptions_say_the_same() -> None:
    """Guards comparisons: an exception itself compares by identity."""
    assert Crashed(ValueError("a")) == Crashed(ValueError("a"))
    assert Crashed(ValueError("a")) != Crashed(ValueError("b"))
    assert Crashed(ValueError("a")) != Crashed(TypeError("a"))
    assert Crashed(ValueError("a")) != Killed()


@pytest.mark.parametrize("make", [crash, wait_then_crash])
@pytest.mark.parametrize("error", RAISED_BY_COROUTINES, ids=lambda error: type(error).__name__)
@in_loop
async def test_any_exception_of_a_handler_on_the_loop_crashes_its_actor_alone(
    error: BaseException, make: Callable[[BaseException], Any]
) -> None:
    """Guards the loop and the neighbours against SystemExit and its like, from plain and waiting handlers."""
    async with stage() as w:
        victim, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        down = victim.monitor()
        victim.tell(make(error))
        assert (await down).reason == Crashed(error)
        assert not victim.is_alive()
        assert await other.call("alive") == "alive"


@pytest.mark.parametrize("make", [crash, wait_then_crash])
@pytest.mark.parametrize("error", RAISED_BY_COROUTINES, ids=lambda error: type(error).__name__)
@in_loop
async def test_any_exception_of_a_handler_on_a_thread_crashes_its_actor_alone(
    error: BaseException, make: Callable[[BaseException], Any]
) -> None:
    """Guards pykka's trap: there, SystemExit in one actor stops every actor of the process."""
    async with stage() as w:
        victim = await w.runtime.spawn(AsyncPlayer, host="thread")
        other = await w.runtime.spawn(Player, host="thread")
        down = victim.monitor()
        victim.tell(make(error))
        assert (await down).reason == Crashed(error)
        assert await other.call("alive") == "alive"


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_plain_handler_that_raises_stop_iteration_crashes_like_any_other(host: str) -> None:
    """Guards against StopIteration being taken for the end of a coroutine."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        down = ref.monitor()
        with pytest.raises(ActorCrashed):
            await ref.call(crash(StopIteration(7)))
        assert (await down).reason == Crashed(StopIteration(7))


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_an_asker_gets_an_exception_it_survives(host: str, error: BaseException) -> None:
    """Guards the asker: SystemExit in the asked actor must not end the asker too."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        with pytest.raises(ActorCrashed) as caught:
            await ref.call(crash(error))
        assert caught.value.cause is error


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_an_actor_that_stops_itself_exits_normal(host: str) -> None:
    """Guards the difference between its own wish and an order."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        ended = ref.ended()
        ref.tell(lambda self: self.stop())
        assert await ended == Normal()


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_an_actor_that_was_told_to_stop_exits_shutdown(host: str, drain: bool) -> None:
    """Guards the reason of an order, whichever way it travels."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        ended = ref.ended()
        assert await ref.stop(block=False, drain=drain) is True
        assert isinstance(await ended, Shutdown)


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_an_actor_that_was_killed_exits_killed_and_runs_no_hook(host: str) -> None:
    """Guards the meaning of a kill: the actor has no say."""
    async with stage() as w:
        told: list[str] = []
        hooks = {"on_stop": lambda _: told.append("stop"), "on_failure": lambda _: told.append("failure")}
        ref = await w.runtime.spawn(Starter, args=hooks, host=host)
        ended = ref.ended()
        ref.kill()
        assert isinstance(await ended, Killed)
        assert told == []


@in_loop
async def test_the_end_of_the_runtime_is_a_shutdown_to_its_actors() -> None:
    """Guards the reason seen by those who watch while an application ends."""
    async with stage() as w:
        ended = (await w.runtime.spawn(Player)).ended()
    assert isinstance(await ended, Shutdown)


@in_loop
async def test_asking_about_an_actor_that_is_gone_gives_noproc() -> None:
    """Guards the fifth reason: it says that nobody saw the end."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.stop(block=False)
        assert (await ref.monitor()).reason == NoProc()


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_stop_hook_that_raises_makes_the_exit_a_crash(host: str) -> None:
    """Guards against an end that looks orderly and was not."""
    async with stage() as w:
        ref = await w.runtime.spawn(Starter, args={"on_stop": crash(OSError("disk"))}, host=host)
        ended = ref.ended()
        await ref.stop(block=False)
        assert await ended == Crashed(OSError("disk"))


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_failure_hook_that_raises_does_not_hide_the_first_exception(host: str) -> None:
    """Guards the cause: what the hook raises itself is dropped in its favour."""
    async with stage() as w:
        ref = await w.runtime.spawn(Starter, args={"on_failure": crash(OSError("hook"))}, host=host)
        ended = ref.ended()
        ref.tell(crash(ValueError("cause")))
        assert await ended == Crashed(ValueError("cause"))


@in_loop
async def test_a_stop_hook_that_never_returns_is_cancelled_when_its_time_is_up() -> None:
    """Guards rule 17 on the loop: told, waited for, killed."""
    async with stage() as w:
        ref = await w.runtime.spawn(Starter, args={"on_stop": forever}, shutdown=3.0)
        ended = ref.ended()
        ref.stop(block=False)
        await w.advance(2.9)
        assert not ended.done()
        await w.advance(0.2)
        assert isinstance(await ended, Killed)


@in_loop
async def test_a_failure_hook_that_never_returns_does_not_hide_the_crash() -> None:
    """Guards the supervisor's ear: a crash is reported at the latest when the time to stop is up, with its own
    reason.
    """
    async with stage() as w:
        ref = await w.runtime.spawn(Starter, args={"on_failure": forever}, shutdown=3.0)
        ended = ref.ended()
        ref.tell(crash(ValueError("cause")))
        await w.advance(3.1)
        assert await ended == Crashed(ValueError("cause"))
        assert [reason for reason, _ in w.dead_letters] == ["crashed"]


@in_loop
async def test_exactly_one_exit_event_is_published_for_each_incarnation() -> None:
    """Guards sinks that count exits: crashes have their own event, and it is not doubled."""
    async with stage() as w:
        for how in (crash(ValueError()), lambda self: self.stop()):
            ref = await w.runtime.spawn(Player)
            ended = ref.ended()
            ref.tell(how)
            await ended
        assert [type(event) for event in w.seen(Exited)] == [CrashedExit, Exited]


def test_a_crash_seen_from_a_script_is_the_same_crash() -> None:
    """Guards the blocking forms: `wait` and `ask` tell a thread what `ended` and `call` tell a coroutine."""
    with script() as runtime:
        ref = runtime.spawn(Player).get()
        with pytest.raises(ValueError, match="bad"):
            ref.ask(crash(ValueError("bad")))
        assert ref.wait(timeout=10) == Crashed(ValueError("bad"))

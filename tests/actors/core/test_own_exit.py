"""An actor ends itself with a reason of its own (`Actor.exit`)."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    ActorDeadError,
    Crashed,
    Down,
    Exited,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    RestartLimitExceeded,
    RuntimeLost,
    Shutdown,
)
from actors.spi import finish, sleep
from actors.testing import Simulation, simulation
from supervisors import child, start, supervisor
from tests.actors.cast import AsyncPlayer, Host, Player, Starter, crash, seen_by, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]
ERROR = OSError("disk")
REASONS = [Normal(), Shutdown(), Shutdown("done"), Crashed(ERROR)]
ids = [str(reason) for reason in REASONS]


class Ender(AsyncPlayer):
    """Notes its hooks of the end in a list that outlives it."""

    ends: ClassVar[list[str]] = []

    def on_stop(self) -> None:
        self.ends.append("on_stop")

    def on_failure(self, *_: Any) -> None:
        self.ends.append("on_failure")


def leave(reason: ExitReason) -> Any:
    """A message whose handler exits, and still answers."""

    def act(self: Any) -> str:
        self.exit(reason)
        return "answer"

    return act


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("reason", REASONS, ids=ids)
def test_an_exit_has_the_reason_and_the_hook_that_the_actor_chose(reason: ExitReason, host: Host) -> None:
    Ender.ends.clear()
    with simulation() as sim:
        watcher, ref = sim.spawn(Player), sim.spawn(Ender, host=host)
        watcher.ask(lambda self: self.monitor(ref))
        assert ref.ask(leave(reason)) == "answer"
        assert ref.wait(timeout=1) == reason
        sim.settle()
        assert [down.reason for down in seen_by(watcher) if isinstance(down, Down)] == [reason]
        assert Ender.ends == ["on_failure" if isinstance(reason, Crashed) else "on_stop"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("reason", REASONS, ids=ids)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_the_restart_policy_sees_the_reason_of_an_own_exit(reason: ExitReason, restart: Any, host: Host) -> None:
    """Supervision rule 5, row by row; and the ledger names what came of it."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Ender, restart=restart, backoff=None, host=host)))
        ref = root.child("a")
        ref.tell(leave(reason))
        sim.settle()
        again = restart == "permanent" or (restart == "transient" and isinstance(reason, Crashed))
        assert ref.incarnation == (2 if again else 1)
        outcomes = [(each.incarnation, each.outcome) for each in root.ledger().get()]
        assert outcomes == ([(1, "restarted")] if again else [(1, "cancelled")] if isinstance(reason, Crashed) else [])


def test_a_failure_callback_hears_of_a_crash_that_the_actor_chose() -> None:
    heard: list[str] = []
    with simulation() as sim:
        spec = supervisor(
            "root", child("a", Player, backoff=None), on_failure=lambda failure: heard.append(failure.child)
        )
        ref = sim.start(spec).child("a")
        for reason in (Shutdown("done"), Crashed(ERROR)):
            ref.tell(leave(reason))
            sim.settle()
        assert (ref.incarnation, heard) == (3, ["a"])


@pytest.mark.parametrize("host", HOSTS)
def test_no_message_is_handled_after_an_exit_and_the_next_life_has_them(host: Host) -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None, host=host))).child("a")
        ref.suspend()
        ref.tell(leave(Shutdown("done")))
        answer = ref.ask(lambda self: self.incarnation, block=False)
        ref.resume()
        assert answer.get(timeout=1) == 2


@given(st.lists(st.sampled_from(["before", "exit", "told", "crash"]), min_size=1, max_size=8))
def test_the_first_exit_of_an_incarnation_is_its_reason(acts: list[str]) -> None:
    """In one handler: what comes after the first call changes nothing, an exception included."""
    with simulation() as sim:
        ref = sim.spawn(Player)

        def act(self: Any) -> None:
            for number, each in enumerate(acts):
                if each == "exit":
                    self.exit(Shutdown(str(number)))
                elif each == "told":
                    self.stop()
                elif each == "crash":
                    raise ERROR

        ref.tell(act)
        sim.settle()
        firsts = [number for number, each in enumerate(acts) if each == "exit"]
        crashes = [number for number, each in enumerate(acts) if each == "crash"]
        if firsts and (not crashes or firsts[0] < crashes[0]):
            assert ref.wait(timeout=0) == Shutdown(str(firsts[0]))
        elif crashes:
            assert ref.wait(timeout=0) == Crashed(ERROR)
        else:
            assert ref.is_alive() == ("told" not in acts)


def test_an_exit_waits_for_the_handlers_under_way() -> None:
    class Two(AsyncPlayer):
        concurrency = 2

    with simulation() as sim:
        ref = sim.spawn(Two)

        async def slow(_: Any) -> str:
            await asyncio.sleep(1)
            return "slow"

        answer = ref.ask(slow, block=False)
        ref.tell(leave(Crashed(ERROR)))
        sim.settle()
        assert (ref.status().state, answer.done()) == ("stopping", False)
        sim.advance(1)
        assert (answer.get(), ref.wait(timeout=0)) == ("slow", Crashed(ERROR))


def test_a_handler_that_does_not_end_after_an_exit_is_killed_in_time() -> None:
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, shutdown=2)

        async def never(self: Any) -> None:
            self.exit(Shutdown("done"))
            await asyncio.get_running_loop().create_future()

        answer = ref.ask(never, block=False)
        sim.advance(1.9)
        assert ref.is_alive()
        sim.advance(0.2)
        assert ref.wait(timeout=0) == Killed("did not stop in time")
        with pytest.raises(ActorDeadError):
            answer.get()


@pytest.mark.parametrize("end", [finish, lambda actor: actor.exit(Normal())], ids=["finish", "exit"])
def test_the_own_end_of_an_actor_waits_where_an_order_kills_at_once(end: Callable[[Any], object]) -> None:
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, shutdown=0)

        async def slow(self: Any) -> str:
            end(self)
            await sleep(1)
            return "slow"

        answer = ref.ask(slow, block=False)
        sim.advance(0.9)
        assert ref.is_alive()
        sim.advance(0.2)
        assert (answer.get(), ref.wait(timeout=0)) == ("slow", Normal())


def test_the_own_end_waits_for_resources_where_an_order_kills_at_once() -> None:
    closed: list[float] = []

    async def close(sim: Simulation) -> None:
        await sleep(1)
        closed.append(sim.now)

    with simulation() as sim:
        ref = sim.spawn(Player, shutdown=0)
        ref.ask(lambda self: self.push_async_callback(close, sim))
        ref.tell(lambda self: self.exit(Normal()))
        sim.advance(2)
        assert ref.wait(timeout=0) == Normal()
    assert closed == [1.0]


@pytest.mark.parametrize("reason", REASONS, ids=ids)
def test_a_task_of_the_actor_may_end_it(reason: ExitReason) -> None:
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer)

        async def later(self: Any) -> None:
            await asyncio.sleep(1)
            self.exit(reason)

        def begin(self: Any) -> None:
            self.task = asyncio.get_running_loop().create_task(later(self))

        ref.tell(begin)
        sim.advance(0.9)
        assert ref.is_alive()
        sim.advance(0.2)
        assert ref.wait(timeout=0) == reason


@in_loop
async def test_a_worker_thread_of_the_actor_may_end_it() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        await ref.call(lambda self: asyncio.to_thread(self.exit, Shutdown("from a thread")))
        assert await ref.ended() == Shutdown("from a thread")


def test_code_of_an_incarnation_that_has_ended_does_not_end_the_next() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", AsyncPlayer, backoff=None))).child("a")

        async def later(self: Any) -> None:
            await asyncio.sleep(1)
            self.exit(Shutdown("too late"))

        tasks: list[asyncio.Task[None]] = []
        ref.ask(lambda self: tasks.append(asyncio.get_running_loop().create_task(later(self))))
        ref.tell(crash(ERROR))
        sim.advance(2)
        assert (ref.incarnation, tasks[0].done()) == (2, True)


@in_loop
async def test_a_thread_of_an_earlier_incarnation_does_not_hold_the_next() -> None:
    async with stage() as w:
        tree = supervisor("root", child("a", Player, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            context, actor = await ref.call(lambda self: (contextvars.copy_context(), self))
            ref.tell(crash(ERROR))
            await w.settle()
            await asyncio.to_thread(context.run, actor.exit, Shutdown("too late"))
            assert await ref.call(lambda self: self.incarnation) == 2


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("reason", REASONS, ids=ids)
def test_an_exit_in_the_start_lets_the_start_be_completed(reason: ExitReason, host: Host) -> None:
    with simulation() as sim:
        told: list[Exited] = []
        sim.runtime.events.subscribe(told.append, Exited)
        ref = sim.spawn(Starter, host=host, args={"on_start": lambda self: self.exit(reason)})
        assert ref.wait(timeout=1) == reason
        assert [each.reason for each in told] == [reason]


def test_the_first_exit_in_a_start_counts() -> None:
    with simulation() as sim:
        ref = sim.spawn(Starter, args={"on_start": lambda self: (self.exit(Shutdown("1")), self.exit(Shutdown("2")))})
        assert ref.wait(timeout=1) == Shutdown("1")


@pytest.mark.parametrize("host", HOSTS)
def test_an_own_crash_stays_the_reason_if_its_hook_does_not_end(host: Host) -> None:
    class Stuck(AsyncPlayer):
        async def on_failure(self, *_: Any) -> None:  # type: ignore[override]
            await asyncio.sleep(100)

    with simulation() as sim:
        ref = sim.spawn(Stuck, shutdown=2, host=host)
        ref.tell(leave(Crashed(ERROR)))
        sim.advance(4)
        assert ref.wait(timeout=0) == Crashed(ERROR)


def test_an_exit_after_an_order_to_stop_changes_nothing() -> None:
    with simulation() as sim:
        ref = sim.spawn(Starter, args={"on_stop": leave(Crashed(ERROR))})
        ref.stop()
        assert ref.wait(timeout=0) == Shutdown("stop() was called")


@pytest.mark.parametrize("reason", [Shutdown("done"), Crashed(ERROR)])
def test_a_supervisor_may_end_itself_and_stops_its_children(reason: ExitReason) -> None:
    with simulation() as sim:
        root = sim.start(supervisor("root", supervisor("below", child("a", Ender), restart="temporary")))
        below, ref = root.child("below"), root.supervisor("below").child("a")
        sim.runtime.control_call(below._cell.actor.exit, reason)
        assert (below.wait(timeout=1), ref.is_alive()) == (reason, False)


REFUSED: list[Any] = [
    Killed(),
    NoProc(),
    RuntimeLost("r", "why"),
    RestartLimitExceeded("p", "c", 1, None, Normal()),
    "done",
    None,
    OSError(),
    Crashed("no exception"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("reason", REFUSED, ids=repr)
def test_a_reason_that_an_actor_cannot_give_is_refused(reason: Any) -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        with pytest.raises(TypeError, match=r"exit\(\): "):
            ref.ask(lambda self: self.exit(reason))


def test_pykkas_stop_still_waits_for_the_messages_that_came_before() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        ref.suspend()
        answers = [ref.ask(lambda self: self.stop(), block=False), ref.ask("next", block=False)]
        ref.resume()
        assert answers[1].get(timeout=1) == "next"
        assert ref.wait(timeout=1) == Normal()

"""Asking: from a coroutine, a thread, another loop; with a deadline that is inherited; and blocking forms refused on
a loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ActorDeadError, ActorRef, BlockingCallError, CallTimeout, Future, ManualClock, Runtime
from actors._core.cell import Cell
from actors._core.deadlines import TICK, Deadlines
from actors._core.envelope import Envelope
from supervisors import child, start, supervisor
from tests.actors.cast import (
    PATIENCE,
    AsyncPlayer,
    Host,
    Player,
    Starter,
    crash,
    forever,
    script,
    seen_by,
    stage,
    stubborn,
)
from tests.support import in_loop


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_an_actor_is_asked_from_coroutines_threads_loops_and_actors(
    host: str,
) -> None:
    """Guards each place to ask from: the same question, the same answer."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        in_a_thread = await w.runtime.spawn(Player, host="thread")
        on_the_loop = await w.runtime.spawn(Player)
        assert await ref.call(1) == 1
        assert await asyncio.to_thread(ref.ask, 2) == 2
        assert await asyncio.to_thread(lambda: asyncio.run(ref.call(3))) == 3
        assert await in_a_thread.call(lambda _: ref.ask(4)) == 4
        assert await on_the_loop.call(lambda _: ref.call(5)) == 5
        future = ref.ask(6, block=False)
        assert await future == 6
        assert await asyncio.to_thread(lambda: asyncio.run(_await(ref.ask(7, block=False)))) == 7


async def _await(awaitable: Any) -> Any:
    return await awaitable


@pytest.mark.parametrize(
    "block",
    [
        lambda ref: ref.ask(1),
        lambda ref: ref.stop(),
        lambda ref: ref.wait(),
        lambda ref: ref.ask(lambda _: forever(), block=False).get(),
    ],
)
@in_loop
async def test_what_would_block_a_loop_raises_at_once_and_says_what_to_write(
    block: Callable[[ActorRef[Any]], Any],
) -> None:
    """Guards every actor on the loop: in a coroutine, and in a handler, where it is the crash of that actor."""
    async with stage() as w:
        ref, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        with pytest.raises(BlockingCallError, match="await"):
            block(ref)
        with pytest.raises(BlockingCallError, match="await"):
            await other.call(lambda _: block(ref))
        assert not other.is_alive()
        ref.kill()


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_the_asker_gets_the_exception_that_crashed_the_actor(host: Host) -> None:
    """Guards rule 28, from here and from another loop; a TimeoutError of the handler stays what it is."""
    async with (
        stage() as w,
        start(
            supervisor("root", child("a", Player, host=host, backoff=None), max_restarts=None), runtime=w.runtime
        ) as root,
    ):
        ref = root.child("a")
        for error in (ValueError("v"), TimeoutError("db")):
            with pytest.raises(type(error), match=str(error)) as here:
                await ref.call(crash(error))
            with pytest.raises(type(error), match=str(error)) as elsewhere:
                await asyncio.to_thread(asyncio.run, ref.call(crash(error)))
            with pytest.raises(type(error), match=str(error)) as blocking:
                await asyncio.to_thread(ref.ask, crash(error))
            assert not isinstance(here.value, CallTimeout)
            assert not isinstance(elsewhere.value, CallTimeout)
            assert not isinstance(blocking.value, CallTimeout)


@pytest.mark.parametrize("end", ["kill", "stop", "crash"])
@in_loop
async def test_the_end_of_the_target_settles_every_pending_ask(end: str) -> None:
    """Guards askers: those being handled and those that wait, whichever way they wait."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        futures = [ref.ask(forever, block=False), ref.ask("waits", block=False)]
        calls = [
            asyncio.create_task(ref.call("waits")),
            asyncio.create_task(asyncio.to_thread(ref.ask, "waits")),
        ]
        await w.settle()
        match end:
            case "kill":
                ref.kill()
            case "stop":
                stopped = ref.stop(block=False, drain=False)
                await w.advance(6)
                assert await stopped
            case _:
                other = await w.runtime.spawn(Player)
                ref.link(other)
                other.kill()
        for each in [*futures, *calls]:
            with pytest.raises(Exception, match="terminated|crashed"):
                await each


@in_loop
async def test_an_asker_of_a_waiting_message_waits_on_through_a_restart() -> None:
    """Guards rule 28: the crash is not the end of those behind it."""
    async with stage() as w, start(supervisor("root", child("a", Player)), runtime=w.runtime) as root:
        ref = root.child("a")
        ref.tell(crash(ValueError()))
        answer = ref.ask("waits", block=False, timeout=None)
        await w.settle()
        assert not answer.done()
        await w.advance(31)
        assert await answer == "waits"
        assert ref.incarnation == 2


@in_loop
async def test_a_call_without_a_timeout_has_the_runtimes_deadline() -> None:
    """Guards against a wait for ever that nobody asked for."""
    async with stage(default_timeout=3.0) as w:
        ref = await w.runtime.spawn(Player)
        asking = [
            asyncio.create_task(ref.call(forever)),
            asyncio.create_task(_await(ref.ask(forever, block=False))),
        ]
        await w.advance(2.9)
        assert not any(each.done() for each in asking)
        await w.advance(0.2)
        for each in asking:
            with pytest.raises(CallTimeout):
                await each
        ref.kill()


@in_loop
async def test_timeout_none_waits_for_ever_on_purpose() -> None:
    """Guards the opt-out."""
    async with stage(default_timeout=1.0) as w:
        ref = await w.runtime.spawn(Player)
        asking = asyncio.create_task(ref.call(forever, timeout=None))
        await w.advance(10_000)
        assert not asking.done()
        ref.kill()
        with pytest.raises(ActorDeadError):
            await asking


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.001])
@in_loop
async def test_a_nonsense_timeout_is_refused(timeout: float) -> None:
    """Guards against a deadline in the past or one that never comes."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        with pytest.raises(ValueError, match="timeout"):
            await ref.call(1, timeout=timeout if timeout != -1 else -2)


@in_loop
async def test_a_call_timeout_is_a_timeout_to_pykka_and_to_python() -> None:
    """Guards code that catches pykka.Timeout or TimeoutError; the error names path and message type."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        asking = asyncio.create_task(ref.call(forever, timeout=1))
        await w.advance(1)
        with pytest.raises(CallTimeout) as caught:
            await asking
        assert isinstance(caught.value, pykka.Timeout)
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.path, caught.value.message_type) == (ref.path, "function")
        ref.kill()


quarters = st.integers(1, 8).map(lambda number: number / 4)


@settings(max_examples=40)
@given(st.lists(st.none() | quarters, min_size=1, max_size=5).filter(any))
@in_loop
async def test_a_call_made_while_handling_a_call_ends_no_later_than_that_one(
    timeouts: list[float | None],
) -> None:
    """Guards chains of any depth: the last one gives up at the shortest deadline above it, whatever its own, `None`
    included.
    """
    async with stage(default_timeout=None) as w:
        chain = [await w.runtime.spawn(Player) for _ in timeouts]
        gave_up: dict[int, float] = {}

        def ask(depth: int) -> Callable[[Any], Any]:
            async def handler(_: Any) -> None:
                if depth == len(chain):
                    await forever()
                try:
                    await chain[depth].call(ask(depth + 1), timeout=timeouts[depth])
                except CallTimeout:
                    gave_up[depth] = w.runtime.now()

            return handler

        outer = await w.runtime.spawn(Player)
        outer.tell(ask(0))
        for _ in range(9):
            await w.advance(0.25)
        shortest = min(timeout for timeout in timeouts if timeout is not None)
        assert gave_up[len(chain) - 1] == shortest
        assert set(gave_up.values()) == {shortest}
        for ref in [*chain, outer]:
            ref.kill()


@in_loop
async def test_a_deadline_is_inherited_through_threads() -> None:
    """Guards the chain where it passes actors on other hosts."""
    async with stage(default_timeout=None) as w:
        target = await w.runtime.spawn(Player)
        plain = await w.runtime.spawn(Player, host="thread")
        middle = await w.runtime.spawn(AsyncPlayer, host="thread")
        seen: list[float | None] = []
        await plain.call(lambda _: target.ask(lambda self: seen.append(self._cell.envelope.deadline)), timeout=7)
        await middle.call(lambda _: target.call(lambda self: seen.append(self._cell.envelope.deadline)), timeout=8)
        assert seen == [7, 8]


@in_loop
async def test_a_cancelled_asker_stops_waiting_and_its_answer_is_a_dead_letter() -> None:
    """Guards `asyncio.timeout` and friends around a call."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        gate = asyncio.Event()
        asking = asyncio.create_task(ref.call(lambda _: _after(gate, "late")))
        await w.settle()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        gate.set()
        await w.settle()
        assert w.dead_letters == [("late_reply", "late")]


async def _after(gate: asyncio.Event, answer: str) -> str:
    await gate.wait()
    return answer


def test_ask_gives_up_in_a_thread_after_its_timeout() -> None:
    """Guards the blocking form, which keeps its own time."""
    with script() as runtime:
        ref = runtime.spawn(Player).get()
        with pytest.raises(CallTimeout):
            ref.ask(forever, timeout=0)
        ref.kill()


@in_loop
async def test_correlation_ids_are_handed_on_from_message_to_message() -> None:
    """Guards traces: what is sent while a message is handled inherits its id, unless it has its own."""
    async with stage() as w:
        ids: list[str | None] = []
        last = await w.runtime.spawn(Player)
        first = await w.runtime.spawn(Player)

        def note(self: Any) -> None:
            ids.append(self.correlation_id)

        async def pass_on(self: Any) -> None:
            last.tell(note)
            await last.call(note)
            last.tell(note, correlation_id="own")

        await first.call(pass_on, correlation_id="c1")
        await first.call(pass_on)
        await w.settle()
        assert ids == ["c1", "c1", "own", None, None, "own"]


@in_loop
async def test_the_sender_is_the_actor_that_sent_or_none_from_outside() -> None:
    """Guards `self.sender`, also for what a task of the actor sends."""
    async with stage() as w:
        senders: list[Any] = []
        ref, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)

        def note(self: Any) -> None:
            senders.append(self.sender)

        ref.tell(note)
        await other.call(lambda _: ref.tell(note))

        async def with_a_task(_: Any) -> None:
            await asyncio.gather(ref.call(note))

        await other.call(with_a_task)
        assert senders == [None, other, other]


@in_loop
async def test_a_call_can_be_made_in_every_hook() -> None:
    """Guards hooks that need another actor: start, stop and failure."""
    async with stage() as w:
        other = await w.runtime.spawn(Player)

        async def hook(_: Any) -> None:
            await other.call("hook")

        hooks = {"on_start": hook, "on_stop": hook, "on_failure": hook}
        one = await w.runtime.spawn(Starter, args=hooks)
        await one.stop(block=False)
        two = await w.runtime.spawn(Starter, args=hooks)
        two.tell(crash(ValueError()))
        await two.ended()
        assert seen_by(other) == ["hook"] * 4


@in_loop
async def test_a_killed_asker_leaves_no_trace_in_the_one_it_asked() -> None:
    """Guards the target: its answer to the dead is a dead letter, and it goes on."""
    async with stage() as w:
        target, asker = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        release = asyncio.Event()
        asker.tell(lambda _: target.call(lambda _: stubborn(release)))
        await w.settle()
        assert asker.status().waiting_for == target.path
        asker.kill()
        release.set()
        await w.settle()
        assert await target.call("alive") == "alive"


def test_many_threads_ask_at_once_and_each_gets_its_own_answer() -> None:
    """Guards against answers that get mixed up between askers."""
    with script() as runtime:
        for host in ("loop", "thread"):
            ref = runtime.spawn(Player, host=host).get()
            answers: dict[int, list[int]] = {}

            def ask(who: int, ref: Any = ref, answers: dict[int, list[int]] = answers) -> None:
                answers[who] = [ref.ask((who, number))[1] for number in range(50)]

            threads = [threading.Thread(target=ask, args=(who,)) for who in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert answers == {who: list(range(50)) for who in range(4)}


def test_an_ask_whose_runtime_ends_before_it_returns_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards asking from a thread: the end of the runtime is an answer, even if it comes in the middle of asking."""
    runtime = Runtime(log=False)
    runtime.__enter__()
    ref = runtime.spawn(Player).get()
    put = Cell.put

    def put_and_end(cell: Cell, envelope: Envelope) -> None:
        put(cell, envelope)
        monkeypatch.setattr(Cell, "put", put)
        runtime.__exit__(None, None, None)

    monkeypatch.setattr(Cell, "put", put_and_end)
    assert ref.ask("hello", block=False).done()


@pytest.mark.parametrize("seconds", [0.001, TICK, 0.5, 1.01])
def test_a_deadline_is_never_early_and_at_most_one_tick_late(seconds: float) -> None:
    clock = ManualClock(start=0.003)
    deadlines, answer = Deadlines(clock), Future[object]()
    deadlines.add(clock.now() + seconds, (answer, "root/asked", "hello"))
    clock.advance(seconds * 0.99)
    assert not answer.done()
    clock.advance(seconds * 0.01 + 1 / 64)
    with pytest.raises(CallTimeout):
        answer.get()

"""What code inherits is the message in whose handler it began, and what a handler binds ends with its message."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorRef, CallTimeout, current_correlation_id, current_ref
from tests.actors.cast import AsyncPlayer, Host, Player, forever, stage
from tests.support import World, in_loop

HOSTS: tuple[Host, ...] = ("loop", "thread")
bound: contextvars.ContextVar[str] = contextvars.ContextVar("bound", default="unset")


def bind(value: str) -> str:
    """Binds the variable, and reads it."""
    bound.set(value)
    return bound.get()


class Wide(Player):
    concurrency = 3


class Binder(AsyncPlayer):
    """Binds a variable in its first hook."""

    def on_start(self) -> None:
        bound.set("from on_start")


async def begin_task(w: World, ref: ActorRef[Any], work: Callable[[Any], Awaitable[object]], **options: Any) -> Any:
    """A task of the actor's, created in a plain handler that ends at once."""

    def act(self: Any) -> Any:
        return asyncio.get_running_loop().create_task(_of(work(self)))

    return await ref.call(act, **options)


async def _of(work: Awaitable[object]) -> object:
    return await work


@in_loop
async def test_a_task_keeps_the_deadline_of_the_message_it_began_in() -> None:
    """A message that is handled meanwhile has an earlier deadline, which is none of the task's."""
    async with stage() as w:
        ref, slow = await w.runtime.spawn(Wide), await w.runtime.spawn(AsyncPlayer)
        gate = asyncio.Event()

        async def work(_: Any) -> object:
            await gate.wait()
            return await slow.call(forever, timeout=5)

        task = await begin_task(w, ref, work, timeout=20)
        other = asyncio.ensure_future(ref.call(forever, timeout=0.3))
        await w.settle()
        gate.set()
        await w.advance(0.5)
        with pytest.raises(CallTimeout):
            await other
        assert not task.done()
        await w.advance(5)
        with pytest.raises(CallTimeout):
            await task
        ref.kill()
        slow.kill()


@in_loop
async def test_a_task_may_take_no_longer_than_the_message_it_began_in() -> None:
    """The deadline goes on after the handler has returned."""
    async with stage() as w:
        ref, slow = await w.runtime.spawn(Player), await w.runtime.spawn(AsyncPlayer)

        async def work(_: Any) -> object:
            return await slow.call(forever, timeout=None)

        task = await begin_task(w, ref, work, timeout=2)
        await w.advance(2.1)
        with pytest.raises(CallTimeout):
            await task
        slow.kill()


async def who(self: Any) -> tuple[Any, Any]:
    """Sender and correlation id, after others have had their turns."""
    for _ in range(3):
        await asyncio.sleep(0)
    return self.sender, self.correlation_id


@pytest.mark.parametrize("coroutine", [False, True])
@in_loop
async def test_a_task_keeps_sender_and_correlation_id_of_its_message(coroutine: bool) -> None:
    """Also while another message is handled, and from a plain handler as from a coroutine."""
    async with stage() as w:
        ref, sender = await w.runtime.spawn(Wide), await w.runtime.spawn(Player)
        gate = asyncio.Event()

        async def work(self: Any) -> tuple[Any, Any]:
            await gate.wait()
            return await who(self)

        def plain(self: Any) -> Any:
            return asyncio.get_running_loop().create_task(work(self))

        async def suspended(self: Any) -> Any:
            await asyncio.sleep(0)
            return plain(self)

        ask = lambda _: ref.call(suspended if coroutine else plain, correlation_id="one")  # noqa: E731
        task = await sender.call(ask)
        other = asyncio.ensure_future(ref.call(forever, correlation_id="two", timeout=1))
        await w.settle()
        gate.set()
        assert await task == (sender, "one")
        await w.advance(2)
        with pytest.raises(CallTimeout):
            await other
        ref.kill()


@in_loop
async def test_what_a_task_sends_has_the_correlation_id_of_its_message() -> None:
    """By tell, call, send and ask alike."""
    async with stage() as w:
        ref, seer = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        ids: list[str | None] = []

        def note(self: Any) -> None:
            ids.append(self.correlation_id)

        async def work(_: Any) -> None:
            await asyncio.sleep(0)
            seer.tell(note)
            await seer.send(note)
            await seer.call(note)
            await seer.ask(note, block=False)

        await (await begin_task(w, ref, work, correlation_id="7"))
        assert ids == ["7"] * 4


@in_loop
async def test_a_thread_keeps_the_message_of_the_coroutine_that_awaits_it() -> None:
    """`asyncio.to_thread` copies the context, as it does for everything else."""
    async with stage() as w:
        ref, seer = await w.runtime.spawn(AsyncPlayer), await w.runtime.spawn(Player)

        async def act(self: Any) -> object:
            return await asyncio.to_thread(lambda: seer.ask(lambda s: s.correlation_id))

        assert await ref.call(act, correlation_id="t") == "t"


@in_loop
async def test_a_callback_of_a_plain_handler_has_no_message() -> None:
    """Rather none than that of the message which happens to be handled when it is called."""
    async with stage() as w:
        ref = await w.runtime.spawn(Wide)
        seen: list[Any] = []

        def later(self: Any) -> None:
            asyncio.get_running_loop().call_soon(lambda: seen.append((self.sender, self.correlation_id)))

        first = ref.ask(later, block=False)
        second = asyncio.ensure_future(ref.call(who, correlation_id="other"))
        await first
        await second
        assert seen == [(None, None)]


@pytest.mark.parametrize("kind", [Player, AsyncPlayer])
@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_what_a_handler_binds_ends_with_its_message(host: Host, kind: type[Player]) -> None:
    """The rule for context variables is the same on all hosts, plain and async."""
    async with stage() as w:
        ref = await w.runtime.spawn(kind, host=host)
        assert await ref.call(lambda _: bind("mine")) == "mine"
        assert await ref.call(lambda _: bound.get()) == "unset"


@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_what_a_coroutine_binds_it_sees_after_each_wait(host: Host) -> None:
    """And its tasks see what was bound when they began."""
    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer, host=host)

        async def read() -> str:
            return bound.get()

        async def act(_: Any) -> list[str]:
            bound.set("one")
            await asyncio.sleep(0)
            task = asyncio.ensure_future(read())
            bound.set("two")
            return [bound.get(), await task]

        assert await ref.call(act) == ["two", "one"]
        assert await ref.call(lambda _: bound.get()) == "unset"


@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_what_on_start_binds_every_handler_sees(host: Host) -> None:
    """It holds for the incarnation: a handler that binds another value does so for its own message."""
    async with stage() as w:
        ref = await w.runtime.spawn(Binder, host=host)
        assert await ref.call(lambda _: bound.get()) == "from on_start"
        await ref.call(lambda _: bind("mine"))
        assert await ref.call(lambda _: bound.get()) == "from on_start"


@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_what_a_sender_has_bound_its_receiver_does_not_see(host: Host) -> None:
    """What travels with a message is its correlation id and its deadline."""
    async with stage() as w:
        ref, sender = await w.runtime.spawn(AsyncPlayer, host=host), await w.runtime.spawn(AsyncPlayer)

        async def act(_: Any) -> object:
            bound.set("the sender's")
            return await ref.call(lambda _: bound.get())

        assert await sender.call(act) == "unset"


@in_loop
async def test_a_stash_in_a_task_leaves_the_message_of_another_handler() -> None:
    """A task stashes the message it began in or nothing."""
    async with stage() as w:
        ref, sender = await w.runtime.spawn(Wide), await w.runtime.spawn(Player)
        gate = asyncio.Event()

        async def work(self: Any) -> None:
            await gate.wait()
            self.stash()

        task = await sender.call(lambda _: begin_task(w, ref, work))
        other = asyncio.ensure_future(ref.call(who, correlation_id="other"))
        await asyncio.sleep(0)
        gate.set()
        await task
        assert (await other)[1] == "other"
        assert ref.status().stashed == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=6))
def test_interleaved_handlers_and_tasks_each_keep_their_own_message(plan: list[tuple[int, bool]]) -> None:
    """However often each waits, and whether it asks in its handler or in a task."""

    class Many(Actor):
        concurrency = 6

        async def on_receive(self, message: tuple[int, bool]) -> Any:
            waits, in_task = message

            async def work() -> Any:
                seen = []
                for _ in range(waits + 1):
                    seen.append(self.correlation_id)
                    await asyncio.sleep(0)
                return seen

            return await (asyncio.ensure_future(work()) if in_task else work())

    @in_loop
    async def run() -> None:
        async with stage() as w:
            ref = await w.runtime.spawn(Many)
            calls = [ref.call(each, correlation_id=str(n)) for n, each in enumerate(plan)]
            answers = await asyncio.gather(*calls)
            assert answers == [[str(n)] * (waits + 1) for n, (waits, _) in enumerate(plan)]

    run()


@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_code_of_an_actor_knows_its_ref_and_its_correlation_id(host: Host) -> None:
    """In the handler, and in a thread that the actor started; outside of any actor there are none."""
    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer, host=host)

        def here(_: Any = None) -> tuple[object, object]:
            return current_ref(), current_correlation_id()

        assert await ref.call(here, correlation_id="c") == (ref, "c")
        assert await ref.call(lambda _: asyncio.to_thread(here), correlation_id="d") == (ref, "d")
        assert await ref.call(here) == (ref, None)
        assert here() == (None, None)

"""Which method handles which message, and what a handler may do."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from actors import Actor, HandlerDefinitionError, LifecycleEvent, Message, handles
from tests.actors.cast import AsyncPlayer, Player, stage
from tests.support import in_loop


class Animal:
    """A message with subclasses."""


class Cat(Animal):
    """A message of its own."""


class Kitten(Cat):
    """Nobody names it."""


class Greet(Message):
    """A protocol message."""

    name: str


class Vet(Actor):
    """Handles animals, and numbers, one way or the other."""

    @handles
    def animal(self, message: Animal) -> str:
        return "animal"

    @handles
    async def cat(self, message: Cat) -> str:
        await asyncio.sleep(0)
        return "cat"

    @handles
    def number(self, message: int | float) -> str:
        return "number"

    def on_receive(self, message: Any) -> str:
        return "rest"


class Young(Vet):
    """Overrides a handler without marking it again."""

    def animal(self, message: Animal) -> str:
        return "young " + super().animal(message)


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_message_goes_to_the_handler_of_its_nearest_class_or_on_receive(
    host: str,
) -> None:
    """Guards dispatch: exact class, nearest base, unions, everything else; plain and async, on both hosts."""
    async with stage() as w:
        ref = await w.runtime.spawn(Vet, host=host)
        messages = [Animal(), Cat(), Kitten(), 1, 1.5, True, "x", None]
        answers = [await ref.call(message) for message in messages]
        assert answers == ["animal", "cat", "cat", "number", "number", "number", "rest", "rest"]


@in_loop
async def test_handlers_are_inherited_and_can_be_overridden() -> None:
    """Guards subclasses of actors."""
    async with stage() as w:
        ref = await w.runtime.spawn(Young)
        assert [await ref.call(message) for message in (Animal(), Cat(), 3)] == [
            "young animal",
            "cat",
            "number",
        ]


@in_loop
async def test_handlers_of_classes_defined_in_a_function_find_their_annotations() -> None:
    """Guards scripts and tests, whose messages are local names in postponed annotations."""

    class Local:
        pass

    class Here(Actor):
        @handles
        def local(self, message: Local) -> str:
            return "local"

        @handles
        def generic(self, message: list[int]) -> str:
            return "list"

    async with stage() as w:
        ref = await w.runtime.spawn(Here)
        assert [await ref.call(Local()), await ref.call([1])] == ["local", "list"]


def test_a_method_that_cannot_be_a_handler_is_refused_where_it_is_defined() -> None:
    """Guards against a handler that would never be called; the error names the method."""
    with pytest.raises(HandlerDefinitionError, match="no_message"):

        class NoMessage(Actor):
            @handles
            def no_message(self) -> None: ...

    with pytest.raises(HandlerDefinitionError, match="no_type"):

        class NoType(Actor):
            @handles
            def no_type(self, message) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(HandlerDefinitionError, match="unknown"):

        class Unknown(Actor):
            @handles
            def unknown(self, message: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(HandlerDefinitionError, match="value"):

        class Value(Actor):
            @handles
            def value(self, message: 3) -> None: ...  # type: ignore[valid-type]


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_one_message_at_a_time_even_while_a_handler_waits(host: str) -> None:
    """Guards the state of an actor: no handler begins before the last has ended."""
    async with stage() as w:
        log: list[str] = []
        ref = await w.runtime.spawn(AsyncPlayer, host=host)

        def work(name: str) -> Any:
            async def act(_: Any) -> None:
                log.append(f"{name} begins")
                for _ in range(3):
                    await asyncio.sleep(0)
                log.append(f"{name} ends")

            return act

        ref.tell(work("a"))
        await ref.call(work("b"))
        assert log == ["a begins", "a ends", "b begins", "b ends"]


@in_loop
async def test_concurrency_n_lets_n_handlers_wait_and_no_more() -> None:
    """Guards the promise of `concurrency`: never above n, and never fewer while messages wait."""

    class Wide(Player):
        concurrency = 3

    async with stage() as w:
        ref = await w.runtime.spawn(Wide)
        gates = [asyncio.Event() for _ in range(7)]
        under_way: set[int] = set()

        def work(number: int) -> Any:
            async def act(_: Any) -> int:
                under_way.add(number)
                await gates[number].wait()
                under_way.discard(number)
                return number

            return act

        answers = [ref.ask(work(number), block=False) for number in range(7)]
        await w.settle()
        assert under_way == {0, 1, 2}
        gates[1].set()
        await w.settle()
        assert under_way == {0, 2, 3}
        for gate in gates:
            gate.set()
        assert [await answer for answer in answers] == list(range(7))


@in_loop
async def test_concurrent_handlers_each_see_their_own_sender_and_id_after_a_wait() -> None:
    """Guards what belongs to a message while others of the same actor are handled in between."""

    class Wide(Player):
        concurrency = 3

    async with stage() as w:
        ref = await w.runtime.spawn(Wide)
        senders = [await w.runtime.spawn(Player) for _ in range(3)]

        async def who(self: Any) -> tuple[Any, Any]:
            for _ in range(3):
                await asyncio.sleep(0)
            return self.sender, self.correlation_id

        answers = [
            sender.ask(lambda _, n=n: ref.call(who, correlation_id=str(n)), block=False)
            for n, sender in enumerate(senders)
        ]
        assert [await answer for answer in answers] == [(sender, str(n)) for n, sender in enumerate(senders)]


@in_loop
async def test_context_variables_leak_to_no_other_actor_or_incarnation() -> None:
    """Guards request-scoped values: what one sets, no other sees, whoever started it or woke the loop."""
    async with stage() as w:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
        one = await w.runtime.spawn(Player)

        async def set_and_start(self: Any) -> Any:
            variable.set("mine")
            other = self.spawn(Player)
            await asyncio.sleep(0)
            variable.set("still mine")
            return await other

        below = await one.call(set_and_start)
        assert await one.call(lambda _: variable.get()) == "unset"
        assert await below.call(lambda _: variable.get()) == "unset"
        variable.set("outside")
        assert await (await w.runtime.spawn(Player)).call(lambda _: variable.get()) == "unset"
        assert await below.call(lambda _: variable.get()) == "unset"


@in_loop
async def test_what_a_sink_sends_has_no_sender_or_the_actor_of_the_event() -> None:
    """Guards `self.sender` against whoever happened to have woken the loop."""
    async with stage() as w:
        senders: list[Any] = []
        keeper, one = await w.runtime.spawn(Player), await w.runtime.spawn(Player)

        def note(event: LifecycleEvent) -> None:
            keeper.tell(lambda self: senders.append((str(self.sender), event.path)))

        subscription = w.runtime.events.subscribe(note)
        await one.call(lambda self: self.spawn(Player))
        await w.settle()
        subscription.cancel()
        assert senders
        assert all(sender == "None" or path in sender for sender, path in senders)


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_asyncio_timeout_works_in_a_handler(host: str) -> None:
    """Guards the task under a handler: its first step and the later ones belong to the same one."""
    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer, host=host)

        async def impatient(_: Any) -> str:
            try:
                async with asyncio.timeout(0):
                    await asyncio.get_running_loop().create_future()
            except TimeoutError:
                return "timed out"
            return "no"

        async def in_time(_: Any) -> str:
            async with asyncio.timeout(60):
                await asyncio.sleep(0)
            return "in time"

        assert await ref.call(impatient) == "timed out"
        assert await ref.call(in_time) == "in time"
        assert await ref.call(impatient) == "timed out"


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_asyncio_current_task_is_one_and_the_same_throughout_a_handler(host: str) -> None:
    """Guards libraries that ask for the current task, before the first wait and after it."""
    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer, host=host)

        async def tasks(_: Any) -> set[Any]:
            found = {asyncio.current_task()}
            for _ in range(3):
                await asyncio.sleep(0)
                found.add(asyncio.current_task())
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
            return found | {asyncio.current_task()}

        for _ in range(2):
            found = await ref.call(tasks)
            assert len(found) == 1
            assert None not in found


@in_loop
async def test_a_handler_that_cancels_its_own_task_does_not_cancel_the_next_one() -> None:
    """Guards the pool of tasks: a cancellation goes to the handler that asked for it, or to nobody."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)

        async def cancel_and_leave(_: Any) -> str:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            return "left"

        async def wait(_: Any) -> str:
            await asyncio.sleep(0)
            return "waited"

        for _ in range(3):
            ref.tell(cancel_and_leave)
            assert await ref.call(wait) == "waited"


@in_loop
async def test_a_handler_may_return_without_waiting_however_it_is_written() -> None:
    """Guards handlers that never suspend, and plain ones that hand back a coroutine."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)

        async def no_wait(_: Any) -> str:
            return "done"

        assert await ref.call(no_wait) == "done"
        assert await ref.call(lambda _: asyncio.sleep(0, "handed back")) == "handed back"


@in_loop
async def test_a_plain_handler_on_a_thread_may_not_return_a_coroutine_that_waits() -> None:
    """Guards against a coroutine that nobody runs: a class without `async def` has no loop in its thread."""

    class Plain(Actor):
        def on_receive(self, message: Any) -> Any:
            return asyncio.sleep(0)

    async with stage() as w:
        ref = await w.runtime.spawn(Plain, host="thread")
        with pytest.raises(TypeError, match="async def"):
            await ref.call(1)

"""Every operation of a ref gives the same on every host: the loop, a thread, a process, a node of Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from actors import (
    Actor,
    ActorDeadError,
    ActorRef,
    Crashed,
    Down,
    NoProc,
)
from supervisors import SupervisorRef, child
from tests.actors.place import cast
from tests.actors.place.cast import Listener, Stage, noting, placing, tree
from tests.support import in_loop

OPERATIONS: dict[str, Callable[[Operation], Awaitable[object]]] = {}
"""By name, what an operation does and gives. The name begins with the member of `ActorRef` that it is about."""


class Subject(Actor):
    """Does what it is told with itself, and gives anything else back."""

    greeting = "hello"

    def __init__(self) -> None:
        self.notes: list[Any] = []

    def greet(self, name: str) -> str:
        return f"{self.greeting} {name}"

    async def on_receive(self, message: Any) -> Any:
        result = message(self) if callable(message) else message
        return await result if asyncio.iscoroutine(result) else result


class Operation:
    """What an operation has: a subject that is supervised, one that is not, and an actor of the program. The subjects
    have gone through the operations before it.
    """

    def __init__(self, s: Stage, root: SupervisorRef, host: Any) -> None:
        self.stage = s
        self.host = host
        self.listener: ActorRef[Any] = root.child("listener")
        self.supervised: ActorRef[Any] = root.child("subject")
        self.ref: ActorRef[Any]

    async def new_subject(self) -> ActorRef[Any]:
        return await self.stage.runtime.spawn(Subject, host=self.host)

    async def in_thread(self, ask: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(ask)


async def call_other(_: Any, other: ActorRef[Any]) -> Any:
    return await other.call("from inside")


def crash(_: Any) -> None:
    raise ValueError("no luck")


def show(self: Any) -> None:
    self.publish_view({"shown": 1})


def operation(function: Callable[[Operation], Awaitable[object]]) -> Callable[[Operation], Awaitable[object]]:
    OPERATIONS[function.__name__] = function
    return function


async def outcome(awaitable: Awaitable[object]) -> object:
    """The result, or the class of the exception with those that it stands for."""
    try:
        return await awaitable
    except Exception as error:  # noqa: BLE001 - it is compared
        return type(error)


@operation
async def tell(o: Operation) -> object:
    for each in range(3):
        o.ref.tell(noting(each))
    return await o.ref.call(cast.notes)


@operation
async def tell_a_terminated_actor(o: Operation) -> object:
    o.ref.kill()
    await o.ref.ended()
    with pytest.raises(ActorDeadError) as caught:
        o.ref.tell("late")
    return type(caught.value.reason), caught.value.undelivered


@operation
async def send(o: Operation) -> object:
    await o.ref.send(noting("sent"))
    return await o.ref.call(cast.notes)


@operation
async def call(o: Operation) -> object:
    return [await o.ref.call({"a": each}) for each in range(3)]


@operation
async def call_that_fails(o: Operation) -> object:
    return await outcome(o.ref.call(crash)), await outcome(o.ref.call("late"))


@operation
async def call_of_a_supervised_actor_that_crashes(o: Operation) -> object:
    asked = o.supervised.ask("it waits", block=False), await outcome(o.supervised.call(crash))
    return await asked[0], asked[1], await o.supervised.call("next"), o.supervised.incarnation


@operation
async def call_past_its_deadline(o: Operation) -> object:
    o.ref.suspend()
    late = await outcome(o.ref.call("late", timeout=0))
    o.ref.resume()
    return late, await o.ref.call("in time")


@operation
async def call_in_a_circle(o: Operation) -> object:
    found = await outcome(o.ref.call(partial(call_other, other=o.ref)))
    await o.ref.ended()
    return found


@operation
async def ask(o: Operation) -> object:
    return await o.in_thread(lambda: o.ref.ask("asked", timeout=60)), await o.ref.ask("asked", block=False)


@operation
async def proxy(o: Operation) -> object:
    proxy = o.ref.proxy()
    await o.in_thread(lambda: setattr(proxy, "notes", ["set"]))
    return await proxy.greet("you"), await proxy.greeting, list(await proxy.notes)


@operation
async def stop(o: Operation) -> object:
    o.ref.tell(noting("before"))
    down = o.ref.monitor()
    stopped = await o.ref.stop(block=False)
    return stopped, (await down).reason, o.ref.is_alive(), await outcome(o.ref.call("late"))


@operation
async def stop_of_a_supervised_actor(o: Operation) -> object:
    down = o.supervised.monitor()
    await o.supervised.stop(block=False)
    return type((await down).reason)


@operation
async def ended(o: Operation) -> object:
    ended = o.ref.ended()
    o.ref.kill()
    await ended
    return ended.done(), o.ref.is_alive()


@operation
async def wait(o: Operation) -> object:
    o.ref.kill()
    return await o.in_thread(lambda: o.ref.wait(timeout=60)), o.ref.is_alive()


@operation
async def kill(o: Operation) -> object:
    o.ref.suspend()
    asked = o.ref.ask("waits", block=False)
    down = o.ref.monitor()
    o.ref.kill()
    return type((await down).reason), await outcome(asked)


@operation
async def is_alive(o: Operation) -> object:
    return o.ref.is_alive(), o.supervised.is_alive()


@operation
async def monitor(o: Operation) -> object:
    down = o.supervised.monitor()
    o.supervised.tell(crash)
    heard = await down
    assert isinstance(heard, Down)
    assert isinstance(heard.reason, Crashed)
    return str(heard.reason.exception), heard.ref is o.supervised


@operation
async def monitor_of_a_terminated_actor(o: Operation) -> object:
    o.ref.kill()
    await o.ref.ended()
    return (await o.ref.monitor()).reason == NoProc()


@operation
async def link(o: Operation) -> object:
    other = await o.new_subject()
    o.ref.link(other)
    down = other.monitor()
    o.ref.tell(crash)
    await o.ref.ended()
    return type((await down).reason), o.ref.is_alive()


@operation
async def unlink(o: Operation) -> object:
    other = await o.new_subject()
    o.ref.link(other)
    o.ref.unlink(other)
    o.ref.kill()
    await o.ref.ended()
    alive = await other.call("alive")
    other.kill()
    await other.ended()
    return alive


@operation
async def suspend(o: Operation) -> object:
    o.ref.suspend()
    asked = o.ref.ask("later", block=False)
    waiting = o.ref.status().queued
    o.ref.resume()
    return waiting, await asked


@operation
async def resume(o: Operation) -> object:
    o.ref.suspend()
    o.ref.resume()
    return await o.ref.call("here")


@operation
async def path(o: Operation) -> object:
    return o.supervised.path, o.ref.path.rpartition("-")[0]


@operation
async def id(o: Operation) -> object:
    return o.supervised.id


@operation
async def incarnation(o: Operation) -> object:
    return o.ref.incarnation


@operation
async def runtime(o: Operation) -> object:
    return o.ref.runtime is o.stage.runtime


@operation
async def actor_class(o: Operation) -> object:
    return o.ref.actor_class


@operation
async def actor_urn(o: Operation) -> object:
    return o.ref.actor_urn == o.ref.path or bool(o.ref.actor_urn)


@operation
async def actor_stopped(o: Operation) -> object:
    before = o.ref.actor_stopped.is_set()
    o.ref.kill()
    await o.ref.ended()
    return before, o.ref.actor_stopped.is_set()


@operation
async def actor_inbox(o: Operation) -> object:
    o.ref.suspend()
    o.ref.tell("waits")
    empty = o.ref.actor_inbox.empty()
    o.ref.resume()
    return empty, await o.ref.call("next")


@operation
async def statistics(o: Operation) -> object:
    for each in range(3):
        await o.ref.call(each)
    await outcome(o.supervised.call(crash))
    await o.supervised.call("next")
    return o.ref.statistics().handled, o.supervised.statistics().crashes


@operation
async def status(o: Operation) -> object:
    return o.ref.status().state, o.ref.status().queued


@operation
async def trace(o: Operation) -> object:
    o.ref.trace(10)
    for each in ("a", 1, ("b",), "a process says that it has handled a message after its answer"):
        await o.ref.call(each)
    lines = [(line.message_type, line.outcome, line.incarnation) for line in o.ref.last_messages()[:3]]
    o.ref.trace(0)
    await o.ref.call("the trace is taken back")
    return lines


@operation
async def last_messages(o: Operation) -> object:
    return o.ref.last_messages()


@operation
async def view(o: Operation) -> object:
    await o.ref.call(show)
    return o.ref.view()


@operation
async def tell_with_a_ref_inside(o: Operation) -> object:
    return await o.ref.call(o.listener) is o.listener, await o.ref.call(partial(call_other, other=o.listener))


@operation
async def stop_while_it_starts_to_answer(o: Operation) -> object:
    asked = [o.ref.ask(each, block=False) for each in range(3)]
    await o.ref.stop(block=False)
    return [await outcome(each) for each in asked]


async def gives(host: Any) -> dict[str, object]:
    """What each operation gives on this host."""
    found = {}
    subject = child("subject", Subject, host=host, backoff=None)
    async with tree(child("listener", Listener), subject, max_restarts=None) as (s, root):
        ready = Operation(s, root, host)
        ready.ref = await ready.new_subject()
        for name, each in OPERATIONS.items():
            if not ready.ref.is_alive():
                ready.ref = await ready.new_subject()
            found[name] = await each(ready)
    return found


def test_every_public_member_of_a_ref_has_an_operation() -> None:
    members = {name for name in dir(ActorRef) if not name.startswith("_")}
    assert members - {"state"} <= set(OPERATIONS), "state() is of this process alone, as its docstring says"


@pytest.mark.parametrize("host", ["thread", "placed"])
@in_loop
async def test_every_operation_of_a_ref_gives_what_it_gives_on_the_loop(host: str) -> None:
    expected, found = await gives("loop"), await gives(placing() if host == "placed" else host)
    assert found == expected

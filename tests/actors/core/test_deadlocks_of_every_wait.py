"""Cycles of waits of every kind: an error at once, in virtual time; and waits that end are left alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ActorRef, DeadlockError, bounded
from actors.testing import simulation
from tests.actors.cast import AsyncPlayer, Player, Starter, stage
from tests.support import in_loop

HOSTS = ["loop", "thread"]
Ask = Callable[[ActorRef[Any]], Any]


class Proxied(Player):
    """Has a method for proxies."""

    def method(self, message: Any) -> Any:
        return self.on_receive(message)


class ProxiedAsync(AsyncPlayer):
    """The same with coroutines."""

    async def method(self, message: Any) -> Any:
        return await self.on_receive(message)


ANSWERS: dict[str, Ask] = {
    "ask": lambda ref: ref.ask("x", block=False, timeout=None),
    "proxy": lambda ref: ref.proxy().method("x"),
    "attribute": lambda ref: ref.proxy().seen,
    "map": lambda ref: ref.ask("x", block=False, timeout=None).map(str),
    "join": lambda ref: ref.ask("x", block=False, timeout=None).join(ref.ask("y", block=False, timeout=None)),
}
ENDS: dict[str, Ask] = {
    "stop": lambda ref: ref.stop(block=False),
    "stop without drain": lambda ref: ref.stop(block=False, drain=False),
    "ended": lambda ref: ref.ended(),
    "monitor": lambda ref: ref.monitor(),
}
EVERY = ANSWERS | ENDS
CYCLES = {name: ask for name, ask in EVERY.items() if name != "stop without drain"}


def waiting(host: str, wait: Callable[[Any], Any], found: list[Any], now: Callable[[], float]) -> Callable[[Any], Any]:
    """A message or hook that waits for what `wait` makes, and notes what comes of it and when."""

    async def on_loop(self: Any) -> None:
        try:
            found.append(await wait(self))
        except DeadlockError as error:
            found.append((error.chain, now()))

    def in_thread(self: Any) -> None:
        try:
            found.append(wait(self).get())
        except DeadlockError as error:
            found.append((error.chain, now()))

    return on_loop if host == "loop" else in_thread


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", EVERY)
def test_a_handler_that_waits_for_itself_fails_at_once(kind: str, host: str) -> None:
    with simulation() as sim:
        ref = sim.spawn(ProxiedAsync if host == "loop" else Proxied, host=host)
        found: list[Any] = []
        ref.tell(waiting(host, lambda self: EVERY[kind](self.ref), found, sim.runtime.now))
        sim.settle()
        assert found == [((ref.path, ref.path), 0.0)]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("hook", ["on_start", "on_stop"])
@pytest.mark.parametrize("kind", [name for name in EVERY if name not in ("proxy", "attribute")])
def test_a_hook_that_waits_for_its_own_actor_fails_at_once(kind: str, hook: str, host: str) -> None:
    with simulation() as sim:
        found: list[Any] = []
        act = waiting(host, lambda self: EVERY[kind](self.ref), found, sim.runtime.now)
        ref = sim.spawn(Starter, host=host, args={hook: act})
        ref.stop()
        assert found == [((ref.path, ref.path), 0.0)]


@pytest.mark.parametrize("hosts", [("loop", "loop"), ("loop", "thread"), ("thread", "loop"), ("thread", "thread")])
@pytest.mark.parametrize("second", CYCLES)
@pytest.mark.parametrize("first", ANSWERS)
def test_two_that_wait_for_each_other_get_one_error_at_once(first: str, second: str, hosts: tuple[str, str]) -> None:
    with simulation() as sim:
        one, two = (sim.spawn(ProxiedAsync if host == "loop" else Proxied, host=host) for host in hosts)
        found: list[Any] = []
        now = sim.runtime.now
        one.tell(waiting(hosts[0], lambda _: EVERY[first](two), found, now))
        two.tell(waiting(hosts[1], lambda _: EVERY[second](one), found, now))
        sim.settle()
        errors = [each for each in found if isinstance(each, tuple) and each[-1] == 0.0]
        assert len(errors) == 1
        assert set(errors[0][0]) == {one.path, two.path}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", ENDS)
def test_waiting_for_the_end_of_the_own_parent_fails_at_once(kind: str, host: str) -> None:
    with simulation() as sim:
        parent = sim.spawn(Player)
        ref = sim.spawn(AsyncPlayer if host == "loop" else Player, host=host, parent=parent)
        found: list[Any] = []
        ref.tell(waiting(host, lambda _: ENDS[kind](parent), found, sim.runtime.now))
        sim.settle()
        assert found == [((ref.path, parent.path, ref.path), 0.0)]


def test_blocking_waits_for_ones_own_end_fail_at_once() -> None:
    waits: list[Callable[[Any], Any]] = [
        lambda self: self.ref.stop(),
        lambda self: self.ref.stop(timeout=3.0),
        lambda self: self.ref.stop(drain=False),
        lambda self: self.ref.wait(),
        lambda self: self.ref.wait(timeout=3.0),
    ]
    for wait in waits:
        with simulation() as sim:
            ref = sim.spawn(Player, host="thread")
            with pytest.raises(DeadlockError):
                ref.ask(wait)
            assert sim.runtime.now() == 0.0


def test_a_start_that_calls_the_actor_that_waits_for_it_fails_at_once() -> None:
    with simulation() as sim:
        found: list[Any] = []
        parent = sim.spawn(AsyncPlayer)
        start = waiting("loop", lambda _: parent.ask("x", block=False), found, sim.runtime.now)

        async def spawn(self: Any) -> None:
            await self.ref.runtime.spawn(Starter, args={"on_start": start})

        parent.ask(spawn)
        assert [time for _, time in found] == [0.0]


def test_a_ref_of_pykkas_own_closes_a_cycle_too() -> None:
    class Old(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message()

    with simulation() as sim:
        found: list[Any] = []
        other = sim.spawn(Player, host="thread")
        old = sim.spawn(Old)
        own = pykka.ActorRegistry.get_by_class(Old)[-1]
        old.tell(lambda: waiting("thread", lambda _: other.ask(ask, block=False, timeout=None), found, now)(None))

        def now() -> float:
            return sim.runtime.now()

        def ask(self: Any) -> None:
            waiting("thread", lambda _: own.ask(lambda: "x", block=False), found, now)(self)

        sim.settle()
        assert ((other.path, old.path, other.path), 0.0) in found


# Waits that end


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", EVERY)
def test_a_handler_may_wait_for_one_that_does_not_wait(kind: str, host: str) -> None:
    with simulation() as sim:
        one, other = (sim.spawn(ProxiedAsync if host == "loop" else Proxied, host=host) for _ in "ab")
        found: list[Any] = []
        one.tell(waiting(host, lambda _: EVERY[kind](other), found, sim.runtime.now))
        sim.settle()
        other.stop()
        sim.settle()
        assert len(found) == 1
        assert type(found[0]) is not tuple
        assert one.status().waiting_for is None


@pytest.mark.parametrize("host", HOSTS)
def test_a_future_that_is_not_waited_for_closes_no_cycle(host: str) -> None:
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        kept: list[Any] = []
        ref.ask(lambda self: kept.append(ANSWERS["ask"](self.ref)))
        assert kept[0].get() == "x"
        ref.ask(lambda self: kept.append(self.ref.stop(block=False)))
        assert kept[1].get() is True


def test_a_task_of_the_handler_may_wait_for_the_actor() -> None:
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer)
        tasks: list[Any] = []

        async def later(self: Any) -> None:
            async def wait() -> Any:
                return await self.ref.ask("x", block=False)

            tasks.append(asyncio.ensure_future(wait()))

        ref.ask(later)
        sim.settle()
        assert tasks[0].result() == "x"


def test_an_actor_that_allows_concurrency_may_wait_for_itself() -> None:
    class Wide(AsyncPlayer):
        concurrency = 2

    with simulation() as sim:
        ref = sim.spawn(Wide)

        async def ask(self: Any) -> Any:
            return await self.ref.ask("x", block=False)

        assert ref.ask(ask) == "x"


@pytest.mark.parametrize("host", HOSTS)
def test_a_wait_that_was_given_up_stands_in_no_way(host: str) -> None:
    with simulation() as sim:
        one, other = sim.spawn(AsyncPlayer), sim.spawn(AsyncPlayer)

        async def give_up(_: Any) -> str:
            future = other.ask(lambda _: asyncio.sleep(5), block=False)
            try:
                async with asyncio.timeout(1):
                    await future
            except TimeoutError:
                pass
            return "on"

        assert one.ask(give_up) == "on"
        assert one.status().waiting_for is None

        async def back(_: Any) -> Any:
            return await one.ask("x", block=False)

        assert other.ask(back) == "x"


def test_a_forced_end_of_one_that_waits_for_the_stopper_ends() -> None:
    """Its grace runs out whatever it waits for, so that this is no cycle."""
    with simulation() as sim:
        one, two = sim.spawn(AsyncPlayer), sim.spawn(AsyncPlayer, shutdown=2.0)

        async def ask(_: Any) -> Any:
            return await one.ask("x", block=False, timeout=None)

        async def stop(_: Any) -> Any:
            two.tell(ask)
            await asyncio.sleep(1)
            return await two.stop(block=False, drain=False)

        assert one.ask(stop) is True
        assert sim.runtime.now() == 3.0


@pytest.mark.parametrize("kind", ["call", "ask"])
@pytest.mark.parametrize("host", HOSTS)
@in_loop
async def test_one_that_has_answered_may_ask_before_the_asker_goes_on(host: str, kind: str) -> None:
    """Guards the moment between an answer and the step of the one that gets it."""
    async with stage() as w:
        one, other = await w.runtime.spawn(AsyncPlayer), await w.runtime.spawn(AsyncPlayer, host=host)
        begun, go = asyncio.Event(), threading.Event()

        async def hold(_: Any) -> None:
            w.runtime.loop.call_soon_threadsafe(begun.set)
            while not go.is_set():
                await asyncio.sleep(0)

        async def ask(_: Any) -> Any:
            return await (other.call("x") if kind == "call" else other.ask("x", block=False))

        async def back(_: Any) -> Any:
            return await one.call("y")

        other.tell(hold)
        await begun.wait()
        asked = one.ask(ask, block=False)
        while other.status().queued == 0:
            await asyncio.sleep(0)
        called_back = other.ask(back, block=False)
        go.set()
        assert await called_back == "y"
        assert await asked == "x"


def of_the_next(ask: Ask, ref: ActorRef[Any], _: Any) -> Any:
    return ask(ref)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(HOSTS), min_size=1, max_size=5),
    st.data(),
)
def test_any_ring_of_waits_gets_exactly_one_error_that_names_it(hosts: list[str], data: st.DataObject) -> None:
    """Whoever closes the ring hears of it, whatever each of them waits for and wherever it runs."""
    kinds = [data.draw(st.sampled_from(sorted(CYCLES))) for _ in hosts]
    with simulation() as sim:
        ring = [sim.spawn(ProxiedAsync if host == "loop" else Proxied, host=host) for host in hosts]
        found: list[Any] = []
        for number, ref in enumerate(ring):
            wait = partial(of_the_next, CYCLES[kinds[number]], ring[(number + 1) % len(ring)])
            ref.tell(waiting(hosts[number], wait, found, sim.runtime.now))
        sim.settle()
        errors = [each for each in found if type(each) is tuple]
        assert len(errors) == 1
        assert errors[0][1] == 0.0
        assert set(errors[0][0]) == {ref.path for ref in ring}


# Room in a bounded mailbox: its actor makes it, by handling a message


ONE = bounded(1, "block")


def fills(host: str, to: Callable[[Any], ActorRef[Any]], seconds: float) -> Callable[[Any], Any]:
    """A message whose handler, after some time, tells more than there is room for."""

    async def on_loop(self: Any) -> None:
        await asyncio.sleep(seconds)
        for number in range(3):
            await to(self).send(number)

    def in_thread(self: Any) -> None:
        time.sleep(seconds)  # noqa: TID251 - virtual
        for number in range(3):
            to(self).tell(number)

    return on_loop if host == "loop" else in_thread


@pytest.mark.parametrize("host", HOSTS)
def test_who_waits_for_room_in_its_own_mailbox_gets_an_error(host: str) -> None:
    """Guards its asker and its stop: it waited for ever, before its own full mailbox."""
    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer if host == "loop" else Player, host=host, mailbox=ONE)
        with pytest.raises(DeadlockError) as caught:
            ref.ask(fills(host, lambda self: self.ref, 0), timeout=60)
        assert list(caught.value.chain) == [ref.path, ref.path]
        assert sim.now == 0


@pytest.mark.parametrize("host", HOSTS)
def test_a_wait_for_room_closes_a_cycle_as_one_for_an_answer_does(host: str) -> None:
    with simulation() as sim:
        kind: Any = AsyncPlayer if host == "loop" else Player
        full, sender = sim.spawn(kind, host=host, mailbox=ONE), sim.spawn(kind, host=host)
        asked = sender.ask(fills(host, lambda _: full, 1), block=False, timeout=None)
        found: list[Any] = []
        full.tell(waiting(host, lambda _: sender.ask("x", block=False, timeout=None), found, sim.runtime.now))
        sim.settle()
        with pytest.raises(DeadlockError) as caught:
            asked.get()
        assert list(caught.value.chain) == [sender.path, full.path, sender.path]
        assert sim.now == 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_wait_for_room_that_comes_is_no_error(host: str) -> None:
    """The other one is slow, and takes its messages."""
    with simulation() as sim:
        slow, seen = sim.spawn(AsyncPlayer, mailbox=ONE), list[Any]()
        slow.tell(lambda _: asyncio.sleep(5))
        sim.spawn(AsyncPlayer if host == "loop" else Player, host=host).ask(fills(host, lambda _: slow, 1), timeout=60)
        sim.settle()
        slow.ask(lambda self: seen.extend(self.seen), timeout=60)
        assert seen == [0, 1, 2]
        assert sim.now == 5

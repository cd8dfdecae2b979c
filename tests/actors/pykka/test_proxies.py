"""pykka's proxies, on stable refs."""

from __future__ import annotations

import asyncio
from typing import Any

import pykka
import pytest

from actors import Actor, BlockingCallError
from supervisors import child, start, supervisor
from tests.actors.cast import script, stage
from tests.support import in_loop


class Account(Actor):
    """Plain and async methods, attributes, and a part of its own."""

    def __init__(self) -> None:
        self.balance = 0
        self.part = pykka.traversable(Part())

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def slow_deposit(self, amount: int) -> int:
        await asyncio.sleep(0)
        return self.deposit(amount)

    def fail(self) -> None:
        raise ValueError("broke")


class Part:
    """An attribute that proxies may pass through."""

    def name(self) -> str:
        return "part"


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_methods_plain_and_async_answer_through_a_proxy(host: str) -> None:
    """Guards the proxy on both hosts, awaited."""
    async with stage() as w:
        proxy: Any = (await w.runtime.spawn(Account, host=host)).proxy()
        assert await proxy.deposit(3) == 3
        assert await proxy.slow_deposit(4) == 7
        assert await proxy.balance == 7
        assert await proxy.part.name() == "part"
        with pytest.raises(BlockingCallError):
            proxy.balance = 1  # pykka waits for an assignment, and an assignment cannot be awaited


def test_a_proxy_blocks_in_a_thread_as_in_pykka() -> None:
    """Guards scripts written for pykka: `.get()`, deferred calls and tells."""
    with script() as runtime:
        proxy: Any = runtime.spawn(Account).get().proxy()
        assert proxy.deposit(3).get() == 3
        proxy.deposit.defer(4)
        assert proxy.slow_deposit(1).get() == 8
        proxy.balance = 1
        assert proxy.balance.get() == 1


@in_loop
async def test_a_proxy_survives_a_restart() -> None:
    """Guards the stable place: it speaks to the instance of the day."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Account, backoff=None)), runtime=w.runtime) as root,
    ):
        proxy: Any = root.child("a").proxy()
        await proxy.deposit(3)
        with pytest.raises(ValueError, match="broke"):
            await proxy.fail()
        await w.settle()
        assert await proxy.deposit(1) == 1


@in_loop
async def test_a_proxy_works_while_its_actor_is_down() -> None:
    """Guards the delay of a backoff: the call waits for the next incarnation."""
    async with (
        stage(default_timeout=None) as w,
        start(supervisor("root", child("a", Account)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        ref.kill()
        await w.settle()
        proxy: Any = ref.proxy()
        deposit = proxy.deposit(3)
        await w.advance(60)
        assert await deposit == 3


@in_loop
async def test_a_missing_attribute_is_an_error_of_the_asker_and_not_a_crash() -> None:
    """Guards the actor against a typo of its caller."""
    async with stage() as w:
        ref = await w.runtime.spawn(Account)
        proxy: Any = ref.proxy()
        with pytest.raises(AttributeError):
            await proxy.depositt(3)
        assert ref.is_alive()

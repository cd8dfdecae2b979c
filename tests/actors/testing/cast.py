"""The actors of the simulation's tests."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import Any

import pykka

from actors import Actor, ActorRef
from supervisors import SupervisorSpec, child, supervisor


class Echo(Actor):
    """Answers with what it was told."""

    def on_receive(self, message: object) -> object:
        return message


class Counter(Actor):
    """Counts its messages since it started."""

    def __init__(self) -> None:
        self.count = 0

    def on_receive(self, message: object) -> int:
        self.count += 1
        return self.count


class Account(Actor):
    """A number that others read and write."""

    def __init__(self) -> None:
        self.balance = 0

    def on_receive(self, message: Any) -> int:
        if message != "read":
            self.balance = message
        return self.balance


class Depositor(Actor):
    """Reads, then writes one more: two of them lose an update."""

    def __init__(self, account: ActorRef[Account]) -> None:
        self.account = account

    async def on_receive(self, message: object) -> None:
        balance = await self.account.call("read")
        await self.account.call(balance + 1)


class Sleepy(Actor):
    """Waits for a second before it answers."""

    async def on_receive(self, message: object) -> object:
        await asyncio.sleep(1.0)
        return message


class Blocking(Actor):
    """Blocks its thread for a second before it answers with the time."""

    host = "thread"

    def on_receive(self, message: object) -> float:
        time.sleep(1.0)  # noqa: TID251 - virtual
        return time.monotonic()


class PlainBlocking(pykka.ThreadingActor):
    """A pykka actor that knows nothing of the runtime, and blocks."""

    def on_receive(self, message: Any) -> Any:
        time.sleep(0.5)  # noqa: TID251 - virtual
        return message


class Forwarder(pykka.ThreadingActor):
    """Asks another actor, and blocks until the answer comes."""

    def __init__(self, target: pykka.ActorRef[Any]) -> None:
        super().__init__()
        self.target = target

    def on_receive(self, message: Any) -> Any:
        return self.target.ask(message)


class Producer(Actor):
    """Blocks on the standard library: a queue, an event and a condition."""

    host = "thread"

    def __init__(self, items: queue.Queue[int], gate: threading.Event) -> None:
        self.items = items
        self.gate = gate

    def on_receive(self, message: int) -> int:
        if message < 0:
            self.gate.wait()
            return self.items.get(timeout=5.0)
        time.sleep(message)  # noqa: TID251 - virtual
        self.items.put(message)
        self.gate.set()
        return message


def counters(*names: str) -> SupervisorSpec:
    """A tree `root` of counters."""
    return supervisor("root", *(child(name, Counter) for name in names))

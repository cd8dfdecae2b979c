"""How what the event stream and a mailbox do grows with what they hold: seconds for one operation, at a size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from random import Random

from actors import EventStream, Exited, LifecycleEvent, MessageHandled, Started, prioritized
from actors._core.envelope import Envelope
from actors._core.future import park_thread
from actors._core.mailbox import make_queue

TIMES = 2_000
"""How many operations one measurement makes."""


def _subscribe(*mine: type[LifecycleEvent]) -> Callable[[int], float]:
    """One subscription comes and goes among many others, and an event of its class is looked up after each change."""

    def row(size: int) -> float:
        stream = EventStream()
        for number in range(size):
            stream.subscribe(lambda _: None, (Started, MessageHandled)[number % 2])
        began = time.perf_counter()
        for _ in range(TIMES):
            subscription = stream.subscribe(lambda _: None, *mine)
            stream.sinks(Exited)
            subscription.cancel()
            stream.sinks(Exited)
        return (time.perf_counter() - began) / TIMES

    return row


def _send_to_full(size: int) -> float:
    """A message goes to a full mailbox with priorities, which drops the one that waited longest."""
    random = Random(1)
    spec = prioritized(lambda message: message, capacity=size, policy="drop_oldest")
    queue = make_queue(spec, "full", lambda envelope: None, park_thread)
    for _ in range(size):
        queue.append(Envelope(random.random()))
    waiting = [Envelope(random.random()) for _ in range(TIMES)]
    began = time.perf_counter()
    for envelope in waiting:
        queue.append(envelope)
    return (time.perf_counter() - began) / TIMES


ROWS: Mapping[str, Callable[[int], float]] = {
    "subscribe to events and cancel, subscriptions alive": _subscribe(Exited),
    "send to a full mailbox, priority and drop_oldest, messages waiting": _send_to_full,
}

"""pykka: the floor we sit on. Same process, one OS thread per actor."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Mapping

import pykka

from benchmarks import _measure
from benchmarks._works import AUDIENCE, RING_SIZE, SENDERS, Figures, Measure

_WAIT = 60.0

Ref = pykka.ActorRef[pykka.ThreadingActor]


class Echo(pykka.ThreadingActor):
    """Counts what it is told, gives back what it is asked."""

    use_daemon_thread = True

    def __init__(self, failures: queue.SimpleQueue[float] | None = None) -> None:
        super().__init__()
        self.count = 0
        self.raised = 0.0
        self.failures = failures

    def on_receive(self, message: object) -> object:
        """A tuple is a question; words are orders; the rest is counted."""
        if type(message) is tuple:
            return message[0]
        if message == "count":
            return self.count
        if message == "crash":
            self.raised = time.perf_counter()
            raise ValueError(message)
        self.count += 1
        return None

    def on_failure(self, *_: object) -> None:
        """What stands for a supervisor's decision: the only word of a crash that pykka passes on."""
        if self.failures is not None:
            self.failures.put(time.perf_counter() - self.raised)


class Hop(pykka.ThreadingActor):
    """Passes a token on until it is spent."""

    use_daemon_thread = True

    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self.done = done
        self.following: Ref | None = None

    def on_receive(self, message: object) -> None:
        """A ref is the next in the ring, a number the token."""
        if isinstance(message, pykka.ActorRef):
            self.following = message
        elif isinstance(message, int) and message and self.following is not None:
            self.following.tell(message - 1)
        else:
            self.done.set()


class Sink(pykka.ThreadingActor):
    """Says when it has been told as often as expected."""

    use_daemon_thread = True

    def __init__(self, expected: int, done: threading.Event) -> None:
        super().__init__()
        self.left = expected
        self.done = done

    def on_receive(self, message: object) -> None:
        """Count down."""
        self.left -= 1
        if not self.left:
            self.done.set()


class Sender(pykka.ThreadingActor):
    """Tells a sink as often as it is told to."""

    use_daemon_thread = True

    def __init__(self, sink: Ref) -> None:
        super().__init__()
        self.sink = sink

    def on_receive(self, message: object) -> None:
        """A number is how often."""
        if isinstance(message, int):
            for number in range(message):
                self.sink.tell(number)


def _tell(size: int) -> Figures:
    ref = Echo.start()
    started = time.perf_counter()
    for number in range(size):
        ref.tell(number)
    if ref.ask("count", timeout=_WAIT) != size:
        raise AssertionError("messages were lost")
    return _measure.rate(size, started)


def _call(size: int) -> Figures:
    async def run() -> Figures:
        ref = Echo.start()
        started = time.perf_counter()
        for number in range(size):
            await ref.ask((number,), block=False)
        return _measure.rate(size, started)

    return asyncio.run(run())


def _ask(size: int) -> Figures:
    ref = Echo.start()
    started = time.perf_counter()
    for number in range(size):
        ref.ask((number,), timeout=_WAIT)
    return _measure.rate(size, started)


def _ring(size: int) -> Figures:
    done = threading.Event()
    hops = [Hop.start(done) for _ in range(RING_SIZE)]
    for index, hop in enumerate(hops):
        hop.tell(hops[(index + 1) % RING_SIZE])
    started = time.perf_counter()
    hops[0].tell(size)
    done.wait()
    return _measure.rate(size, started)


def _fan_in(size: int) -> Figures:
    done = threading.Event()
    each = size // SENDERS
    sink = Sink.start(each * SENDERS, done)
    senders = [Sender.start(sink) for _ in range(SENDERS)]
    started = time.perf_counter()
    for sender in senders:
        sender.tell(each)
    done.wait()
    return _measure.rate(each * SENDERS, started)


def _spawn(size: int) -> Figures:
    memory = _measure.growth()
    started = time.perf_counter()
    refs = [Echo.start() for _ in range(size)]
    for ref in refs:
        ref.ask((0,), timeout=_WAIT)
    return _measure.spawned(size, started, memory)


def _restart(size: int) -> Figures:
    failures: queue.SimpleQueue[float] = queue.SimpleQueue()
    ref = Echo.start(failures)
    spans = []
    for _ in range(size):
        started = time.perf_counter()
        ref.tell("crash")
        failures.get(timeout=_WAIT)
        ref = Echo.start(failures)
        ref.ask((0,), timeout=_WAIT)
        spans.append(time.perf_counter() - started)
    return _measure.cycle(spans)


def _stop(size: int) -> Figures:
    refs = [Echo.start() for _ in range(size)]
    started = time.perf_counter()
    for ref in reversed(refs):
        ref.stop()
    return _measure.rate(size, started)


def _detection(size: int) -> Figures:
    failures: queue.SimpleQueue[float] = queue.SimpleQueue()
    spans = []
    for _ in range(size):
        Echo.start(failures).tell("crash")
        spans.append(failures.get(timeout=_WAIT))
    return _measure.detection(spans)


def _broadcasts(size: int) -> Figures:
    refs = [Echo.start() for _ in range(AUDIENCE)]
    started = time.perf_counter()
    for number in range(size):
        pykka.get_all([ref.ask((number,), block=False) for ref in refs], timeout=_WAIT)
    figures = _measure.rate(size * AUDIENCE, started)
    pykka.ActorRegistry.stop_all()
    return figures


WORKS: Mapping[str, Measure] = {
    "tell": _tell,
    "call": _call,
    "ask": _ask,
    "ring": _ring,
    "fan-in": _fan_in,
    "spawn": _spawn,
    "start": _spawn,
    "restart": _restart,
    "stop": _stop,
    "detection": _detection,
    "team-broadcast": _broadcasts,
}

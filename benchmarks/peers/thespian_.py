"""thespian: SIMPLE is all actors in the caller's thread, TCP is a process per actor."""

# A peer without types is Any to mypy, whether or not it is installed.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from thespian.actors import Actor, ActorAddress, ActorExitRequest, ActorSystem, ChildActorExited

from benchmarks import _measure
from benchmarks._works import RING_SIZE, SENDERS, Figures, Measure

_WAIT = 60.0


class Worker(Actor):
    """Does what the shape of the message says. One class: an actor's process imports nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 0
        self.waiting: ActorAddress | None = None
        self.following: ActorAddress | None = None

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:
        """A number counts down; tuples and words are as the cases say."""
        match message:
            case int():
                self._count_down()
            case ("echo", value):
                self.send(sender, value)
            case ("expect", int(left)):
                self.left += left
                self.waiting = sender
                self._settle()
            case ("next", following):
                self.following = following
                self.send(sender, "ready")
            case ("token", int(left), sink):
                if left:
                    self.send(self.following, ("token", left - 1, sink))
                else:
                    self.send(sink, 0)
            case ("send", sink, int(times)):
                for number in range(times):
                    self.send(sink, number)
            case "memory":
                self.send(sender, _measure.resident_kib())
            case "die":
                os._exit(3)

    def _count_down(self) -> None:
        self.left -= 1
        self._settle()

    def _settle(self) -> None:
        if not self.left and self.waiting is not None:
            self.send(self.waiting, "done")


class Keeper(Actor):
    """A hand-made one_for_one: tells the first asker of each new child."""

    def __init__(self) -> None:
        super().__init__()
        self.owner: ActorAddress | None = None

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:
        """Start a child when told to, and again whenever it is gone."""
        if message == "start":
            self.owner = sender
        if message == "start" or isinstance(message, ChildActorExited):
            self.send(self.owner, self.createActor(Worker))


def _on(base: str, work: Callable[[int, ActorSystem, bool], Figures]) -> Measure:
    def measure(size: int) -> Figures:
        system = ActorSystem(base)
        try:
            return work(size, system, base != "simpleSystemBase")
        finally:
            system.shutdown()

    return measure


def _expect(system: ActorSystem, address: ActorAddress, message: object, answer: object) -> None:
    told = system.ask(address, message, _WAIT)
    if told != answer:
        raise AssertionError(f"{told!r} came, not {answer!r}")


def _tell(size: int, system: ActorSystem, _: bool) -> Figures:
    worker = system.createActor(Worker)
    _expect(system, worker, ("echo", 1), 1)
    started = time.perf_counter()
    for number in range(size):
        system.tell(worker, number)
    _expect(system, worker, ("expect", size), "done")
    return _measure.rate(size, started)


def _ask(size: int, system: ActorSystem, _: bool) -> Figures:
    worker = system.createActor(Worker)
    _expect(system, worker, ("echo", 1), 1)
    started = time.perf_counter()
    for number in range(size):
        system.ask(worker, ("echo", number), _WAIT)
    return _measure.rate(size, started)


def _ring(size: int, system: ActorSystem, _: bool) -> Figures:
    sink = system.createActor(Worker)
    hops = [system.createActor(Worker) for _ in range(RING_SIZE)]
    for index, hop in enumerate(hops):
        _expect(system, hop, ("next", hops[(index + 1) % RING_SIZE]), "ready")
    started = time.perf_counter()
    system.tell(hops[0], ("token", size, sink))
    _expect(system, sink, ("expect", 1), "done")
    return _measure.rate(size, started)


def _fan_in(size: int, system: ActorSystem, _: bool) -> Figures:
    each = size // SENDERS
    sink = system.createActor(Worker)
    senders = [system.createActor(Worker) for _ in range(SENDERS)]
    for one in (sink, *senders):
        _expect(system, one, ("echo", 1), 1)
    started = time.perf_counter()
    for sender in senders:
        system.tell(sender, ("send", sink, each))
    _expect(system, sink, ("expect", each * SENDERS), "done")
    return _measure.rate(each * SENDERS, started)


def _spawn(size: int, system: ActorSystem, processes: bool) -> Figures:
    here = _measure.growth()
    started = time.perf_counter()
    workers = [system.createActor(Worker) for _ in range(size)]
    for worker in workers:
        _expect(system, worker, ("echo", 1), 1)

    def everywhere() -> float:
        return float(sum(system.ask(worker, "memory", _WAIT) for worker in workers))

    figures = _measure.spawned(size, started, everywhere if processes else here)
    for worker in workers:
        system.tell(worker, ActorExitRequest())
    return figures


def _restart(size: int, system: ActorSystem, processes: bool) -> Figures:
    keeper = system.createActor(Keeper)
    worker = system.ask(keeper, "start", _WAIT)
    spans = []
    for _ in range(size):
        _expect(system, worker, ("echo", 1), 1)
        started = time.perf_counter()
        system.tell(worker, "die")
        worker = system.listen(_WAIT)
        _expect(system, worker, ("echo", 1), 1)
        spans.append(time.perf_counter() - started)
    return _measure.cycle(spans)


SIMPLE: Mapping[str, Measure] = {
    "tell": _on("simpleSystemBase", _tell),
    "ask": _on("simpleSystemBase", _ask),
    "ring": _on("simpleSystemBase", _ring),
    "fan-in": _on("simpleSystemBase", _fan_in),
    "spawn": _on("simpleSystemBase", _spawn),
}

TCP: Mapping[str, Measure] = {
    "tell": _on("multiprocTCPBase", _tell),
    "ask": _on("multiprocTCPBase", _ask),
    "ring": _on("multiprocTCPBase", _ring),
    "fan-in": _on("multiprocTCPBase", _fan_in),
    "spawn": _on("multiprocTCPBase", _spawn),
    "restart": _on("multiprocTCPBase", _restart),
}

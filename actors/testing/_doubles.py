"""Doubles for unit tests, with or without a simulation: an actor that records and answers, and waiting for an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from actors._core.actor import Actor
from actors._core.future import Future
from actors._runtime.runtime import Runtime
from actors.events import EventStream, LifecycleEvent
from actors.testing._sim.call_site import parking

E = TypeVar("E", bound=LifecycleEvent)
ProbeAnswers = Callable[[Any], object] | Mapping[type, object]


class Inbox:
    """The messages that a `Probe` has received, in order. It belongs to the test and outlives restarts of the actor."""

    def __init__(self, answers: ProbeAnswers | None = None) -> None:
        """`answers`: the replies, by the type of the message or from a function; an exception is raised. By default
        every answer is `None`.
        """
        self.messages: list[Any] = []
        self.starts = 0
        """How many incarnations have come up."""
        self._answers = answers
        self._waiting: list[tuple[Callable[[Inbox], bool], Future[list[Any]]]] = []

    def receive(self, message: object) -> object:
        """Keeps the message, and returns or raises the answer."""
        self.messages.append(message)
        for entry in [entry for entry in self._waiting if entry[0](self)]:
            self._waiting.remove(entry)
            entry[1].set([*self.messages])
        answers = self._answers
        answer = answers.get(type(message)) if isinstance(answers, Mapping) else answers(message) if answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def holds(self, count: int) -> Future[list[Any]]:
        """A future of all messages: it settles as soon as there are `count` of them. Nothing polls or sleeps."""
        return self._once(lambda inbox: len(inbox.messages) >= count)

    def got(self, kind: type, count: int = 1) -> Future[list[Any]]:
        """A future of all messages: it settles as soon as `count` of this class have come."""
        return self._once(lambda inbox: sum(isinstance(each, kind) for each in inbox.messages) >= count)

    def _once(self, enough: Callable[[Inbox], bool]) -> Future[list[Any]]:
        future: Future[list[Any]] = _future()
        if enough(self):
            future.set([*self.messages])
        else:
            self._waiting.append((enough, future))
        return future

    def __repr__(self) -> str:
        return f"<Inbox of {len(self.messages)}>"


class Probe(Actor):
    """An actor that keeps its messages in the `Inbox` of a test, and answers from it: `args=[inbox]`."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def on_start(self) -> None:
        self.inbox.starts += 1

    def on_receive(self, message: object) -> object:
        return self.inbox.receive(message)


def wait_until(
    where: Runtime | EventStream, kind: type[E], predicate: Callable[[E], bool] = lambda _: True
) -> Future[E]:
    """A future of the next event of this class that the predicate accepts: await it, or call `.get(timeout=...)`.

    Call this before the code that causes the event: earlier events are not seen. Nothing polls or sleeps. If the
    predicate raises, the future raises the same.
    """
    future: Future[E] = _future()

    def hear(event: E) -> None:
        if future.done():
            return
        try:
            if not predicate(event):
                return
        except Exception as error:  # noqa: BLE001 - the waiting test gets it
            future.set_exception(error)
        else:
            future.set(event)
        subscription.cancel()

    stream = where if isinstance(where, EventStream) else where.events
    subscription = stream.subscribe(hear, kind)
    return future


def _future() -> Future[Any]:
    """A future that blocks as the simulation under way wants it, or the thread where there is none."""
    return Future(parking[-1]) if parking else Future()

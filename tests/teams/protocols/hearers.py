"""Who hears of events in these tests, and how a test insists on being served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from actors import Actor, ActorDeadError, Future, handles, sleep
from actors.testing import InjectedCrash
from supervisors import ChildSpec, SupervisorSpec, child, constant, supervisor
from teams.protocols import Event, Topics, TopicsRef

T = TypeVar("T")

SOON = constant(0.1)
"""A backoff that leaves no doubt about when."""


def insist(ask: Callable[[], Future[T]]) -> T:
    """Asks until there is an answer: the actor may crash over the question, or be killed."""
    for _ in range(20):
        try:
            return ask().get()
        except (InjectedCrash, ActorDeadError) as error:
            last: Exception = error
    raise last


class Hearer(Actor):
    """Writes down the payloads of the events it has handled, after `seconds` of work."""

    def __init__(self, log: list[Any], seconds: float = 0.0) -> None:
        self.log = log
        self.seconds = seconds

    @handles
    def hear(self, event: Event) -> Any:
        return self.work(event) if self.seconds else self.log.append(event.payload)

    async def work(self, event: Event) -> None:
        await sleep(self.seconds)
        self.log.append(event.payload)


class Refuser(Actor):
    """Fails over the events of which `how` says so, by raising what it returns."""

    def __init__(self, log: list[Any], how: Callable[[Any], Exception | None]) -> None:
        self.log = log
        self.how = how

    @handles
    def hear(self, event: Event) -> None:
        error = self.how(event.payload)
        self.log.append(("tried", event.payload) if error is not None else event.payload)
        if error is not None:
            raise error


def tree(*members: ChildSpec, **options: Any) -> SupervisorSpec:
    """Topics at `team/bus`, and members beside them."""
    return supervisor("team", child("bus", Topics, backoff=SOON, **options), *members, max_restarts=None)


def hearer(id: str, log: list[Any], seconds: float = 0.0, **options: Any) -> ChildSpec:
    """A member that writes down what it handles."""
    return child(id, Hearer, args=[log, seconds], backoff=SOON, **options)


def refuser(id: str, log: list[Any], how: Callable[[Any], Exception | None]) -> ChildSpec:
    """A member that fails where `how` says so."""
    return child(id, Refuser, args=[log, how], backoff=SOON)


def bus_of(root: Any) -> TopicsRef:
    """The topics of a tree."""
    found = root.child("bus")
    assert isinstance(found, TopicsRef)
    return found

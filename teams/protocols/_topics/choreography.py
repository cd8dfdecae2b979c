"""Choreographies: members that react to each other's events, without a conductor.

    order = choreography(
        "order",
        on("order.received", "validator", emits="order.validated"),
        on("order.validated", "inventory", emits="inventory.confirmed", undo="restock"),
        on("inventory.confirmed", "payment", emits="payment.processed", undo="refund"),
        starts="order.received",
        ends="payment.processed",
    )

A step is one member that hears of one topic, or of many by a pattern. A member goes on with the chain by returning
`Emit(topic, payload)`, or a list of them. How chains run, fail and are undone stands in `protocols/_topics/topics.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervisors.spi import Backoff, SpecFault, builder, nearest
from teams._checks.fields import refuse, seconds_faults
from teams.protocols._delivery import BACKOFF, Terms
from teams.protocols._topics.event import topic_faults, topic_matcher, topic_pattern_faults

if TYPE_CHECKING:
    from supervisors.spi import Finding

DEADLINE = 300.0
"""Seconds a chain may take unless its choreography says otherwise."""


@dataclass(frozen=True, slots=True)
class On:
    """One step: a member that hears of a topic."""

    topic: str
    member: str
    undo: str | None
    emits: tuple[str, ...] | None
    terms: Terms
    undo_terms: Terms

    def hears(self, topic: str) -> bool:
        """Whether an event on this topic is for this step."""
        return topic_matcher(self.topic).fullmatch(topic) is not None


@dataclass(frozen=True, slots=True)
class Choreography:
    """Steps that belong together."""

    name: str
    steps: tuple[On, ...]
    starts: tuple[str, ...] | None
    ends: tuple[str, ...]
    deadline: float | None

    def __post_init__(self) -> None:
        refuse(_faults(self))

    def unknown(self, members: Collection[str]) -> list[SpecFault]:
        """Every member and compensation that is not among these."""
        found = []
        for step in self.steps:
            for what, name in (("member", step.member), ("undo", step.undo)):
                if name is not None and name not in members:
                    hint = nearest(name, members)
                    found.append(SpecFault(f"{self.name}/{step.topic}", f"{what}: no member {name!r}; {hint}"))
        return found

    def findings(self) -> tuple[Finding, ...]:
        """Events that no step emits or handles, as far as `starts`, `ends` and the steps' `emits` tell."""
        return tuple(self._findings())

    def _findings(self) -> Iterator[Finding]:
        from supervisors.spi import Finding

        said = [(step.topic, topic) for step in self.steps for topic in step.emits or ()]
        begun = [("starts", topic) for topic in self.starts or ()]
        for where, topic in [*begun, *said]:
            if topic not in self.ends and not any(step.hears(topic) for step in self.steps):
                yield Finding("warning", f"{self.name}/{where}", f"no step handles {topic!r}; set ends={topic!r}")
        if self.starts is None or any(step.emits is None for step in self.steps):
            return  # any topic may be emitted
        known = [topic for _, topic in [*begun, *said]]
        for step in self.steps:
            if not any(step.hears(topic) for topic in known):
                yield Finding("warning", f"{self.name}/{step.topic}", f"no step emits what {step.member!r} waits for")
        for topic in self.ends:
            if topic not in known:
                yield Finding("warning", f"{self.name}/ends", f"no step emits {topic!r}")


@builder("on")
def on(
    topic: str,
    member: str,
    *,
    undo: str | None = None,
    emits: str | Iterable[str] | None = None,
    attempts: int = 3,
    backoff: Backoff = BACKOFF,
    timeout: float | None = None,
    undo_attempts: int = 5,
    undo_timeout: float | None = 30.0,
) -> On:
    """A step of a choreography. Nothing is checked before `choreography` is given all of them.

    Args:
        topic: what the member hears of: a topic or a pattern
        member: the member that handles it
        undo: the member that gets `Undo` when the step is completed and the chain fails; None: the step is not undone
        emits: the topics it goes on with, for `findings`; None: not said
        attempts: how often the member may fail over one event before the chain fails
        backoff: the wait after each failure, of undoing too
        timeout: seconds each attempt may take; None: until the deadline of the chain
        undo_attempts: how often undoing may fail
        undo_timeout: seconds each attempt to undo may take; None: any time
    """
    emitted = None if emits is None else _several(emits)
    return On(
        topic, member, undo, emitted, Terms(attempts, backoff, timeout), Terms(undo_attempts, backoff, undo_timeout)
    )


@builder("{id}")
def choreography(
    name: str,
    *steps: On,
    starts: str | Iterable[str] | None = None,
    ends: str | Iterable[str] = (),
    deadline: float | None = DEADLINE,
) -> Choreography:
    """A choreography of these steps.

    Args:
        name: what it is called; topics know one of each name
        steps: each made by `on`
        starts: the topics that begin a chain, for `findings`; None: not said
        ends: the topics that end it; they need no subscriber
        deadline: seconds a chain may take before it fails; None: any time

    Raises:
        SpecError: with everything that is wrong
    """
    began = None if starts is None else _several(starts)
    return Choreography(name, steps, began, _several(ends), deadline)


def _several(topics: str | Iterable[str]) -> tuple[str, ...]:
    """One topic or many; what is neither is a topic that `choreography` finds fault with."""
    given: Any = topics
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)


def _faults(made: Choreography) -> Iterator[SpecFault]:
    name: object = made.name
    named = isinstance(name, str) and name != ""
    where = str(name) if named else "choreography"
    if not named:
        yield SpecFault(where, f"name: must be a name, got {name!r}")
    if not made.steps:
        yield SpecFault(where, "has no steps; give some, each made by on()")
    yield from seconds_faults(where, "deadline", made.deadline)
    for what, topics in (("starts", made.starts or ()), ("ends", made.ends)):
        yield from topic_faults(f"{where}/{what}", *topics)
    seen: set[tuple[object, object]] = set()
    for number, step in enumerate(made.steps, start=1):
        if not isinstance(step, On):
            yield SpecFault(f"{where}/step {number}", f"must be made by on(), got {step!r}")
            continue
        place = f"{where}/{step.topic}"
        yield from topic_pattern_faults(place, step.topic)
        for name, value in (("member", step.member), ("undo", step.undo)):
            if not (isinstance(value, str) and value) and not (name == "undo" and value is None):
                yield SpecFault(place, f"{name}: must be the id of a member, got {value!r}")
        handles: tuple[object, object] = step.topic, step.member
        if all(isinstance(each, str) for each in handles):
            if handles in seen:
                yield SpecFault(place, f"{step.member!r} handles it twice; leave one of the two steps out")
            seen.add(handles)
        yield from topic_faults(place, *(step.emits or ()))
        yield from step.terms.faults(place)
        yield from (SpecFault(each.path, f"undo_{each.message}") for each in step.undo_terms.faults(place))

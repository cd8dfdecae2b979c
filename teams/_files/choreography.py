"""Choreographies in files.

    [[choreographies]]
    name = "order"
    starts = "order.received"
    ends = "payment.processed"

    [choreographies.event_handlers]
    "order.received" = "validator"
    "order.validated" = { agent = "inventory", undo = "restock", emits = "inventory.confirmed", timeout = "30s" }
    "inventory.confirmed" = ["payment", "log"]

What a handler may say is what `on` takes; the member stands under `agent`, and several under one topic are a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field, PositiveInt

from supervisors.spi import SpecError, SpecFault, attempt
from teams._checks.nearest import nearest
from teams._files.keys import Keys
from teams._files.names import Names
from teams._files.seconds import Seconds
from teams.protocols._topics.choreography import Choreography, On, choreography, on


class ChoreographyKeys(Keys):
    name: str
    event_handlers: dict[str, object] = Field(min_length=1)
    starts: str | list[str] | None = None
    ends: str | list[str] = ()  # type: ignore[assignment]
    deadline: Seconds = 300.0


class HandlerKeys(Keys):
    agent: str
    undo: str | None = None
    emits: str | list[str] | None = None
    attempts: PositiveInt = 3
    timeout: Seconds | None = None
    undo_attempts: PositiveInt = 5
    undo_timeout: Seconds = 30.0


def read_choreography(
    path: str, values: Mapping[str, object], names: Names, faults: list[SpecFault]
) -> Choreography | None:
    """The choreography that a mapping describes; None, with faults, if it is none."""
    before = len(faults)
    keys = attempt(ChoreographyKeys, path, values, faults)
    handlers = values.get("event_handlers")
    steps = list(_steps(path, handlers, names, faults)) if isinstance(handlers, Mapping) else []
    if keys is None or len(faults) > before:
        return None
    given: dict[str, Any] = {"starts": keys.starts, "ends": keys.ends, "deadline": keys.deadline}
    try:
        made = choreography(keys.name, *steps, **given)
    except SpecError as error:
        faults += (SpecFault(path, f"{fault.path.rpartition('/')[2]}: {fault.message}") for fault in error.faults)
        return None
    faults += _unheard(path, made, names)
    return made


def _unheard(path: str, made: Choreography, names: Names) -> Iterator[SpecFault]:
    """Topics that are said to be emitted and that nobody has a handler for: more likely misspelt than meant."""
    said = [("starts", topic) for topic in made.starts or ()]
    said += [(f"event_handlers/{step.topic}: emits", topic) for step in made.steps for topic in step.emits or ()]
    for where, topic in said:
        if topic not in made.ends and not names.hears(topic):
            near = nearest(topic, {*names.topics, *made.ends})
            yield SpecFault(path, f"{where}: nobody hears of {topic!r}; {near}")


def _steps(path: str, handlers: Mapping[str, object], names: Names, faults: list[SpecFault]) -> Iterator[On]:
    for topic, listed in handlers.items():
        several = listed if isinstance(listed, Sequence) and not isinstance(listed, str) else [listed]
        for each in several:
            step = _step(f"{path}/event_handlers/{topic}", str(topic), each, names, faults)
            if step is not None:
                yield step


def _step(path: str, topic: str, value: object, names: Names, faults: list[SpecFault]) -> On | None:
    values = value if isinstance(value, Mapping) else {"agent": value}
    keys = attempt(HandlerKeys, path, values, faults)
    if keys is None:
        return None
    sound = True
    for key, name in (("agent", keys.agent), ("undo", keys.undo)):
        if name is not None and name not in names.seats:
            faults.append(SpecFault(path, f"{key}: there is no member {name!r}; {nearest(name, names.seats)}"))
            sound = False
    options = keys.model_dump(exclude={"agent"})
    return on(topic, keys.agent, **options) if sound else None

"""Choreographies in files.

    [[choreographies]]
    name = "order"
    starts = "order.received"
    ends = "payment.processed"

    [choreographies.event_handlers]
    "order.received" = "validator"
    "order.validated" = { agent = "inventory", undo = "restock", emits = "inventory.confirmed", timeout = "30s" }
    "inventory.confirmed" = ["payment", "log"]

A handler takes the options of `on`; the member stands under `agent`, and several handlers of one topic are a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supervisors.spi import SpecError, SpecFault, nearest
from teams._files.form import Faults, FormKey, FormKeys, FormReader
from teams._files.names import Names
from teams.protocols._topics.choreography import Choreography, On, choreography, on


class ChoreographyReader(FormReader):
    """Reads choreographies."""

    def __init__(self, names: Names, faults: Faults) -> None:
        super().__init__(faults)
        self._names = names

    def choreography(self, path: str, values: Mapping[str, object]) -> Choreography | None:
        """The choreography that a mapping describes; None, with faults, if it is not one."""
        made: Choreography | None = self.form(path, values, _build, CHOREOGRAPHY, None)
        if made is not None:
            self._unheard(path, made)
        return made

    def _unheard(self, path: str, made: Choreography) -> None:
        """Topics that are emitted and have no handler: more likely misspelt than meant."""
        said = [("starts", topic) for topic in made.starts or ()]
        said += [(f"event_handlers/{step.topic}: emits", topic) for step in made.steps for topic in step.emits or ()]
        for where, topic in said:
            if topic not in made.ends and not self._names.hears(topic):
                hint = nearest(topic, {*self._names.topics, *made.ends})
                self.fault(path, f"{where}: {topic!r} has no subscriber; {hint}")

    def handlers(self, path: str, key: str, value: object) -> list[On]:
        """The steps of the handlers, by topic."""
        if not isinstance(value, Mapping):
            self.fault(path, f"{key}: must be a mapping {{topic: member}}, got {value!r}")
            return []
        return [
            self._handler(f"{path}/{key}/{topic}", str(topic), each)
            for topic, listed in value.items()
            for each in (listed if isinstance(listed, Sequence) and not isinstance(listed, str) else [listed])
        ]

    def _handler(self, path: str, topic: str, value: object) -> On:
        values = value if isinstance(value, Mapping) else {"agent": value}
        made: On = self.form(path, values, lambda **options: on(topic, **options), HANDLER, on(topic, "unread"))
        return made

    def member(self, path: str, key: str, value: object) -> object:
        """The id of a member."""
        if isinstance(value, str) and value not in self._names.slots:
            self.fault(path, f"{key}: no member {value!r}; {nearest(value, self._names.slots)}")
        return value


def _build(name: str, event_handlers: list[On], **options: Any) -> Choreography:
    try:
        return choreography(name, *event_handlers, **options)
    except SpecError as error:
        faults = [SpecFault("", f"{fault.path.rpartition('/')[2]}: {fault.message}") for fault in error.faults]
        raise SpecError(faults) from None


RAW: FormKey[FormReader] = FormKey()
SECONDS: FormKey[FormReader] = FormKey(FormReader.seconds)
MEMBER = FormKey(ChoreographyReader.member)
CHOREOGRAPHY: FormKeys = {
    "name": RAW._replace(required=True),
    "event_handlers": FormKey(ChoreographyReader.handlers, required=True),
    "starts": RAW,
    "ends": RAW,
    "deadline": SECONDS,
}
HANDLER: FormKeys = {
    "agent": MEMBER._replace(to="member", required=True),
    "undo": MEMBER,
    "emits": RAW,
    "attempts": RAW,
    "timeout": SECONDS,
    "undo_attempts": RAW,
    "undo_timeout": SECONDS,
}

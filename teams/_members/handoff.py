"""Handoff: a member gives its work to another.

| message | from | to | meaning |
|---|---|---|---|
| `Handoff` | giver | coordinator | the giver's answer: another member must do this |
| `Offer` | coordinator | receiver | will you take it? (sent to members that handle `Offer`; the others take all) |
| `Accept`, `Decline` | receiver | coordinator | yes, or no with a reason |
| the work | coordinator | receiver | the transfer; its outcome is the acknowledgement |

States of the work: *working* (owner: giver) - *offered* (owner: giver) - *working* (owner: receiver). The owner changes
in one step, when the acceptance is recorded in the state of the dispatcher, which no crash and no kill touches: at
every moment exactly one member owns the work. A receiver that crashes over an offer gets it again; one that crashes
over the work gets it again while it has attempts left. A refusal (no member is able, all decline, too many hops, a
loop) goes back to the giver, which is called again with the refusal in its `Context`; a giver that insists fails the
work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from supervisors.spi import SpecFault, builder
from teams._checks.coroutine import async_faults
from teams._checks.fields import refuse
from teams._members.results import NOTHING, Done, Handoff


class Offer(NamedTuple):
    """Will you take this work? A member's handler for it returns `Accept` or `Decline`."""

    work: object
    giver: str
    reason: str
    chain: tuple[str, ...]
    """The slots that had the work before, first to last."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Decline:
    """No, and why."""

    reason: str = ""


Trigger = str | type | Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class HandoffRule:
    """Hands results of one role to another. Raises SpecError with all faults of its fields."""

    from_role: str
    to_role: str
    trigger: Trigger
    transform: Callable[[object], object] | None = None

    def __post_init__(self) -> None:
        sides: list[tuple[str, object]] = [("from_role", self.from_role), ("to_role", self.to_role)]
        faults = [
            SpecFault("handoff", f"{name}: must be the name of a role or a member, got {value!r}")
            for name, value in sides
            if not isinstance(value, str) or not value
        ]
        trigger: object = self.trigger
        if not isinstance(trigger, str) and not callable(trigger):
            faults.append(SpecFault("handoff", f"trigger: must be a name, a class or a predicate, got {trigger!r}"))
        if self.transform is not None and not callable(self.transform):
            faults.append(SpecFault("handoff", f"transform: must be callable, got {self.transform!r}"))
        called = trigger if not isinstance(trigger, type) else None
        refuse(faults, async_faults("handoff", trigger=called, transform=self.transform))

    def fires(self, role: str | None, member: str, result: object) -> bool:
        """Whether this result of this member is handed on. Raises what a trigger of the user's raises."""
        if self.from_role not in (role, member):
            return False
        if isinstance(self.trigger, str):
            named = result.trigger if isinstance(result, Done) else None
            if named is None and isinstance(result, Mapping):
                named = result.get("trigger")
            return named == self.trigger
        if isinstance(self.trigger, type):
            return isinstance(result, self.trigger)
        return bool(self.trigger(result))

    def handoff(self, result: object) -> Handoff:
        """The handoff of this result."""
        value = result.result if isinstance(result, Done) else result
        return Handoff(self.to_role, self.transform(value) if self.transform is not None else value, str(self.name))

    @property
    def name(self) -> str:
        """The trigger as a string."""
        if isinstance(self.trigger, str):
            return self.trigger
        return getattr(self.trigger, "__name__", repr(self.trigger))


@builder("handoff")
def handoff(
    from_role: str, to_role: str, trigger: Trigger, *, transform: Callable[[object], object] | None = None
) -> HandoffRule:
    """A rule for `team(handoffs=[...])`: what `from_role` (a role or a member) returns goes to `to_role` when it fits
    `trigger`, as `transform` makes it.

    `trigger` is the name in a `Done` (or under the key "trigger" of a mapping), a class, or a predicate of the result.
    Raises SpecError.
    """
    return HandoffRule(from_role, to_role, trigger, transform)


def requested(result: object, role: str | None, member: str, rules: Sequence[HandoffRule]) -> Handoff | None:
    """The handoff that a result is, or that a rule makes of it; None: it is a plain result."""
    if isinstance(result, Handoff):
        return result
    rule = next((rule for rule in rules if rule.fires(role, member, result)), None)
    return rule.handoff(result) if rule is not None else None


def objection(chain: Sequence[str], receiver: str, max_hops: int) -> str | None:
    """Why work that went through `chain`, its present owner last, must not go to `receiver`; None: it may."""
    if receiver in chain:
        loop = " -> ".join([*chain[chain.index(receiver) :], receiver])
        return f"it is a loop: {loop}"
    if len(chain) > max_hops:
        return f"it has been handed on {max_hops} times already"
    return None


def passed_on(handoff: Handoff, work: object) -> object:
    """The message for the receiver."""
    return work if handoff.work is NOTHING else handoff.work

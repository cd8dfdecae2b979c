"""The messages to the coordinator, besides `Assign`, and to the team itself: one message for each operation."""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.spi import ActorRef
from teams._members.member import Member


class CancelWork(NamedTuple):
    """Call one piece of work off. The answer is whether it was still under way."""

    work: str
    reason: str


class EndRun(NamedTuple):
    """A run has ended: call off what is left of its work, and forget the rest."""

    run: str
    reason: str


class Join(NamedTuple):
    """Take a new member in. The answer is its slots, when they are up."""

    member: Member


class Leave(NamedTuple):
    """Stop a member, by its id or that of one slot, when it has done what it has begun."""

    id: str


class PauseTeam(NamedTuple):
    """Begin nothing new."""


class ResumeTeam(NamedTuple):
    """Go on."""


class Halt(NamedTuple):
    """Stop everything, now."""

    reason: str


class ResetTeam(NamedTuple):
    """Work again after a halt."""


class GetRoster(NamedTuple):
    """List the slots of the team."""


class WorkDue(NamedTuple):
    """A timer of a piece of work has fired."""

    work: str


class AwaitPart(NamedTuple):
    """To the team: answer with the ref of this part when it is up."""

    part: str


class PartUp(NamedTuple):
    """From the team: a part of it has been started."""

    part: str


class MemberUp(NamedTuple):
    """From the supervisor of the members: a member has been started."""

    member: str


class MemberGone(NamedTuple):
    """The actor of a member has terminated."""

    member: str
    ref: ActorRef[Any]


class SlotInfo(NamedTuple):
    """One slot of the team."""

    id: str
    member: str
    role: str | None
    capabilities: frozenset[str]
    capacity: int
    reserved: int
    """How many pieces of work it has."""
    up: bool
    """Whether it runs now; False while it is being restarted or joins."""
    leaving: bool

"""What the coordinator may be asked or told, besides `Assign`, and the team itself: one message an operation."""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.spi import ActorRef
from teams._members.member import Member


class CancelWork(NamedTuple):
    """Call one piece of work off. Answers whether it was still under way."""

    work: str
    reason: str


class EndRun(NamedTuple):
    """A run has ended: call off what is left of its work, and forget the rest."""

    run: str
    reason: str


class Join(NamedTuple):
    """Take a new member in. Answers with its seats when they are up."""

    member: Member


class Leave(NamedTuple):
    """Let a member go, by the id of the member or of one seat, once it has done what it has begun."""

    id: str


class Pause(NamedTuple):
    """Begin nothing new."""


class Resume(NamedTuple):
    """Go on."""


class Halt(NamedTuple):
    """Stop everything, now."""

    reason: str


class ResetTeam(NamedTuple):
    """Work again after a halt."""


class GetRoster(NamedTuple):
    """Who is in the team."""


class WorkDue(NamedTuple):
    """A timer of a piece of work has fired."""

    work: str


class Look(NamedTuple):
    """Look again for a member that was being started."""

    member: str


class AwaitPart(NamedTuple):
    """To the team: answer with the ref of this part when it is there."""

    part: str


class MemberUp(NamedTuple):
    """The supervisor of the members has started this one."""

    member: str


class MemberGone(NamedTuple):
    """The place of a member has ended."""

    member: str
    ref: ActorRef[Any]


class SlotInfo(NamedTuple):
    """One seat of the team."""

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

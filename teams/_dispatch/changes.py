"""Changes of a team under way, and what the coordinator asked of supervisors for them.

All of it outlives crashes and kills of the coordinator. Nothing here waits, sends or starts anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.spi import ReplyTo
from teams._dispatch.state import DispatchState
from teams._dispatch.work import Receipt
from teams._members.member import Member
from teams._members.results import Outcome


class PendingRequest(Receipt):
    """A request to a supervisor or to the topics, for the team."""

    __slots__ = ("change", "child", "then")

    def __init__(self, then: Callable[[Any, PendingRequest], object], child: str, change: TeamChange | None) -> None:
        self.outcome = None
        self.then = then
        """Called by the coordinator with the outcome: a function of its class, which any incarnation can call."""
        self.child = child
        self.change = change
        """The change that it is a part of."""

    @property
    def result(self) -> Outcome:
        """The outcome, of a request that was answered."""
        assert self.outcome is not None
        return self.outcome

    def __repr__(self) -> str:
        return f"<PendingRequest {self.then.__name__} {self.child}>"


class TeamChange:
    """A change of the team under way. It is complete when the last of its requests was answered."""

    __slots__ = ("about", "error", "left", "replies")

    def __init__(self, reply: ReplyTo | None, about: object, left: int = 0) -> None:
        self.about = about
        """The value that is given back if the team terminates first."""
        self.replies = [reply] if reply is not None else []
        self.left = left
        """Requests that were not answered yet."""
        self.error: BaseException | None = None


class Joining(TeamChange):
    """A member joins."""

    __slots__ = ("member",)

    def __init__(self, reply: ReplyTo | None, member: Member) -> None:
        super().__init__(reply, member, len(member.specs))
        self.member = member


class Leaving(TeamChange):
    """Slots leave."""

    __slots__ = ("sent", "slots")

    def __init__(self, reply: ReplyTo | None, slots: Sequence[str]) -> None:
        super().__init__(reply, tuple(slots), len(slots))
        self.slots = tuple(slots)
        self.sent: set[str] = set()
        """Those of them that are being stopped."""


class Switching(TeamChange):
    """The team is halted or reset."""

    __slots__ = ("reason",)

    def __init__(self, reply: ReplyTo | None, reason: str | None) -> None:
        super().__init__(reply, reason)
        self.reason = reason
        """Why it is halted; None: it is reset."""


class CoordinatorState:
    """The promises of a coordinator: its work, and the changes under way."""

    def __init__(self) -> None:
        self.dispatch = DispatchState()
        self.changes: list[TeamChange] = []
        self.requests: dict[PendingRequest, None] = {}
        self.left: set[str] = set()
        """Slots that the team was made with and that left."""
        self.down: list[str] = []
        """The children of the team that a halt stopped."""
        self.open = False
        """Whether the first incarnation has filled the roster."""

    def switching(self) -> Switching | None:
        """The halt or reset under way: they are done one after another."""
        return next((change for change in self.changes if isinstance(change, Switching)), None)

"""What a function that works for a team may know of the work it got."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple


class Refusal(NamedTuple):
    """A handoff that came back to its giver."""

    to: str
    why: str


class Cancellation:
    """Whether a piece of work is still wanted. The function that does it is cancelled where it waits; one that blocks
    a thread cannot be, and may ask now and then.
    """

    __slots__ = ("reason", "task")

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the work is no longer wanted."""
        self.task: asyncio.Task[object] | None = None

    def __bool__(self) -> bool:
        return self.reason is not None

    def cancel(self, reason: str) -> None:
        """The work is no longer wanted. On the loop thread."""
        if self.reason is None:
            self.reason = reason
            if self.task is not None:
                self.task.cancel()


@dataclass(frozen=True, slots=True)
class Context:
    """The second argument of a member's function, if it takes one."""

    team: str
    member: str
    work_id: str
    attempt: int = 1
    """1 at first; more when somebody crashed over this work before."""
    chain: tuple[str, ...] = ()
    """Who had this work before, first to last, since it was given to the team."""
    refused: tuple[Refusal, ...] = ()
    """Handoffs of this member that came back."""
    deadline: float | None = None
    """Until when the result is wanted, by the runtime's clock in seconds."""
    cancelled: Cancellation = field(default_factory=Cancellation)
    """True in a condition once the result is no longer wanted."""

"""The work of a member's function, as the function sees it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import field
from typing import NamedTuple

from actors.spi import Record

_ATTEMPT = re.compile(r"~\d+(?=/|$)")
"""Says in the name of a step of a run which attempt it is."""


class Refusal(NamedTuple):
    """A handoff that was refused and came back to its giver."""

    to: str
    why: str


class Cancellation:
    """Whether a piece of work is not wanted any more. An `async` function is cancelled where it waits. A function that
    blocks a thread cannot be cancelled, and may look here now and then.
    """

    __slots__ = ("reason", "task")

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why the work is not wanted any more."""
        self.task: asyncio.Task[object] | None = None

    def __bool__(self) -> bool:
        return self.reason is not None

    def cancel(self, reason: str) -> None:
        """The work is not wanted any more. On the loop thread."""
        if self.reason is None:
            self.reason = reason
            if self.task is not None:
                self.task.cancel()


class Context(Record):
    """The second argument of a member's function, if it takes one."""

    team: str
    member: str
    work_id: str
    attempt: int = 1
    """1 at first, and one more after each crash over this work."""
    chain: tuple[str, ...] = ()
    """The slots that had this work before, first to last."""
    refused: tuple[Refusal, ...] = ()
    """Handoffs of this member that were refused."""
    deadline: float | None = None
    """When the result is not wanted any more, by the runtime's clock in seconds."""
    cancelled: Cancellation = field(default_factory=Cancellation)
    """True, as a condition, once the result is not wanted any more."""

    @property
    def key(self) -> str:
        """The id of the work without the attempts at it: the same one in every attempt and in every process. Give it to
        a service as the idempotency key. In a run of an engine it is the id of the run, a colon and the step.
        """
        run, colon, step = self.work_id.partition(":")
        return run + colon + _ATTEMPT.sub("", step)

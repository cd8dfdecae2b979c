"""The restart ledger: what was restarted, why, and how it went (supervision rule 30)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from supervisors._actors import Crashed, ExitReason
from supervisors._effects import BackingOff, Event, GaveUp, Restarted, RestartFailed, Restarting

LENGTH = 1000
"""How many entries are kept."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One restart, from the exit that caused it to its outcome. Times are the runtime's monotonic clock, in seconds."""

    child: str
    incarnation: int
    """The incarnation that ended."""
    cause: str
    """The class of the exit: the exception's for a crash, the reason's kind otherwise."""
    reason: ExitReason
    message_type: str | None
    attempt: int
    """Counts from 1 since the child was last up for long enough."""
    delay: float
    at: float
    outcome: str
    """pending, restarted, failed, gave_up or cancelled."""
    settled_at: float | None = None


class Ledger:
    """The last restarts of one supervisor, oldest first. Adding is constant time."""

    def __init__(self, length: int = LENGTH) -> None:
        self._entries: deque[int] = deque()
        self._by_number: dict[int, LedgerEntry] = {}
        self._open: dict[str, int] = {}
        self._length = length
        self._made = 0

    def exited(
        self, child: str, incarnation: int, reason: ExitReason, message_type: str | None, now: float
    ) -> None:
        """A child is gone, or did not come up."""
        cause = type(reason.exception).__name__ if isinstance(reason, Crashed) else reason.kind
        self._settle(child, "failed", now)
        self._made += 1
        self._by_number[self._made] = LedgerEntry(
            child, incarnation, cause, reason, message_type, 0, 0.0, now, "pending"
        )
        self._entries.append(self._made)
        self._open[child] = self._made
        if len(self._entries) > self._length:
            gone = self._entries.popleft()
            entry = self._by_number.pop(gone)
            if self._open.get(entry.child) == gone:
                del self._open[entry.child]

    def note(self, child: str, event: Event) -> None:
        """The supervisor decided something about the child, or its decision came to an end."""
        match event:
            case BackingOff(attempt=attempt, delay=delay):
                self._change(child, attempt=attempt, delay=delay)
            case Restarting(attempt=attempt):
                self._change(child, attempt=attempt)
            case Restarted(at=at):
                self._settle(child, "restarted", at)
            case RestartFailed(at=at):
                self._settle(child, "failed", at)
            case GaveUp(at=at):
                self._settle(child, "gave_up", at)
            case _:
                pass

    def cancel(self, child: str, now: float) -> None:
        """The child will not be restarted after all."""
        self._settle(child, "cancelled", now)

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Everything that is kept, oldest first."""
        return tuple(self._by_number[number] for number in self._entries)

    def _change(self, child: str, **changes: int | float) -> None:
        number = self._open.get(child)
        if number is not None:
            self._by_number[number] = replace(self._by_number[number], **changes)  # type: ignore[arg-type]

    def _settle(self, child: str, outcome: str, now: float) -> None:
        number = self._open.pop(child, None)
        if number is not None:
            self._by_number[number] = replace(self._by_number[number], outcome=outcome, settled_at=now)

"""The circuit of a breaker, as decisions without effects.

| state     | a call | a success | a failure |
|-----------|--------|-----------|-----------|
| closed    | goes through | forgets the failures | counts; after `failures` in a row: open |
| open      | is refused; `reset_after` seconds after it opened: half open | - | - |
| half open | one goes through, the probe; the others are refused | of the probe: closed | of the probe: open |

Outcomes of calls that were let through before the last change of state say nothing about the present one. A probe that
ends in neither way is given back: the next call is the probe.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class CircuitState(Enum):
    """The state of a circuit breaker, which decides about the next call."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Ticket(NamedTuple):
    """Admits one call."""

    epoch: int
    probe: bool


class Circuit:
    """Counts failures in a row, and refuses. Times are seconds of a monotonic clock, passed in."""

    def __init__(self, failures: int, reset_after: float) -> None:
        self._limit = failures
        self._reset_after = reset_after
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._epoch = 0

    def state(self, now: float) -> CircuitState:
        """The state at that time."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self._opened_at + self._reset_after else CircuitState.HALF_OPEN

    def admit(self, now: float) -> Ticket | None:
        """A ticket for a call; `None` refuses it."""
        state = self.state(now)
        if state is CircuitState.OPEN or self._probing:
            return None
        self._probing = state is CircuitState.HALF_OPEN
        return Ticket(self._epoch, self._probing)

    def opens_in(self, now: float) -> float:
        """The seconds until a probe is let through; 0 where time alone changes nothing."""
        return 0.0 if self._opened_at is None else max(0.0, self._opened_at + self._reset_after - now)

    def succeeded(self, ticket: Ticket) -> bool:
        """The call ended well; returns whether the circuit closed by it."""
        if ticket.epoch != self._epoch:
            return False
        self._failures = 0
        if ticket.probe:
            self._change(None)
        return ticket.probe

    def failed(self, ticket: Ticket, now: float) -> bool:
        """The call failed; returns whether the circuit opened by it."""
        if ticket.epoch != self._epoch:
            return False
        self._failures += 1
        opens = ticket.probe or self._failures >= self._limit
        if opens:
            self._change(now)
        return opens

    def give_back(self, ticket: Ticket) -> None:
        """The call ended without a verdict, such as a cancellation."""
        if ticket.probe and ticket.epoch == self._epoch:
            self._probing = False

    def _change(self, opened_at: float | None) -> None:
        self._opened_at = opened_at
        self._failures = 0
        self._probing = False
        self._epoch += 1

"""The errors of policies and resources.

Other bases stand in brackets::

    Recoverable
    Fatal
    TimedOut (TeamError, TimeoutError)
    Refused (TeamError)
      CircuitOpen
      BulkheadFull
      RateLimited
      SwitchThrown (Fatal)
    AllFailed (TeamError)
    BatchMismatch (TeamError)
    WrongCall (TeamError, TypeError, Fatal)
    CallsItself (TeamError, RuntimeError, Fatal)
    PolicyInUse (TeamError, RuntimeError)
    ResourceUnavailable (TeamError)
    ResourceTimeout (TeamError, TimeoutError)
"""

from __future__ import annotations

from collections.abc import Sequence

from supervisors.spi import SpecFault
from teams.errors import TeamError

# `call` names the call, and the actor in which it was made.


class Recoverable(Exception):
    """Raise it, or a subclass, for a failure that may not happen again: `retry` always tries again."""


class Fatal(Exception):
    """Raise it, or a subclass, for a failure that will happen again: `retry` never tries again."""


class TimedOut(TeamError, TimeoutError):
    """The call was not done in time, and was cancelled."""

    call: str
    seconds: float

    def describe(self) -> str:
        return f"{self.call} was not done within {self.seconds:g} s, and was cancelled"


class Refused(TeamError):
    """Base of the errors of policies that refuse a call. The call was not made."""

    @property
    def retry_after(self) -> float | None:
        """Seconds until the call may be let through; `None` if that is unknown."""
        return None


class CircuitOpen(Refused):
    """The circuit breaker is open after too many failures. It lets the next call through in `seconds`.

    With `seconds` of 0 the circuit is half open, and its one call is under way.
    """

    call: str
    seconds: float

    @property
    def retry_after(self) -> float | None:
        return self.seconds or None

    def describe(self) -> str:
        if self.seconds:
            return f"{self.call} was refused: the circuit is open; try again in {self.seconds:g} s"
        return f"{self.call} was refused: the circuit is half open, and its probe is still under way"


class BulkheadFull(Refused):
    """The maximum of calls is under way, and the maximum of calls waits."""

    call: str
    limit: int
    waiting: int

    def describe(self) -> str:
        return (
            f"{self.call} was refused: {self.limit} calls are under way and {self.waiting} wait; "
            "call again later, or raise `limit` or `waiting`"
        )


class RateLimited(Refused):
    """The rate limit is reached; the next call may begin in `seconds`."""

    call: str
    seconds: float

    @property
    def retry_after(self) -> float | None:
        return self.seconds

    def describe(self) -> str:
        return f"{self.call} was refused: the rate limit is reached; try again in {self.seconds:g} s"


class SwitchThrown(Refused, Fatal):
    """The kill switch is on: the call was refused, or was cancelled while it was under way."""

    call: str
    reason: str

    def describe(self) -> str:
        return f"{self.call} was stopped by the kill switch: {self.reason}; reset() lets calls through again"


class AllFailed(TeamError):
    """The call failed, and so did every fallback. `causes` holds their exceptions, in order."""

    call: str
    causes: Sequence[Exception]

    def describe(self) -> str:
        each = "".join(f"\n- {type(cause).__name__}: {cause}" for cause in self.causes)
        return f"{self.call} failed, and so did every fallback:{each}"


class BatchMismatch(TeamError):
    """The function of a batch did not return one result for each item."""

    call: str
    sent: int
    returned: int

    def describe(self) -> str:
        return (
            f"{self.call} was given {self.sent} items and returned {self.returned} results; "
            "it must return one result for each item, in their order"
        )


class WrongCall(TeamError, TypeError, Fatal):
    """A call does not fit its policy: its result or its arguments are not of the kind that the policy needs. Another
    attempt does not help.
    """

    call: str
    problem: str

    def describe(self) -> str:
        return f"{self.call}: {self.problem}"


class CallsItself(TeamError, RuntimeError, Fatal):
    """A call would wait in a policy for its own task, and so for ever. Another attempt does not help."""

    call: str
    policy: str

    def describe(self) -> str:
        return (
            f"{self.call} was made inside a call that holds {self.policy}, and would wait for itself for ever; make it "
            "without that policy, or with another one"
        )


class PolicyInUse(TeamError, RuntimeError):
    """A policy with a memory was used on a second event loop while its first one still runs."""

    policy: str

    def describe(self) -> str:
        return f"{self.policy} belongs to another event loop, which still runs: make one policy for each loop"


class ResourceUnavailable(TeamError):
    """The resources can never be granted. `faults` says why, for each of them."""

    path: str
    faults: Sequence[SpecFault]

    def describe(self) -> str:
        return f"{self.path} can never grant this:" + "".join(f"\n- {fault.message}" for fault in self.faults)


class ResourceTimeout(TeamError, TimeoutError):
    """The resources were not granted in time. Nothing is held."""

    path: str
    wants: str

    def describe(self) -> str:
        return f"{self.path} did not grant {self.wants} in time; none of it is held"

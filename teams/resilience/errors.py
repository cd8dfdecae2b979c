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

# Resilience. `call` says which call it was about, and in which actor it was made, if in any.


class Recoverable(Exception):
    """Raise it, or a subclass, for a failure that may be gone at the next attempt: `retry` always tries again."""


class Fatal(Exception):
    """Raise it, or a subclass, for a failure that no further attempt will mend: `retry` never tries again."""


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
        """In how many seconds the call may be let through; `None` where nobody knows."""
        return None


class CircuitOpen(Refused):
    """The circuit breaker is open after too many failures; `seconds` says when it lets the next call through.

    With `seconds` of 0 the circuit is half open, and the one call it lets through is under way.
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
    """As many calls as may be are under way, and as many as may wait do."""

    call: str
    limit: int
    waiting: int

    def describe(self) -> str:
        return (
            f"{self.call} was refused: {self.limit} calls are under way and {self.waiting} wait, and no more may; "
            "call again later, or raise `limit` or `waiting`"
        )


class RateLimited(Refused):
    """The rate is used up; in `seconds` the next call may begin."""

    call: str
    seconds: float

    @property
    def retry_after(self) -> float | None:
        return self.seconds

    def describe(self) -> str:
        return f"{self.call} was refused: the rate is used up; try again in {self.seconds:g} s"


class SwitchThrown(Refused, Fatal):
    """The kill switch is thrown: the call was refused, or was cancelled while it was under way."""

    call: str
    reason: str

    def describe(self) -> str:
        return f"{self.call} was stopped by the kill switch: {self.reason}; reset() lets calls through again"


class AllFailed(TeamError):
    """The call failed, and so did every fallback. `causes` holds what each raised, in order."""

    call: str
    causes: Sequence[Exception]

    def describe(self) -> str:
        each = "".join(f"\n- {type(cause).__name__}: {cause}" for cause in self.causes)
        return f"{self.call} failed, and so did every fallback:{each}"


class BatchMismatch(TeamError):
    """The function of a batch returned another number of results than it was given items."""

    call: str
    sent: int
    returned: int

    def describe(self) -> str:
        return (
            f"{self.call} was given {self.sent} items and returned {self.returned} results; "
            "it has to return one result for each item, in their order"
        )


class WrongCall(TeamError, TypeError, Fatal):
    """A call that a policy cannot be around: what it returns, or what it is given, is not of the kind the policy
    needs. No further attempt mends that.
    """

    call: str
    problem: str

    def describe(self) -> str:
        return f"{self.call}: {self.problem}"


class CallsItself(TeamError, RuntimeError, Fatal):
    """A call would wait in a policy for what its own task holds there, and so for ever. No other attempt mends that."""

    call: str
    policy: str

    def describe(self) -> str:
        return (
            f"{self.call} was made from inside a call that is in {self.policy} already, and would wait for itself for "
            "ever; make it without that policy, or with another one"
        )


class PolicyInUse(TeamError, RuntimeError):
    """A policy that remembers something was used on a second event loop while its first one still runs."""

    policy: str

    def describe(self) -> str:
        return f"{self.policy} belongs to another event loop, which still runs: make one policy for each loop"


class ResourceUnavailable(TeamError):
    """What was asked for can never be granted; `faults` says for each resource why not."""

    path: str
    faults: Sequence[SpecFault]

    def describe(self) -> str:
        return f"{self.path} can never grant this:" + "".join(f"\n- {fault.message}" for fault in self.faults)


class ResourceTimeout(TeamError, TimeoutError):
    """The resources were not granted in time. Nothing is held."""

    path: str
    wants: str

    def describe(self) -> str:
        return f"{self.path} did not grant {self.wants} in time; nothing of it is held"

"""Every error the simulation raises. Each oracle has a type of its own, so that distinct bugs stay distinct."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from actors.errors import ActorError


def failing() -> tuple[type[BaseException], ...]:
    """The classes that a failing test may raise: exceptions, exits and cancellation, and the error of `pytest.fail` and
    `pytest.raises`, which is not an `Exception`. A Ctrl-C does not count as a failure: it ends the search.
    """
    pytest = sys.modules.get("pytest")
    found = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)
    return found if pytest is None else (*found, pytest.fail.Exception)


class SimulationError(ActorError):
    """A wrong use of the simulation API."""

    fields = ("what",)
    what: str

    def describe(self) -> str:
        return self.what


class BadSchedule(SimulationError, ValueError):
    """A schedule without effect: an unknown move, or a step that never comes."""


class BadFaultPlan(SimulationError, ValueError):
    """A fault plan without effect: a pattern that no actor matches, or a value out of range."""


class WrongUse(SimulationError, TypeError):
    """`@simulate`, `@example`, `sim.start` or a fixture of the plugin is used in a way that cannot work."""


class NotDeterministic(SimulationError):
    """The same plan, schedule and seed gave two different runs: the code depends on the world outside."""


class StaleReplay(SimulationError, ValueError):
    """A replay blob that no longer applies: it is of another version, or the code under test has changed."""


class FenceError(ActorError):
    """Code inside a simulation reached outside: the network, a process, a signal, or something that blocks for real."""

    fields = ("call", "place", "path", "instead")
    call: str
    place: str
    """File and line of the call."""
    path: str
    """The actor that called; empty: the call came from outside of any actor."""
    instead: str

    def describe(self) -> str:
        who = f"{self.path} calls" if self.path else "something calls"
        return (
            f"{who} {self.call} at {self.place}: not inside a simulation, "
            f"whose runs could not be repeated; {self.instead}"
        )


class InjectedCrash(ActorError):
    """Raised inside an actor by a `Crash`, `CrashInStart` or `CrashInStop` of a fault plan."""

    fields = ("path", "where")
    path: str
    where: str

    def describe(self) -> str:
        return f"injected into {self.path} {self.where}"


class OracleFailure(ActorError, AssertionError):
    """Base of the failures that oracles find: the system under test broke a promise."""

    fields: tuple[str, ...] = ("at", "what")
    at: float
    """Virtual seconds."""
    what: str

    def describe(self) -> str:
        return f"at {self.at:.12g} s: {self.what}"


class InvariantBroken(OracleFailure):
    """A predicate of `always` did not hold."""


class NeverHappened(OracleFailure):
    """A predicate of `eventually` did not come true in time."""


class MessageLost(OracleFailure):
    """A message was lost: it was not handled, does not wait and is not a dead letter."""


class HandledTwice(OracleFailure):
    """A message was handled again, or was handled although it had been refused, and was not put back."""


class OutOfOrder(OracleFailure):
    """Two messages of one sender were handled in another order than sent (supervision rule 33)."""


class PlacesOverlap(OracleFailure):
    """The process of one incarnation began before that of the one before it was reaped: both would act at once."""


class DeadFrameHeard(OracleFailure):
    """The program acted on a frame of a process that has ended."""


class RepliedTwice(OracleFailure):
    """One question was answered more than once."""


class NeverSettled(OracleFailure):
    """A question was handled or refused, but its asker never got an answer."""


class OrphanLeft(OracleFailure):
    """Something outlived the tree that started it (supervision rule 18)."""


class StoppedLate(OracleFailure):
    """The tree took longer to stop than the shutdown times of its actors allow."""


class EventMismatch(OracleFailure):
    """The lifecycle events do not match the actions: an action without its event, or with two."""


class LoopFailure(OracleFailure):
    """A callback on the event loop raised an exception."""


class LoopEnded(OracleFailure):
    """A task, a callback or a step of a life raised an exception that asyncio does not contain: it ends the event loop
    of every actor.
    """


class FaultNotFired(OracleFailure):
    """A fault that was required to fire did not fire."""


class LivelockFailure(OracleFailure):
    """A great number of steps was taken and time did not move."""

    fields = ("at", "steps", "who")
    steps: int
    who: Sequence[str]
    """The lanes of the last steps."""

    def describe(self) -> str:
        last = ", ".join(path or "(outside)" for path in self.who)
        return f"at {self.at:.12g} s: {self.steps} steps without time moving; the last ones were of {last}"


class DeadlockFailure(OracleFailure):
    """Nothing can run and no timer is set, but a call or a thread waits."""

    fields = ("at", "who")
    who: Sequence[str]
    """One line for each waiter."""

    def describe(self) -> str:
        return f"at {self.at:.12g} s: nothing can run and no timer is set, but {'; '.join(self.who)}"

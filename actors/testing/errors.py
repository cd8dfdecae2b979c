"""Every error the simulation raises. Each oracle has a type of its own, so that distinct bugs stay distinct."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from actors.errors import ActorError


def failing() -> tuple[type[BaseException], ...]:
    """What a test that fails raises: an exception, an exit or cancellation, or what `pytest.fail` and `pytest.raises`
    raise, which is no `Exception`. A Ctrl-C is no failure: it ends the search.
    """
    pytest = sys.modules.get("pytest")
    found = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)
    return found if pytest is None else (*found, pytest.fail.Exception)


class SimulationError(ActorError):
    """The simulation cannot be used like this."""

    fields = ("what",)
    what: str

    def describe(self) -> str:
        return self.what


class BadSchedule(SimulationError, ValueError):
    """A schedule that says nothing: an unknown move, a step that never comes."""


class BadFaultPlan(SimulationError, ValueError):
    """A fault plan that says nothing: a pattern that no actor matches, a value out of range."""


class WrongUse(SimulationError, TypeError):
    """`@simulate`, `@example` or a fixture of the plugin is used in a way that cannot work."""


class NotDeterministic(SimulationError):
    """The same plan, schedule and seed gave two different runs: something real is inside."""


class StaleReplay(SimulationError, ValueError):
    """A replay blob that no longer applies: of another version, or the code under test has changed."""


class FenceError(ActorError):
    """Something inside a simulation reached for the world outside it."""

    fields = ("call", "place", "path", "instead")
    call: str
    place: str
    """File and line of the call."""
    path: str
    """The actor that called; empty: none did."""
    instead: str

    def describe(self) -> str:
        who = f"{self.path} calls" if self.path else "something calls"
        return (
            f"{who} {self.call} at {self.place}: not inside a simulation, "
            f"whose runs could not be repeated; {self.instead}"
        )


class InjectedCrash(ActorError):
    """What a `Crash`, `CrashInStart` or `CrashInStop` of a fault plan raises inside an actor."""

    fields = ("path", "where")
    path: str
    where: str

    def describe(self) -> str:
        return f"injected into {self.path} {self.where}"


class OracleFailure(ActorError, AssertionError):
    """Base of what oracles find: the system under test did something that it must not."""

    fields: tuple[str, ...] = ("at", "what")
    at: float
    """Virtual seconds."""
    what: str

    def describe(self) -> str:
        return f"at {self.at:.12g} s: {self.what}"


class InvariantBroken(OracleFailure):
    """What was to hold always did not hold."""


class NeverHappened(OracleFailure):
    """What was to happen in time did not."""


class MessageLost(OracleFailure):
    """A message is nowhere: not handled, not waiting, no dead letter."""


class HandledTwice(OracleFailure):
    """A message was handled again, or was handled although it had been refused, and was not put back."""


class OutOfOrder(OracleFailure):
    """Two messages of one sender were handled in another order than sent (supervision rule 33)."""


class RepliedTwice(OracleFailure):
    """One question was answered more than once."""


class NeverSettled(OracleFailure):
    """A question was handled or refused, and whoever asked waits for ever."""


class OrphanLeft(OracleFailure):
    """Something outlived the tree that started it (supervision rule 18)."""


class StoppedLate(OracleFailure):
    """The tree took longer to stop than the shutdown times of its actors allow."""


class EventMismatch(OracleFailure):
    """The lifecycle stream says something else than what happened: an action without its event, or two for one."""


class LoopFailure(OracleFailure):
    """A callback raised on the loop, where nobody hears it."""


class LoopEnded(OracleFailure):
    """A task or callback raised what asyncio lets through, or a life-cycle step did: it ends the event loop of every
    actor.
    """


class FaultNotFired(OracleFailure):
    """A fault that was required to fire did not: what was shown survives less than it says."""


class LivelockFailure(OracleFailure):
    """Very many steps were taken and time did not move."""

    fields = ("at", "steps", "who")
    steps: int
    who: Sequence[str]
    """The lanes of the last steps."""

    def describe(self) -> str:
        last = ", ".join(path or "(outside)" for path in self.who)
        return f"at {self.at:.12g} s: {self.steps} steps without time moving; the last ones were of {last}"


class DeadlockFailure(OracleFailure):
    """Nothing can run, no timer is set, and somebody waits."""

    fields = ("at", "who")
    who: Sequence[str]
    """Who waits for what."""

    def describe(self) -> str:
        return f"at {self.at:.12g} s: nothing can run and no timer is set, but {'; '.join(self.who)}"

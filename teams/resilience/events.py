"""The events of policies and resources."""

from __future__ import annotations

from collections.abc import Mapping

from teams.events import TeamEvent

# `call` is the name of the function, or the path of the actor that was called.


class Retried(TeamEvent, level="warning"):
    """A call failed and is made again in `delay` seconds. `attempt` is the number of the failed one, >= 1."""

    call: str
    attempt: int
    delay: float
    error: Exception


class CallGivenUp(TeamEvent, level="error"):
    """A call failed and is not made again."""

    call: str
    attempts: int
    error: Exception


class CallTimedOut(TeamEvent, level="warning"):
    """A call was not done in time."""

    call: str
    seconds: float


class CallRefused(TeamEvent, level="warning"):
    """A policy did not let a call through, or a kill switch ended one that was under way."""

    call: str
    error: Exception


class CircuitOpened(TeamEvent, level="error"):
    """A circuit breaker refuses calls for `seconds` from now on."""

    call: str
    seconds: float
    error: Exception


class CircuitHalfOpened(TeamEvent, level="info"):
    """A circuit breaker lets one call through to see whether it may close."""

    call: str


class CircuitClosed(TeamEvent, level="info"):
    """A circuit breaker lets calls through again."""

    call: str


class FellBack(TeamEvent, level="warning"):
    """A call failed, and `to` is tried in its place."""

    call: str
    to: str
    error: Exception


class Degraded(TeamEvent, level="warning"):
    """The load is so high that the faster function is called from now on."""

    call: str
    load: float


class DegradationEnded(TeamEvent, level="info"):
    """The load is low enough again for the function itself."""

    call: str
    load: float


class ResourcesGranted(TeamEvent):
    """Resources were granted. `holder` is the path of the actor, `None` for code outside of actors."""

    holder: str | None
    wants: Mapping[str, float]
    waited: float


class ResourcesReleased(TeamEvent):
    """Resources were released after `held` seconds. `died`: because the incarnation of the holder has ended."""

    holder: str | None
    wants: Mapping[str, float]
    held: float
    died: bool

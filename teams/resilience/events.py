"""What policies and resources tell, as events of the runtime's own stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from teams.events import TeamEvent

# Resilience. `call` is the name of the function, or the path of the actor that was called.


@dataclass(frozen=True, slots=True)
class Retried(TeamEvent):
    """A call failed and is made again in `delay` seconds; `attempt` is the one that failed, from 1."""

    level: ClassVar[str] = "warning"
    call: str
    attempt: int
    delay: float
    error: Exception


@dataclass(frozen=True, slots=True)
class CallGivenUp(TeamEvent):
    """A call failed and is not made again."""

    level: ClassVar[str] = "error"
    call: str
    attempts: int
    error: Exception


@dataclass(frozen=True, slots=True)
class CallTimedOut(TeamEvent):
    """A call was not done in time."""

    level: ClassVar[str] = "warning"
    call: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CallRefused(TeamEvent):
    """A policy did not let a call through, or a kill switch ended one that was under way."""

    level: ClassVar[str] = "warning"
    call: str
    error: Exception


@dataclass(frozen=True, slots=True)
class CircuitOpened(TeamEvent):
    """A circuit breaker refuses calls for `seconds` from now on."""

    level: ClassVar[str] = "error"
    call: str
    seconds: float
    error: Exception


@dataclass(frozen=True, slots=True)
class CircuitHalfOpened(TeamEvent):
    """A circuit breaker lets one call through to see whether it may close."""

    level: ClassVar[str] = "info"
    call: str


@dataclass(frozen=True, slots=True)
class CircuitClosed(TeamEvent):
    """A circuit breaker lets calls through again."""

    level: ClassVar[str] = "info"
    call: str


@dataclass(frozen=True, slots=True)
class FellBack(TeamEvent):
    """A call failed, and `to` is tried in its place."""

    level: ClassVar[str] = "warning"
    call: str
    to: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Degraded(TeamEvent):
    """The load is so high that the faster function is called from now on."""

    level: ClassVar[str] = "warning"
    call: str
    load: float


@dataclass(frozen=True, slots=True)
class DegradationEnded(TeamEvent):
    """The load is low enough again for the function itself."""

    level: ClassVar[str] = "info"
    call: str
    load: float


@dataclass(frozen=True, slots=True)
class ResourcesGranted(TeamEvent):
    """Somebody holds resources from now on; `holder` is the path of the actor, `None` for code outside of actors."""

    holder: str | None
    wants: Mapping[str, float]
    waited: float


@dataclass(frozen=True, slots=True)
class ResourcesReleased(TeamEvent):
    """Somebody holds resources no longer, after `held` seconds. `died`: because the holder's incarnation has ended."""

    holder: str | None
    wants: Mapping[str, float]
    held: float
    died: bool

"""The seam to `actors.testing`: the only module here that imports it. What `actors` itself has comes from `supervisors._actors`."""

from __future__ import annotations

from actors.testing._errors import InjectedCrash, OracleFailure
from actors.testing._observations import (
    Abandoned,
    ApiAnswer,
    ApiRequest,
    BackedOff,
    Closed,
    Declined,
    Exited,
    FaultFired,
    KillOrdered,
    Made,
    Noted,
    Noticed,
    Observation,
    Sent,
    Started,
    StartFailed,
    Starting,
    StopOrdered,
)

__all__ = [
    "Abandoned",
    "ApiAnswer",
    "ApiRequest",
    "BackedOff",
    "Closed",
    "Declined",
    "Exited",
    "FaultFired",
    "InjectedCrash",
    "KillOrdered",
    "Made",
    "Noted",
    "Noticed",
    "Observation",
    "OracleFailure",
    "Sent",
    "StartFailed",
    "Started",
    "Starting",
    "StopOrdered",
]

"""The seam to `actors.testing`: the only module here that imports it. What `actors` itself has comes from
`supervisors._actors`.
"""

from __future__ import annotations

from actors._errors import IgnoreStart, StartTimeout
from actors._mailbox import bounded, prioritized
from actors._sinks import LogSink
from actors._sinks import logger as library_logger
from actors.testing import _faults as faults
from actors.testing import hostile
from actors.testing._errors import InjectedCrash, OracleFailure, SimulationError, StaleReplay
from actors.testing._faults import Fault, FaultPlan, matches
from actors.testing._observations import (
    Adopted,
    ApiAnswer,
    ApiRequest,
    BackedOff,
    Closed,
    DeadLettered,
    Declined,
    Exited,
    FaultFired,
    Handled,
    KillOrdered,
    Made,
    Noticed,
    Observation,
    Sent,
    Started,
    StartFailed,
    Starting,
    StopOrdered,
)
from actors.testing._replay import pack, unpack
from actors.testing._schedule import MOVES, Move, Schedule, TimerFirst
from actors.testing._schedulers import Strategy
from actors.testing._shrink import fewer_moves
from actors.testing._simulation import Simulation, simulation
from actors.testing._strategies import schedules

__all__ = [
    "MOVES",
    "Adopted",
    "ApiAnswer",
    "ApiRequest",
    "BackedOff",
    "Closed",
    "DeadLettered",
    "Declined",
    "Exited",
    "Fault",
    "FaultFired",
    "FaultPlan",
    "Handled",
    "IgnoreStart",
    "InjectedCrash",
    "KillOrdered",
    "LogSink",
    "Made",
    "Move",
    "Noticed",
    "Observation",
    "OracleFailure",
    "Schedule",
    "Sent",
    "Simulation",
    "SimulationError",
    "StaleReplay",
    "StartFailed",
    "StartTimeout",
    "Started",
    "Starting",
    "StopOrdered",
    "Strategy",
    "TimerFirst",
    "bounded",
    "faults",
    "fewer_moves",
    "hostile",
    "library_logger",
    "matches",
    "pack",
    "prioritized",
    "schedules",
    "simulation",
    "unpack",
]

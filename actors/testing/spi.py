"""The parts of `actors.testing` that `supervisors.testing` needs and users do not. No promise of stability."""

from __future__ import annotations

from actors._core.mailbox import bounded, prioritized
from actors._extras import needs_extra
from actors._observe.sinks import LogSink
from actors._observe.sinks import logger as library_logger
from actors.errors import IgnoreStart, StartTimeout
from actors.testing import hostile
from actors.testing._faults import plan as faults
from actors.testing._faults.plan import Fault, FaultPlan, matches
from actors.testing._faults.schedule import MOVES, Move, Schedule, TimerFirst
from actors.testing._faults.strategies import plans, schedules
from actors.testing._report.replay import pack, unpack
from actors.testing._search.shrink import fewer_moves
from actors.testing._sim.observations import (
    ApiAnswer,
    ApiRequest,
    Closed,
    DeadLettered,
    Declined,
    Exited,
    FaultFired,
    Handled,
    Healthy,
    KillOrdered,
    Made,
    Noted,
    Noticed,
    Observation,
    OtherNoticed,
    Sent,
    Started,
    StartFailed,
    Starting,
    StopOrdered,
)
from actors.testing._sim.schedulers import Strategy
from actors.testing._simulation import Simulation, simulation
from actors.testing.errors import InjectedCrash, OracleFailure, SimulationError, StaleReplay

__all__ = [
    "MOVES",
    "ApiAnswer",
    "ApiRequest",
    "Closed",
    "DeadLettered",
    "Declined",
    "Exited",
    "Fault",
    "FaultFired",
    "FaultPlan",
    "Handled",
    "Healthy",
    "IgnoreStart",
    "InjectedCrash",
    "KillOrdered",
    "LogSink",
    "Made",
    "Move",
    "Noted",
    "Noticed",
    "Observation",
    "OracleFailure",
    "OtherNoticed",
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
    "needs_extra",
    "pack",
    "plans",
    "prioritized",
    "schedules",
    "simulation",
    "unpack",
]

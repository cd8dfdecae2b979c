"""Test your own tree: faults and schedules as values, on virtual time.

The same runtime, the same supervisors and your own code run in one thread. What could make two runs differ comes from
the simulation: the clock,
the randomness, and the choice of who runs next. Needs the extra `understudy[testing]`.
"""

from actors.testing._errors import (
    BadPlan,
    BadSchedule,
    DeadlockFailure,
    EventMismatch,
    FaultNotFired,
    FenceError,
    InjectedCrash,
    InvariantBroken,
    LivelockFailure,
    LoopFailure,
    MessageLost,
    NeverHappened,
    NeverSettled,
    OracleFailure,
    OrphanLeft,
    OutOfOrder,
    RepliedTwice,
    SimulationError,
    StaleReplay,
    StoppedLate,
)
from actors.testing._faults import (
    AskTimeout,
    ClockJump,
    Crash,
    CrashInStart,
    CrashInStop,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    Fault,
    FaultPlan,
    Hang,
    Kill,
    KillDuringRestart,
    Slow,
)
from actors.testing._injector import Fired
from actors.testing._oracles import edge
from actors.testing._replay import Replay
from actors.testing._schedule import After, Demote, Move, Promote, Schedule, TimerFirst
from actors.testing._schedulers import Strategy, portfolio
from actors.testing._simulation import Simulation, simulation
from actors.testing._workload import Workload

__all__ = [
    "After",
    "AskTimeout",
    "BadPlan",
    "BadSchedule",
    "ClockJump",
    "Crash",
    "CrashInStart",
    "CrashInStop",
    "DeadlockFailure",
    "DelayMessage",
    "Demote",
    "DropMessage",
    "DuplicateMessage",
    "EventMismatch",
    "Fault",
    "FaultNotFired",
    "FaultPlan",
    "FenceError",
    "Fired",
    "Hang",
    "InjectedCrash",
    "InvariantBroken",
    "Kill",
    "KillDuringRestart",
    "LivelockFailure",
    "LoopFailure",
    "MessageLost",
    "Move",
    "NeverHappened",
    "NeverSettled",
    "OracleFailure",
    "OrphanLeft",
    "OutOfOrder",
    "Promote",
    "Replay",
    "RepliedTwice",
    "Schedule",
    "Simulation",
    "SimulationError",
    "Slow",
    "StaleReplay",
    "StoppedLate",
    "Strategy",
    "TimerFirst",
    "Workload",
    "edge",
    "portfolio",
    "simulation",
]

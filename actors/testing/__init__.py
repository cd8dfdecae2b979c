"""Test your own tree: faults and schedules as values, on virtual time.

The same runtime, the same supervisors and your own code run in one thread. What could make two runs differ comes from
the simulation: the clock, the randomness, and the choice of who runs next. Needs the extra `understudy[testing]`.

General layout: `_simulation` is one run, and `_simulate` the search over many, `_attempt` by `_attempt`. A run stands
on `_sim_runtime` with its `_sim_loop`, `_sim_host`, `_sim_cell` and, for actors that block, `_greenlet_host` on
`_strands`, which are `_threads` to Python, each with a `_strand_loop`; `_fences` keep the world out. What varies is
values: `_faults`, done by `_injector`, and `_schedule`, done by `_schedulers`; `_strategies` draws them and `_shrink`
makes them small. `_journal` writes `_observations` down, `_oracles` judge them, `_report` and `_replay` tell people.
`_plugin` and `_hypothesis_entry` are found by pytest and by Hypothesis, whose own decorators are refused by `_foreign`,
and whose calls work everywhere by `_inside`. `_doubles` need no simulation. No other package of the project imports
this one but through a seam.

Importing it imports neither greenlet, Hypothesis nor pytest: the plugin is loaded in every test run, used or not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actors._clock import ManualClock
from actors.testing import faults
from actors.testing._doubles import Inbox, Probe, wait_until
from actors.testing._errors import (
    BadPlan,
    BadSchedule,
    DeadlockFailure,
    EventMismatch,
    FaultNotFired,
    FenceError,
    HandledTwice,
    InjectedCrash,
    InvariantBroken,
    LivelockFailure,
    LoopEnded,
    LoopFailure,
    MessageLost,
    NeverHappened,
    NeverSettled,
    NotDeterministic,
    OracleFailure,
    OrphanLeft,
    OutOfOrder,
    RepliedTwice,
    SimulationError,
    StaleReplay,
    StoppedLate,
    WrongUse,
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
    Raise,
    Slow,
)
from actors.testing._replay import Replay
from actors.testing._schedule import After, Demote, Move, Promote, Schedule, TimerFirst
from actors.testing._schedulers import Strategy, portfolio
from actors.testing._shrink import shrink
from actors.testing._strategies import moves, plans, schedules

if TYPE_CHECKING:
    from actors.testing._injector import Fired
    from actors.testing._machine import SimulationMachine
    from actors.testing._oracles import edge
    from actors.testing._simulate import example, simulate
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
    "HandledTwice",
    "Hang",
    "Inbox",
    "InjectedCrash",
    "InvariantBroken",
    "Kill",
    "KillDuringRestart",
    "LivelockFailure",
    "LoopEnded",
    "LoopFailure",
    "ManualClock",
    "MessageLost",
    "Move",
    "NeverHappened",
    "NeverSettled",
    "NotDeterministic",
    "OracleFailure",
    "OrphanLeft",
    "OutOfOrder",
    "Probe",
    "Promote",
    "Raise",
    "Replay",
    "RepliedTwice",
    "Schedule",
    "Simulation",
    "SimulationError",
    "SimulationMachine",
    "Slow",
    "StaleReplay",
    "StoppedLate",
    "Strategy",
    "TimerFirst",
    "Workload",
    "WrongUse",
    "edge",
    "example",
    "faults",
    "moves",
    "plans",
    "portfolio",
    "schedules",
    "shrink",
    "simulate",
    "simulation",
    "wait_until",
]

_LATER = {
    "Fired": "_injector",
    "Simulation": "_simulation",
    "SimulationMachine": "_machine",
    "Workload": "_workload",
    "edge": "_oracles",
    "example": "_simulate",
    "simulate": "_simulate",
    "simulation": "_simulation",
}
"""What needs greenlet, Hypothesis or pytest, and where it is."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)

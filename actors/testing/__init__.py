"""Test your own tree: faults and schedules as values, on virtual time.

The same runtime, the same supervisors and your own code run in one thread. The simulation controls every cause of a
difference between two runs: the clock, the randomness and the order of steps. Needs the extra `letitcrash[testing]`.

General layout: `_simulation` is one run, and `_search.simulate` the search over many, `_search.attempt` by
`_search.attempt`. A run stands on `_sim.runtime` with its `_sim.loop`, `_sim.host`, `_sim.observer` and, for actors
that block, `_sim.greenlet_host` on `_sim.strands`, which are `_sim.threads` to Python, each with a `_sim.strand_loop`;
`_sim.fences` keep the world out (`_sim.outside`), with the names of `_sim.imported`, and `_sim.randomness` gives what
the operating system gives elsewhere. `_sim.executors`, `_sim.tasks` and `_sim.asyncgens` complete the loops;
`_sim.predicates` call those of the test. The inputs of a run are values: `_faults.plan`, done by `_sim.injector`, and
`_faults.schedule`, done by `_sim.schedulers`; `_faults.strategies` draws them and `_search.shrink` makes them small.
`_sim.journal` writes `_sim.observations` down, `_report.oracles` judge them, `_report.report` and `_report.replay` tell
people. `letitcrash` has what pytest and Hypothesis find, and calls `_plugin` and `_hypothesis_entry`. Decorators of
Hypothesis are refused by `_search.foreign`, and its calls work everywhere by `_search.inside`. `_doubles` need no
simulation. Other packages than `letitcrash` import this one through a seam.

Importing it imports neither greenlet, Hypothesis nor pytest: a unit test with doubles needs none of them.
"""

from typing import TYPE_CHECKING

from actors._facade import facade

if TYPE_CHECKING:
    from actors._core.clock import ManualClock
    from actors.testing import faults
    from actors.testing._doubles import Inbox, Probe, wait_until
    from actors.testing._faults.plan import (
        AskTimeout,
        ClockJump,
        Crash,
        CrashInStart,
        CrashInStop,
        CutLink,
        DelayMessage,
        DropMessage,
        DuplicateMessage,
        Fault,
        FaultPlan,
        FreezePlace,
        Hang,
        Kill,
        KillDuringRestart,
        KillPlace,
        LoseZygote,
        Raise,
        Slow,
        SlowLink,
    )
    from actors.testing._faults.schedule import After, Demote, Move, Promote, Schedule, TimerFirst
    from actors.testing._faults.strategies import moves, plans, schedules
    from actors.testing._report.oracles import edge
    from actors.testing._report.replay import Replay
    from actors.testing._search.machine import SimulationMachine
    from actors.testing._search.shrink import shrink
    from actors.testing._search.simulate import example, simulate
    from actors.testing._sim.injector import Fired
    from actors.testing._sim.schedulers import Strategy, portfolio
    from actors.testing._sim.workload import Workload
    from actors.testing._simulation import Simulation, simulation
    from actors.testing.errors import (
        BadFaultPlan,
        BadSchedule,
        DeadFrameHeard,
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
        PlacesOverlap,
        RepliedTwice,
        SimulationError,
        StaleReplay,
        StoppedLate,
        WrongUse,
    )

__all__ = [
    "After",
    "AskTimeout",
    "BadFaultPlan",
    "BadSchedule",
    "ClockJump",
    "Crash",
    "CrashInStart",
    "CrashInStop",
    "CutLink",
    "DeadFrameHeard",
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
    "FreezePlace",
    "HandledTwice",
    "Hang",
    "Inbox",
    "InjectedCrash",
    "InvariantBroken",
    "Kill",
    "KillDuringRestart",
    "KillPlace",
    "LivelockFailure",
    "LoopEnded",
    "LoopFailure",
    "LoseZygote",
    "ManualClock",
    "MessageLost",
    "Move",
    "NeverHappened",
    "NeverSettled",
    "NotDeterministic",
    "OracleFailure",
    "OrphanLeft",
    "OutOfOrder",
    "PlacesOverlap",
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
    "SlowLink",
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "actors._core.clock": ["ManualClock"],
            "actors.testing._doubles": ["Inbox", "Probe", "wait_until"],
            "actors.testing._faults.plan": [
                "AskTimeout",
                "ClockJump",
                "Crash",
                "CrashInStart",
                "CrashInStop",
                "CutLink",
                "DelayMessage",
                "DropMessage",
                "DuplicateMessage",
                "Fault",
                "FaultPlan",
                "FreezePlace",
                "Hang",
                "Kill",
                "KillDuringRestart",
                "KillPlace",
                "LoseZygote",
                "Raise",
                "Slow",
                "SlowLink",
            ],
            "actors.testing._faults.schedule": ["After", "Demote", "Move", "Promote", "Schedule", "TimerFirst"],
            "actors.testing._faults.strategies": ["moves", "plans", "schedules"],
            "actors.testing._report.oracles": ["edge"],
            "actors.testing._report.replay": ["Replay"],
            "actors.testing._search.machine": ["SimulationMachine"],
            "actors.testing._search.shrink": ["shrink"],
            "actors.testing._search.simulate": ["example", "simulate"],
            "actors.testing._sim.injector": ["Fired"],
            "actors.testing._sim.schedulers": ["Strategy", "portfolio"],
            "actors.testing._sim.workload": ["Workload"],
            "actors.testing._simulation": ["Simulation", "simulation"],
            "actors.testing.errors": [
                "BadFaultPlan",
                "BadSchedule",
                "DeadFrameHeard",
                "DeadlockFailure",
                "EventMismatch",
                "FaultNotFired",
                "FenceError",
                "HandledTwice",
                "InjectedCrash",
                "InvariantBroken",
                "LivelockFailure",
                "LoopEnded",
                "LoopFailure",
                "MessageLost",
                "NeverHappened",
                "NeverSettled",
                "NotDeterministic",
                "OracleFailure",
                "OrphanLeft",
                "OutOfOrder",
                "PlacesOverlap",
                "RepliedTwice",
                "SimulationError",
                "StaleReplay",
                "StoppedLate",
                "WrongUse",
            ],
            "actors.testing.faults": ["faults"],
        },
        needs={
            "greenlet": [
                "actors.testing._report.oracles",
                "actors.testing._search.machine",
                "actors.testing._search.simulate",
                "actors.testing._sim.workload",
                "actors.testing._simulation",
            ],
            "hypothesis": ["actors.testing._search.machine"],
        },
    )

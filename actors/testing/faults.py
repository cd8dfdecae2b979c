"""Every kind of fault, and strategies that draw whole plans: `faults.plans("team/**", max_faults=3)`."""

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
from actors.testing._strategies import faults as of_kind
from actors.testing._strategies import plans

__all__ = [
    "AskTimeout",
    "ClockJump",
    "Crash",
    "CrashInStart",
    "CrashInStop",
    "DelayMessage",
    "DropMessage",
    "DuplicateMessage",
    "Fault",
    "FaultPlan",
    "Hang",
    "Kill",
    "KillDuringRestart",
    "Slow",
    "of_kind",
    "plans",
]

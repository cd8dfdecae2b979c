"""Every kind of fault, and strategies that draw whole plans: `faults.plans("team/**", max_faults=3)`."""

from actors.testing._faults.exceptions import EXCEPTIONS
from actors.testing._faults.plan import (
    PLACES,
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
    Place,
    Raise,
    Slow,
)
from actors.testing._faults.strategies import faults as of_kind
from actors.testing._faults.strategies import plans

__all__ = [
    "EXCEPTIONS",
    "PLACES",
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
    "Place",
    "Raise",
    "Slow",
    "of_kind",
    "plans",
]

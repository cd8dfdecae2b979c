"""The seam to `actors`: the only module of `supervisors` that imports it (design.md, "The house").

The package names are generic, so the seam also guards: a user's own `actors.py` that shadows ours gives an
ImportError that names the file, instead of an AttributeError somewhere later.
"""

from __future__ import annotations

import actors

if not getattr(actors, "__understudy__", False):
    where = getattr(actors, "__file__", None) or list(getattr(actors, "__path__", []))
    raise ImportError(
        f"understudy needs its own package 'actors', but Python found {where} first: "
        "rename that file or folder, or take its directory off sys.path"
    )

# The guard has to come before these: a foreign `actors` has no such submodules, and its ModuleNotFoundError would
# hide why.
from actors._actor import Actor
from actors._cell import Cell
from actors._clock import Clock, TimerHandle
from actors._current import current_cell
from actors._envelope import Reply
from actors._errors import ActorDeadError, ActorError, NotAnActor, RuntimeStopped, StartError, gone, lost
from actors._events import CrashedExit, DeadLetter, EventStream, LifecycleEvent, Subscription
from actors._events import StartFailed as StartFailedEvent
from actors._future import Future
from actors._handlers import handles
from actors._kind import kind_of
from actors._loop_thread import LoopFactory
from actors._mailbox import MailboxSpec
from actors._messages import ChildDeclined, ChildExited, ChildStarted, ChildStartFailed, StopOrder
from actors._metrics import Metrics
from actors._props import Props, wrong_host
from actors._reasons import (
    Crashed,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    RestartLimitExceeded,
    RuntimeLost,
    Shutdown,
    within,
)
from actors._ref import ActorRef
from actors._runtime import ClockFactory, Runtime
from actors._text import TEXT, attribute, block, cut, described, said, shown, type_name
from actors._turn import State, settle_failure
from actors._waits import Awaited, Wanted

__all__ = [
    "TEXT",
    "Actor",
    "ActorDeadError",
    "ActorError",
    "ActorRef",
    "Awaited",
    "Cell",
    "ChildDeclined",
    "ChildExited",
    "ChildStartFailed",
    "ChildStarted",
    "Clock",
    "ClockFactory",
    "Crashed",
    "CrashedExit",
    "DeadLetter",
    "EventStream",
    "ExitReason",
    "Future",
    "Killed",
    "LifecycleEvent",
    "LoopFactory",
    "MailboxSpec",
    "Metrics",
    "NoProc",
    "Normal",
    "NotAnActor",
    "Props",
    "Reply",
    "RestartLimitExceeded",
    "Runtime",
    "RuntimeLost",
    "RuntimeStopped",
    "Shutdown",
    "StartError",
    "StartFailedEvent",
    "State",
    "StopOrder",
    "Subscription",
    "TimerHandle",
    "Wanted",
    "attribute",
    "block",
    "current_cell",
    "cut",
    "described",
    "gone",
    "handles",
    "kind_of",
    "lost",
    "said",
    "settle_failure",
    "shown",
    "type_name",
    "within",
    "wrong_host",
]

"""One actor: its mailbox, its ref, its life, and the runtime that runs it.

General layout: this package imports neither `supervisors` nor `teams`. `supervisors` (trees of actors that restart
each other) imports this one, `teams` (actors that work together) imports both. Within the package, `_turn` is the
core loop, `_cell` the life of an actor, `_runtime` what actors share; `_hosts` says how a cell is run, `_loop_host`
and `_thread_host` run it; everything else is one noun a file.
"""

from actors._actor import Actor
from actors._clock import Clock, LoopClock, ManualClock, TimerHandle
from actors._errors import (
    ActorCrashed,
    ActorDeadError,
    ActorError,
    BlockingCallError,
    CallTimeout,
    DeadlockError,
    HandlerDefinitionError,
    HandlerTimeout,
    IgnoreStart,
    InvalidPriority,
    LinkedExit,
    LoopStopRefused,
    MailboxFull,
    NameTaken,
    NoSuchActor,
    NotAnActor,
    NotInRuntime,
    RuntimeStopped,
    StartDeclined,
    StartError,
    StartTimeout,
    StateMachineDefinitionError,
    TransitionRefused,
    UnhandledMessage,
    UnknownState,
)
from actors._events import (
    Abandoned,
    AskFailed,
    CrashedExit,
    DeadLetter,
    EventStream,
    Exited,
    HookFailed,
    LifecycleEvent,
    LoopBlocked,
    MessageHandled,
    Quarantined,
    Redelivered,
    Started,
    StartFailed,
    Subscription,
    UncaughtException,
)
from actors._future import Future
from actors._handlers import handles
from actors._introspection import Statistics, Status
from actors._mailbox import MailboxSpec, bounded, prioritized
from actors._messages import Down, Exit, Message
from actors._metrics import Metrics
from actors._reasons import Crashed, ExitReason, Killed, NoProc, Normal, RestartLimitExceeded, RuntimeLost, Shutdown
from actors._ref import ActorRef
from actors._runtime import Runtime
from actors._sinks import LogSink
from actors._state_course import EventTimeout, NamedTimeout, StateTimeout
from actors._state_definition import MachineState, during, entering
from actors._state_machine import StateMachine
from actors._timers import Timer

__understudy__ = True
"""Tells our package from a module of the user's that happens to have its name."""

__all__ = [
    "Abandoned",
    "Actor",
    "ActorCrashed",
    "ActorDeadError",
    "ActorError",
    "ActorRef",
    "AskFailed",
    "BlockingCallError",
    "CallTimeout",
    "Clock",
    "Crashed",
    "CrashedExit",
    "DeadLetter",
    "DeadlockError",
    "Down",
    "EventStream",
    "EventTimeout",
    "Exit",
    "ExitReason",
    "Exited",
    "Future",
    "HandlerDefinitionError",
    "HandlerTimeout",
    "HookFailed",
    "IgnoreStart",
    "InvalidPriority",
    "Killed",
    "LifecycleEvent",
    "LinkedExit",
    "LogSink",
    "LoopBlocked",
    "LoopClock",
    "LoopStopRefused",
    "MachineState",
    "MailboxFull",
    "MailboxSpec",
    "ManualClock",
    "Message",
    "MessageHandled",
    "Metrics",
    "NameTaken",
    "NamedTimeout",
    "NoProc",
    "NoSuchActor",
    "Normal",
    "NotAnActor",
    "NotInRuntime",
    "Quarantined",
    "Redelivered",
    "RestartLimitExceeded",
    "Runtime",
    "RuntimeLost",
    "RuntimeStopped",
    "Shutdown",
    "StartDeclined",
    "StartError",
    "StartFailed",
    "StartTimeout",
    "Started",
    "StateMachine",
    "StateMachineDefinitionError",
    "StateTimeout",
    "Statistics",
    "Status",
    "Subscription",
    "Timer",
    "TimerHandle",
    "TransitionRefused",
    "UncaughtException",
    "UnhandledMessage",
    "UnknownState",
    "bounded",
    "during",
    "entering",
    "handles",
    "prioritized",
]

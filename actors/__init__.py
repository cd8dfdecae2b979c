"""One actor: its mailbox, its ref, its life, and the runtime that runs it.

General layout: this package imports neither `supervisors` nor `teams`. `supervisors` (trees of actors that restart
each other) imports this one, `teams` (actors that work together) imports both. Within the package, `_core.cell` runs an
actor by the table in `_core.life`, and `_runtime.runtime` is shared by all actors. `_hosts.host` is the interface to
the hosts, `_hosts.loop` and `_hosts.thread`. Every other file defines one noun.
"""

from typing import TYPE_CHECKING

from actors._facade import facade

if TYPE_CHECKING:
    from actors._core.actor import Actor
    from actors._core.clock import Clock, LoopClock, ManualClock, TimerHandle
    from actors._core.future import Future
    from actors._core.handlers import handles
    from actors._core.introspection import Statistics, Status
    from actors._core.mailbox import MailboxSpec, bounded, prioritized
    from actors._core.messages import Down, Exit, Message
    from actors._core.ref import ActorRef
    from actors._core.timers import Timer
    from actors._observe.metrics import Metrics
    from actors._observe.sinks import LogSink
    from actors._runtime.runtime import Runtime
    from actors._state_machine.course import EventTimeout, NamedTimeout, StateTimeout
    from actors._state_machine.definition import MachineState, during, entering
    from actors._state_machine.machine import StateMachine
    from actors.errors import (
        ActorCrashed,
        ActorDeadError,
        ActorError,
        BlockingCallError,
        CallTimeout,
        DeadlockError,
        HandlerDefinitionError,
        HandlerTimeout,
        IgnoreStart,
        IncarnationEnded,
        InvalidPriority,
        LinkedExit,
        LoopStopRefused,
        MailboxFull,
        MissingExtra,
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
    from actors.events import (
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
    from actors.reasons import Crashed, ExitReason, Killed, NoProc, Normal, RestartLimitExceeded, RuntimeLost, Shutdown
    from actors.spi import current_correlation_id, current_ref, sleep

__letitcrash__ = True
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
    "IncarnationEnded",
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
    "MissingExtra",
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
    "current_correlation_id",
    "current_ref",
    "during",
    "entering",
    "handles",
    "prioritized",
    "sleep",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "actors._core.actor": ["Actor"],
            "actors._core.clock": ["Clock", "LoopClock", "ManualClock", "TimerHandle"],
            "actors._core.future": ["Future"],
            "actors._core.handlers": ["handles"],
            "actors._core.introspection": ["Statistics", "Status"],
            "actors._core.mailbox": ["MailboxSpec", "bounded", "prioritized"],
            "actors._core.messages": ["Down", "Exit", "Message"],
            "actors._core.ref": ["ActorRef"],
            "actors._core.timers": ["Timer"],
            "actors._observe.metrics": ["Metrics"],
            "actors._observe.sinks": ["LogSink"],
            "actors._runtime.runtime": ["Runtime"],
            "actors._state_machine.course": ["EventTimeout", "NamedTimeout", "StateTimeout"],
            "actors._state_machine.definition": ["MachineState", "during", "entering"],
            "actors._state_machine.machine": ["StateMachine"],
            "actors.errors": [
                "ActorCrashed",
                "ActorDeadError",
                "ActorError",
                "BlockingCallError",
                "CallTimeout",
                "DeadlockError",
                "HandlerDefinitionError",
                "HandlerTimeout",
                "IgnoreStart",
                "IncarnationEnded",
                "InvalidPriority",
                "LinkedExit",
                "LoopStopRefused",
                "MailboxFull",
                "MissingExtra",
                "NameTaken",
                "NoSuchActor",
                "NotAnActor",
                "NotInRuntime",
                "RuntimeStopped",
                "StartDeclined",
                "StartError",
                "StartTimeout",
                "StateMachineDefinitionError",
                "TransitionRefused",
                "UnhandledMessage",
                "UnknownState",
            ],
            "actors.events": [
                "Abandoned",
                "AskFailed",
                "CrashedExit",
                "DeadLetter",
                "EventStream",
                "Exited",
                "HookFailed",
                "LifecycleEvent",
                "LoopBlocked",
                "MessageHandled",
                "Quarantined",
                "Redelivered",
                "StartFailed",
                "Started",
                "Subscription",
                "UncaughtException",
            ],
            "actors.reasons": [
                "Crashed",
                "ExitReason",
                "Killed",
                "NoProc",
                "Normal",
                "RestartLimitExceeded",
                "RuntimeLost",
                "Shutdown",
            ],
            "actors.spi": ["current_correlation_id", "current_ref", "sleep"],
        },
    )

"""Every error the `actors` package raises.

An error keeps its subject as fields, builds its text from them and survives pickling. An error that stands for one of
pykka's derives from it, so code written for pykka catches it. Other bases stand in brackets::

    ActorError
      ActorDeadError (pykka.ActorDeadError)
      ActorCrashed
      CallTimeout (pykka.Timeout, TimeoutError)
      DeadlockError
      BlockingCallError
      MailboxFull
      NotQuarantined (LookupError)
      InvalidPriority (ValueError)
      UnhandledMessage
        NoMailbox
      NoMessage (RuntimeError)
      NoReply
      StartError
      StartDeclined
      StartTimeout (TimeoutError)
      HandlerTimeout (TimeoutError)
      CleanupTimeout (TimeoutError)
      NotOnHost (RuntimeError)
      LinkedExit
      NoSuchActor (LookupError)
      WrongActorClass (TypeError)
      IncarnationEnded
      NameTaken
      NotAnActor (TypeError)
      ReservedName (AttributeError)
      NotInRuntime
      AlreadyEntered (RuntimeError)
      OptionError (ValueError, TypeError)
      RuntimeStopped (pykka.ActorDeadError)
      PlaceLost
      RemoteError
      NotSendable (TypeError)
      NotReceivable (TypeError)
      NotInPlace (RuntimeError)
      VersionMismatch (RuntimeError)
      LoopStopRefused (RuntimeError)
      MissingExtra (ModuleNotFoundError)
      HandlerDefinitionError (TypeError)
      StateMachineDefinitionError (TypeError)
      UnknownState (ValueError)
      TransitionRefused (RuntimeError)
    IgnoreStart
"""

from __future__ import annotations

from collections.abc import Sequence

import pykka

from actors._user_code.text import block, described, is_ctrl_c, shown, type_name
from actors.reasons import Crashed, ExitReason, Lost, RuntimeLost, within

_LONGEST = 10_000
"""Characters of the text of an error, which may list many faults."""


class ActorError(Exception):
    """Base of all errors of the runtime.

    A field of an error is an annotation of its class, after those of its base. It is given by position or by keyword.
    An exception in a field `cause` or `error` is the `__cause__`.
    """

    fields: tuple[str, ...] = ()
    """The names of the fields, in order."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "fields" not in vars(cls):
            own = (name for name in cls.__annotations__ if name not in cls.fields)
            cls.fields = (*cls.fields, *own)

    def __init__(self, *values: object, **named: object) -> None:
        super().__init__()
        values += tuple(named.pop(name) for name in self.fields[len(values) :] if name in named)
        if named or len(values) != len(self.fields):
            raise TypeError(f"{type(self).__name__} takes the fields ({', '.join(self.fields)}), got {len(values)}")
        self.args = values  # the arguments of the copy that pickle makes
        for name, value in zip(self.fields, values, strict=True):
            setattr(self, name, value)
            if name in ("cause", "error") and isinstance(value, BaseException):
                self.__cause__ = value

    def __str__(self) -> str:
        try:
            return block(self.describe(), _LONGEST)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            return f"{type_name(self)}, whose text cannot be shown"

    def __repr__(self) -> str:
        return f"{type_name(self)}({', '.join(map(shown, self.args))})"

    def describe(self) -> str:
        """The error as a sentence for a person. `str` cuts it and makes it printable."""
        return ", ".join(f"{name}={shown(getattr(self, name))}" for name in self.fields)


class ActorDeadError(ActorError, pykka.ActorDeadError):
    """The actor has terminated. The refused message is in `undelivered`."""

    fields = ("path", "reason", "undelivered")
    path: str
    reason: ExitReason
    undelivered: object
    begun: bool
    """Whether a handler had begun with the message when the actor terminated. False: no handler has seen it."""

    def __init__(self, path: str, reason: ExitReason, undelivered: object, *, begun: bool = False) -> None:
        super().__init__(path, reason, undelivered)
        self.begun = begun
        if isinstance(reason, RuntimeLost):
            self.__cause__ = lost(reason)

    def describe(self) -> str:
        kind = type_name(self.undelivered)
        return f"{self.path} has terminated ({within(self.reason)}); the message of type {kind} is in .undelivered"


class ActorCrashed(ActorError):
    """The actor crashed over the message with an exception that must not be raised in the caller.

    `SystemExit`, `KeyboardInterrupt` and `CancelledError` would end the caller, too. `cause` is the original.
    """

    path: str
    cause: BaseException

    def describe(self) -> str:
        return f"{self.path} crashed: {described(self.cause)}"


class CallTimeout(ActorError, pykka.Timeout, TimeoutError):
    """No answer came in time. A message that still waits in the mailbox becomes a dead letter (`expired`); a handler
    that has begun goes on. A plain pykka actor handles a message that waits all the same.
    """

    path: str
    message_type: str

    def describe(self) -> str:
        return f"{self.path} did not answer {self.message_type} before its deadline"


class DeadlockError(ActorError):
    """The wait would close a cycle of actors that wait for each other. `chain` names them, each before the one it waits
    for.
    """

    chain: Sequence[str]

    def describe(self) -> str:
        return (
            f"this wait would never end, each waits for the next: {' -> '.join(self.chain)}; do not wait here, "
            "use tell() and answer with a message, or let one of them allow concurrency > 1"
        )


class BlockingCallError(ActorError):
    """A call that blocks its thread was made on an event loop. `instead` says what to write."""

    what: str
    instead: str

    def describe(self) -> str:
        return f"{self.what} would block the event loop of this thread; write {self.instead} instead"


class MailboxFull(ActorError):
    """A bounded mailbox refused the message, which is in `undelivered`."""

    path: str
    capacity: int
    undelivered: object

    def describe(self) -> str:
        return (
            f"the mailbox of {self.path} is full ({self.capacity} messages wait); "
            f"the message of type {type_name(self.undelivered)} is in .undelivered"
        )


class NotQuarantined(ActorError, LookupError):
    """No message in quarantine has this number: it was tried again, discarded or evicted, or never was there."""

    id: int
    held: int
    """How many messages there are."""

    def describe(self) -> str:
        return f"no message in quarantine has the number {self.id}; messages() lists the {self.held} that it has"


class InvalidPriority(ActorError, ValueError):
    """The `priority` function of a mailbox returned NaN, or something that is not a number.

    The message was not sent and is in `undelivered`.
    """

    path: str
    value: object
    undelivered: object

    def describe(self) -> str:
        return (
            f"the mailbox of {self.path}: the priority of a message must be a number and not NaN, got "
            f"{shown(self.value)} for a message of type {type_name(self.undelivered)}. The message is in .undelivered; "
            "return a number from `priority`"
        )


class UnhandledMessage(ActorError):
    """The actor has no handler for the type of the message and no `on_receive` of its own."""

    path: str
    message_type: str

    def describe(self) -> str:
        return f"{self.path} has no handler for {self.message_type}: add a method marked @handles, or on_receive"


class NoMailbox(UnhandledMessage):
    """The actor runs a function or holds a resource (a child of a supervisor) and takes no messages."""

    def describe(self) -> str:
        return (
            f"{self.path} takes no messages, got {self.message_type}: it runs a function or holds a resource. Give the "
            "child an actor class to send messages to it"
        )


class NoMessage(ActorError, RuntimeError):
    """`take_reply` or `forward` was called where no message is being handled, for example in a hook."""

    path: str
    what: str

    def describe(self) -> str:
        return f"{self.path}: {self.what} needs the message being handled, and there is none. Call it in a handler"


class NoReply(ActorError):
    """The actor took the reply to a message over (`take_reply`) and dropped it without an answer."""

    path: str
    message_type: str

    def describe(self) -> str:
        return (
            f"{self.path}: the reply to {self.message_type} was taken over and dropped without an answer. "
            "Keep it until answer() or fail() was called"
        )


class IgnoreStart(Exception):
    """Raised in `__init__` or `on_start`: this actor declines to start (supervision rule 3)."""


class StartError(ActorError):
    """An actor did not start; `reason` says why. An exception that failed the start is the `__cause__`."""

    path: str
    reason: ExitReason

    def describe(self) -> str:
        return f"{self.path} did not start: {within(self.reason)}"


class StartDeclined(ActorError):
    """The actor raised `IgnoreStart`."""

    path: str

    def describe(self) -> str:
        return f"{self.path} declined to start (IgnoreStart)"


class StartTimeout(ActorError, TimeoutError):
    """The constructor and `on_start` took longer than the time limit of a start (supervision rule 4)."""

    path: str
    seconds: float
    waits_for: str
    """What the start waited for beside its own hooks: `a node of Ray that has num_gpus=1`. Empty: nothing."""

    def describe(self) -> str:
        if self.waits_for:
            return f"{self.path} was still starting after {self.seconds:g} s: it waited for {self.waits_for}"
        return (
            f"{self.path} was still starting after {self.seconds:g} s; "
            "move long work to on_continue or raise start_timeout"
        )


class HandlerTimeout(ActorError, TimeoutError):
    """A handler exceeded the time limit of its actor, which crashed for it."""

    path: str
    message_type: str
    seconds: float

    def describe(self) -> str:
        return f"{self.path} handled {self.message_type} for more than {self.seconds:g} s"


class CleanupTimeout(ActorError, TimeoutError):
    """A callback or context manager of an incarnation did not end within the `kill_grace` of its runtime, and was
    cancelled.
    """

    path: str
    what: str
    seconds: float

    def describe(self) -> str:
        return (
            f"{self.path}: {self.what} did not end within {self.seconds:g} s and was cancelled. Make it shorter, or "
            "raise the kill_grace of the runtime"
        )


class NotOnHost(ActorError, RuntimeError):
    """A method of an actor that is for its own handlers and hooks was called in a thread that does not run them."""

    path: str
    what: str

    def describe(self) -> str:
        return (
            f"{self.path}: {self.what} was called in another thread. Call it in a handler or hook of the actor, or in "
            "a coroutine that these run"
        )


class LinkedExit(ActorError):
    """The exit of a linked actor ended this one."""

    path: str
    reason: ExitReason

    def describe(self) -> str:
        return f"linked to {self.path}, which ended: {within(self.reason)}"


class NoSuchActor(ActorError, LookupError):
    """This path has no actor, or its actor has terminated."""

    path: str

    def describe(self) -> str:
        return f"no actor at {self.path}: it was never started, or has terminated"


class WrongActorClass(ActorError, TypeError):
    """The actor at this path is not of the class that the caller expects."""

    path: str
    expected: str
    found: str

    def describe(self) -> str:
        return f"{self.path}: must be of class {self.expected}, got {self.found}. Expect that class, or change the spec"


class IncarnationEnded(ActorError):
    """Code of an incarnation that has ended asked for what ends with the incarnation: a handler that passed its time
    limit goes on in its thread, or a thread that the actor began itself does.
    """

    path: str
    incarnation: int
    what: str

    def describe(self) -> str:
        return (
            f"{self.what} of {self.path} was refused: its incarnation {self.incarnation} has ended. A thread "
            "that outlasts its incarnation should return"
        )


class NameTaken(ActorError):
    """The name belongs to another live actor."""

    name: str
    owner: str

    def describe(self) -> str:
        return f"the name {self.name!r} belongs to {self.owner}; stop that one first or choose another name"


class NotAnActor(ActorError, TypeError):
    """The class is not an actor class that this runtime can start."""

    what: str
    problem: str

    def describe(self) -> str:
        return f"{self.what} cannot be started as an actor: {self.problem}"


class ReservedName(ActorError, AttributeError):
    """An actor has assigned to a property that every actor has, such as `self.path`."""

    what: str
    attribute: str

    def describe(self) -> str:
        return f"{self.what}: {self.attribute!r} is a property that every actor has. Choose another name"


class NotInRuntime(ActorError):
    """A call that needs a running runtime was made outside of one."""

    what: str
    instead: str

    def describe(self) -> str:
        return f"{self.what} needs a running runtime; {self.instead}"


class AlreadyEntered(ActorError, RuntimeError):
    """A context manager for one block was entered a second time."""

    what: str
    instead: str

    def describe(self) -> str:
        return f"{self.what} was entered already and is for one block; {self.instead}"


class OptionError(ActorError, ValueError, TypeError):
    """Options cannot work. `faults` holds one text for each: option, what is wrong, and the value."""

    what: str
    faults: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.what}: {'; '.join(self.faults)}"


class RuntimeStopped(ActorError, pykka.ActorDeadError):
    """The runtime has stopped, has lost its event loop, or belongs to the process that this one was forked from.

    When a runtime loses its loop, every wait ends with this error, and so does the block of the runtime. The
    `__cause__` is the exception that ended the loop, if one did.
    """

    name: str
    why: str

    def describe(self) -> str:
        return f"runtime {self.name!r} does not run: {self.why}"


def gone(path: str, reason: ExitReason, undelivered: object) -> ActorDeadError | RuntimeStopped:
    """The error for a caller whose actor has terminated for this reason, alone or with the whole runtime."""
    if not isinstance(reason, RuntimeLost):
        return ActorDeadError(path, reason, undelivered)
    return lost(reason)


def lost(reason: RuntimeLost) -> RuntimeStopped:
    """The error for a caller whose runtime has lost its loop. Each caller gets an error of its own, because a traceback
    is written into it.
    """
    error = RuntimeStopped(reason.runtime, reason.why)
    error.__cause__ = reason.cause
    return error


class PlaceLost(ActorError):
    """The process of the actor ended before it answered. A handler had begun with the message, or may have."""

    path: str
    place: str
    """The process: `process 4711`."""
    how: str
    """The end of the process in words: `process 4711 was killed by SIGSEGV`."""
    signal: int | None
    """The number of the signal that killed it; None: no signal did, or that is not known."""
    exit_code: int | None
    """Its exit code; None: a signal killed it, or that is not known."""
    max_rss: int | None
    """The most memory that it had in RAM, in bytes; None: not known."""
    cpu: float | None
    """The seconds of CPU time that it used; None: not known."""

    def describe(self) -> str:
        return f"{self.path} is lost: {self.how}"


def crashed_by(path: str, error: BaseException) -> Crashed:
    """The reason of an exit of the actor at this path by this exception."""
    if issubclass(type(error), PlaceLost) and error.path == path:  # type: ignore[attr-defined]
        return Lost(error)
    return Crashed(error)


class RemoteError(ActorError):
    """An exception of an actor in another process that cannot be pickled, or cannot be read here. `type` and `text` are
    its class and message.
    """

    path: str
    type: str
    text: str

    def describe(self) -> str:
        return f"{self.path} raised {self.type}: {self.text} (the exception itself could not be pickled)"


class NotSendable(ActorError, TypeError):
    """A value that must go to another process, or come from it, cannot be pickled."""

    path: str
    what: str
    """The value: `the message of type Load`."""
    problem: str

    def describe(self) -> str:
        return (
            f"{self.path}: {self.what} cannot be pickled, and the actor runs in a process of its own: {self.problem}. "
            "Send plain data, or objects of classes that a module defines at its top level"
        )


class NotReceivable(ActorError, TypeError):
    """A value from another process was pickled there and cannot be read here."""

    path: str
    what: str
    problem: str

    def describe(self) -> str:
        return (
            f"{self.path}: {self.what} came from another process and cannot be read: {self.problem}. Its class must be "
            "importable in both processes, and its __reduce__ or __setstate__ must not raise"
        )


class NotInPlace(ActorError, RuntimeError):
    """A method does not work for an actor in a process of its own, or in a place where it was called."""

    path: str
    what: str
    instead: str

    def describe(self) -> str:
        return f"{self.path}: {self.what} does not work in a process of its own. {self.instead}"


class VersionMismatch(ActorError, RuntimeError):
    """The process of an actor runs another version of Python or of this package than the program."""

    path: str
    here: str
    there: str

    def describe(self) -> str:
        return (
            f"{self.path}: its process runs {self.there}, the program {self.here}. Restart the program after an upgrade"
        )


class LoopStopRefused(ActorError, RuntimeError):
    """`loop.stop()` was called on the event loop of a runtime, which every actor of the runtime shares."""

    path: str
    """The actor that called; empty outside of actors."""
    name: str

    def describe(self) -> str:
        return (
            f"{self.path or 'code outside of actors'}: loop.stop() would end the event loop of runtime {self.name!r}, "
            "which every actor shares. Stop the actor (self.stop()) or the runtime (runtime.stop())"
        )


class MissingExtra(ActorError, ModuleNotFoundError):
    """A module that an extra of the distribution brings is not installed."""

    name: str
    extra: str
    """The distribution with its extra, as pip takes it."""

    def describe(self) -> str:
        return f"the module {self.name} is not installed. Install it with: pip install '{self.extra}'"


class HandlerDefinitionError(ActorError, TypeError):
    """A method marked @handles cannot be used as a handler."""

    where: str
    problem: str

    def describe(self) -> str:
        return f"@handles on {self.where}: {self.problem}"


class StateMachineDefinitionError(ActorError, TypeError):
    """A state machine class cannot work. `faults` holds every fault, a sentence each."""

    machine: str
    faults: Sequence[str]

    def describe(self) -> str:
        return f"the state machine {self.machine} cannot work:" + "".join(f"\n- {fault}" for fault in self.faults)


class UnknownState(ActorError, ValueError):
    """A state machine was told to go to a state that it does not have. `known` names its states."""

    machine: str
    target: str
    known: Sequence[str]

    def describe(self) -> str:
        return f"{self.machine} has no state {self.target}; it has {', '.join(self.known)}"


class TransitionRefused(ActorError, RuntimeError):
    """`goto`, `postpone` or a timeout was called outside of a message handler, for example in an enter action."""

    machine: str
    what: str
    where: str

    def describe(self) -> str:
        return f"{self.machine}: {self.what} is not allowed {self.where}; call it from a message handler"

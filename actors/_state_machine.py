"""State machines: actors whose handlers depend on a state. The behaviour is that of OTP's gen_statem, in the form of this package.

States and handlers
- The states are the members of an Enum, or the strings in `states`. `initial` is the one a machine begins in.
- A message goes to the handler the present state has for its type (`@during`), else to the one for every state (`@handles`), else to
  `on_receive`, which makes an unhandled dead letter of it. Within each of the first two, a base class of the message counts as well.
- Everything wrong with a class is reported at once, when the class is made; a class without `initial` is a base for others until it is used.

Transitions
- `goto` asks for a transition. It takes place when the handler has returned, so that what the handler returns is still the answer, and until then
  `self.state` is the old state. The last `goto` of a handler counts; a handler that raises goes nowhere. Going to the present state changes nothing.
- In `__init__`, `on_restore` and `on_start`, `goto` chooses the state to begin in.
- A transition, in order: the state changes, its state timeout ends, the postponed messages go back to the front of the queue, the new state's
  timeout starts, the enter action runs. The asker is answered, and the next message is taken, after the enter action.

Enter actions
- An enter action (`@entering`) runs on every entry into its state. The initial state is entered after the start was reported and before any
  message is handled and before `on_continue`.
- It may not go to another state, nor postpone. What it raises is treated as if the handler that led here had raised it, but the state stays entered.

Postponed messages
- `postpone` puts the message being handled aside, with its asker, when the handler has returned; what that returns is then no answer. Messages put
  aside are retried after the next change of state, oldest first, ahead of all that arrived later. One that is postponed again keeps its place.
- Messages put aside survive a crash as queued ones do (supervision rule 26): the next incarnation gets them first. A handler that raises has postponed
  nothing: its message crashed the machine, and is treated so (supervision rule 27).

Timeouts
- The state timeout ends with a change of state, the event timeout with the next message that is handled, named timeouts only when they are
  taken back or set anew. Each comes as a message; one that was ended never comes, even if it waited in the mailbox already. A postponed
  timeout has come. No mailbox bound refuses a timeout. All end with the incarnation (`stale_timer` if one still waited).
- A state timeout set by a handler that also goes to another state is the new state's.

Restarts
- A new incarnation begins in `initial`, unless the class carries its state over: `carry_over` returns `self.state` and what else shall survive, `on_restore`
  does `self.goto(...)`. The state it begins in is entered like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pykka.messages import ProxyCall

from actors._actor import Actor
from actors._errors import TransitionRefused
from actors._handlers import SYSTEM, Dispatch, Handler
from actors._mailbox import BoundedQueue
from actors._messages import Continue, Timed
from actors._state_definition import MachineState, StateDefinition, define
from actors._timers import Timer

if TYPE_CHECKING:
    from actors._envelope import Envelope


@dataclass(frozen=True, slots=True)
class StateTimeout:
    """The machine was in one state for as long as its state timeout."""

    state: MachineState


@dataclass(frozen=True, slots=True)
class EventTimeout:
    """No message was handled for as long as the event timeout."""

    state: MachineState
    """The state in which the timeout was set."""


@dataclass(frozen=True, slots=True)
class NamedTimeout:
    """The named timeout is over."""

    name: str


class StateMachine(Actor):
    """An actor whose handlers depend on its state; the module's docstring has the rules.

    Mark handlers with `@during(state, ...)`, or with `@handles` for every state, and enter actions with `@entering(state, ...)`.
    """

    # The instance keeps its bookkeeping out of `vars(self)`, which is what `ref.state()` shows.
    __slots__ = ("_course",)

    states: ClassVar[type[Enum] | Sequence[str] | None] = None
    """The states. `None`: the members of the Enum that `initial` belongs to."""

    initial: ClassVar[MachineState]
    """The state each incarnation begins in."""

    _definition: ClassVar[StateDefinition]
    _course: _Course

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Raises `StateMachineDefinitionError` with everything wrong with the class, unless it is a base without `initial`."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "initial"):
            cls._definition = define(cls)

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        machine = super().__new__(cls)
        machine._course = _Course(machine, cls._definition)
        return machine

    def on_continue(self) -> Any:
        """Runs after the initial state was entered and before any message that waits. It may `goto`."""
        return None

    @property
    def state(self) -> MachineState:
        """The present state; `goto` changes it, and `ref.state()["state"]` shows it from outside."""
        found: MachineState = vars(self)["state"]
        return found

    @property
    def previous_state(self) -> MachineState | None:
        """The state before the last transition of this incarnation; `None` before the first."""
        return self._course.previous

    def goto(self, state: MachineState, *, timeout: float | None = None) -> None:
        """Goes to `state` when the handler has returned, and sets its state timeout to `timeout` seconds; `None`: none is set.

        Raises:
            UnknownState: the machine has no such state
            TransitionRefused: in an enter action, in `on_stop` and `on_failure`, or in a task that outlived its handler
        """
        course = self._course
        course.permit("goto", _Phase.STARTING, _Phase.CONTINUING, _Phase.HANDLING)
        target = course.definition.resolve(state)
        if timeout is not None:
            self.state_timeout(timeout)
        course.target = target

    def postpone(self) -> None:
        """Puts the message being handled aside until the next change of state. Raises `TransitionRefused` where none is handled."""
        self._course.permit("postpone", _Phase.HANDLING)
        self._course.postponed = True

    def state_timeout(self, delay: float | None, message: object = None) -> None:
        """Has `message` come in `delay` seconds, counted from the end of the handler, unless the state changes; `None` takes the timeout back.

        Without a message it is a `StateTimeout`. There is one state timeout: setting it replaces it.
        """
        course = self._course
        every = (_Phase.STARTING, _Phase.CONTINUING, _Phase.HANDLING, _Phase.ENTERING)
        course.permit("state_timeout", *every)
        course.wanted = (_checked(delay), message)

    def event_timeout(self, delay: float | None, message: object = None) -> None:
        """Has `message` come in `delay` seconds unless another one is handled before; `None` takes the timeout back.

        Without a message it is an `EventTimeout`. There is one event timeout: setting it replaces it.
        """
        self._course.set(_Only.EVENT, _checked(delay), message if message is not None else EventTimeout(self.state))

    def named_timeout(self, name: str, delay: float | None, message: object = None) -> None:
        """Has `message` come in `delay` seconds, whatever the state is then; `None` takes the timeout back.

        Without a message it is a `NamedTimeout`. Setting a timeout of the same name replaces it.
        """
        self._course.set(name, _checked(delay), message if message is not None else NamedTimeout(name))

    @classmethod
    def _dispatch(cls) -> Dispatch:
        if not hasattr(cls, "initial"):
            define(cls)  # raises: it has no initial state
        table: dict[type, Handler] = {
            **SYSTEM,
            Continue: _continue,
            Timed: _timed,
            ProxyCall: lambda machine, call: machine._course.handle(call, SYSTEM[ProxyCall]),
        }
        return Dispatch(table, _event)


class _Phase(Enum):
    """What the machine is doing; the values end the sentence "goto has no meaning ..."."""

    STARTING = "while the machine starts"
    CONTINUING = "in on_continue"
    WAITING = "while no message is handled"
    HANDLING = "in a handler"
    ENTERING = "in an enter action"


class _Only(Enum):
    """Timeouts of which a machine has one."""

    STATE = "state"
    EVENT = "event"


class _Timeout(Timer):
    """A timer whose message comes only while the machine still waits for it."""

    __slots__ = ("key",)

    def __init__(self, course: _Course, key: _Only | str, delay: float, message: object) -> None:
        self.key = key
        cell = course.machine._cell
        super().__init__(cell, cell.runtime.now() + delay, None, message)

    def _put(self, envelope: Envelope) -> None:
        queue = self._cell.queue
        if not isinstance(queue, BoundedQueue):
            self._cell.put(envelope)
            return
        # A machine that is never told that its time is over could stay in its state for ever.
        if not queue.offer(envelope):
            queue.force(envelope)
        if self._cell.idle:
            self._cell.wake()


class _Course:
    """What one incarnation of a machine has under way."""

    __slots__ = ("definition", "machine", "phase", "postponed", "previous", "target", "timeouts", "wanted")

    def __init__(self, machine: StateMachine, definition: StateDefinition) -> None:
        self.machine = machine
        self.definition = definition
        self.phase = _Phase.STARTING
        self.previous: MachineState | None = None
        self.timeouts: dict[_Only | str, _Timeout] = {}
        self._show(definition.initial)
        self._forget()

    def _show(self, state: MachineState) -> None:
        vars(self.machine)["state"] = state

    def _forget(self) -> None:
        """The wishes of a handler: where to go, whether to postpone, the state timeout."""
        self.target: MachineState | None = None
        self.postponed = False
        self.wanted: tuple[float | None, object] | None = None

    def permit(self, what: str, *phases: _Phase) -> None:
        """Refuses what has no meaning now."""
        if self.phase not in phases:
            raise TransitionRefused(self.definition.machine, what, self.phase.value)

    # One message

    def handle(self, message: object, handler: Handler | None = None, phase: _Phase = _Phase.HANDLING) -> object:
        """Handles a message, up to the end of the transition it led to. Returns the answer, or a coroutine of it."""
        if self.phase is _Phase.STARTING:
            entry = self._begin()
            if entry is not None:
                return self._handle_after(entry, message, handler, phase)
        if phase is _Phase.HANDLING:
            self.cancel(_Only.EVENT)
        self.phase = phase
        try:
            chosen = handler or self.definition.handler(self.machine.state, type(message))
            result = chosen(self.machine, message)
        except BaseException:
            self._give_up()
            raise
        if type(result) is CoroutineType:
            return self._finish(result)
        entry = self._settle()
        return result if entry is None else _answer_after(entry, result)

    async def _handle_after(
        self, entry: Coroutine[Any, Any, None], message: object, handler: Handler | None, phase: _Phase
    ) -> object:
        await entry
        result = self.handle(message, handler, phase)
        return await result if type(result) is CoroutineType else result

    async def _finish(self, handling: Coroutine[Any, Any, object]) -> object:
        try:
            result = await handling
        except BaseException:
            self._give_up()
            raise
        entry = self._settle()
        if entry is not None:
            await entry
        return result

    def _give_up(self) -> None:
        self._forget()
        self.phase = _Phase.WAITING

    # Transitions

    def _begin(self) -> Coroutine[Any, Any, None] | None:
        if self.target is not None:
            self._show(self.target)
        self._start_state_timeout()
        return self._enter()

    def _settle(self) -> Coroutine[Any, Any, None] | None:
        """Carries out what the handler asked for; returns what is left to await of an enter action."""
        self.phase = _Phase.WAITING
        if self.postponed:
            self._put_aside()
        target = self.target
        changes = target is not None and target != self.machine.state
        if changes:
            assert target is not None
            self.previous = self.machine.state
            self._show(target)
            self.cancel(_Only.STATE)
            self.machine.unstash()
        self._start_state_timeout()
        return self._enter() if changes else None

    def _put_aside(self) -> None:
        cell = self.machine._cell
        envelope = cell.envelope
        assert envelope is not None
        if type(envelope.message) is Timed:
            envelope.message = envelope.message._replace(timer=None)  # it has come: nothing ends it any more
        cell.put_aside(envelope)

    def _start_state_timeout(self) -> None:
        wanted = self.wanted
        self._forget()
        if wanted is not None:
            delay, message = wanted
            self.set(_Only.STATE, delay, message if message is not None else StateTimeout(self.machine.state))

    def _enter(self) -> Coroutine[Any, Any, None] | None:
        action: Callable[[Any], object] | None = self.definition.entries.get(self.machine.state)
        self.phase = _Phase.ENTERING if action is not None else _Phase.WAITING
        if action is None:
            return None
        try:
            result = action(self.machine)
        except BaseException:
            self._give_up()
            raise
        if type(result) is CoroutineType:
            return self._entered(result)
        self._start_state_timeout()
        self.phase = _Phase.WAITING
        return None

    async def _entered(self, entry: Coroutine[Any, Any, object]) -> None:
        try:
            await entry
        except BaseException:
            self._give_up()
            raise
        self._start_state_timeout()
        self.phase = _Phase.WAITING

    # Timeouts

    def set(self, key: _Only | str, delay: float | None, message: object) -> None:
        """Replaces a timeout by a new one, or by none."""
        self.cancel(key)
        if delay is not None:
            self.timeouts[key] = _Timeout(self, key, delay, message)

    def cancel(self, key: _Only | str) -> None:
        """The timeout does not come."""
        timeout = self.timeouts.pop(key, None)
        if timeout is not None:
            timeout.cancel()

    def take(self, timeout: _Timeout) -> bool:
        """Whether a timeout that comes is still waited for. It is not any more then."""
        waited_for = self.timeouts.get(timeout.key) is timeout
        if waited_for:
            del self.timeouts[timeout.key]
        return waited_for


async def _answer_after(entry: Coroutine[Any, Any, None], answer: object) -> object:
    await entry
    return answer


def _event(machine: Any, message: object) -> object:
    return machine._course.handle(message)


def _continue(machine: Any, message: Continue) -> object:
    return machine._course.handle(message, SYSTEM[Continue], _Phase.CONTINUING)


def _timed(machine: Any, timed: Timed) -> object:
    course: _Course = machine._course
    if timed.incarnation != machine.incarnation:
        return SYSTEM[Timed](machine, timed)
    if isinstance(timed.timer, _Timeout) and not course.take(timed.timer):
        return None
    return course.handle(timed.message)


def _checked(delay: float | None) -> float | None:
    if delay is not None and not delay >= 0:
        raise ValueError(f"a timeout takes seconds from 0, or None to take it back, not {delay!r}")
    return delay

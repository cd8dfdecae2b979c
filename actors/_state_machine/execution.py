"""The execution of one incarnation of a state machine: transitions, postponed messages, timeouts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actors._core.handlers import HandlerFunction
from actors._core.mailbox import BoundedQueue
from actors._core.timers import Timer
from actors._state_machine.definition import MachineState, StateDefinition
from actors.errors import TransitionRefused

if TYPE_CHECKING:
    from actors._core.envelope import Envelope
    from actors._state_machine.machine import StateMachine


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


class Activity(Enum):
    """The present activity of the machine; the values end the sentence "goto is not allowed ..."."""

    STARTING = "while the machine starts"
    CONTINUING = "in on_continue"
    WAITING = "while no message is handled"
    HANDLING = "in a handler"
    ENTERING = "in an enter action"


class Only(Enum):
    """Timeouts of which a machine has one."""

    STATE = "state"
    EVENT = "event"


class MachineTimer(Timer):
    """A timer whose message comes only while the machine still waits for it."""

    __slots__ = ("key",)

    def __init__(self, execution: MachineExecution, key: Only | str, delay: float, message: object) -> None:
        self.key = key
        machine = execution.machine
        super().__init__(machine, machine.runtime.now() + delay, None, message)

    def _put(self, envelope: Envelope) -> None:
        queue = self._cell.queue
        if not isinstance(queue, BoundedQueue):
            self._cell.put(envelope)
            return
        # A machine that is never told that its time is over could stay in its state for ever.
        if not queue.offer(envelope):
            queue.appendleft(envelope)
        if self._cell.idle:
            self._cell.wake()


class MachineExecution:
    """The execution of one incarnation of a machine: its phase, its timeouts and the requests of its handlers."""

    __slots__ = ("definition", "machine", "phase", "postponed", "previous", "target", "timeouts", "wanted")

    def __init__(self, machine: StateMachine, definition: StateDefinition) -> None:
        self.machine = machine
        self.definition = definition
        self.phase = Activity.STARTING
        self.previous: MachineState | None = None
        self.timeouts: dict[Only | str, MachineTimer] = {}
        self._show(definition.initial)
        self._forget()

    def _show(self, state: MachineState) -> None:
        vars(self.machine)["state"] = state

    def _forget(self) -> None:
        """The wishes of a handler: where to go, whether to postpone, the state timeout."""
        self.target: MachineState | None = None
        self.postponed = False
        self.wanted: tuple[float | None, object] | None = None

    def permit(self, what: str, *phases: Activity) -> None:
        """Raises `TransitionRefused` unless the machine is in one of these phases."""
        if self.phase not in phases:
            raise TransitionRefused(self.definition.machine, what, self.phase.value)

    # One message

    def handle(
        self, message: object, handler: HandlerFunction | None = None, phase: Activity = Activity.HANDLING
    ) -> object:
        """Handles a message, to the end of the transition it led to. Returns the answer, or a coroutine."""
        if self.phase is Activity.STARTING:
            entry = self._begin()
            if entry is not None:
                return self._handle_after(entry, message, handler, phase)
        if phase is Activity.HANDLING:
            self.cancel(Only.EVENT)
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
        self, entry: Coroutine[Any, Any, None], message: object, handler: HandlerFunction | None, phase: Activity
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
        self.phase = Activity.WAITING

    # Transitions

    def _begin(self) -> Coroutine[Any, Any, None] | None:
        if self.target is not None:
            self._show(self.target)
        self._start_state_timeout()
        return self._enter()

    def _settle(self) -> Coroutine[Any, Any, None] | None:
        """Carries out the requests of the handler; returns the rest of an `async` enter action, to be awaited."""
        self.phase = Activity.WAITING
        if self.postponed:
            self._put_aside()
        target = self.target
        changes = target is not None and target != self.machine.state
        if changes:
            assert target is not None
            self.previous = self.machine.state
            self._show(target)
            self.cancel(Only.STATE)
            self.machine.unstash()
        self._start_state_timeout()
        return self._enter() if changes else None

    def _put_aside(self) -> None:
        cell = self.machine._cell
        envelope = cell.envelope
        assert envelope is not None
        cell.put_aside(envelope)

    def _start_state_timeout(self) -> None:
        wanted = self.wanted
        self._forget()
        if wanted is not None:
            delay, message = wanted
            self.set(Only.STATE, delay, message if message is not None else StateTimeout(self.machine.state))

    def _enter(self) -> Coroutine[Any, Any, None] | None:
        action: Callable[[Any], object] | None = self.definition.entries.get(self.machine.state)
        self.phase = Activity.ENTERING if action is not None else Activity.WAITING
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
        self.phase = Activity.WAITING
        return None

    async def _entered(self, entry: Coroutine[Any, Any, object]) -> None:
        try:
            await entry
        except BaseException:
            self._give_up()
            raise
        self._start_state_timeout()
        self.phase = Activity.WAITING

    # Timeouts

    def set(self, key: Only | str, delay: float | None, message: object) -> None:
        """Replaces a timeout by a new one, or by none."""
        self.cancel(key)
        if delay is not None:
            self.timeouts[key] = MachineTimer(self, key, delay, message)

    def cancel(self, key: Only | str) -> None:
        """Cancels the timeout."""
        timeout = self.timeouts.pop(key, None)
        if timeout is not None:
            timeout.cancel()

    def take(self, timeout: MachineTimer) -> None:
        """Forgets the timeout, because it has come."""
        if self.timeouts.get(timeout.key) is timeout:
            del self.timeouts[timeout.key]


async def _answer_after(entry: Coroutine[Any, Any, None], answer: object) -> object:
    await entry
    return answer

"""State machines: actors whose handlers depend on a state, with the semantics of OTP's gen_statem.

States and handlers
- The states are the members of an Enum, or the strings in `states`. A machine begins
  in `initial`.
- A message goes to the handler the present state has for its type (`@during`), else to the one for every
  state (`@handles`), else to `on_receive`, which makes an unhandled dead letter of it. Within each of the
  first two, a base class of the message counts as well.
- Everything wrong with a class is reported at once, when the class is made; a class without `initial` is a
  base for others until it is used.

Transitions
- `goto` asks for a transition. It takes place when the handler has returned, so that the value that the
  handler returns is still the answer. Until then `self.state` is the old state. The last `goto` of a handler
  counts; a handler that raises changes no state. Going to the present state changes nothing.
- In `__init__`, `on_restore` and `on_start`, `goto` chooses the state to begin in.
- A transition, in order: the state changes, its state timeout ends, the postponed messages go back to the
  front of the queue, the new state's timeout starts, the enter action runs. The asker is answered, and the
  next message is taken, after the enter action.

Enter actions
- An enter action (`@entering`) runs on every entry into its state. The initial state is entered after the
  start was reported, before `on_continue` and before any message is handled.
- It may not go to another state, nor postpone. An exception counts as one of the handler that led here, but
  the state stays entered.

Postponed messages
- `postpone` puts the message being handled aside, with its asker, when the handler has returned; the value
  that it returns is then not an answer. Messages put aside are retried after the next change of state, oldest first,
  ahead of all that arrived later. One that is postponed again keeps its place.
- Messages put aside survive a crash as queued ones do (supervision rule 26): the next incarnation gets them
  first. A handler that raises has postponed nothing: its message crashed the machine, and is treated so
  (supervision rule 27).

Timeouts
- The state timeout ends with a change of state, the event timeout with the next message that is handled,
  named timeouts only when they are taken back or set anew. Each comes as a message; one that was ended
  never comes, even if it waited in the mailbox already. A postponed timeout has come. A timeout that finds
  the mailbox full goes to its front (`drop_oldest` may drop one that waits). All end with the incarnation
  (`stale_timer` if one still waited).
- A state timeout set by a handler that also goes to another state is the new state's.

Restarts
- A new incarnation begins in `initial`, unless the class carries its state over: `carry_over` returns
  `self.state` and what else shall survive, `on_restore` does `self.goto(...)`. The state it begins in is
  entered like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from enum import Enum
from typing import Any, ClassVar, Self

from pykka.messages import ProxyCall

from actors._core.actor import Actor
from actors._core.clock import check_seconds
from actors._core.handlers import SYSTEM, Dispatch, HandlerFunction, comes
from actors._core.messages import Continue, Timed
from actors._core.possessions import present
from actors._state_machine.definition import MachineState, StateDefinition, define
from actors._state_machine.execution import Activity, EventTimeout, MachineExecution, MachineTimer, NamedTimeout, Only


class StateMachine(Actor):
    """An actor whose handlers depend on its state; the module's docstring has the rules.

    Mark handlers with `@during(state, ...)`, or with `@handles` for every state, and enter actions with
    `@entering(state, ...)`.
    """

    # The instance keeps its bookkeeping out of `vars(self)`, which is what `ref.state()` shows.
    __slots__ = ("_execution",)

    states: ClassVar[type[Enum] | Sequence[str] | None] = None
    """The states. `None`: the members of the Enum that `initial` belongs to."""

    initial: ClassVar[MachineState]
    """The state each incarnation begins in."""

    _definition: ClassVar[StateDefinition]
    _execution: MachineExecution

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Raises `StateMachineDefinitionError` with all that is wrong, unless `initial` is missing."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "initial"):
            cls._definition = define(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        machine = super().__new__(cls)
        machine._execution = MachineExecution(machine, cls._definition)
        return machine

    def __init__(self) -> None:
        """Takes no arguments. `__new__` has taken those of the class of the user."""
        super().__init__()

    def on_continue(self) -> Awaitable[None] | None:
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
        return self._execution.previous

    def goto(self, state: MachineState, *, timeout: float | None = None) -> None:
        """Goes to `state` when the handler has returned, with a state timeout of `timeout` seconds (default: none).

        Raises:
            UnknownState: the machine has no such state
            TransitionRefused: in an enter action, in the hooks for the end, and while no message is handled
        """
        execution = self._execution
        execution.permit("goto", Activity.STARTING, Activity.CONTINUING, Activity.HANDLING)
        target = execution.definition.resolve(state)
        if timeout is not None:
            self.state_timeout(timeout)
        execution.target = target

    def postpone(self) -> None:
        """Puts the message being handled aside until the next change of state.

        Raises:
            TransitionRefused: no message is being handled
        """
        self._execution.permit("postpone", Activity.HANDLING)
        self._execution.postponed = True

    def state_timeout(self, delay: float | None, message: object = None) -> None:
        """Sends `message` to the machine in `delay` seconds, unless the state changes before. `None` cancels it.

        The time counts from the end of the handler. The default message is a `StateTimeout`. There is one state
        timeout: a new one replaces it. Raises ValueError unless `delay` >= 0.
        """
        execution = self._execution
        every = (Activity.STARTING, Activity.CONTINUING, Activity.HANDLING, Activity.ENTERING)
        execution.permit("state_timeout", *every)
        execution.wanted = (_checked(delay), message)

    def event_timeout(self, delay: float | None, message: object = None) -> None:
        """Sends `message` to the machine in `delay` seconds, unless another is handled before. `None` cancels it.

        The default message is an `EventTimeout`. There is one event timeout: a new one replaces it. Raises ValueError
        unless `delay` >= 0.
        """
        present(self, "event_timeout()")
        told = message if message is not None else EventTimeout(self.state)
        self._execution.set(Only.EVENT, _checked(delay), told)

    def named_timeout(self, name: str, delay: float | None, message: object = None) -> None:
        """Sends `message` to the machine in `delay` seconds, in any state. `None` cancels the timeout.

        The default message is a `NamedTimeout`. A new timeout of the same name replaces it. Raises ValueError unless
        `delay` >= 0.
        """
        present(self, "named_timeout()")
        self._execution.set(name, _checked(delay), message if message is not None else NamedTimeout(name))

    @classmethod
    def _dispatch(cls) -> Dispatch:
        if not hasattr(cls, "_definition"):
            cls._definition = define(cls)  # a class without `initial` is used after all, and this raises
        table: dict[type, HandlerFunction] = {
            **SYSTEM,
            Continue: _continue,
            Timed: _timed,
            ProxyCall: lambda machine, call: machine._execution.handle(call, SYSTEM[ProxyCall]),
        }
        return Dispatch(table, _event)


def _event(machine: Any, message: object) -> object:
    return machine._execution.handle(message)


def _continue(machine: Any, message: Continue) -> object:
    return machine._execution.handle(message, SYSTEM[Continue], Activity.CONTINUING)


def _timed(machine: Any, timed: Timed) -> object:
    execution: MachineExecution = machine._execution
    if not comes(machine, timed):
        return None
    if isinstance(timed.timer, MachineTimer):
        execution.take(timed.timer)
    return execution.handle(timed.message)


def _checked(delay: float | None) -> float | None:
    if delay is not None:
        check_seconds(delay, "timeout", otherwise=", or None to cancel it")
    return delay

"""The states of a state machine class: the marks on its methods, checked as a whole."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar

from actors._core.handlers import MARK, HandlerFunction, best_match, message_types
from actors._name import NAME
from actors.errors import HandlerDefinitionError, StateMachineDefinitionError, UnknownState

MachineState: TypeAlias = Enum | str
"""A state: a member of the machine's Enum, or one of the strings it lists."""

M = TypeVar("M", bound=Callable[..., object])
DURING, ENTERING = f"__{NAME}_during__", f"__{NAME}_entering__"
"""The attributes of a method that hold its marks."""


def during(*states: MachineState) -> Callable[[M], M]:
    """Marks a method as the handler, in these states, of the type its message parameter is annotated with.

    For all states use `@handles`. A fault of the mark raises `StateMachineDefinitionError` with the other faults of the
    class, when the class is defined.
    """

    def mark(method: M) -> M:
        frame = sys._getframe(1)
        earlier = getattr(method, DURING, _During((), (), None))
        try:
            made = _During((*earlier.states, *states), message_types(method, frame), None)
        except HandlerDefinitionError as error:
            made = _During((*earlier.states, *states), (), error.problem)
        setattr(method, DURING, made)
        return method

    return mark


def entering(*states: MachineState) -> Callable[[M], M]:
    """Marks a method, plain or `async`, that runs on every entry into one of these states.

    It takes nothing but `self`.
    """

    def mark(method: M) -> M:
        earlier = getattr(method, ENTERING, ())
        setattr(method, ENTERING, (*earlier, *states))
        return method

    return mark


class _During(NamedTuple):
    """The mark of `@during`."""

    states: tuple[MachineState, ...]
    kinds: tuple[type, ...]
    problem: str | None


class _Marks(NamedTuple):
    """A marked method: its name, the class whose body marked it last, and what it is marked as."""

    name: str
    base: type
    handles: tuple[type, ...]
    during: _During | None
    entering: tuple[MachineState, ...] | None


class _Claim(NamedTuple):
    base: type
    name: str


@dataclass(slots=True)
class StateDefinition:
    """The states of one class, and the handlers in each."""

    machine: str
    initial: MachineState
    known: dict[MachineState, MachineState]
    own: dict[MachineState, dict[type, HandlerFunction]]
    common: dict[type, HandlerFunction]
    entries: dict[MachineState, Callable[[Any], object]]
    fallback: HandlerFunction
    _found: dict[tuple[MachineState, type], HandlerFunction] = field(default_factory=dict)

    def handler(self, state: MachineState, kind: type) -> HandlerFunction:
        """The handler of the type `kind`: that of the state, one for every state, or `on_receive`."""
        found = self._found.get((state, kind))
        if found is None:
            found = best_match(self.own[state], kind) or best_match(self.common, kind) or self.fallback
            self._found[state, kind] = found
        return found

    def resolve(self, target: object) -> MachineState:
        """The state that `target` stands for. Raises `UnknownState`."""
        if not isinstance(target, Enum | str) or target not in self.known:
            raise UnknownState(self.machine, state_name(target), tuple(map(state_name, self.known)))
        return self.known[target]


def state_name(state: object) -> str:
    """A state as a person reads it."""
    return f"{type(state).__qualname__}.{state.name}" if isinstance(state, Enum) else repr(state)


def define(machine: type[Any]) -> StateDefinition:
    """The states of `machine`. Raises `StateMachineDefinitionError` with all that is wrong."""
    return _Definer(machine).define()


class _Definer:
    """Reads one class. Faults are gathered, so that a single look mends them all."""

    def __init__(self, machine: type[Any]) -> None:
        self._machine = machine
        self._faults: list[str] = []
        self._claims: dict[tuple[MachineState | None, type], _Claim] = {}
        self._entries: dict[MachineState, _Claim] = {}

    def define(self) -> StateDefinition:
        machine = self._machine
        initial: object = getattr(machine, "initial", None)
        states = self._states(initial)
        self._known = {state: state for state in states}
        if initial is None:
            self._fault("it has no initial state: set `initial = ...` in its body")
        elif states and initial not in states:
            self._fault(f"its initial state {state_name(initial)} is none of its states {self._names()}")
        if machine.concurrency != 1:
            self._fault(f"concurrency is {machine.concurrency!r}: it must be 1, one thing at a time")
        for marks in _marked(machine):
            self._read(marks)
        self._find_unreachable()
        if self._faults:
            raise StateMachineDefinitionError(machine.__qualname__, tuple(self._faults))
        assert isinstance(initial, Enum | str)
        own: dict[MachineState, dict[type, HandlerFunction]] = {state: {} for state in states}
        common: dict[type, HandlerFunction] = {}
        for (state, kind), claim in self._claims.items():
            (common if state is None else own[state])[kind] = getattr(machine, claim.name)
        entries = {state: getattr(machine, claim.name) for state, claim in self._entries.items()}
        return StateDefinition(
            machine.__qualname__, self._known[initial], self._known, own, common, entries, machine.on_receive
        )

    def _states(self, initial: object) -> Sequence[MachineState]:
        declared: object = self._machine.states
        if declared is None and isinstance(initial, Enum):
            declared = type(initial)
        if inspect.isclass(declared) and issubclass(declared, Enum):
            found: Sequence[MachineState] = tuple(declared)
        elif isinstance(declared, tuple | list) and all(isinstance(each, str) for each in declared):
            found = tuple(declared)
        elif declared is None:
            if initial is not None:
                self._fault(f"`initial` is {initial!r}, not a member of an Enum: list all in `states = (...)`")
            return ()
        else:
            self._fault(f"`states` is {declared!r}, expected an Enum class or a tuple of strings")
            return ()
        if not found:
            self._fault("`states` is empty")
        for each in sorted({state_name(state) for state in found if found.count(state) > 1}):
            self._fault(f"`states` lists {each} more than once")
        return found

    def _read(self, marks: _Marks) -> None:
        where = f"{marks.base.__qualname__}.{marks.name}"
        if marks.handles and marks.during is not None:
            self._fault(f"{where} is marked both @handles (every state) and @during (some): keep one of them")
        for kind in marks.handles:
            self._claim(marks, None, kind)
        if marks.during is not None:
            if marks.during.problem is not None:
                self._fault(f"@during on {where}: {marks.during.problem}")
            for state in self._named("@during", where, marks.during.states):
                for kind in marks.during.kinds:
                    self._claim(marks, state, kind)
        if marks.entering is not None:
            if len(inspect.signature(getattr(self._machine, marks.name)).parameters) != 1:
                self._fault(f"@entering on {where}: an enter action takes nothing but self")
            for state in self._named("@entering", where, marks.entering):
                earlier = self._entries.get(state)
                if earlier is not None and earlier.base is marks.base:
                    both = f"{earlier.name} and {marks.name} of {marks.base.__qualname__}"
                    self._fault(f"{both} are both enter actions of {state_name(state)}")
                self._entries[state] = _Claim(marks.base, marks.name)

    def _named(self, mark: str, where: str, states: Sequence[MachineState]) -> list[MachineState]:
        """The states a mark names, without those that do not exist."""
        if not states:
            self._fault(f"{mark} on {where} names no state")
        for state in states:
            if self._known and state not in self._known:
                unknown = f"the unknown state {state_name(state)}"
                self._fault(f"{mark} on {where} names {unknown}; known are {self._names()}")
        return [self._known[state] for state in dict.fromkeys(states) if state in self._known]

    def _claim(self, marks: _Marks, state: MachineState | None, kind: type) -> None:
        earlier = self._claims.get((state, kind))
        if earlier is not None and earlier.base is marks.base:
            when = "in every state" if state is None else f"in {state_name(state)}"
            both = f"{earlier.name} and {marks.name} of {marks.base.__qualname__}"
            self._fault(f"{both} both handle {kind.__qualname__} {when}")
        self._claims[state, kind] = _Claim(marks.base, marks.name)

    def _find_unreachable(self) -> None:
        """A handler for every state is never reached where its class gives each state one of its own."""
        for (state, kind), claim in self._claims.items():
            if state is not None or not self._known:
                continue
            if all(
                any(self._claims.get((each, base), _NOBODY).base is claim.base for base in kind.__mro__)
                for each in self._known
            ):
                where = f"{claim.base.__qualname__}.{claim.name}"
                self._fault(f"{where} is never reached: each state handles {kind.__qualname__} itself")

    def _names(self) -> str:
        return ", ".join(map(state_name, self._known))

    def _fault(self, fault: str) -> None:
        self._faults.append(fault)


_NOBODY = _Claim(object, "")


def _marked(machine: type[Any]) -> list[_Marks]:
    """The marked methods, base classes first; of one that is marked in several, the last mark counts."""
    found: dict[str, _Marks] = {}
    for base in machine.__mro__:
        for name, member in vars(base).items():
            handled: tuple[type, ...] = getattr(member, MARK, ())
            within: _During | None = getattr(member, DURING, None)
            entered: tuple[MachineState, ...] | None = getattr(member, ENTERING, None)
            if handled or within is not None or entered is not None:
                found.setdefault(name, _Marks(name, base, handled, within, entered))
    order = {base: place for place, base in enumerate(reversed(machine.__mro__))}
    return sorted(found.values(), key=lambda marks: order[marks.base])

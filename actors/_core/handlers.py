"""Which method handles which message."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pykka._introspection import get_attr_directly
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors._core.messages import Continue, MonitorDown, Timed, made
from actors._core.outcomes import dead_letter, stop_reason
from actors._core.own_exit import leave
from actors._name import NAME
from actors._user_code.text import shown
from actors.errors import HandlerDefinitionError

if TYPE_CHECKING:
    from actors._core.cell import Cell

HandlerFunction = Callable[[Any, Any], object]
M = TypeVar("M", bound=Callable[..., object])
MARK = f"__{NAME}_handles__"
"""The attribute of a handler that holds the classes of its messages."""
_LIBRARY = frozenset({"actors", "pykka", "pykka._actor", "builtins"})
"""The modules of classes that stay as they are."""


def handles(method: M) -> M:
    """Marks a method as the handler of the type its message parameter is annotated with; a union names several types.

    Subclasses of the type are handled too, unless another handler names them; of an abstract base class, also classes
    that are registered with it before the first such message. A base class goes before a class that is registered.
    `Any` and `object` take every message that no other handler takes. Of a generic type the arguments do not count:
    `list[int]` takes every list. The method may be `async`. Its return value is the answer to `ask` and `call`.

    Raises:
        HandlerDefinitionError: the method does not take exactly one message; its annotation is missing, cannot be
            resolved, or is not a class of messages, such as a Protocol; or the class body has another handler of that
            name
    """
    frame = sys._getframe(1)
    earlier = frame.f_locals.get(method.__name__) if "__qualname__" in frame.f_locals else None
    if getattr(earlier, MARK, ()) and earlier is not method:
        raise HandlerDefinitionError(
            method.__qualname__, "another handler of this name stands above it, and would be lost; rename one of them"
        )
    setattr(method, MARK, message_types(method, frame))
    return method


def message_types(method: Callable[..., object], frame: types.FrameType) -> tuple[type, ...]:
    """The classes that the message parameter of `method`, defined in `frame`, is annotated with. Raises
    `HandlerDefinitionError`.
    """
    scope: dict[str, object] = {}
    # Annotations may be strings naming classes that only the enclosing functions can see.
    frames: list[types.FrameType] = []
    outer: types.FrameType | None = frame
    while outer is not None and outer.f_globals is frame.f_globals:
        frames.append(outer)
        outer = outer.f_back
    for each in reversed(frames):
        scope.update(each.f_locals)
    where = method.__qualname__
    parameters = list(inspect.signature(method).parameters.values())
    if len(parameters) != 2:
        raise HandlerDefinitionError(where, f"takes {len(parameters)} parameters, expected self and one message")
    name = parameters[1].name
    try:
        annotation = typing.get_type_hints(method, localns=scope).get(name)
    except NameError as error:
        raise HandlerDefinitionError(
            where, f"its annotation cannot be resolved ({error}); define the type before the class"
        ) from None
    kinds: list[type] = []
    for member in _alternatives(annotation):
        kind = object if member is Any else typing.get_origin(member) or member
        if not isinstance(kind, type):
            raise HandlerDefinitionError(
                where, f"the parameter {name!r} needs the class of the message as its annotation{_why_not(member)}"
            )
        problem = _never_matches(kind)
        if problem:
            raise HandlerDefinitionError(where, f"the parameter {name!r} is annotated with {kind.__name__}: {problem}")
        if kind not in kinds:
            kinds.append(kind)
    return tuple(kinds)


def _alternatives(annotation: object) -> list[object]:
    """The members of a union, also of one that has a name or stands in another one."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [each for member in typing.get_args(annotation) for each in _alternatives(member)]
    alias = getattr(typing, "TypeAliasType", None)  # Python 3.12
    if alias is not None and isinstance(annotation, alias):
        return _alternatives(annotation.__value__)
    return [annotation]


def _why_not(annotation: object) -> str:
    if isinstance(annotation, typing.NewType):
        known = getattr(annotation.__supertype__, "__name__", annotation.__supertype__)
        return f"; {annotation.__name__} is a NewType, at run time its values are of {known}"
    return "" if annotation is None else f", got {shown(annotation)}"


def _never_matches(kind: type) -> str:
    """Why no message is told by this class; empty: messages can be."""
    if getattr(kind, "_is_protocol", False):
        return "a Protocol is not a base class of its members; name the classes, or use an abstract base class"
    if typing.is_typeddict(kind):
        return "at run time its values are plain dicts; use a dataclass or a Message"
    if kind in SYSTEM:
        return "the runtime handles such messages itself"
    return ""


def refuse_doubles(actor_class: type) -> None:
    """Raises `HandlerDefinitionError` when the body of the class has two handlers for one class of messages."""
    claimed: dict[type, tuple[str, object]] = {}
    for name, member in vars(actor_class).items():
        for kind in getattr(member, MARK, ()):
            earlier, method = claimed.setdefault(kind, (name, member))
            if method is not member:
                raise HandlerDefinitionError(
                    f"{actor_class.__qualname__}.{name}",
                    f"{earlier} handles {kind.__qualname__} already; only a subclass may have another handler for it",
                )


H = TypeVar("H")


def best_match(declared: Mapping[type, H], kind: type) -> H | None:
    """The value declared for the class `kind` or its nearest base; else for the most special class of those it is
    registered with, in the order in which they were declared; else for `object`.
    """
    for base in kind.__mro__[:-1]:
        if base in declared:
            return declared[base]
    virtual = [base for base in declared if _has_hook(base) and issubclass(kind, base)]
    for base in virtual:
        if not any(issubclass(other, base) for other in virtual if other is not base):
            return declared[base]
    return declared[virtual[0]] if virtual else declared.get(object)


def _has_hook(kind: type) -> bool:
    """Whether the class itself decides about its subclasses, as abstract base classes do."""
    return type(kind).__subclasscheck__ is not type.__subclasscheck__


class Dispatch(dict[type, HandlerFunction]):
    """The handlers of one actor class by the exact type of the message; types not seen before are looked up once."""

    def __init__(self, declared: dict[type, HandlerFunction], fallback: HandlerFunction) -> None:
        super().__init__(declared)
        self._declared = declared
        self._fallback = fallback

    def __missing__(self, kind: type) -> HandlerFunction:
        handler = best_match(self._declared, kind) or self._fallback
        self[kind] = handler
        return handler


def _marked(base: type) -> Iterator[tuple[str, tuple[type, ...]]]:
    """The functions of a class that are marked as handlers, each with the types of its messages."""
    for name, member in vars(base).items():
        if kinds := getattr(member, MARK, ()):
            yield name, kinds


@lru_cache
def _marked_of_library(base: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """The same for a class that stays as it is, as a base of every actor. They have many names."""
    return tuple(_marked(base))


def dispatch_for(actor_class: type, fallback: HandlerFunction) -> Dispatch:
    """The dispatch of `actor_class`: its marked and inherited handlers, and those of the runtime's own messages."""
    declared: dict[type, HandlerFunction] = {}
    for base in reversed(actor_class.__mro__):
        for name, kinds in _marked_of_library(base) if base.__module__ in _LIBRARY else _marked(base):
            for kind in kinds:
                declared[kind] = getattr(actor_class, name)
    return Dispatch({**declared, **SYSTEM}, fallback)


def comes(actor: Any, timed: Timed) -> bool:
    """Whether the message of a timer must be handled. It has come then: cancelling its timer does not take it back."""
    cell, timer = actor._cell, timed.timer
    if timer is not None and timer.cancelled:
        cell.made_no_progress()
        return False
    if timed.incarnation != cell.incarnation:
        dead_letter(cell, timed.message, "stale_timer", cell.envelope)
        return False
    envelope = cell.envelope
    if envelope is not None and envelope.message is timed:
        envelope.message = made(Timed, (timed.incarnation, timed.message, None))
    if timer is not None and timer.is_keyed:
        timer.came()
    return True


def _timed(actor: Any, timed: Timed) -> object:
    cell = actor._cell
    if not comes(actor, timed):
        return None
    return cell.table[type(timed.message)](actor, timed.message)


def _monitor_down(actor: Any, notice: MonitorDown) -> object:
    cell, wanted = actor._cell, notice.wanted
    if not notice.is_wanted_by(cell.possessions):
        return None  # the monitor was taken back
    cell.possessions.monitors.discard(notice.number)
    message = notice.message
    if wanted is not None:
        message = wanted(message) if callable(wanted) else wanted
    envelope = cell.envelope
    if envelope is not None and envelope.message is notice:
        envelope.message = MonitorDown(message, notice.number)
    return cell.table[type(message)](actor, message)


def _continue(actor: Any, _: Continue) -> object:
    return actor.on_continue()


def _stop(actor: Any, _: _ActorStop) -> None:
    leave_by_message(actor._cell)


def leave_by_message(cell: Cell) -> None:
    """A stop that waited in the queue like any message, as pykka's does."""
    cell.made_no_progress()
    leave(cell, stop_reason(cell, cell.envelope))


def _proxy_call(actor: Any, call: ProxyCall) -> object:
    return get_attr_directly(actor, call.attr_path)(*call.args, **call.kwargs)


def _proxy_get(actor: Any, get: ProxyGetAttr) -> object:
    return get_attr_directly(actor, get.attr_path)


def _proxy_set(actor: Any, put: ProxySetAttr) -> None:
    setattr(get_attr_directly(actor, put.attr_path[:-1]), put.attr_path[-1], put.value)


SYSTEM: dict[type, HandlerFunction] = {
    Timed: _timed,
    MonitorDown: _monitor_down,
    Continue: _continue,
    _ActorStop: _stop,
    ProxyCall: _proxy_call,
    ProxyGetAttr: _proxy_get,
    ProxySetAttr: _proxy_set,
}
"""The handlers of the runtime's own messages."""

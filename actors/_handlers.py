"""Which method handles which message."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from pykka._introspection import get_attr_directly
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr, _ActorStop

from actors._errors import HandlerDefinitionError
from actors._messages import Continue, Timed

Handler = Callable[[Any, Any], object]
M = TypeVar("M", bound=Callable[..., object])


def handles(method: M) -> M:
    """Marks a method as the handler of the type its message parameter is annotated with; a union names several types.

    Subclasses of the type are handled too, unless another handler names them. The method may be `async`. What it
    returns is the answer to `ask` and `call`.

    Raises:
        HandlerDefinitionError: the method does not take exactly one message, or its annotation is missing or cannot
            be resolved
    """
    method.__understudy_handles__ = message_types(method, sys._getframe(1))  # type: ignore[attr-defined]
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
    found = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    kinds = tuple(typing.get_origin(each) or each for each in found)
    if annotation is None or not all(isinstance(kind, type) for kind in kinds):
        raise HandlerDefinitionError(where, f"the parameter {name!r} needs the class of the message as its annotation")
    return kinds


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


class Dispatch(dict[type, Handler]):
    """The handlers of one actor class by the exact type of the message; types not seen before are looked up once."""

    def __init__(self, declared: dict[type, Handler], fallback: Handler) -> None:
        super().__init__(declared)
        self._declared = declared
        self._fallback = fallback

    def __missing__(self, kind: type) -> Handler:
        handler = next((self._declared[base] for base in kind.__mro__ if base in self._declared), self._fallback)
        self[kind] = handler
        return handler


def dispatch_for(actor_class: type, fallback: Handler) -> Dispatch:
    """The dispatch of `actor_class`: what it marks, what it inherits, and the runtime's own messages."""
    declared: dict[type, Handler] = {}
    for base in reversed(actor_class.__mro__):
        for name, member in vars(base).items():
            for kind in getattr(member, "__understudy_handles__", ()):
                declared[kind] = getattr(actor_class, name)
    return Dispatch({**declared, **SYSTEM}, fallback)


def comes(actor: Any, timed: Timed) -> bool:
    """Whether the message of a timer is to be handled. It has come then: to cancel its timer does not take it back."""
    cell = actor._cell
    if timed.cancelled:
        cell.skipped()
        return False
    if timed.incarnation != cell.incarnation:
        cell.dead_letter(timed.message, "stale_timer", cell.envelope)
        return False
    envelope = cell.envelope
    if envelope is not None and envelope.message is timed:
        envelope.message = Timed(timed.incarnation, timed.message)
    return True


def _timed(actor: Any, timed: Timed) -> object:
    cell = actor._cell
    if not comes(actor, timed):
        return None
    return cell.table[type(timed.message)](actor, timed.message)


def _continue(actor: Any, _: Continue) -> object:
    return actor.on_continue()


def _stop(actor: Any, _: _ActorStop) -> None:
    actor._cell.stop_by_message()


def _proxy_call(actor: Any, call: ProxyCall) -> object:
    return get_attr_directly(actor, call.attr_path)(*call.args, **call.kwargs)


def _proxy_get(actor: Any, get: ProxyGetAttr) -> object:
    return get_attr_directly(actor, get.attr_path)


def _proxy_set(actor: Any, put: ProxySetAttr) -> None:
    setattr(get_attr_directly(actor, put.attr_path[:-1]), put.attr_path[-1], put.value)


SYSTEM: dict[type, Handler] = {
    Timed: _timed,
    Continue: _continue,
    _ActorStop: _stop,
    ProxyCall: _proxy_call,
    ProxyGetAttr: _proxy_get,
    ProxySetAttr: _proxy_set,
}
"""What becomes of the runtime's own messages."""

"""How an actor takes resources: context managers and callbacks that end with its incarnation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from actors._core.owned import LeaveCallback, Resource
from actors._core.possessions import has_ended, present
from actors._user_code.text import shown, type_name
from actors.errors import IncarnationEnded

if TYPE_CHECKING:
    from actors._core.actor import Actor
    from actors._core.cell import Cell

T = TypeVar("T")


def enter_context(actor: Actor, manager: AbstractContextManager[T]) -> T:
    """Enters a context manager for the incarnation of this instance; see `Actor.enter_context`."""
    kind = type(manager)
    enter, exit = getattr(kind, "__enter__", None), getattr(kind, "__exit__", None)
    if enter is None or exit is None:
        raise TypeError(_not_one(actor._cell, "enter_context()", "a context manager", manager))
    what = f"{type_name(manager)} (enter_context)"
    owned = present(actor, what).possess().own(what)
    value: T = enter(manager)

    def leave(error: BaseException | None) -> None:
        exit(manager, *_told(error))

    if has_ended(actor) or owned.closed:  # it has ended meanwhile
        leave(None)
        raise IncarnationEnded(actor._cell.path, actor._cell_incarnation, what)
    owned.keep_resource(Resource(what, leave, is_async=False))
    return value


async def enter_async_context(actor: Actor, manager: AbstractAsyncContextManager[T]) -> T:
    """The same for an asynchronous context manager."""
    kind = type(manager)
    enter, exit = getattr(kind, "__aenter__", None), getattr(kind, "__aexit__", None)
    if enter is None or exit is None:
        raise TypeError(_not_one(actor._cell, "enter_async_context()", "an asynchronous context manager", manager))
    what = f"{type_name(manager)} (enter_async_context)"
    owned = present(actor, what).possess().own(what)
    value: T = await enter(manager)

    async def leave(error: BaseException | None) -> None:
        await exit(manager, *_told(error))

    if has_ended(actor) or owned.closed:
        await leave(None)
        raise IncarnationEnded(actor._cell.path, actor._cell_incarnation, what)
    owned.keep_resource(Resource(what, leave, is_async=True))
    return value


def push_callback(
    actor: Actor,
    function: Callable[..., Any],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
    *,
    is_async: bool = False,
) -> None:
    """Has the end of the incarnation call a function, or await what it returns."""
    call = "push_async_callback" if is_async else "callback"
    if not callable(function):
        raise TypeError(_not_one(actor._cell, f"{call}()", "a function", function))
    what = f"{getattr(function, '__qualname__', type_name(function))} ({call})"
    owned = present(actor, what).possess().own(what)

    async def leave_later(_: BaseException | None) -> None:
        await function(*args, **kwargs)

    def leave_now(_: BaseException | None) -> None:
        function(*args, **kwargs)

    leave: LeaveCallback = leave_later if is_async else leave_now
    owned.keep_resource(Resource(what, leave, is_async=is_async))


def _told(error: BaseException | None) -> tuple[Any, Any, Any]:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def _not_one(cell: Cell, call: str, wanted: str, got: object) -> str:
    hint = ""
    if hasattr(type(got), "__aenter__"):
        hint = ". Use `await self.enter_async_context(...)`"
    elif hasattr(type(got), "__enter__"):
        hint = ". Use `self.enter_context(...)`"
    return f"{cell.path}: {call} takes {wanted}, got {shown(got)}{hint}"

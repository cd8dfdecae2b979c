"""Members that are functions, such as agents that call a model or an API."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, NamedTuple, get_args

from actors.spi import Actor
from teams._members.context import Context
from teams._members.handoff import Accept, Decline, Offer
from teams.errors import WorkCancelled
from teams.protocols._topics.event import Event


class Assignment(NamedTuple):
    """A piece of work for a function."""

    value: object
    context: Context


def wants_context(function: Callable[..., object]) -> bool:
    """Whether a function takes the context of its work: a second positional parameter without a default, or one
    annotated with `Context` or a union with it.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in that does not say
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2:
        return False
    second = positional[1]
    return second.default is second.empty or _may_be_context(second.annotation)


def _may_be_context(annotation: object) -> bool:
    """Whether an annotation is `Context` or a union with it, evaluated or not."""
    if isinstance(annotation, str):
        return "Context" in re.findall(r"\w+", annotation)
    return annotation is Context or Context in get_args(annotation)


def call_fault(function: Callable[..., object]) -> str | None:
    """Why this cannot be the function of a member; None: it can be."""
    name = getattr(function, "__name__", repr(function))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return f"{name} is a generator, and a piece of work has one result: return a list"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in that does not say
        return None
    try:
        signature.bind(*((None, None) if wants_context(function) else (None,)))
    except TypeError as error:
        return f"{name}{signature} must take the work, and may take a Context as its second argument: {error}"
    return None


def wants_event(function: Callable[..., object]) -> bool:
    """Whether a function that subscribes takes the whole event and not its payload: its first parameter is annotated
    with `Event`.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a built-in that does not say
        return False
    return bool(parameters) and parameters[0].annotation in (Event, "Event")


class FunctionMember(Actor):
    """The actor around a function: an `async` function waits on the loop, a plain one may block a thread of its own.

    A message that is not an assignment is the function's argument, too, so `tell`, `ask` and `call` work as with any
    actor; of an event the function gets the payload. What the function raises crashes this actor. The cancellation of
    an assignment is an answer.
    """

    answers = (WorkCancelled,)

    def __init__(
        self,
        function: Callable[..., Any],
        accepts: Callable[[object], object] | None = None,
        takes: Callable[..., Any] | None = None,
    ) -> None:
        """`takes` is the function inside, whose signature counts if there is a policy or a decorator around it."""
        self._function = function
        self._accepts = accepts
        self._wants_context = wants_context(takes or function)
        self._wants_event = wants_event(takes or function)

    def on_receive(self, message: Any) -> Any:
        if type(message) is Assignment:
            return self._work(message.value, message.context)
        if type(message) is Offer:
            return self._consider(message)
        if type(message) is Event and not self._wants_event:
            message = message.payload
        if self._wants_context:
            return self._function(message, Context("", self.path.rpartition("/")[2], ""))
        return self._function(message)

    def _consider(self, offer: Offer) -> Any:
        accepted = True if self._accepts is None else self._accepts(offer.work)
        return _awaited_decision(accepted) if inspect.isawaitable(accepted) else _decision(accepted)

    def _work(self, value: object, context: Context) -> Any:
        if context.cancelled:
            raise WorkCancelled(context.work_id, context.cancelled.reason)
        result = self._function(value, context) if self._wants_context else self._function(value)
        return self._awaited(result, context) if inspect.isawaitable(result) else result

    async def _awaited(self, result: Any, context: Context) -> object:
        task = asyncio.current_task()
        context.cancelled.task = task
        try:
            return await result
        except asyncio.CancelledError:
            if not context.cancelled or task is None:
                raise
            task.uncancel()
            raise WorkCancelled(context.work_id, context.cancelled.reason) from None
        finally:
            context.cancelled.task = None


async def _awaited_decision(accepted: Awaitable[object]) -> Accept | Decline:
    return _decision(await accepted)


def _decision(accepted: object) -> Accept | Decline:
    if isinstance(accepted, str):
        return Decline(accepted)
    return Accept() if accepted else Decline("it does not take such work")


@cache
def function_member(concurrency: int) -> type[FunctionMember]:
    """The class of function members with this concurrency."""
    if concurrency == 1:
        return FunctionMember
    return type(FunctionMember.__name__, (FunctionMember,), {"concurrency": concurrency})

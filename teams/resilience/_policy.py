"""A policy: something around a call. `a | b` puts `a` around `b`.

    guarded = timeout(20) | retry(5) | circuit_breaker(failures=5, reset_after=60)

    answer = await guarded(ask_model)("question")
    answer = await guarded.call(ask_model, "question")

    @guarded
    async def ask(question: str) -> str: ...

A call is that of an async function, of a plain one that returns an awaitable, or of a method such as `ref.call`; in an
actor with a thread of its own, of any function. It runs in the task of its caller, so cancelling the caller
cancels the call; nothing cancels a function that blocks its thread.

What a policy remembers (a state, who waits) belongs to the policy object, and to all functions it is put around: two
functions behind one breaker share its circuit. It belongs to one event loop as well, see `Local`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, cast, overload

from pydantic import BaseModel, ConfigDict

from actors.spi import ActorRef, Clock, current_cell, current_clock
from supervisors.spi import SpecError, SpecFault
from teams.events import TeamEvent
from teams.resilience.errors import PolicyInUse, WrongCall

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


class PolicyOptions(BaseModel):
    """The options of a policy. Times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def name_of(function: Callable[..., object]) -> str:
    """The name of a function for people; for a method of a ref, the actor that it calls."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ActorRef):
        return owner.path
    name: str = getattr(function, "__qualname__", None) or type(function).__qualname__
    return name


class Local(Generic[S]):
    """The state of a policy on the event loop that uses it.

    It is made on the first loop, with the clock of the first user of the policy, and belongs to that loop while it is
    open: a policy that waits on one loop for what happens on another would wait for ever. On a later loop the policy
    begins afresh.
    """

    def __init__(self, policy: str, make: Callable[[Clock], S]) -> None:
        self._policy = policy
        self._make = make
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.state: S | None = None
        """The state; None: the policy was not used yet."""

    def get(self) -> S:
        """The state, for code that runs on a loop. Raises `PolicyInUse`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self.state is None:
            with self._lock:
                if self._loop is not None and not self._loop.is_closed():
                    raise PolicyInUse(self._policy)
                self._loop = loop
                self.state = self._make(current_clock())
        return self.state


class Call:
    """One call on its way through policies to the function."""

    __slots__ = ("args", "function", "inner", "kwargs")

    def __init__(
        self,
        function: Callable[..., object],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        inner: tuple[Guard, ...] = (),
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.inner = inner
        """The policies that are still to come, outermost first."""

    async def proceed(self) -> object:
        """Makes the call, through the policies that are still to come. May be called again, to make it again.

        Raises:
            WrongCall: the function returned something that cannot be awaited, or a generator
        """
        if self.inner:
            return await self.inner[0].through(Call(self.function, self.args, self.kwargs, self.inner[1:]))
        answer = self.function(*self.args, **self.kwargs)
        if inspect.isawaitable(answer):
            return await answer
        if inspect.isgenerator(answer) or inspect.isasyncgen(answer):
            raise WrongCall(self.label, "it returned a generator, of which nothing has run yet; have it return a list")
        cell = current_cell()
        if cell is not None and cell.host.blocks:
            return answer
        raise WrongCall(
            self.label,
            f"it returned {type(answer).__qualname__}, which cannot be awaited; declare it `async def`, "
            "or call it by way of asyncio.to_thread if it blocks",
        )

    async def replaced_by(self, function: Callable[..., object]) -> object:
        """The result of `function` in place of that of the call. It may be plain, if it does not block."""
        answer = function(*self.args, **self.kwargs)
        return await answer if inspect.isawaitable(answer) else answer

    @property
    def name(self) -> str:
        """The name of the called function."""
        return name_of(self.function)

    @property
    def label(self) -> str:
        """The name of the called function, and the actor that makes the call, if any."""
        cell = current_cell()
        return self.name if cell is None else f"{self.name} (called in {cell.path})"

    def tell(self, event: Callable[..., TeamEvent], *values: object) -> None:
        """Publishes an event of the call to the runtime of the actor that makes it. Outside of actors: nothing."""
        cell = current_cell()
        if cell is not None:
            cell.runtime.events.publish(event(cell.path, cell.runtime.now(), self.name, *values))


class Guard:
    """Base of all policies, those included that change the signature of the function."""

    options: PolicyOptions | None = None
    once: ClassVar[bool] = False
    """Whether it must not be around itself, because it would wait for itself or count each call twice."""

    async def through(self, call: Call) -> object:
        """Lets a call through by the rules of the policy: `await call.proceed()` is what is inside of it."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Guard, ...]:
        """The policies this one is composed of, outermost first."""
        return (self,)

    def wrap(self, function: Callable[..., Awaitable[T]]) -> Callable[..., Coroutine[Any, Any, T]]:
        """A function that makes every call go through the policy."""

        @functools.wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> T:
            return cast("T", await self.through(Call(function, args, kwargs)))

        return guarded

    def __repr__(self) -> str:
        name = type(self).__name__
        made = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        options = self.options
        defaults = {} if options is None else {key: field.default for key, field in type(options).model_fields.items()}
        given = [f"{key}={value!r}" for key, value in options or () if value is not defaults[key]]
        return f"{made}({', '.join(given)})"


class Policy(Guard):
    """A policy that leaves the signature of the function as it is."""

    def __call__(self, function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The function, with the policy around each of its calls."""
        return self.wrap(function)

    async def call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function once, with the policy around the call."""
        return cast("T", await self.through(Call(function, args, kwargs)))

    @overload
    def __or__(self, inner: Policy) -> Policy: ...

    @overload
    def __or__(self, inner: Batching) -> Batching: ...

    def __or__(self, inner: Policy | Batching) -> Policy | Batching:
        """This policy around another one. Raises SpecError where a policy that remembers something is around itself."""
        if isinstance(inner, Policy):
            return _Composed((*self.parts, *inner.parts))
        if isinstance(inner, Batching):
            return _ComposedBatching((*self.parts, *inner.parts))
        return NotImplemented


class Batching(Guard):
    """A policy that makes a function of one item from a function of a list of items."""

    def __call__(self, function: Callable[[list[A]], Awaitable[Sequence[B]]]) -> Callable[[A], Coroutine[Any, Any, B]]:
        """The function of one item."""
        return cast("Callable[[A], Coroutine[Any, Any, B]]", self.wrap(function))

    async def call(self, function: Callable[[list[A]], Awaitable[Sequence[B]]], item: A) -> B:
        """Has one item worked on, together with others."""
        return cast("B", await self.through(Call(function, (item,), {})))

    def __or__(self, inner: Policy) -> Batching:
        """This policy around another one, which is then around the calls with whole lists."""
        if not isinstance(inner, Policy):
            return NotImplemented
        return _ComposedBatching((*self.parts, *inner.parts))


class _Chain(Guard):
    """Policies one inside the other."""

    def __init__(self, parts: tuple[Guard, ...]) -> None:
        twice = [part for number, part in enumerate(parts) if part.once and part in parts[:number]]
        if twice:
            raise SpecError(
                [
                    SpecFault(
                        repr(each), "is around itself, and would wait for itself or count each call twice; make two"
                    )
                    for each in dict.fromkeys(twice)
                ]
            )
        self._parts = parts

    @property
    def parts(self) -> tuple[Guard, ...]:
        return self._parts

    async def through(self, call: Call) -> object:
        return await Call(call.function, call.args, call.kwargs, (*self._parts, *call.inner)).proceed()

    def __repr__(self) -> str:
        return " | ".join(map(repr, self._parts))


class _Composed(_Chain, Policy):
    pass


class _ComposedBatching(_Chain, Batching):
    pass

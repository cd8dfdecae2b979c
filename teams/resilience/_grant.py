"""Asking for resources: the client's side of `Resources`."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Annotated, Any, Self

from pydantic import Field, StrictInt

from actors.spi import ActorRef, CallbackReply, CallTimeout, Future, current_cell, post, refuse_on_loop
from supervisors.spi import SpecError, SpecFault, builder, checked
from teams.resilience._fields import Amount, Delay
from teams.resilience._ledger import PoolUsage, ResourceClaim
from teams.resilience._policy import Call, Policy, PolicyOptions
from teams.resilience._resources import GiveBack, Inspect, Resources, Take
from teams.resilience.errors import ResourceTimeout, ResourceUnavailable, WrongCall


def give_back(ref: ActorRef[Any], claim: ResourceClaim) -> None:
    """Ensures that a claim is given back: a `GiveBack` that was lost in a crash is sent again."""

    def lost(_: BaseException) -> None:
        if ref.is_alive():
            give_back(ref, claim)

    post(ref, GiveBack(claim), CallbackReply(lambda _: None, lost))


class GrantOptions(PolicyOptions):
    """The amounts that it asks for."""

    wants: Annotated[dict[str, Amount], Field(min_length=1)]
    priority: StrictInt
    timeout: Delay | None


class Grant:
    """A claim on resources, for a `with` or `async with` block: everything is held in the block, or it is not entered.

    Leaving the block gives everything back, and so does the end of the actor whose code it is.
    """

    def __init__(self, ref: ActorRef[Resources], options: GrantOptions) -> None:
        self._ref = ref
        self._options = options
        self._claim: ResourceClaim | None = None

    @property
    def wants(self) -> Mapping[str, float]:
        """How much of what."""
        return self._options.wants

    async def __aenter__(self) -> Self:
        claim, deadline = self._begin()
        try:
            while True:
                answer = self._ask(claim, deadline)
                try:
                    await answer
                    return self
                except Exception as error:  # noqa: BLE001 - what crashed `Resources` may be anything
                    self._look_at(error)
        except BaseException:
            self._give_back()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    def __enter__(self) -> Self:
        # Later the refusal to wait would pass for a crash of `Resources`, and be tried again for ever.
        refuse_on_loop("`with` around a grant", "`async with`")
        claim, deadline = self._begin()
        try:
            while True:
                answer = self._ask(claim, deadline)
                try:
                    answer.get()
                    return self
                except Exception as error:  # noqa: BLE001 - what crashed `Resources` may be anything
                    self._look_at(error)
        except BaseException:
            self._give_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    def _begin(self) -> tuple[ResourceClaim, float | None]:
        if self._claim is not None:
            raise WrongCall(f"acquire({self.wants})", "the block is entered already; make one grant for each block")
        cell = current_cell()
        holder, incarnation = (None, 0) if cell is None else (cell.ref, cell.incarnation)
        self._claim = ResourceClaim(self.wants, self._options.priority, holder, incarnation)
        timeout = self._options.timeout
        return self._claim, None if timeout is None else self._ref.runtime.now() + timeout

    def _ask(self, claim: ResourceClaim, deadline: float | None) -> Future[bool]:
        left = None if deadline is None else max(0.0, deadline - self._ref.runtime.now())
        return self._ref.ask(Take(claim), block=False, timeout=left)

    def _look_at(self, error: Exception) -> None:
        """Raises what is an answer. Returns when `Resources` crashed over the question: it is asked again."""
        if isinstance(error, CallTimeout):
            raise ResourceTimeout(self._ref.path, _shown(self.wants)) from None
        if isinstance(error, ResourceUnavailable) or not self._ref.is_alive():
            raise error

    def _give_back(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            give_back(self._ref, claim)


def _shown(wants: Mapping[str, float]) -> str:
    return ", ".join(f"{amount:g} {name}" for name, amount in wants.items())


class ResourceClient:
    """Made by `resources`."""

    def __init__(self, ref: ActorRef[Resources]) -> None:
        self._ref = ref

    def acquire(self, wants: Mapping[str, float], *, priority: int = 0, timeout: float | None = None) -> Grant:
        """Everything in `wants` for the time of a block: `async with resources(ref).acquire({"db": 2, "api": 1}):`.

        In a thread that runs no event loop, `with` does the same, and blocks.

        Args:
            wants: how much of which pool
            priority: higher is served first; waiting makes it grow, so that nothing waits for ever
            timeout: seconds to wait at most; `None`: any time, but no longer than the message being handled may take

        Raises:
            SpecError: at once, with everything that is wrong with the arguments
            ResourceUnavailable: on entering, at once: an unknown pool, or more than it has in all
            ResourceTimeout: on entering
            ActorDeadError: on entering: the `Resources` have terminated
            BlockingCallError: on entering with `with`, in a thread that runs an event loop
        """
        return Grant(self._ref, _checked("acquire()", wants, priority, timeout))

    async def usage(self) -> dict[str, PoolUsage]:
        """How each pool is used now."""
        usage: dict[str, PoolUsage] = await self._ref.call(Inspect())
        return usage


@builder("resources()")
def resources(ref: ActorRef[Resources]) -> ResourceClient:
    """The handle for claims on a `Resources` actor. For code inside and outside of actors.

    Raises SpecError when `ref` is that of anything else.
    """
    return ResourceClient(_of_resources("resources()", ref))


class Holding(Policy):
    """Made by `holding`."""

    once = True

    def __init__(self, ref: ActorRef[Resources], options: GrantOptions) -> None:
        self._ref = ref
        self.options: GrantOptions = options

    async def through(self, call: Call) -> object:
        async with Grant(self._ref, self.options):
            return await call.proceed()


@builder("holding()")
def holding(
    ref: ActorRef[Resources], wants: Mapping[str, float], *, priority: int = 0, timeout: float | None = None
) -> Holding:
    """Holds resources while a call is under way; arguments and errors are those of `ResourceClient.acquire`."""
    return Holding(_of_resources("holding()", ref), _checked("holding()", wants, priority, timeout))


def _of_resources(what: str, ref: ActorRef[Resources]) -> ActorRef[Resources]:
    """The ref, if it is one of `Resources`: any other would crash over each question, and be asked again."""
    given: object = ref
    if not isinstance(given, ActorRef) or not issubclass(given.actor_class, Resources):
        raise SpecError([SpecFault(what, f"ref: must be the ref of a Resources actor, got {ref!r}")])
    return ref


def _checked(what: str, wants: Mapping[str, float], priority: int, timeout: float | None) -> GrantOptions:
    return checked(GrantOptions, what, {"wants": wants, "priority": priority, "timeout": timeout})

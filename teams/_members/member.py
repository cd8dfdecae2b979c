"""Members of a team: an actor, a pykka actor, or a plain function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import pykka

from actors.spi import declares, described
from supervisors.spi import ChildOptions, ChildSpec, SpecError, SpecFault, child
from teams._checks.coroutine import is_async
from teams._members.blocking_call import in_a_thread
from teams._members.function import call_fault, function_member
from teams._members.handoff import Offer
from teams._members.location import located
from teams._members.role import capability_faults, name_faults
from teams.protocols._topics.event import pattern_fault

MOST = 100_000
"""The largest `count` of one member."""
Work = Callable[..., Any] | type[pykka.Actor] | str
OnTimeout = Literal["cancel", "kill"]


@dataclass(frozen=True, slots=True)
class Member:
    """One member, or `count` alike."""

    id: str
    work: Callable[..., Any] | type[pykka.Actor]
    role: str | None
    capabilities: frozenset[str]
    count: int
    concurrency: int
    on_timeout: OnTimeout
    takes_offers: bool
    """Whether it is asked before work is handed to it."""
    subscribes: tuple[str, ...]
    """The topics it hears of, each a topic or a pattern."""
    specs: tuple[ChildSpec, ...]
    """The child of each seat, `count` of them."""

    @property
    def is_function(self) -> bool:
        """Whether it is a function in an actor of ours."""
        return not isinstance(self.work, type)


def member(
    id: str,
    work: Work,
    *,
    role: str | None = None,
    capabilities: Iterable[str] = (),
    count: int = 1,
    concurrency: int = 1,
    accepts: Callable[[Any], bool | str | Awaitable[bool | str]] | None = None,
    through: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    subscribes: Iterable[str] = (),
    on_timeout: OnTimeout = "cancel",
    **options: Unpack[ChildOptions],
) -> Member:
    """A member for `team`.

    Args:
        id: its place in the team; with `count` above 1 the seats are `id-1`, `id-2` and so on
        work: an async function (waits on the loop), a plain function (gets a thread of its own), an actor class, a
            `pykka.ThreadingActor`, or "module:name" of one of these, which is imported now. A function takes the work
            and, if it wants, a `Context`.
        role: the role it plays
        capabilities: what it can do, besides what its role says
        count: how many there are
        concurrency: how many pieces of work a function may have waiting at once; an actor class says so itself
        accepts: asked before work is handed to a function: True, False, or why not. Runs where the function runs; it
            may be `async`
        through: a policy from `teams.resilience`, or any decorator, around a function. It runs on the loop and may be
            shared by members; a plain function still blocks only a thread, of which each call gets its own
        subscribes: topics of the team it hears of, `*` for any word; a function gets the payload, or the `Event` if its
            parameter is annotated so. Of several seats each hears of it.
        on_timeout: what becomes of a member whose work is not wanted any more: a function is cancelled where it waits;
            with "kill" the incarnation is killed and restarted by its policy
        options: those of `supervisors.child`, such as `restart`, `backoff`, `host`, `args`, `mailbox`. A member that is
            to be restarted more often than its budget allows is given up alone (`on_limit="drop"`), so that it costs no
            other member its work; "escalate" makes it the business of the team.

    Raises:
        SpecError: every fault
    """
    path = f"member {id!r}"
    capabilities = tuple(capabilities) if isinstance(capabilities, Iterator) else capabilities
    faults = [*capability_faults(path, capabilities), *(name_faults(f"{path}: role", role) if role is not None else ())]
    if not isinstance(id, str):
        faults.append(SpecFault(path, f"id: must be a string, got {id!r}"))
    found = _find(path, work, faults)
    is_function = not isinstance(found, type)
    faults += [
        SpecFault(path, f"{name}: must be a whole number from 1, got {number!r}")
        for name, number in (("count", count), ("concurrency", concurrency))
        if type(number) is not int or number < 1
    ]
    if type(count) is int and count > MOST:
        faults.append(SpecFault(path, f"count: must be at most {MOST}, got {count}"))
    if not is_function:
        faults += [
            SpecFault(path, f"{name} is for functions; {found.__name__} {instead}")
            for name, given, instead in (
                ("concurrency", concurrency != 1, "says `concurrency` in its class"),
                ("accepts", accepts is not None, "may handle an `Offer` itself"),
                ("through", through is not None, "may use the policy inside"),
            )
            if given
        ]
    policies: tuple[tuple[str, object], ...] = (("accepts", accepts), ("through", through))
    faults += [
        SpecFault(path, f"{name}: must be callable, got {given!r}")
        for name, given in policies
        if given is not None and not callable(given)
    ]
    topics = _topics(path, subscribes, faults)
    if on_timeout not in ("cancel", "kill"):
        faults.append(SpecFault(path, f"on_timeout: must be 'cancel' or 'kill', got {on_timeout!r}"))
    specs: tuple[ChildSpec, ...] = ()
    try:
        if found is not None and (through is None or callable(through)):
            start, settings = _start(path, found, concurrency, accepts, through, options)
            seats = count if type(count) is int and 0 < count <= MOST else 1
            ids = [id] if seats == 1 else [f"{id}-{number}" for number in range(1, seats + 1)]
            specs = tuple(child(each, start, **settings) for each in ids)
    except SpecError as error:
        faults += error.faults
    if faults or found is None:
        raise SpecError(faults)
    takes_offers = declares(found, Offer) if isinstance(found, type) else accepts is not None
    return Member(id, found, role, frozenset(capabilities), count, concurrency, on_timeout, takes_offers, topics, specs)


def _start(
    path: str,
    found: Callable[..., Any] | type[pykka.Actor],
    concurrency: object,
    accepts: Callable[[Any], object] | None,
    through: Callable[[Callable[..., Any]], Callable[..., Any]] | None,
    options: ChildOptions,
) -> tuple[type, ChildOptions]:
    """The class of the child and its options."""
    if isinstance(found, type):
        return found, options
    blocks, takes = not is_async(found), found
    if blocks and through is not None:
        found, blocks = in_a_thread(found), False
        accepts = accepts if accepts is None or is_async(accepts) else in_a_thread(accepts)
    settings: Mapping[str, Any] = {"host": "thread" if blocks else "loop", **options}
    try:
        called = found if through is None else through(found)
    except Exception as error:
        raise SpecError(
            [SpecFault(path, f"through: raised {described(error)} when it was given the function")]
        ) from error
    if "args" in options:
        raise SpecError([SpecFault(path, "args: are for actor classes; bind a function's own with functools.partial")])
    start = function_member(concurrency if isinstance(concurrency, int) and concurrency > 0 else 1)
    return start, ChildOptions(**{**settings, "args": {"function": called, "accepts": accepts, "takes": takes}})  # type: ignore[typeddict-item]


def _topics(path: str, subscribes: object, faults: list[SpecFault]) -> tuple[str, ...]:
    """The topics that somebody hears of; what is wrong with them goes to the faults."""
    if not isinstance(subscribes, Iterable):
        faults.append(SpecFault(path, f"subscribes: must be topics, got {subscribes!r}"))
        return ()
    topics = (subscribes,) if isinstance(subscribes, str) else tuple(subscribes)
    found = [fault for fault in map(pattern_fault, topics) if fault is not None]
    faults += [SpecFault(path, f"subscribes: {fault}") for fault in found]
    return () if found else topics


def _find(path: str, work: object, faults: list[SpecFault]) -> Any:
    """What is to work. None, with a fault, where there is none."""
    if isinstance(work, str):
        work = located(path, "work", work, faults)
        if work is None:
            return None
    if isinstance(work, type):
        if issubclass(work, pykka.Actor):
            return work
        faults.append(
            SpecFault(path, f"work: {work.__name__} is a class, but neither an actors.Actor nor a pykka actor")
        )
        return None
    if not callable(work):
        faults.append(SpecFault(path, f"work: must be a function, an actor class or 'module:name', got {work!r}"))
        return None
    fault = call_fault(work)
    if fault is not None:
        faults.append(SpecFault(path, f"work: {fault}"))
        return None
    return work

"""Members of a team: an actor, a pykka actor, or a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import pykka

from actors.spi import declares, described
from supervisors.spi import ChildOptions, ChildSpec, SpecError, SpecFault, builder, child
from teams._checks.coroutine import is_async
from teams._checks.fields import count_faults
from teams._members.blocking_call import in_a_thread
from teams._members.function import Assignment, call_fault, function_member
from teams._members.handoff import Offer
from teams._members.location import located
from teams._members.role import capability_faults, name_faults
from teams.protocols._topics.event import pattern_fault

MAX_COUNT = 100_000
"""The largest `count` of one member."""
WORK_AT_ONCE = 100
"""How many pieces of work a member has at once whose class answers them later, such as a `Person`."""
MemberWork = Callable[..., Any] | type[pykka.Actor] | str
OnTimeout = Literal["cancel", "kill"]


@dataclass(frozen=True, slots=True)
class Member:
    """A member: one slot, or `count` slots that are alike."""

    id: str
    work: Callable[..., Any] | type[pykka.Actor]
    role: str | None
    capabilities: frozenset[str]
    count: int
    concurrency: int
    on_timeout: OnTimeout
    takes_offers: bool
    """Whether it is asked before work is handed to it."""
    takes_context: bool
    """Whether its actor is given an `Assignment`, work with its context: a function in an actor of ours, or a class
    that handles it. Such a class answers later, and has up to `WORK_AT_ONCE` pieces of work at once.
    """
    subscribes: tuple[str, ...]
    """The topics that its slots hear of, each a topic or a pattern."""
    specs: tuple[ChildSpec, ...]
    """The child of each slot, `count` of them."""


@builder("member {id!r}", ChildOptions)
def member(
    id: str,
    work: MemberWork,
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
    """A member for `team`. Raises SpecError with all faults at once.

    Args:
        id: Its place in the team. With `count` above 1 its slots are `id-1`, `id-2` and so on.
        work: An `async` function, which waits on the event loop; a plain function, of which each call blocks a thread
            of the member's own; an actor class; a `pykka.ThreadingActor`; or "module:name" of one of these, which is
            imported now. A function takes the work and may take a `Context`.
        role: The role it has. Default: None.
        capabilities: What it can do, besides the capabilities of its role. Default: ().
        count: How many slots it has, each with an actor of its own. Default: 1.
        concurrency: How many pieces of work one slot of a function may have at once. An actor class sets its own.
            Default: 1.
        accepts: Called with each handoff to a function before the work: returns True, False, or a string that says why
            not. It runs where the function runs and may be `async`. None: the member takes every handoff.
            Default: None.
        through: A policy of `teams.resilience`, or any decorator, around the function. It runs on the event loop and
            may be shared by members. Default: None.
        subscribes: Topics of the team that each slot hears of; `*` stands for one word, `**` for any number. A
            function gets the payload, or the `Event` if its parameter is annotated so. Default: ().
        on_timeout: What happens when work is not wanted any more: "cancel" cancels a function where it waits, "kill"
            kills the incarnation, which is then restarted. Default: "cancel".
        args: The arguments of the constructor of an actor class: positional or keyword. Default: ().
        restart: After which exits it restarts: "permanent" after every exit, "transient" after an abnormal exit,
            "temporary" after none. Default: "permanent".
        shutdown: Seconds between the order to stop and the kill, or "infinity", or "brutal_kill". Default: 5.0.
        backoff: The delays before restarts: `exponential()`, `linear()` or `constant()`. None restarts at once.
            Default: exponential().
        significant: Whether its end may end its supervisor. A team ends with its goal only. Default: False.
        name: A name to register its actor under, besides its path. Default: None.
        start_timeout: Seconds that a start may take. None: no limit. Default: 30.0.
        retry_start: Whether a first start that fails is tried again with the backoff of a restart; otherwise it fails
            the start of the team. Default: False.
        host: "loop" or "thread"; for an actor class also "process" or `process()`. None: an `async` function and most
            actors run on the event loop, a plain function and a `pykka.ThreadingActor` on a thread. Default: None.
        mailbox: A `MailboxSpec`; or "keep" or "drop": what a restart does with waiting messages. Default: "keep".
        redeliver: How often a message that crashed the actor is delivered again. Work has the `attempts` of `assign`
            instead. Default: 0.
        handler_timeout: Seconds that one piece of work may take, waiting included. A member that exceeds it crashes.
            None: no limit. Default: None.
        max_restarts: The restarts that its own budget allows. None: as many as the `max_restarts` of the team.
            Default: None.
        period: Seconds of running within which these restarts count. None: restarts in a row without progress count.
            Default: None.
        on_limit: What happens when a restart would exceed the budget: "drop" gives up this member alone, "escalate"
            starts all members anew. None means "drop". Default: None.
    """
    path = f"member {id!r}"
    capabilities = tuple(capabilities) if isinstance(capabilities, Iterator) else capabilities
    faults = [*capability_faults(path, capabilities), *(name_faults(f"{path}: role", role) if role is not None else ())]
    if not isinstance(id, str):
        faults.append(SpecFault(path, f"id: must be a string, got {id!r}"))
    found = _find(path, work, faults)
    is_function = not isinstance(found, type)
    faults += [*count_faults(path, "count", count), *count_faults(path, "concurrency", concurrency)]
    if type(count) is int and count > MAX_COUNT:
        faults.append(SpecFault(path, f"count: must be at most {MAX_COUNT}, got {count}"))
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
            start, settings = _started_as(path, found, concurrency, accepts, through, options)
            slots = count if type(count) is int and 0 < count <= MAX_COUNT else 1
            ids = [id] if slots == 1 else [f"{id}-{number}" for number in range(1, slots + 1)]
            specs = _slots(path, ids, start, settings, faults)
    except SpecError as error:
        faults += error.faults
    if faults or found is None:
        raise SpecError(faults)
    takes_offers = declares(found, Offer) if isinstance(found, type) else accepts is not None
    takes_context = is_function or declares(found, Assignment)
    able = frozenset(capabilities)
    return Member(id, found, role, able, count, concurrency, on_timeout, takes_offers, takes_context, topics, specs)


def _slots(
    path: str, ids: Sequence[str], start: type, settings: ChildOptions, faults: list[SpecFault]
) -> tuple[ChildSpec, ...]:
    """The child of each slot. They differ in the id alone: the faults of the first are those of the member."""
    try:
        return tuple(child(each, start, **settings) for each in ids)
    except SpecError as error:
        faults += [SpecFault(path, fault.message) for fault in error.faults]
        return ()


def _started_as(
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
    """The topics that a member hears of; what is wrong with them goes to the faults."""
    if not isinstance(subscribes, Iterable):
        faults.append(SpecFault(path, f"subscribes: must be topics, got {subscribes!r}"))
        return ()
    topics = (subscribes,) if isinstance(subscribes, str) else tuple(subscribes)
    found = [fault for fault in map(pattern_fault, topics) if fault is not None]
    faults += [SpecFault(path, f"subscribes: {fault}") for fault in found]
    return () if found else topics


def _find(path: str, work: object, faults: list[SpecFault]) -> Any:
    """The function or class of a member. None, with a fault, if it does not exist."""
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

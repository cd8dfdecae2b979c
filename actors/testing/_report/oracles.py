"""Oracles: what must hold of every run, whatever the tree. Each raises a type of its own.

Order and answers are watched while the simulation runs (`_sim.journal`), livelocks by the loop. The rest is judged when
nothing moves: here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors._core.cell import Cell
from actors._core.introspection import waiting_messages
from actors.events import CrashedExit, Exited, LifecycleEvent, Started, StartFailed
from actors.testing._faults.exceptions import is_injected
from actors.testing._sim import observations as seen
from actors.testing._sim.journal import SimEnvelope, SimReply
from actors.testing._sim.observations import Observation
from actors.testing._sim.runtime import SimRuntime
from actors.testing._sim.shown import shown
from actors.testing._sim.workload import Workload
from actors.testing.errors import (
    DeadlockFailure,
    EventMismatch,
    LoopFailure,
    MessageLost,
    NeverSettled,
    OrphanLeft,
    StoppedLate,
)

NANOSECOND = 1e-9


def edge(began: float, period: float) -> tuple[float, float, float]:
    """The moments around the end of a restart window: the last before it, its very end, the first after it (supervision
    rule 8).

    Feed them to `Kill(path, at=...)`: an off-by-one shows at one of the three.
    """
    end = began + period
    return (
        min(end - NANOSECOND, math.nextafter(end, -math.inf)),
        end,
        max(end + NANOSECOND, math.nextafter(end, math.inf)),
    )


def conservation(runtime: SimRuntime) -> None:
    """Every message was handled, is a dead letter, or waits somewhere (oracle 3). Raises `MessageLost`."""
    journal = runtime.journal
    if not journal.open:
        return
    present = set(journal.delayed)
    for cell in runtime.cells.values():
        waiting = [*waiting_messages(cell), cell.envelope, cell.culprit]
        present.update(each.number for each in waiting if isinstance(each, SimEnvelope))
    for host in runtime.place_hosts.values():
        present.update(each.number for each in host.held() if isinstance(each, SimEnvelope))
    carried = (carrier.envelope for carrier in runtime.loop_host.carriers)
    present.update(each.number for each in carried if isinstance(each, SimEnvelope))
    for number in journal.open:
        if number not in present:
            sent = next(each for each in journal.observations if isinstance(each, seen.Sent) and each.number == number)
            raise MessageLost(
                runtime.now(),
                f"message {number} ({sent.message_type}, from {sent.sender or 'outside'} to {sent.path}, "
                f"sent at {sent.at:.12g} s) was neither handled nor refused, and it waits nowhere",
            )


def settled(runtime: SimRuntime) -> None:
    """After the end, every question has an answer (oracle 3). Raises `NeverSettled`."""
    for number, reply in runtime.journal.asks.items():
        if not reply.done():
            raise NeverSettled(runtime.now(), f"question {number} to {reply.cell.path} was never answered or refused")


def deadlock(runtime: SimRuntime, workloads: Iterable[Workload]) -> None:
    """Nothing can run and no timer is set: a wait would last for ever (oracle 6). Raises `DeadlockFailure`."""
    who = [f"call {number} of workload {each.name} has no answer" for each in workloads for number in each.under_way]
    who += _circle(runtime.journal.asks.values(), runtime.now())
    if who:
        raise DeadlockFailure(runtime.now(), who + runtime.strands.waiting())


def _circle(asks: Iterable[SimReply], now: float) -> list[str]:
    """The actors that wait for each other in a circle, in words."""
    waits: dict[str, list[str]] = {}
    for reply in asks:
        if reply.asker is not None and reply.is_awaited(now):
            waits.setdefault(reply.asker.path, []).append(reply.cell.path)
    for first in waits:
        chain, at = [first], first
        while waits.get(at) and len(chain) <= len(waits) + 1:
            at = waits[at][-1]
            chain.append(at)
            if at == first:
                return [f"these wait for each other: {' -> '.join(chain)}"]
    return []


def grace_of(cells: Iterable[Cell], kill_grace: float) -> float:
    """How long these actors may take to stop, one after another, in seconds (supervision rule 17)."""
    total = 0.0
    for cell in cells:
        if not cell.props.kind.manages_lifecycle:
            total += math.inf if cell.props.shutdown is None else cell.props.shutdown + kill_grace
    return total


def stopped_in_time(began: float, ended: float, allowed: float) -> None:
    """The tree stopped within the sum of the shutdown times (oracle 4). Raises `StoppedLate`."""
    if ended - began > allowed + NANOSECOND:
        raise StoppedLate(ended, f"stopping took {ended - began:.12g} s; the shutdown times allow {allowed:.12g} s")


def no_orphans(runtime: SimRuntime) -> None:
    """After the stop nothing is left: actors, tasks, threads, timers, names (oracle 4). Raises `OrphanLeft`."""
    loop = runtime.loop
    left = [f"actor {path}" for path in sorted(runtime.cells)]
    left += [f"{runtime.registry.size} names or group memberships"] if runtime.registry.size else []
    # A thread that waits has a timer; it is counted as a thread, or was abandoned and does not count.
    waits = [strand.sleeper.timer for strand in runtime.strands.alive if strand.sleeper is not None]
    timers = [timer for timer in loop.timers if timer not in waits]
    left += [f"a timer for {timer.when():.12g} s: {_named(timer._callback)}" for timer in timers]  # type: ignore[attr-defined]
    left += [f"a task: {_named(task.get_coro())}" for task in loop.tasks if not task.done()]
    abandoned = {each.path for each in runtime.journal.observations if type(each) is seen.Abandoned}
    for strand in runtime.strands.alive:
        if not strand.outside and strand.name.partition(" ")[0] not in abandoned:
            left.append(f"thread {strand.name}")
    if left:
        raise OrphanLeft(runtime.now(), f"still there after everything was stopped: {'; '.join(left)}")


def _named(what: object) -> str:
    function = getattr(what, "func", what)
    return getattr(function, "__qualname__", None) or repr(function)


def one_event_for_each_action(
    lifecycle: Sequence[LifecycleEvent], observations: Sequence[Observation], at: float
) -> None:
    """Every action has one event in the stream (oracle 7). Raises `EventMismatch`."""
    said = _lives(lifecycle, _EVENTS)
    done = _lives(observations, _ACTIONS)
    if done == said:
        return
    for kind, path, incarnation in [*done, *said]:
        count, events = done[kind, path, incarnation], said[kind, path, incarnation]
        if count != events:
            raise EventMismatch(
                at, f"incarnation {incarnation} of {path} {kind} {count} times, and there were {events} events of it"
            )


_EVENTS: Mapping[type, str] = {
    Started: "started",
    StartFailed: "startfailed",
    Exited: "exited",
    CrashedExit: "exited",
}
_ACTIONS: Mapping[type, str] = {seen.Started: "started", seen.StartFailed: "startfailed", seen.Exited: "exited"}


def _lives(happened: Iterable[Any], names: Mapping[type, str]) -> Counter[tuple[str, str, int]]:
    """How often which of these befell which incarnation."""
    named = ((names[type(each)], each) for each in happened if type(each) in names)
    return Counter((name, each.path, each.incarnation) for name, each in named)


def nothing_raised_on_the_loop(runtime: SimRuntime) -> None:
    """No callback on the event loop raised. Raises `LoopFailure`."""
    for context in runtime.loop.errors:
        error = context.get("exception")
        if is_injected(error):
            continue  # a callback that was made to raise: its actor does not hear of it, either
        if isinstance(error, BaseException) and "never retrieved" not in str(context.get("message")):
            raise LoopFailure(runtime.now(), f"{context.get('message')}: {shown(error)}") from error

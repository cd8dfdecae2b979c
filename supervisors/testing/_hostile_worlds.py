"""Generates hostile worlds, and makes those that fail small."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, get_args

from actors.testing.spi import FaultPlan, Schedule, faults, fewer_moves, hostile
from supervisors.testing._hostile import (
    GroupKind,
    HostileAct,
    HostileAction,
    HostileGroup,
    HostileObserver,
    HostileWorker,
    HostileWorld,
    Mailbox,
    Observing,
)
from supervisors.testing._hostile_cast import CLASSES, RANKS, WAYS

T = TypeVar("T")
SEARCHES = ("random", "pct3", "pos", "lag", "pct5", "lag2")
PARTS = (HostileGroup, HostileWorker, HostileAction, HostileObserver)


@dataclass(frozen=True, slots=True)
class Palette:
    """The choices from which worlds are drawn; all by default."""

    exceptions: Sequence[str] = hostile.EXCEPTIONS
    ways: Sequence[str] = tuple(WAYS)
    looks: Sequence[hostile.Look] = hostile.LOOKS
    ranks: Sequence[str] = (*RANKS, "raise")
    acts: Sequence[HostileAct] = get_args(HostileAct)
    mailboxes: Sequence[Mailbox] = get_args(Mailbox)
    places: Sequence[faults.Place] = faults.PLACES
    observers: Sequence[Observing] = get_args(Observing)
    groups: Sequence[GroupKind] = get_args(GroupKind)
    callbacks: Sequence[str] = ("answer", "wait", "raise")

    def some(self, number: random.Random) -> Palette:
        """A few of everything: what is on at once hides what else would show."""
        return Palette(
            exceptions=_few(number, self.exceptions, 3),
            ways=_few(number, self.ways, 8),
            looks=_few(number, self.looks, 3),
            ranks=_few(number, self.ranks, 3),
            acts=("tell", "ask", *_few(number, self.acts, 6)),
            mailboxes=("plain", *_few(number, self.mailboxes, 2)),
            places=_few(number, self.places, 3),
            observers=_few(number, self.observers, 2),
            groups=self.groups,
            callbacks=_few(number, self.callbacks, 2),
        )


def _few(number: random.Random, every: Sequence[T], most: int) -> Sequence[T]:
    return tuple(number.sample(every, min(len(every), number.randint(1, most)))) if every else ()


def hostile_world(seed: int, palette: Palette = Palette()) -> HostileWorld:
    """The world of this number."""
    number = random.Random(seed)
    on = palette.some(number)
    groups = tuple(_group(number, on, f"g{index}") for index in range(number.randint(1, 2)))
    paths = [path for group in groups for path in _paths(group)]
    actions = [_action(number, on, paths, groups) for _ in range(number.randint(2, 14))]
    observers = [_observer(number, on) for _ in range(number.choice((0, 0, 1, 2)) if on.observers else 0)]
    plan = [_fault(number, on, paths) for _ in range(number.choice((0, 0, 1, 2)))]
    search = None if number.random() < 0.3 else (number.choice(SEARCHES), number.getrandbits(16))
    script = tuple(sorted(actions, key=lambda each: each.at))
    return HostileWorld(groups, script, tuple(observers), FaultPlan(*plan), Schedule(), search, number.getrandbits(16))


def _paths(group: HostileGroup) -> list[str]:
    match group.kind:
        case "static":
            return [f"{group.id}/{worker.id}" for worker in group.workers]
        case "partition":
            return [f"{group.id}/0", f"{group.id}/1"]
    return []


def _group(number: random.Random, on: Palette, id: str) -> HostileGroup:
    kind = number.choice(on.groups) if number.random() < 0.4 else "static"
    callbacks = ["", ""]
    for index in range(2):
        if on.callbacks and number.random() < 0.3:
            what = number.choice(on.callbacks)
            callbacks[index] = number.choice(on.exceptions) if what == "raise" else what
    return HostileGroup(
        id,
        tuple(_worker(number, on, f"w{index}") for index in range(number.randint(1, 3))),
        kind,
        number.choice(("one_for_one", "one_for_one", "one_for_all", "rest_for_one")),
        number.choice((0, 1, 3, 5)),
        *callbacks,
    )


def _worker(number: random.Random, on: Palette, id: str) -> HostileWorker:
    return HostileWorker(
        id,
        number.choice(tuple(CLASSES)),
        number.choice(("", "", "loop", "thread")),
        number.choice(on.mailboxes),
        number.choice(("permanent", "permanent", "transient", "temporary")),
        number.choice((None, 0.25, 1.0)),
        number.choice((0, 0, 1, 2)),
        number.choice((None, None, None, 0.5)),
        number.choice((1.0, 1.0, 0.125, "brutal_kill")),
    )


_TO_A_WORKER = frozenset({"terminate_child", "restart_child", "delete_child"})
_TO_A_GROUP = frozenset(
    {"start_child", "which_children", "ledger", "pause_work", "resume_work", "run", "run_async", "partition"}
)


def _action(number: random.Random, on: Palette, paths: list[str], groups: Sequence[HostileGroup]) -> HostileAction:
    act = number.choice(("tell", "ask")) if number.random() < 0.6 else number.choice(on.acts)
    kinds = {"run": "tasks", "run_async": "tasks", "partition": "partition"}
    fit = [group.id for group in groups if group.kind == kinds.get(act, group.kind)]
    late = [f"{group.id}/late" for group in groups]
    path = number.choice(fit or [groups[0].id] if act in _TO_A_GROUP else [*paths, *paths, *late])
    drawn = [number.choice(on.looks) for _ in range(number.choice((0, 0, 1, 2)))] if on.looks else []
    return HostileAction(
        number.randint(4, 32) / 8,
        path,
        act,
        number.choice(on.ways),
        number.choice(on.exceptions),
        tuple(dict.fromkeys(drawn)),
        number.choice(on.ranks) if on.ranks and number.random() < 0.3 else "",
    )


def _observer(number: random.Random, on: Palette) -> HostileObserver:
    kind = number.choice(on.observers)
    return HostileObserver(kind, number.choice(on.exceptions), number.randint(1, 12), number.choice((None, 1, 2)))


def _fault(number: random.Random, on: Palette, paths: list[str]) -> faults.Fault:
    nth, path = number.randint(1, 3), f"root/{number.choice(paths)}" if paths else "root/g*/*"
    match number.randint(0, 5):
        case 0:
            return faults.Kill(path, nth)
        case 1:
            return faults.Hang(path, nth)
    place = number.choice(on.places or ("handler",))
    return faults.Raise(path, place, number.choice(on.exceptions), nth, number.randint(1, 2))


# Making one small


def smallest(world: HostileWorld, fails: Callable[[HostileWorld], bool], most: int = 1_500) -> HostileWorld:
    """The smallest world found that still fails: nothing can be left out of it, and nothing be made plainer."""
    written = world.as_moves()
    if written.schedule and fails(written):
        moves = fewer_moves(lambda less: fails(replace(written, schedule=less)), written.schedule)
        world = replace(written, schedule=moves)
    runs, progress = 0, True
    while progress:
        progress = False
        for smaller in _smaller(world):
            runs += 1
            if runs > most:
                return world
            if fails(smaller):
                world, progress = smaller, True
                break
    return world


def _smaller(world: HostileWorld) -> Iterator[HostileWorld]:
    if world.search is not None:
        yield replace(world, search=None)
    for size in (8, 4, 2, 1):
        for script in _without(world.script, size):
            yield replace(world, script=script)
    for observers in _without(world.observers):
        yield replace(world, observers=observers)
    for groups in _without(world.groups):
        yield replace(world, groups=groups)
    for index in range(len(world.plan)):
        yield replace(world, plan=world.plan.without(index))
    for index in range(len(world.schedule)):
        yield replace(world, schedule=world.schedule.without(index))
    if world.seed:
        yield replace(world, seed=0)
    for script in _plainer_ones(world.script):
        yield replace(world, script=script)
    for observers in _plainer_ones(world.observers):
        yield replace(world, observers=observers)
    for groups in _plainer_ones(world.groups):
        yield replace(world, groups=groups)
    for index, fault in enumerate(world.plan.faults):
        if isinstance(fault, faults.Raise) and fault.exception != "Exception":
            less = [*world.plan.faults]
            less[index] = replace(fault, exception="Exception")
            yield replace(world, plan=FaultPlan(*less))


def _without(parts: tuple[T, ...], size: int = 1) -> Iterator[tuple[T, ...]]:
    for at in range(0, len(parts) - size + 1, size):
        yield parts[:at] + parts[at + size :]


def _plainer_ones(parts: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for index, part in enumerate(parts):
        for less in _plainer(part):
            yield (*parts[:index], less, *parts[index + 1 :])


def _plainer(part: Any) -> Iterator[Any]:
    """The part with one value as it is by default; a group with a worker less, or with a plainer one."""
    for each in fields(part):
        value = getattr(part, each.name)
        if (
            each.name in ("id", "at", "path", "kind")
            and type(part) is not HostileWorker
            and not isinstance(part, HostileGroup)
        ):
            continue
        if each.name in ("id", "workers"):
            continue
        if value != each.default:
            yield replace(part, **{each.name: each.default})
    if isinstance(part, HostileGroup):
        for workers in (*_without(part.workers), *_plainer_ones(part.workers)):
            yield replace(part, workers=workers)

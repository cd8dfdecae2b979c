"""Levelling: a schedule in which no resource is used more than it can be. Pure.

Serial schedule generation (Kelley, 1963) in several orders, of which the first is by the smallest latest finish
(Kolisch, 1996), each improved by a backward and a forward pass (Li and Willis, 1992). The shortest schedule counts. The
search ends when a schedule is as short as the lower bound.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from teams.planning._network import ROUNDING, Network

PASSES = 64
"""The most orders that are tried."""
WORK = 60_000
"""How many tasks are placed in all, as a measure of the time a search takes."""
CLOSE = 300
"""Up to how many tasks of a resource its bound looks at every part of them."""


@dataclass(frozen=True)
class Problem:
    """The tasks of a schedule."""

    network: Network
    durations: Sequence[float]
    uses: Sequence[int | None]
    """By task: the number of the resource it occupies."""
    capacity: Sequence[int | None]
    """By resource: how many tasks may occupy it at once; None: any number."""
    alone: Sequence[bool]
    """By task: whether no other task may run beside it."""

    @cached_property
    def is_tight(self) -> bool:
        """Whether anything but their needs can keep tasks waiting."""
        return any(self.alone) or any(use is not None and self.capacity[use] is not None for use in self.uses)

    @cached_property
    def heads(self) -> list[float]:
        """By task: the longest way from the begin of all to its begin."""
        return self.network.earliest_starts(self.durations)

    @cached_property
    def tails(self) -> list[float]:
        """By task: the longest way from its end to the end of all."""
        return self.network.tails(self.durations)

    @cached_property
    def longest(self) -> float:
        """The length of the longest way."""
        return max((head + each for head, each in zip(self.heads, self.durations, strict=True)), default=0.0)


@dataclass(frozen=True)
class Levelled:
    """A schedule, and how good it may be at best."""

    starts: list[float]
    length: float
    bound: float
    """No schedule is shorter."""

    @property
    def gap(self) -> float:
        """By which part of the bound the schedule is longer than the bound; 0.0: it is optimal."""
        return 0.0 if self.bound <= 0 else max(0.0, self.length / self.bound - 1)


def level(problem: Problem, seed: int = 0) -> Levelled:
    """A short schedule. The same for the same problem and seed."""
    bound = lower_bound(problem)
    if not problem.is_tight:
        return Levelled(problem.heads, bound, bound)
    count = max(1, len(problem.durations))
    passes = max(1, min(PASSES, WORK // (3 * count)))
    best, shortest = [0.0] * len(problem.durations), math.inf
    for priority in _orders(problem, passes, random.Random(seed)):
        for starts in _improved(problem, place(problem, priority)):
            length = _length(problem, starts)
            if length < shortest - ROUNDING:
                best, shortest = starts, length
        if shortest <= bound + ROUNDING * max(1.0, bound):
            break
    return Levelled(best, shortest, min(bound, shortest))


def _length(problem: Problem, starts: Sequence[float]) -> float:
    return max((start + duration for start, duration in zip(starts, problem.durations, strict=True)), default=0.0)


def _orders(problem: Problem, passes: int, source: random.Random) -> Iterator[Sequence[float]]:
    """Priorities of the tasks, smallest first: four rules, then the first rule with more and more disorder."""
    network, durations = problem.network, problem.durations
    tails, heads = problem.tails, problem.heads
    latest_finish = [-tail for tail in tails]
    rules: list[Callable[[], list[float]]] = [
        lambda: latest_finish,
        lambda: [-tail - duration for tail, duration in zip(tails, durations, strict=True)],
        lambda: [
            -durations[task] - sum(durations[each] for each in network.needed_by[task])
            for task in range(len(durations))
        ],
        lambda: heads,
    ]
    for rule in rules[:passes]:
        yield rule()
    spread = max((head + tail for head, tail in zip(heads, tails, strict=True)), default=0.0) or 1.0
    for number in range(passes - len(rules)):
        disorder = spread * (0.1 + 0.9 * number / max(1, passes))
        yield [each + disorder * source.random() for each in latest_finish]


def _improved(problem: Problem, starts: list[float]) -> Iterator[list[float]]:
    """The schedule; then the one after every task was moved as late as it can be, and as early as it can be again."""
    yield starts
    durations = problem.durations
    turned = Problem(problem.network.reversed, durations, problem.uses, problem.capacity, problem.alone)
    for _ in range(2):
        length = _length(problem, starts)
        late = place(turned, [-start - duration for start, duration in zip(starts, durations, strict=True)])
        turned_length = _length(problem, late)
        right = [turned_length - start - duration for start, duration in zip(late, durations, strict=True)]
        starts = place(problem, right)
        yield starts
        if _length(problem, starts) >= length - ROUNDING:
            return


def place(problem: Problem, priority: Sequence[float]) -> list[float]:
    """Serial schedule generation: of the tasks whose needs are placed, the one with the smallest priority is placed at
    the earliest time at which its resource is free. Returns the start of each task.
    """
    network, durations = problem.network, problem.durations
    count = len(durations)
    profiles = [None if most is None else Profile(most) for most in problem.capacity]
    together = Profile(count) if any(problem.alone) else None
    missing = [len(needs) for needs in network.needs]
    ready = [0.0] * count
    starts = [0.0] * count
    open = [(priority[task], task) for task in range(count) if not missing[task]]
    heapq.heapify(open)
    while open:
        _, task = heapq.heappop(open)
        wanted: list[tuple[Profile, int]] = []
        use = problem.uses[task]
        if use is not None and (profile := profiles[use]) is not None:
            wanted.append((profile, 1))
        if together is not None:
            wanted.append((together, count if problem.alone[task] else 1))
        start = _place_in(wanted, ready[task], durations[task])
        starts[task] = start
        ends = start + durations[task]
        for each in network.needed_by[task]:
            missing[each] -= 1
            if ends > ready[each]:
                ready[each] = ends
            if not missing[each]:
                heapq.heappush(open, (priority[each], each))
    return starts


def _place_in(wanted: Sequence[tuple[Profile, int]], ready: float, duration: float) -> float:
    start = ready
    settled = 0
    while settled < len(wanted):
        settled = 0
        for profile, units in wanted:
            possible = profile.earliest(start, duration, units)
            if possible > start:
                start = possible
            else:
                settled += 1
    for profile, units in wanted:
        profile.take(start, start + duration, units)
    return start


class Profile:
    """How much of a resource is in use, over time."""

    __slots__ = ("_full_until", "_most", "_times", "_used")

    def __init__(self, most: int) -> None:
        self._most = most
        self._times = [0.0]
        self._used = [0]
        """`_used[i]` units are in use from `_times[i]` until the next time."""
        self._full_until = 0
        """Before this index nothing is free: a search need not look there."""

    def earliest(self, ready: float, duration: float, units: int) -> float:
        """The earliest time from `ready` on at which that many units are free for so long."""
        times, used, free = self._times, self._used, self._most - units
        index = max(bisect_right(times, ready) - 1, self._full_until)
        last = len(times)
        start = max(ready, times[index])
        while index < last:
            if used[index] > free:
                index += 1
                start = times[index]  # the last entry is 0 in use, so there is a next one
            elif index + 1 == last or times[index + 1] >= start + duration - ROUNDING:
                return start
            else:
                index += 1
        return start

    def take(self, start: float, end: float, units: int) -> None:
        """Uses that many units from `start` to `end`."""
        if end - start <= ROUNDING:
            return
        first, last = self._cut(start), self._cut(end)
        used = self._used
        for index in range(first, last):
            used[index] += units
        while used[self._full_until] >= self._most:
            self._full_until += 1

    def _cut(self, at: float) -> int:
        """The index of the entry that begins at this time."""
        times = self._times
        index = bisect_left(times, at - ROUNDING)
        if index < len(times) and times[index] <= at + ROUNDING:
            return index
        times.insert(index, at)
        self._used.insert(index, self._used[index - 1])
        if index <= self._full_until:
            self._full_until = max(0, index - 1)
        return index


def lower_bound(problem: Problem) -> float:
    """No schedule is shorter: the longest way through the network, and for each resource, and for the tasks that run
    alone, the least time before them, their work by the capacity, and the least time after them.
    """
    durations, heads, tails = problem.durations, problem.heads, problem.tails
    bound = problem.longest
    alone = [task for task, is_alone in enumerate(problem.alone) if is_alone]
    apart = sum(durations[task] for task in alone)
    for number, most in enumerate(problem.capacity):
        if most is None:
            continue
        tasks = [
            (heads[task], durations[task], tails[task])
            for task, use in enumerate(problem.uses)
            if use == number and not problem.alone[task]
        ]
        if tasks:
            bound = max(bound, _resource_bound(tasks, most), sum(work for _, work, _ in tasks) / most + apart)
    if alone:
        bound = max(bound, _resource_bound([(heads[task], durations[task], tails[task]) for task in alone], 1))
    return bound


def _resource_bound(tasks: list[tuple[float, float, float]], most: int) -> float:
    """Of every part of the tasks that begin late and have a long way to go: what comes before it at least, its work,
    and what comes after it at least (Carlier, 1982, for one unit).
    """
    if len(tasks) > CLOSE:
        work = sum(duration for _, duration, _ in tasks)
        return min(head for head, _, _ in tasks) + work / most + min(tail for _, _, tail in tasks)
    found = 0.0
    by_tail = sorted(tasks, key=lambda task: -task[2])
    for least in {head for head, _, _ in tasks}:
        work = 0.0
        for head, duration, tail in by_tail:
            if head >= least:
                work += duration
                found = max(found, least + work / most + tail)
    return found

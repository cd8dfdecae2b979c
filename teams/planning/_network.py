"""A network of tasks with durations: when each can begin and must end, and the longest way through it. Pure.

The critical path method (Kelley and Walker, 1959). Tasks are numbers, in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

ROUNDING = 1e-9
"""Times closer than this are the same time."""


@dataclass(frozen=True)
class Network:
    """Tasks, what each needs, and an order in which each comes after what it needs."""

    needs: Sequence[Sequence[int]]
    order: Sequence[int]

    @cached_property
    def needed_by(self) -> list[list[int]]:
        """By task: the tasks that need it."""
        found: list[list[int]] = [[] for _ in self.needs]
        for task, needs in enumerate(self.needs):
            for each in needs:
                found[each].append(task)
        return found

    @cached_property
    def reversed(self) -> Network:
        """The same with every arrow turned round."""
        return Network(self.needed_by, list(reversed(self.order)))

    def earliest_starts(self, durations: Sequence[float]) -> list[float]:
        """When each task can begin, if nothing but its needs keeps it waiting."""
        starts = [0.0] * len(self.needs)
        for task in self.order:
            latest = 0.0
            for each in self.needs[task]:
                ends = starts[each] + durations[each]
                if ends > latest:
                    latest = ends
            starts[task] = latest
        return starts

    def length(self, durations: Sequence[float]) -> float:
        """The length of the longest way through the network."""
        starts = self.earliest_starts(durations)
        return max((start + duration for start, duration in zip(starts, durations, strict=True)), default=0.0)

    def tails(self, durations: Sequence[float]) -> list[float]:
        """By task: the longest way from its end to the end of all."""
        return self.reversed.earliest_starts(durations)

    def longest_way(self, durations: Sequence[float]) -> list[int]:
        """The tasks of a longest way, first to last. Of several, the one whose tasks were given first."""
        heads, tails = self.earliest_starts(durations), self.tails(durations)
        length = max((head + durations[task] + tails[task] for task, head in enumerate(heads)), default=0.0)
        slack = ROUNDING * max(1.0, length)
        critical = [length - heads[task] - durations[task] - tails[task] <= slack for task in range(len(heads))]
        way: list[int] = []
        open = [task for task in range(len(heads)) if critical[task] and not self.needs[task]]
        while open:
            way.append(min(open))
            ends = heads[way[-1]] + durations[way[-1]]
            open = [each for each in self.needed_by[way[-1]] if critical[each] and abs(heads[each] - ends) <= slack]
        return way

    def levels(self) -> list[int]:
        """By task: the number of the first level, from 0, in which it can be."""
        found = [0] * len(self.needs)
        for task in self.order:
            found[task] = max((found[each] + 1 for each in self.needs[task]), default=0)
        return found

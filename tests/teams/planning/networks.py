"""Generated scheduling problems, and the shortest schedule by trying every order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

from hypothesis import strategies as st

from teams.planning._levelling import Problem, place
from teams.planning._network import Network


def problem_of(choose: Callable[[int, int], int], size: int, resources: int, alone: bool = False) -> Problem:
    """A problem with this many tasks; `choose` gives a number between two."""
    needs = [sorted({choose(0, task - 1) for _ in range(choose(0, 2))}) if task else [] for task in range(size)]
    return Problem(
        Network(needs, list(range(size))),
        [float(choose(0, 9)) for _ in range(size)],
        [None if (use := choose(0, resources)) == 0 else use - 1 for _ in range(size)],
        [choose(1, 2) for _ in range(resources + 1)],
        [alone and choose(0, 3) == 0 for _ in range(size)],
    )


@st.composite
def problems(draw: st.DrawFn, size: int = 12, resources: int = 3, alone: bool = True) -> Problem:
    """Problems of at most this many tasks."""
    many = draw(st.integers(1, size))
    return problem_of(lambda low, high: draw(st.integers(low, high)), many, draw(st.integers(0, resources)), alone)


def shortest(problem: Problem) -> float:
    """The length of the shortest schedule. One of the orders gives it: it is a schedule in which no task can begin
    earlier without another that begins later (Baker, 1974).
    """
    return min(length(problem, place(problem, order)) for order in permutations(range(len(problem.durations))))


def length(problem: Problem, starts: list[float]) -> float:
    """When the last task ends."""
    return max((start + duration for start, duration in zip(starts, problem.durations, strict=True)), default=0.0)

"""`python -m benchmarks.planning`: how good and how fast plans are.

Three figures: how many schedules of small generated graphs are within 3 % of the shortest one, which trying every order
finds; by how much the schedules of graphs of up to 200 tasks and 5 resources are longer than the lower bound; and the
seconds for checking and planning a workflow of 10,000 steps.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks._table import table
from teams.planning import plan
from teams.planning._levelling import Problem, level
from teams.workflows import do, workflow
from tests.teams.planning.networks import problem_of, shortest

NEAR = 1.03
"""The factor that counts as near the optimum."""


def small(count: int, seed: int) -> tuple[int, int, float]:
    """How many of `count` small problems have a schedule near the optimum, how many an optimal one, and the worst
    ratio.
    """
    source = random.Random(seed)
    near = exact = 0
    worst = 1.0
    for number in range(count):
        problem = problem_of(source.randint, source.randint(4, 7), 2, alone=number % 4 == 0)
        least = shortest(problem)
        ratio = level(problem).length / least if least else 1.0
        near += ratio <= NEAR
        exact += ratio <= 1.000001
        worst = max(worst, ratio)
    return near, exact, worst


def large(count: int, seed: int) -> list[float]:
    """The gaps of `count` problems of 20 to 200 tasks and 5 resources to their lower bounds."""
    source = random.Random(seed)
    return sorted(level(_of_five(source)).gap for _ in range(count))


def _of_five(source: random.Random) -> Problem:
    made = problem_of(source.randint, source.randint(20, 200), 5)
    return Problem(made.network, made.durations, made.uses, [source.randint(1, 4) for _ in range(5)], made.alone)


def huge(steps: int, seed: int) -> tuple[float, float, float]:
    """Seconds to check a workflow of that many steps, seconds to plan it, and the gap of its schedule."""
    source = random.Random(seed)
    tasks = [
        do(
            f"s{number}",
            f"m{number % 5}",
            after=[f"s{each}" for each in {source.randrange(max(0, number - 50), number) for _ in range(2)}]
            if number
            else (),
            metadata={"estimated_duration": [1, 2, source.randint(3, 9)]},
        )
        for number in range(steps)
    ]
    began = time.perf_counter()
    flow = workflow("huge", tasks=tasks)
    checked = time.perf_counter()
    planned = plan(flow, capacity={f"m{number}": 4 for number in range(5)})
    return checked - began, time.perf_counter() - checked, planned.gap


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="fewer graphs")
    parser.add_argument("--seed", type=int, default=1, help="what the graphs are drawn from (default: 1)")
    options = parser.parse_args(arguments)
    few = options.quick
    count, many = (40, 5) if few else (400, 60)
    near, exact, worst = small(count, options.seed)
    gaps = large(many, options.seed)
    checked, planned, gap = huge(1_000 if few else 10_000, options.seed)
    rows = [
        ("small graphs within 3 % of the optimum", f"{near / count:.1%} of {count}", "95 %"),
        ("small graphs with the optimum", f"{exact / count:.1%}", ""),
        ("worst ratio to the optimum", f"{worst:.3f}", ""),
        ("median gap to the bound, up to 200 tasks, 5 resources", f"{median(gaps):.2%} of {many}", ""),
        ("largest gap to the bound", f"{gaps[-1]:.2%}", ""),
        (f"check {1_000 if few else 10_000:,} steps", f"{checked:.2f} s", ""),
        ("plan them", f"{planned:.2f} s, gap {gap:.2%}", "1 s with the check"),
    ]
    print(table(("figure", "value", "goal"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

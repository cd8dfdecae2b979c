"""`python -m benchmarks.failure_rates`: what backoff and budget make of a worker that fails, policy by policy.

It prints three Markdown tables: by them the defaults of `child(backoff=)` and `supervisor(max_restarts=)` were chosen.
Everything is the real runtime on virtual time, and the same for the same seed. A policy is the product with another
answer to one question, `Child.down`: what makes the failures of a child forgotten? The worker is called 20 times a
second and has nothing else to do; each figure is the mean of several seeds.

The exit code is 0, or 2 when the arguments are wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any
from unittest.mock import patch

from actors import Actor, ExitReason
from actors.testing import simulation
from supervisors import child, exponential, supervisor
from supervisors._engine.children import Child

EVERY = 0.05
"""Seconds between two calls."""
MINUTE, HOUR = 60.0, 3600.0
RATES = (1, 10, 25, 30, 40, 50, 75, 90, 100)
"""Failures, in percent of the calls."""
LIMITS = (5, 10, 15, 20)
"""Restarts in a row without progress."""

Down = Callable[[Child, float, int, ExitReason], None]
"""What a policy has in the place of `Child.down`: the child, now, the messages it has handled, why it is down."""
DOWN: Down = Child.down


def _by_time(child: Child, now: float, handled: int, reason: ExitReason) -> None:
    """A run of `reset_after` without a failure makes them forgotten, whatever was handled."""
    DOWN(child, now, 0, reason)


def _one_each(child: Child, now: float, handled: int, reason: ExitReason) -> None:
    """Each message takes one of them back."""
    _less(child, now, reason, lambda count: max(0, count - handled))


def _half_each(child: Child, now: float, handled: int, reason: ExitReason) -> None:
    """Each message takes half of them back."""
    _less(child, now, reason, lambda count: count >> min(handled, 32))


def _less(child: Child, now: float, reason: ExitReason, less: Callable[[int], int]) -> None:
    attempt, stalled = less(child.attempt), less(child.stalled)
    DOWN(child, now, 0, reason)
    if child.attempt:
        child.attempt, child.stalled = attempt, stalled


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule that forgets failures, and the options of the child and of its supervisor."""

    name: str
    down: Down = DOWN
    child: dict[str, Any] = field(default_factory=dict)
    budget: dict[str, Any] = field(default_factory=dict)


_WINDOW = {"max_restarts": 5, "period": 60.0}
DEFAULT = Policy("a message resets, 15 in a row")
POLICIES = (
    Policy("30 s up reset, 5 in 60 s", _by_time, {}, _WINDOW),
    Policy("1 s up resets, 5 in 60 s", _by_time, {"backoff": exponential(reset_after=1.0)}, _WINDOW),
    Policy("no delay, 1 in 5 s (OTP)", _by_time, {"backoff": None}, {"max_restarts": 1, "period": 5.0}),
    Policy("a message takes 1 off, 15 in a row", _one_each),
    Policy("a message takes half off, 15 in a row", _half_each),
    DEFAULT,
)


class Broken(Exception):
    """The exception of a call that fails."""


@dataclass(slots=True)
class RunResult:
    """The figures of one run."""

    calls: int = 0
    served: int = 0
    waited: float = 0.0
    """Seconds from sending to handling, of those that were served together."""
    failed: int = 0
    restarts: int = 0
    gave_up: float | None = None
    """When the supervisor gave up, if it did."""


Fails = Callable[[int, float], bool]
"""Whether a call fails: its number, from 0, and the time at which it is handled."""


class Worker(Actor):
    """Serves a call, or crashes by it."""

    def __init__(self, result: RunResult, fails: Fails, restarts_fail: bool) -> None:
        self.result = result
        self.fails = fails
        self.restarts_fail = restarts_fail

    def on_start(self) -> None:
        """Count the restart."""
        self.result.restarts = self.incarnation - 1
        if self.result.restarts and self.restarts_fail:
            raise Broken

    def on_receive(self, message: Any) -> None:
        """One call."""
        number, sent = message
        now = self.runtime.now()
        if self.fails(number, now):
            self.result.failed += 1
            raise Broken
        self.result.served += 1
        self.result.waited += now - sent


def run(
    policy: Policy,
    seconds: float,
    fails: Fails,
    seed: int,
    *,
    limited: bool = True,
    restarts_fail: bool = False,
    **options: Any,
) -> RunResult:
    """One worker, called for that long or until its supervisor gives up, which it never does unless `limited`."""
    result = RunResult()
    budget = policy.budget if limited else {"max_restarts": None}
    worker = child("worker", Worker, args=(result, fails, restarts_fail), **policy.child, **options)
    with patch.object(Child, "down", policy.down), simulation(seed=seed) as sim:
        root = sim.start(supervisor("root", worker, **budget))
        ref = root.child("worker")
        while sim.now < seconds and root.is_alive():
            ref.tell((result.calls, sim.now))
            result.calls += 1
            sim.advance(EVERY)
        result.gave_up = None if root.is_alive() else sim.now
    return result


def independent(percent: float, seed: int) -> Fails:
    """Each call fails by itself, as often as this, whenever it is handled."""
    choose = random.Random(seed)
    drawn: list[bool] = []

    def fails(number: int, _: float) -> bool:
        while len(drawn) <= number:
            drawn.append(choose.random() * 100 < percent)
        return drawn[number]

    return fails


def outage(begins: float, ends: float) -> Fails:
    """Every call fails while the server is down."""
    return lambda _, now: begins <= now < ends


def always(_: int, __: float) -> bool:
    """Every call fails."""
    return True


def poison(every: int) -> Fails:
    """One call of so many fails whenever it is handled; it is handed to the worker again."""
    return lambda number, _: number % every == every - 1


# The tables


def rates(seeds: int, seconds: float) -> Iterator[Sequence[str]]:
    """Independent failures: a minute without a limit, and how soon the budget ends it."""
    yield "fails", "failures are forgotten, budget", "served of those that can be", "mean wait", "restarts", "gave up"
    for percent in RATES:
        for policy in POLICIES:
            results = [run(policy, MINUTE, independent(percent, n), n, limited=False) for n in range(seeds)]
            good = [
                sum(not independent(percent, n)(k, 0.0) for k in range(each.calls)) for n, each in enumerate(results)
            ]
            limited = [run(policy, seconds, independent(percent, n), n) for n in range(seeds)]
            served = fmean(each.served for each in results)
            waits = [each.waited / each.served for each in results if each.served]
            yield (
                f"{percent} %",
                policy.name,
                f"{served:.0f} of {fmean(good):.0f}",
                f"{fmean(waits):.3f} s" if waits else "-",
                f"{fmean(each.restarts for each in results):.0f}",
                _ends(limited, seconds),
            )


def kinds(seeds: int) -> Iterator[Sequence[str]]:
    """Failures that are not independent of each other, each with the budget of the policy."""
    yield "kind", "failures are forgotten, budget", "served", "calls of what is broken", "restarts", "gave up"
    situations: tuple[tuple[str, float, Fails, dict[str, Any]], ...] = (
        ("the server is down for a minute of three", 3 * MINUTE, outage(MINUTE, 2 * MINUTE), {}),
        ("one call of 200 is poison, redelivered 3 times", 3 * MINUTE, poison(200), {"redeliver": 3}),
        ("every call fails", 10 * MINUTE, always, {}),
        ("every restart fails in its start", 10 * MINUTE, outage(MINUTE, 10 * MINUTE), {"restarts_fail": True}),
    )
    for name, seconds, fails, options in situations:
        for policy in POLICIES:
            results = [run(policy, seconds, fails, seed, **options) for seed in range(seeds)]
            yield (
                name,
                policy.name,
                f"{fmean(each.served for each in results):.0f} of {seconds / EVERY:.0f}",
                f"{fmean(each.failed for each in results):.0f}",
                f"{fmean(each.restarts for each in results):.0f}",
                _ends(results, seconds),
            )


def limits(seeds: int, seconds: float) -> Iterator[Sequence[str]]:
    """How many restarts in a row without progress the default allows."""
    head = ("in a row", "25 % fail", "40 % fail", "50 % fail", "the server is down for a minute", "every call fails")
    yield head
    for limit in LIMITS:
        policy = Policy(str(limit), budget={"max_restarts": limit})
        row = [_ends([run(policy, seconds, independent(p, n), n) for n in range(seeds)], seconds) for p in (25, 40, 50)]
        down = [run(policy, 3 * MINUTE, outage(MINUTE, 2 * MINUTE), n) for n in range(4 * seeds)]
        loop = [run(policy, 10 * MINUTE, always, n) for n in range(4 * seeds)]
        yield (str(limit), *row, _ends(down, 3 * MINUTE), _ends(loop, 10 * MINUTE))


def _ends(results: Sequence[RunResult], seconds: float) -> str:
    """How many gave up, and when on average."""
    ends = [each.gave_up for each in results if each.gave_up is not None]
    if not ends:
        return f"never in {_span(seconds)}"
    share = "" if len(ends) == len(results) else f"{len(ends)} of {len(results)} "
    return f"{share}after {_span(fmean(ends))}"


def _span(seconds: float) -> str:
    if seconds >= HOUR:
        return f"{seconds / HOUR:g} h"
    return f"{seconds / MINUTE:.0f} min" if seconds >= 5 * MINUTE else f"{seconds:.1f} s"


def markdown(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, the head first, each as soon as it is known."""
    head = next(rows)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failure_rates", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--seeds", type=_number, default=5, metavar="N", help="how many runs each figure is the mean of"
    )
    parser.add_argument("--seconds", type=_number, default=int(HOUR), metavar="S", help="how long a budget has to hold")
    options = parser.parse_args(arguments)
    tables = (
        ("Independent failures", rates(options.seeds, options.seconds)),
        ("Other kinds of failure", kinds(options.seeds)),
        ("The limit", limits(options.seeds, options.seconds)),
    )
    for name, rows in tables:
        print(f"\n### {name}\n", flush=True)
        for line in markdown(rows):
            print(line, flush=True)
    return 0


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

"""The risks of a plan: each with its figure, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from teams.planning._estimates import RecordedRuns
from teams.workflows._graph.node import AskPerson, Sleep, WaitForSignal

if TYPE_CHECKING:
    from teams.planning._plan import PlannedStep
    from teams.workflows._graph.node import Node

RiskKind = Literal[
    "one_at_a_time",
    "uncertain",
    "fails_often",
    "low_pass_rate",
    "no_timeout",
    "at_most_once",
    "unbounded_map",
    "person",
    "assumed",
]

SPREAD = 3.0
"""A step whose high estimate is more than so many times its likely one is uncertain."""
FAILS = 0.1
"""A step fails often if more than this part of its attempts failed."""
PASSES = 0.8
"""A step has a low pass rate if probably less than this part of its results is good enough."""
FEWEST = 5
"""How many attempts say something about failures, and how many scored results about quality."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk: it may make a run longer or fail."""

    step: str
    kind: RiskKind
    figure: float | None
    """The figure that shows it; None: it is a fact without one."""
    message: str
    remedy: str


def risks_of(
    node: Node, step: PlannedStep, recorded: RecordedRuns, capacity: int | None, most_items: int
) -> Iterator[Risk]:
    """The risks of one step."""
    if step.critical and capacity == 1:
        yield Risk(
            step.id,
            "one_at_a_time",
            1.0,
            f"{step.agent} does one step at a time, on the critical path",
            "give it more capacity (count=, concurrency=), or another member the same role",
        )
    estimate = step.estimate
    if estimate.likely > 0 and estimate.high > SPREAD * estimate.likely:
        ratio = estimate.high / estimate.likely
        yield Risk(
            step.id,
            "uncertain",
            ratio,
            f"it may take {ratio:.1f} times its likely {estimate.likely:g} s",
            "set a timeout with retry=, or split the step",
        )
    failed, attempts = recorded.failures.get(step.id, (0, 0))
    if attempts >= FEWEST and failed / attempts > FAILS:
        part = failed / attempts
        tried = node.retry is not None
        yield Risk(
            step.id,
            "fails_often",
            part,
            f"{failed} of {attempts} attempts failed",
            "raise retry=, or find the cause" if tried else "set retry=, or on_failure=",
        )
    passed, scored = recorded.quality.get(step.id, (0, 0))
    rate = (passed + 1) / (scored + 2)  # the mean of the posterior, from a uniform prior
    if scored >= FEWEST and rate < PASSES:
        yield Risk(
            step.id,
            "low_pass_rate",
            rate,
            f"{passed} of {scored} scored results were good enough; the next one is with a probability of {rate:.0%}",
            "use quality(on_low='retry') with max_rounds=, or improve the step",
        )
    waits = isinstance(node.what, AskPerson | WaitForSignal)
    if node.timeout is None and not isinstance(node.what, Sleep):
        yield Risk(
            step.id,
            "no_timeout",
            None,
            "it waits without a time limit" if waits else "it may run without a time limit",
            "set timeout=",
        )
    if isinstance(node.what, AskPerson) and node.what.default is None:
        yield Risk(step.id, "person", None, "a person must answer", "give a default= for the time after the timeout")
    if node.effects == "at_most_once" and node.undo is None:
        yield Risk(
            step.id,
            "at_most_once",
            None,
            "a crash while it runs leaves open whether it had its effect",
            "set undo=, or make it idempotent and effects='at_least_once'",
        )
    if node.each is not None:
        yield Risk(
            step.id,
            "unbounded_map",
            float(most_items),
            f"it is done for each item of a list, of up to {most_items:,} items",
            "bound the list, and set max_parallel=",
        )
    if estimate.source == "assumed":
        yield Risk(
            step.id,
            "assumed",
            estimate.likely,
            f"nothing is known of its duration: {estimate.likely:g} s is assumed",
            "declare estimated_duration, or let it learn from recorded runs",
        )

"""One run of a simulated test as a value, and its outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from actors.testing._faults.plan import FaultPlan, matches
from actors.testing._faults.schedule import Schedule
from actors.testing._search.inside import inside
from actors.testing._sim.call_site import raised_at
from actors.testing._sim.fences import sealed
from actors.testing._sim.observations import Made
from actors.testing._sim.schedulers import Strategy
from actors.testing._simulation import Simulation, Strictness
from actors.testing.errors import BadFaultPlan, InvariantBroken, NotDeterministic, OracleFailure, failing

Body = Callable[..., object]
Kind = tuple[type[BaseException], str]
"""The identity of a bug: the type of the failure; the name of an `always`; else the place where it was raised."""


@dataclass(frozen=True)
class Attempt:
    """All inputs of one run, so that it can be run again."""

    plan: FaultPlan
    schedule: Schedule = field(default_factory=Schedule)
    seed: int = 0
    given: Mapping[str, object] = field(default_factory=dict)
    """The other values drawn for the test."""
    search: Strategy | None = None

    def run(
        self,
        body: Body,
        *,
        record: bool = False,
        strict: Strictness = False,
        passing: Sequence[str] | None = None,
    ) -> AttemptOutcome:
        """Runs the test once. What it raises is part of the outcome; only what ends the whole process passes."""
        sim = Simulation(
            self.plan,
            None if self.search is not None else self.schedule,
            self.seed,
            search=self.search,
            strict=strict,
            record=record,
        )
        sim.given, sim.passing = self.given, passing
        failure: BaseException | None = None

        def once() -> None:
            nonlocal failure
            try:
                with sim, sealed():
                    body(sim, self.plan, self.given)
            except failing() as error:  # it is what the search is after
                failure = error

        inside(once)
        return AttemptOutcome(sim, failure)

    def twice(self, body: Body) -> None:
        """Runs the test twice. Raises `NotDeterministic` when the runs differ."""
        first, second = self.run(body), self.run(body)
        first.same_as(second)


@dataclass(frozen=True)
class AttemptOutcome:
    """The outcome of one run."""

    sim: Simulation
    failure: BaseException | None

    @property
    def kind(self) -> Kind | None:
        """The identity of the failure; None: the run passed."""
        error = self.failure
        if error is None:
            return None
        if isinstance(error, InvariantBroken):
            return type(error), error.what
        if isinstance(error, OracleFailure):
            return type(error), ""
        return type(error), raised_at(error)

    @property
    def undone(self) -> bool:
        """Whether a fault or a move of ours kept the tree from coming up, so that there was nothing to test."""
        return self.failure is not None and self.failure is self.sim.undone

    @property
    def rejected(self) -> bool:
        """Whether the test did not want what was drawn for it, and said so by `hypothesis.assume`."""
        errors = sys.modules.get("hypothesis.errors")
        return errors is not None and isinstance(self.failure, errors.UnsatisfiedAssumption)

    @property
    def cast(self) -> dict[str, int]:
        """The lanes that took steps, each with the number of its steps."""
        lanes = self.sim.loop.lanes
        return {path: lanes[path].steps for path in sorted(lanes) if lanes[path].steps}

    def refuse_nameless(self, known: set[str]) -> None:
        """Raises `BadFaultPlan` if a fault matches no actor; `known`: the paths of all actors there ever were."""
        known.update(each.path for each in self.sim.observations if isinstance(each, Made))
        for fault in self.sim.nameless_faults:
            if not any(matches(fault.path, path) for path in known):
                raise BadFaultPlan(f"{fault!r} names no actor; there were: {', '.join(sorted(known)) or 'none'}")

    def same_as(self, other: AttemptOutcome) -> None:
        """Raises `NotDeterministic`, with the first difference, when the other is not the same run."""
        ours, theirs = self.sim, other.sim
        if ours.trace_hash == theirs.trace_hash and self.kind == other.kind:
            return
        where = "the runs end differently"
        for step, pair in enumerate(zip(ours.trace, theirs.trace, strict=False), start=1):
            if pair[0] != pair[1]:
                where = f"step {step} was {pair[0] or 'the test'!r} once and {pair[1] or 'the test'!r} then"
                break
        else:
            for one, two in zip(ours.observations, theirs.observations, strict=False):
                if one != two and type(one) is not type(two):
                    where = f"at {one.at:.12g} s, step {one.step}, there was {type(one).__name__} once and not then"
                    break
        raise NotDeterministic(
            f"two runs of the same plan, schedule and seed differ: {where}. Something real is inside, such as "
            "`from time import time`, `datetime.now()`, the order of a set, or state that one run leaves to the next"
        )


def nearest(trace: Sequence[str], others: Sequence[Sequence[str]]) -> Sequence[str] | None:
    """The trace that has the longest beginning in common with this one."""

    def common(other: Sequence[str]) -> int:
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(trace, other, strict=False)))

    return max(others, key=common, default=None)


def passing_near(
    attempt: Attempt, failed: AttemptOutcome, body: Body, known: Sequence[str] | None
) -> Sequence[str] | None:
    """The trace of the passing run that is nearest: without the moves, or with one fault less."""
    candidates: list[Any] = [Attempt(attempt.plan, Schedule(), attempt.seed, attempt.given)] if attempt.schedule else []
    candidates += [
        Attempt(attempt.plan.without(index), attempt.schedule, attempt.seed, attempt.given)
        for index in range(len(attempt.plan))
    ]
    outcomes = [each.run(body) for each in candidates]
    traces = [outcome.sim.trace for outcome in outcomes if outcome.failure is None]
    return nearest(failed.sim.trace, [*traces, *([known] if known is not None else [])])

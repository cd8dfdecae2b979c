"""The report of a failure, for a person who must fix it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from actors.testing._report.replay import Replay
from actors.testing._sim.observations import FaultFired, Observation
from actors.testing._sim.shown import shown, told

if TYPE_CHECKING:
    from actors.testing._simulation import Simulation

LAST = 12
"""How many of the last observations are shown."""


def report(sim: Simulation, failure: BaseException, passing: Sequence[str] | None = None) -> str:
    """The report as text. `passing` is the trace of the nearest run that passed, where one is known."""
    lines = [
        f"{type(failure).__name__} at {sim.now:.12g} virtual seconds, step {sim.steps}",
        f"  {next(iter(told(failure).splitlines()), 'no text')}",
        *_fired(sim),
        *_moves(sim),
        *_difference(sim.trace, passing),
        "last seen:",
        *(f"  {_line(each)}" for each in sim.observations[-LAST:]),
        *_again(sim, failure),
    ]
    return "\n".join(lines)


def _fired(sim: Simulation) -> list[str]:
    if not sim.plan:
        return ["faults: none were planned"]
    lines = ["faults:"]
    for index, fault in enumerate(sim.plan.faults):
        fired = [each for each in sim.fired if each.place == index]
        for each in fired:
            message = f", message {each.number}" if each.number is not None else ""
            lines.append(f"  {fault!r} fired at {each.at:.12g} s in {each.path or 'the clock'}{message}")
        if not fired:
            lines.append(f"  {fault!r} did not fire")
    return lines


def _again(sim: Simulation, failure: BaseException) -> list[str]:
    """How to run it again."""
    if not sim.replays:
        return []
    if not sim.recorded:
        return [f"to run it again: the same seed with search={sim.search!r} and record=True, which names the moves"]
    replay = Replay(sim.plan, sim.schedule, sim.seed, type(failure).__name__, sim.trace_hash)
    given = "".join(f", {name}={shown(value, None)}" for name, value in sim.given.items())
    lines = [
        "to run it again, above the test:",
        f"  @example(plan={sim.plan!r}, schedule={sim.schedule!r}, seed={sim.seed}{given})",
    ]
    # A blob holds no values of the test's own: reading one must not run code.
    return lines if sim.given else [*lines, f"  or: pytest --sim-replay {replay.encode()}{_test()}"]


def _test() -> str:
    """The id of the test that pytest runs, as an argument for a shell."""
    test, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")
    return f" {shlex.quote(test)}" if test else ""


def _moves(sim: Simulation) -> list[str]:
    if not sim.recorded:
        return [f"schedule: search {sim.search!r}, not recorded"]
    moves = sim.schedule.moves
    if not moves:
        return ["schedule: first come, first served"]
    unused = set(map(repr, sim.unused_moves))
    note = {True: "   (its step never came)", False: ""}
    return [
        "schedule: first come, first served, but",
        *(f"  {move!r}{note[repr(move) in unused]}" for move in moves),
    ]


def _difference(trace: Sequence[str], passing: Sequence[str] | None) -> list[str]:
    """Where the run left the way of one that passed."""
    if passing is None:
        return []
    taken: dict[str, int] = {}
    for step, (ours, theirs) in enumerate(zip_longest(trace, passing), start=1):
        if ours != theirs:
            ours, theirs = (
                "the end" if each is None else f"{each or 'the test'}'s step {taken.get(each, 0) + 1}"
                for each in (ours, theirs)
            )
            return [f"first difference from a run that passed: step {step} was {ours}, there it was {theirs}"]
        if ours is not None:
            taken[ours] = taken.get(ours, 0) + 1
    return ["no difference in order from a run that passed"]


def _line(each: Observation) -> str:
    values = [
        f"{name}={told(value)}" for name, value in zip(each._fields[2:], each[2:], strict=True) if value is not None
    ]
    mark = "! " if isinstance(each, FaultFired) else ""
    return f"{each.at:.12g} s, step {each.step}: {mark}{type(each).__name__} {' '.join(values)}"

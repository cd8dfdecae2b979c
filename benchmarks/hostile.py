"""`python -m benchmarks.hostile`: generated trees whose code raises whatever Python can raise, wherever it is called
from, under generated schedules; what is raised must be contained.

The exit code is 0 when every schedule passed, 1 when one failed (it is made small and printed), 2 when the arguments
are wrong, 130 when it was interrupted before anything failed.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from actors.testing._sim.shown import told
from supervisors.testing import HostileWorld, hostile_world, smallest

SCHEDULES = 100_000
EVERY = 10.0
"""Seconds between two lines of progress."""

Clock = Callable[[], float]
Kind = tuple[type[BaseException], object]
"""The identity of a failure: its type, and the promise that was broken where it has one."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, checked."""

    schedules: int
    seed: int


@dataclass
class Tally:
    """The figures of a campaign."""

    seed: int
    schedules: int = 0
    seconds: float = 0.0
    steps: int = 0
    raised: Counter[str] = field(default_factory=Counter)
    """Messages that had an actor raise, by exception."""
    fired: Counter[str] = field(default_factory=Counter)
    """Faults that fired, by their place, or by their kind."""

    def line(self) -> str:
        """One line for a person who waits."""
        return (
            f"{self.seconds:.0f} s: {self.schedules:,} schedules, {self.schedules / max(self.seconds, 1e-9):.0f}/s, "
            f"{self.steps:,} steps, {self.raised.total():,} messages that raise, {self.fired.total():,} faults"
        )

    def summary(self) -> str:
        """The figures, as text."""
        parts = (("raised", self.raised), ("faults fired", self.fired))
        return "\n".join([self.line(), *(f"{name}: {_counted(counter)}" for name, counter in parts)])


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common()) or "nothing"


@dataclass(frozen=True, slots=True)
class Finding:
    """A world that fails, made small."""

    number: int
    world: HostileWorld
    error: BaseException

    def __str__(self) -> str:
        return "\n".join(
            [
                f"world {self.number}: {type(self.error).__name__}: {told(self.error)}",
                *getattr(self.error, "__notes__", []),
                "",
                self.world.described(),
                "",
                "To keep it, add to FOUND in tests/supervisors/testing/test_hostile.py:",
                "",
                f'    "found-<in a word>": HostileWorld.decode("{self.world.encode()}"),',
            ]
        )


def campaign(
    tally: Tally, schedules: int, over: Callable[[], bool], say: Callable[[str], None], clock: Clock
) -> Finding | None:
    """Runs worlds until there were `schedules`, until it is `over()`, or until one fails, which is made small."""
    began = spoken = clock()
    for number in range(tally.seed, tally.seed + schedules):
        if over():
            return None
        world = hostile_world(number)
        error = _failure(world, tally)
        if error is not None:
            say(f"world {number} fails: {type(error).__name__}: {told(error)[:200]}; making it small")
            return _smallest(number, world, error)
        now = clock()
        tally.schedules += 1
        tally.seconds = now - began
        if now - spoken >= EVERY:
            spoken = now
            say(tally.line())
    return None


def _failure(world: HostileWorld, tally: Tally | None = None) -> BaseException | None:
    try:
        played = world.run()
    except BaseException as error:  # noqa: BLE001 - in a hostile world, an exit that comes out is a finding
        return error
    if tally is not None:
        tally.steps += played.steps
        tally.raised.update(played.raised)
        tally.fired.update(played.fired)
    return None


def _kind(error: BaseException) -> Kind:
    return type(error), getattr(error, "promise", None)


def _smallest(number: int, world: HostileWorld, error: BaseException) -> Finding:
    wanted = _kind(error)

    def fails(less: HostileWorld) -> bool:
        found = _failure(less)
        return found is not None and _kind(found) == wanted

    least = smallest(world, fails)
    return Finding(number, least, _failure(least) or error)


def parse(arguments: Sequence[str]) -> Options | list[str]:
    """The options, or every fault of the arguments, one sentence each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__, allow_abbrev=False)
    parser.add_argument("--schedules", metavar="N", nargs="?", const="", help=f"how many; {SCHEDULES:,} by default")
    parser.add_argument("--seed", metavar="S", nargs="?", const="", help="repeats a campaign; a fresh one by default")
    given, unknown = parser.parse_known_args(arguments)
    faults = [f"unknown argument {argument!r}" for argument in unknown]
    schedules, seed = SCHEDULES, secrets.randbits(32)
    if given.schedules is not None:
        if given.schedules.isdecimal() and int(given.schedules) > 0:
            schedules = int(given.schedules)
        else:
            faults.append(f"--schedules must be an integer >= 1, got {given.schedules!r}")
    if given.seed is not None:
        if given.seed.isdecimal():
            seed = int(given.seed)
        else:
            faults.append(f"--seed must be an integer >= 0, got {given.seed!r}")
    return faults or Options(schedules, seed)


def main(arguments: Sequence[str] | None = None, clock: Clock = time.perf_counter) -> int:
    """Runs a campaign and prints what came of it; returns the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if isinstance(options, list):
        print("\n".join(options), file=sys.stderr)
        return 2
    interrupted = False

    def stop(_: int, __: FrameType | None) -> None:
        # A KeyboardInterrupt would come up inside an actor, and be taken for one that its code raised.
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    before, hook = signal.signal(signal.SIGINT, stop), sys.unraisablehook
    sys.unraisablehook = lambda _: None  # what raises while it is dropped is one of the things that a world does
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            say(f"seed {options.seed}, {options.schedules:,} schedules")
            tally = Tally(options.seed)
            finding = campaign(tally, options.schedules, lambda: interrupted, say, clock)
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
    text = tally.summary() if finding is None else f"{tally.summary()}\n\n{finding}"
    print(text.encode("utf-8", "backslashreplace").decode())
    if finding is not None:
        return 1
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.soak`: generated trees under faults and schedules, for as long as you like, judged by the
reference model of the supervision rules and by every other oracle.

The exit code is 0 when all trials passed, 1 when one failed (it is made small and printed), 2 when the arguments are
wrong, 130 when it was interrupted before anything failed.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings

from actors.testing import Schedule
from supervisors.testing import ScriptedAction, Trial, trials
from supervisors.testing._reduce import reduced
from supervisors.testing._strategies import FAULT_KINDS, SEARCHES, WORKER_DEEDS

BATCH = 100
"""How many trees are generated at a time: what Hypothesis remembers of them goes with the batch."""
RUNS = 6
"""How many runs each tree is good for: generating one takes longer than running it several times."""
EVERY = 10.0
"""Seconds between two lines of progress."""
MINUTES = 10.0

Clock = Callable[[], float]
Kind = tuple[type[BaseException], object]
"""The identity of a failure: its type, and the rule where it has one."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, checked."""

    minutes: float
    seed: int
    json: bool


@dataclass
class Tally:
    """The figures of a campaign."""

    seed: int
    trials: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    """Seconds of the longest trial."""
    judged: Counter[str] = field(default_factory=Counter)
    """How often the model has compared, by kind."""
    silent: Counter[str] = field(default_factory=Counter)
    """Supervisors that the model stopped judging, by the reason."""
    fired: Counter[str] = field(default_factory=Counter)
    """Faults that fired, by kind."""

    @property
    def never_fired(self) -> list[str]:
        """The kinds of fault that nothing was shown about."""
        return [kind for kind in FAULT_KINDS if not self.fired[kind]]

    def line(self) -> str:
        """One line for the person who waits."""
        return (
            f"{self.seconds:.0f} s: {self.trials:,} trials, {self.trials / max(self.seconds, 1e-9):.0f}/s, "
            f"{self.judged.total():,} judged, {self.fired.total():,} faults, slowest trial "
            f"{self.slowest:.2f} s, {memory():.0f} MB"
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A trial that fails, made small."""

    trial: Trial
    error: BaseException

    def __str__(self) -> str:
        blob = self.trial.encode()
        return "\n".join(
            [
                f"{type(self.error).__name__}: {self.error}",
                *getattr(self.error, "__notes__", []),
                "",
                self.trial.described(),
                "",
                "To keep it, paste into tests/supervisors/testing/test_findings.py:",
                "",
                "def test_the_rule_that_was_broken() -> None:",
                '    """Guards ..."""',
                f'    Trial.decode("{blob}").run()',
            ]
        )


def memory() -> float:
    """The most memory this process has had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def generated(number: int) -> list[Trial]:
    """One batch of trials, the same for the same number."""
    batch: list[Trial] = []

    @seed(number)
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(trials())
    def keep(trial: Trial) -> None:
        batch.append(trial)

    keep()
    return batch


def endless(start: int) -> Iterator[Trial]:
    """Trials without end: every tree under several scripts and schedules."""
    number = random.Random(start)
    while True:
        for trial in generated(number.getrandbits(64)):
            yield trial
            for _ in range(RUNS - 1):
                yield varied(trial, number)


def varied(trial: Trial, number: random.Random) -> Trial:
    """The same tree, with other deeds at other times in another order."""
    workers = [each.path for each in trial.script if each.deed in WORKER_DEEDS]
    script = []
    for action in trial.script:
        at = number.randint(1, 32) / 4
        if action.deed in WORKER_DEEDS:
            script.append(ScriptedAction(at, number.choice(workers), number.choice(WORKER_DEEDS)))
        else:
            script.append(replace(action, at=at))
    script.sort(key=lambda each: each.at)
    search = number.choice(SEARCHES), number.getrandbits(20)
    return replace(trial, script=tuple(script), schedule=Schedule(), search=search, seed=number.getrandbits(20))


def campaign(tally: Tally, over: Callable[[], bool], say: Callable[[str], None], clock: Clock) -> Finding | None:
    """Runs trials until it is `over()` or one fails, which is made small."""
    began = spoken = clock()
    for trial in endless(tally.seed):
        if over():
            return None
        before = clock()
        try:
            reference = trial.run()
        except Exception as error:  # noqa: BLE001 - whatever a trial raises is a finding
            say(f"trial {tally.trials + 1} fails: {type(error).__name__}: {error}; making it small")
            return _smallest(trial, error)
        now = clock()
        tally.trials += 1
        tally.seconds, tally.slowest = now - began, max(tally.slowest, now - before)
        tally.judged.update(reference.judged)
        tally.silent.update(reference.silent)
        tally.fired.update(reference.fired)
        if now - spoken >= EVERY:
            spoken = now
            say(tally.line())
    raise AssertionError("unreachable: there is always another trial")


def _kind(error: BaseException) -> Kind:
    return type(error), getattr(error, "rule", None)


def _failure(trial: Trial) -> BaseException | None:
    try:
        trial.run()
    except Exception as error:  # noqa: BLE001 - the caller asks what it is
        return error
    return None


def _smallest(trial: Trial, error: BaseException) -> Finding:
    wanted = _kind(error)

    def fails(smaller: Trial) -> bool:
        found = _failure(smaller)
        return found is not None and _kind(found) == wanted

    least = reduced(trial, fails)
    return Finding(least, _failure(least) or error)


def summary(tally: Tally) -> str:
    """The figures, and the faults that never fired, as text."""
    lines = [tally.line(), "judged: " + _counted(tally.judged), "faults fired: " + _counted(tally.fired)]
    lines += [f"given up judging a supervisor: {_counted(tally.silent)}"] if tally.silent else []
    lines += [f"warning: never fired: {', '.join(tally.never_fired)}"] if tally.never_fired else []
    return "\n".join(lines)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common()) or "nothing"


def parse(arguments: Sequence[str]) -> Options | list[str]:
    """The options, or every fault of the arguments, one sentence each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__, allow_abbrev=False)
    parser.add_argument("--minutes", metavar="M", nargs="?", const="", help=f"how long; {MINUTES:g} by default")
    parser.add_argument("--seed", metavar="S", nargs="?", const="", help="repeats a campaign; a fresh one by default")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    given_, unknown = parser.parse_known_args(arguments)
    faults = [f"unknown argument {argument!r}" for argument in unknown]
    minutes, start = MINUTES, secrets.randbits(32)
    if given_.minutes is not None:
        try:
            minutes = float(given_.minutes)
        except ValueError:
            minutes = math.nan
        if not 0 < minutes < math.inf:
            faults.append(f"--minutes: must be a number > 0, got {given_.minutes!r}")
    if given_.seed is not None:
        if given_.seed.isdecimal():
            start = int(given_.seed)
        else:
            faults.append(f"--seed: must be an integer >= 0, got {given_.seed!r}")
    return faults or Options(minutes, start, given_.json)


def as_json(tally: Tally, finding: Finding | None) -> str:
    """The result for a machine."""
    values: dict[str, object] = {**vars(tally), "never_fired": tally.never_fired, "megabytes": memory()}
    if finding is not None:
        error = finding.error
        values["failure"] = {
            "error": f"{type(error).__name__}: {error}",
            "trial": finding.trial.described(),
            "blob": finding.trial.encode(),
        }
    return json.dumps(values, indent=2)


def main(arguments: Sequence[str] | None = None, clock: Clock = time.perf_counter) -> int:
    """Runs a campaign and prints what came of it; returns the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if isinstance(options, list):
        print("\n".join(options), file=sys.stderr)
        return 2
    interrupted = False

    def stop(_: int, __: FrameType | None) -> None:
        # A KeyboardInterrupt would come up inside some actor, whose supervisor would make a restart of it.
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        say(f"seed {options.seed}, {options.minutes:g} minutes")
        end = clock() + 60 * options.minutes
        tally = Tally(options.seed)
        finding = campaign(tally, lambda: interrupted or clock() >= end, say, clock)
    finally:
        signal.signal(signal.SIGINT, before)
    if options.json:
        print(as_json(tally, finding))
    else:
        print(summary(tally) if finding is None else f"{summary(tally)}\n\n{finding}")
    if finding is not None:
        return 1
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())

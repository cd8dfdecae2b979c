"""`python -m benchmarks.mutants`: whether generated trees under faults notice when the supervisor breaks a rule.

Each mutation breaks one rule in a copy of the packages. The copy then runs generated trials (trees, scripts, faults and
schedules, judged by the reference model and every other oracle) in a process of its own, until one fails: the mutant is
killed. The unmutated copy has to pass all of them first. All see the same trials, drawn once from a seed.

The exit code is 0 when at least 90 % of the mutants are killed, 1 when fewer are, and 2 when the arguments are wrong, a
mutation does not apply any more, or the check itself cannot be made.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings

import actors
import supervisors
from actors.testing import Schedule
from benchmarks._mutation import Mutation
from benchmarks._mutations import MUTATIONS
from benchmarks._table import table
from supervisors.testing import Trial, trials

GOAL = 0.9
"""The part of the mutants that has to be killed."""
LIMIT = 300
"""Seconds of processor time that a mutant may take for all trials; one that needs more hangs."""
WAIT = 3_000.0
"""Seconds that are waited for a mutant, which may also hang without using the processor."""
SCHEDULES = 3
"""Under how many schedules each tree runs."""
SEARCHES = ("random", "pct3", "pos")
ENTROPY = 8192
"""Bytes that one trial is drawn from: more than any needs."""
TOGETHER = 2
"""How many mutants run at a time."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, checked."""

    mutations: tuple[Mutation, ...]
    trees: int
    seed: int
    json: Path | None
    list: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one mutant."""

    name: str
    rule: int
    by: str | None
    """The first failure: the disagreement with the model and its rule, another oracle, an exception, or a hang. `None`:
    it survived.
    """
    trial: int
    """The number of the trial that showed it."""
    seconds: float
    detail: str


class CannotCheck(Exception):
    """The check itself does not work: nothing is known of the mutants."""


def draw(trees: int, seed: int) -> list[Trial]:
    """Generated trials, the same for the same seed: of that many trees, each under several schedules, since running one
    costs a tenth of drawing it.

    The draws are independent of each other: Hypothesis, left to itself, tries many variations of one example in turn.
    """
    drawn: list[Trial] = []

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(trials())
    def collect(trial: Trial) -> None:
        drawn.append(trial)

    choose = random.Random(seed)
    while len(drawn) < trees:
        collect.hypothesis.fuzz_one_input(  # type: ignore[attr-defined]
            choose.randbytes(ENTROPY)
        )
    return [trial if number == 0 else _searching(trial, choose) for trial in drawn for number in range(SCHEDULES)]


def _searching(trial: Trial, choose: random.Random) -> Trial:
    return replace(trial, schedule=Schedule(), search=(choose.choice(SEARCHES), choose.randrange(1000)))


def packages() -> Path:
    """The folder that holds `actors` and `supervisors`."""
    (home,) = {Path(str(package.__file__)).resolve().parents[1] for package in (actors, supervisors)}
    return home


@contextlib.contextmanager
def mutant(mutation: Mutation | None) -> Iterator[Path]:
    """A folder with the packages and the mutation in them."""
    with tempfile.TemporaryDirectory(prefix="letitcrash-mutant-") as folder:
        root, home = Path(folder), packages()
        for name in ("actors", "supervisors"):
            shutil.copytree(home / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        own = Path(__file__).resolve().parent
        (root / "benchmarks").mkdir()
        for name in ("__init__.py", "_mutant.py"):
            shutil.copy(own / name, root / "benchmarks" / name)
        if mutation is not None:
            mutation.apply(root)
        yield root


def check(mutation: Mutation | None, blobs: Path, limit: int = LIMIT, wait: float = WAIT) -> Outcome:
    """Runs the trials on the packages with this mutation. Raises `CannotCheck` when they do not even begin."""
    began = time.perf_counter()
    name, rule = ("(none)", 0) if mutation is None else (mutation.name, mutation.rule)
    command = [sys.executable, "-B", "-m", "benchmarks._mutant", str(blobs.resolve())]
    with mutant(mutation) as root:
        child = subprocess.Popen(
            # The shell limits the processor time before Python imports the mutant.
            ["/bin/sh", "-c", f'ulimit -S -t {limit}; exec "$@"', "sh", *command],
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            output, errors = child.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.communicate()
            return Outcome(name, rule, "hang", 0, wait, f"not done after {wait:g} s")
    seconds = time.perf_counter() - began
    if child.returncode == -signal.SIGXCPU:
        return Outcome(name, rule, "hang", 0, seconds, f"not done after {limit} s of processor time")
    if child.returncode:
        last = (errors.strip().splitlines() or ["it wrote no error"])[-1]
        raise CannotCheck(f"{name}: the mutant does not run at all: exit code {child.returncode}: {last}")
    told = json.loads(output)
    return Outcome(name, rule, told["by"], told["trial"], seconds, told["detail"])


def check_all(mutations: Sequence[Mutation], blobs: Path, progress: Callable[[str], None]) -> list[Outcome]:
    """Every mutant, in order. Raises `CannotCheck` when the packages fail without any."""
    plain = check(None, blobs)
    if plain.by is not None:
        raise CannotCheck(f"the packages fail without a mutation, by trial {plain.trial}: {plain.by}: {plain.detail}")
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(TOGETHER) as pool:
        for outcome in pool.map(lambda mutation: check(mutation, blobs), mutations):
            progress(f"{outcome.name}: {outcome.by or 'SURVIVED'}")
            outcomes.append(outcome)
    return outcomes


def report(outcomes: Sequence[Outcome], count: int, seed: int) -> str:
    """A table of the mutants, and the kill rate."""
    rows = [
        (
            one.name,
            str(one.rule),
            one.by or "SURVIVED",
            "-" if one.by in (None, "hang") else str(one.trial),
            f"{one.seconds:.1f} s",
        )
        for one in outcomes
    ]
    killed = sum(one.by is not None for one in outcomes)
    rate = f"{killed} of {len(outcomes)} mutants killed ({killed / len(outcomes):.1%}; goal {GOAL:.0%})"
    return f"{table(('mutant', 'rule', 'killed by', 'trial', 'in'), rows)}\n\n{rate}, {count} trials, seed {seed}"


def parse(arguments: Sequence[str]) -> Options | list[str]:
    """The options, or every fault of the arguments, one sentence each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__, allow_abbrev=False)
    parser.add_argument("--list", action="store_true", help="name the mutants and check none")
    parser.add_argument(
        "--only", metavar="NAME", nargs="?", const="", action="append", help="check this one; may be repeated"
    )
    parser.add_argument("--trees", metavar="N", nargs="?", default="800", const="", help="how many trees to draw")
    parser.add_argument("--seed", metavar="S", nargs="?", default="1", const="", help="what the trials are drawn from")
    parser.add_argument("--json", metavar="FILE", nargs="?", const="", help="also write the outcomes to FILE")
    given, unknown = parser.parse_known_args(arguments)
    faults = [f"unknown argument {argument!r}" for argument in unknown]
    names = {mutation.name: mutation for mutation in MUTATIONS}
    faults += [
        f"--only: must be the name of a mutant (see --list), got {name!r}"
        for name in given.only or ()
        if name not in names
    ]
    count = _number("--trees", given.trees, 1, faults)
    seed = _number("--seed", given.seed, 0, faults)
    target = None if given.json is None else Path(given.json)
    if target is not None and (not given.json or target.is_dir() or not target.parent.is_dir()):
        faults.append(f"--json: must be a file in a folder that exists, got {given.json!r}")
    chosen = MUTATIONS if given.only is None else tuple(names[name] for name in given.only if name in names)
    return faults or Options(chosen, count, seed, target, given.list)


def _number(option: str, text: str, least: int, faults: list[str]) -> int:
    if text.isdecimal() and int(text) >= least:
        return int(text)
    faults.append(f"{option}: must be an integer >= {least}, got {text!r}")
    return least


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks and prints; returns the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if isinstance(options, list):
        return _wrong(options)
    if faults := [fault for mutation in MUTATIONS if (fault := mutation.fault(packages())) is not None]:
        return _wrong(faults)
    if options.list:
        print(table(("mutant", "rule", "file"), [(one.name, str(one.rule), one.file) for one in options.mutations]))
        return 0
    _tell(f"drawing {options.trees} trees from seed {options.seed} ...")
    with tempfile.TemporaryDirectory(prefix="letitcrash-trials-") as folder:
        blobs = Path(folder, "trials.json")
        drawn = [trial.encode() for trial in draw(options.trees, options.seed)]
        blobs.write_text(json.dumps(drawn), encoding="utf-8")
        try:
            outcomes = check_all(options.mutations, blobs, _tell)
        except CannotCheck as error:
            return _wrong([str(error)])
    print(report(outcomes, len(drawn), options.seed))
    if options.json is not None:
        values = {"trials": len(drawn), "seed": options.seed, "mutants": [asdict(one) for one in outcomes]}
        options.json.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    killed = sum(one.by is not None for one in outcomes)
    return 0 if killed >= GOAL * len(outcomes) else 1


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _wrong(faults: Sequence[str]) -> int:
    print("\n".join(faults), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.zoo`: whether the testing kit finds the known bugs of the zoo, and accuses no fixed twin.

The exit code is 0 whether or not the goals are met (a figure is not a test), 2 when the arguments are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks._goals import Judged, Verdict
from benchmarks._table import table
from tests.zoo import ZOO, Entry, Found, accuse, hunt, shrink

AIM = 50
"""The number of schedules within which every bug should be found."""
FAULTS, MOVES, SECONDS = 2, 3, 10.0
"""What a find should shrink to, and in how many seconds."""
SHRUNK = 12
"""How many finds must."""


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, checked."""

    campaigns: int
    schedules: int
    twins: int
    json: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """The outcome of one entry."""

    bug: str
    campaigns: int
    schedules: tuple[int, ...]
    """The number of the schedule that showed the bug, of every campaign that found it."""
    twins: int
    """Under how many schedules the twin ran."""
    accused: str | None
    """A false alarm."""
    faults: int | None
    """How many faults and moves the first find was shrunk to; `None`: there is no find."""
    moves: int | None
    seconds: float | None

    @property
    def found(self) -> bool:
        """Whether every campaign found the bug."""
        return len(self.schedules) == self.campaigns

    @property
    def shrunk(self) -> bool:
        """Whether the first find became small enough, soon enough."""
        if self.faults is None or self.moves is None or self.seconds is None:
            return False
        return self.faults <= FAULTS and self.moves <= MOVES and self.seconds <= SECONDS


def measure(entry: Entry, options: Options) -> Row:
    """Hunts one bug in every campaign, and its twin in one long one."""
    finds = [hunt(entry, seed, options.schedules) for seed in range(options.campaigns)]
    found = [each for each in finds if each is not None]
    false_alarm = accuse(entry, options.campaigns, options.twins) if options.twins else None
    least, seconds = _shrink(entry, found[0]) if found else (None, None)
    return Row(
        bug=entry.name,
        campaigns=options.campaigns,
        schedules=tuple(each.schedules for each in found),
        twins=options.twins,
        accused=None if false_alarm is None else f"{false_alarm[0]}: {false_alarm[1]!r}",
        faults=None if least is None else len(least.plan),
        moves=None if least is None else len(least.schedule),
        seconds=seconds,
    )


def _shrink(entry: Entry, found: Found) -> tuple[Found, float]:
    began = time.perf_counter()
    least = shrink(entry, found)
    return least, time.perf_counter() - began


def goals(rows: Sequence[Row], options: Options) -> list[Judged]:
    """The figures of the zoo beside what they should be."""
    count = len(rows)
    found = sum(row.found for row in rows)
    soon = sum(row.found and max(row.schedules) <= AIM for row in rows)
    accused = [row for row in rows if row.accused is not None]
    shrunk = sum(row.shrunk for row in rows)
    hunted = f"found in {options.campaigns} of {options.campaigns} campaigns"
    return [
        Judged(f"bugs {hunted} within {options.schedules} schedules", f"{found} of {count}", _met(found == count)),
        Judged(f"aim: {hunted} within {AIM}", f"{soon} of {count}", _met(soon == count)),
        Judged(
            f"false alarms on the fixed twins, {options.twins} schedules each",
            f"{len(accused)}",
            _met(not accused) if options.twins else "not measured",
        ),
        Judged(
            f"shrunk to {FAULTS} faults and {MOVES} moves at most, within {SECONDS:g} s",
            f"{shrunk} of {count}, at least {SHRUNK}",
            _met(shrunk >= SHRUNK),
        ),
    ]


def _met(met: bool) -> Verdict:
    return "met" if met else "missed"


def report(rows: Sequence[Row], judged: Sequence[Judged]) -> str:
    """Two tables: the bugs, and the goals."""
    head = ("bug", "found", "mean", "most", "false alarms", "shrunk to", "in")
    lines = [
        (
            row.bug,
            f"{len(row.schedules)} of {row.campaigns}",
            f"{sum(row.schedules) / len(row.schedules):.1f}" if row.schedules else "-",
            f"{max(row.schedules)}" if row.schedules else "-",
            "1" if row.accused is not None else "0",
            "-" if row.seconds is None else f"{row.faults} faults, {row.moves} moves",
            "-" if row.seconds is None else f"{row.seconds:.2f} s",
        )
        for row in rows
    ]
    alarms = [f"false alarm on the twin of {row.bug}: {row.accused}" for row in rows if row.accused is not None]
    verdicts = table(("goal", "measured", ""), [(each.goal, each.measured, each.verdict) for each in judged])
    return "\n\n".join([table(head, lines), *alarms, verdicts])


def parse(arguments: Sequence[str]) -> Options | list[str]:
    """The options, or every fault of the arguments, one sentence each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__, allow_abbrev=False)
    parser.add_argument("--campaigns", metavar="N", nargs="?", default="20", const="", help="hunts for each bug")
    parser.add_argument("--schedules", metavar="N", nargs="?", default="200", const="", help="the most for one hunt")
    parser.add_argument("--twins", metavar="N", nargs="?", default="10000", const="", help="schedules for each twin")
    parser.add_argument("--json", metavar="FILE", nargs="?", const="", help="also write rows and goals to FILE")
    given, unknown = parser.parse_known_args(arguments)
    faults = [f"unknown argument {argument!r}" for argument in unknown]
    campaigns = _number("--campaigns", given.campaigns, 1, faults)
    schedules = _number("--schedules", given.schedules, 1, faults)
    twins = _number("--twins", given.twins, 0, faults)
    target = None if given.json is None else Path(given.json)
    if target is not None and (not given.json or target.is_dir() or not target.parent.is_dir()):
        faults.append(f"--json: must be a file in a folder that exists, got {given.json!r}")
    return faults or Options(campaigns, schedules, twins, target)


def _number(option: str, text: str, least: int, faults: list[str]) -> int:
    if text.isdecimal() and int(text) >= least:
        return int(text)
    faults.append(f"{option}: must be an integer >= {least}, got {text!r}")
    return least


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if isinstance(options, list):
        print("\n".join(options), file=sys.stderr)
        return 2
    rows = []
    for entry in ZOO:
        print(f"{entry.name} ...", file=sys.stderr, flush=True)
        rows.append(measure(entry, options))
    judged = goals(rows, options)
    print(report(rows, judged))
    if options.json is not None:
        values = {"rows": [asdict(row) for row in rows], "goals": [each.to_json() for each in judged]}
        options.json.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

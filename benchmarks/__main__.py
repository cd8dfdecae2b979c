"""`python -m benchmarks`: measure, print the rows, what the peers do not do, and the goals.

The exit code is 0 whether or not the goals are met (a figure is not a test), 2 when the arguments are wrong.
What the simulation finds, rather than how fast, has a program of its own: `python -m benchmarks.zoo`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks._goals import GOALS, Judged, judge
from benchmarks._harness import Launch, Measured, launch_child, measure
from benchmarks._machine import build, pinning, processor, where
from benchmarks._report import Row, rows_of
from benchmarks._subjects import SUBJECTS, Subject
from benchmarks._table import quantity, table
from benchmarks._works import WORKS, Work

_T = TypeVar("_T")

ROUNDS = 5
QUICK_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments, checked."""

    works: Sequence[Work]
    subjects: Sequence[Subject]
    rounds: int
    quick: bool
    show: bool
    json: Path | None


def _parser() -> argparse.ArgumentParser:
    # Every option may stand without its value: argparse would stop at the first that does, we name all faults
    # at once.
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument("--json", metavar="FILE", nargs="?", const="", help="also write rows and goals to FILE")
    parser.add_argument("--only", metavar="WORK,WORK", nargs="?", const="", help="these works only")
    parser.add_argument("--subjects", metavar="NAME,NAME", nargs="?", const="", help="these subjects only")
    parser.add_argument("--rounds", metavar="N", nargs="?", const="", help=f"default {ROUNDS}, {QUICK_ROUNDS} if quick")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--list", action="store_true", help="list works and subjects, measure nothing")
    return parser


def parse(arguments: Sequence[str]) -> Options | list[str]:
    """The options, or every fault of the arguments, one sentence each."""
    given, unknown = _parser().parse_known_args(arguments)
    faults = [f"unknown argument {argument!r}" for argument in unknown]
    works = _chosen("--only", "work", given.only, WORKS, faults)
    subjects = _chosen("--subjects", "subject", given.subjects, SUBJECTS, faults)
    rounds = QUICK_ROUNDS if given.quick else ROUNDS
    if given.rounds is not None:
        if given.rounds.isdecimal() and int(given.rounds) >= 1:
            rounds = int(given.rounds)
        else:
            faults.append(f"--rounds: must be an integer >= 1, got {given.rounds!r}")
    target = None if given.json is None else Path(given.json)
    if given.json is not None and (not given.json or (target or Path()).is_dir()):
        faults.append(f"--json: must be a file, got {given.json!r}")
    elif target is not None and not target.parent.is_dir():
        faults.append(f"--json: must be a file in a folder that exists, got {given.json!r}")
    if faults:
        return faults
    return Options(works, subjects, rounds, given.quick, given.list, target)


def _chosen(option: str, noun: str, text: str | None, known: Mapping[str, _T], faults: list[str]) -> list[_T]:
    if text is None:
        return list(known.values())
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        faults.append(f"{option}: must name a {noun}, got {text!r}; there are {', '.join(known)}")
    faults.extend(
        f"{option}: must name a {noun}, got {name!r}; there are {', '.join(known)}"
        for name in names
        if name not in known
    )
    return [known[name] for name in dict.fromkeys(names) if name in known]


def listing() -> str:
    """All works and all subjects."""
    works = [[work.name, work.peer, work.about] for work in WORKS.values()]
    subjects = [
        [
            subject.name,
            subject.isolation,
            subject.missing() or subject.version() or "here",
            ", ".join(subject.sizes),
        ]
        for subject in SUBJECTS.values()
    ]
    return "\n\n".join(
        [
            table(["work", "compared to", "what it is"], works),
            table(["subject", "isolation", "installed", "works"], subjects),
        ]
    )


def report(rows: Sequence[Row], judged: Sequence[Judged]) -> str:
    """What is read in turn: the machine, figures, what stands behind them, goals."""
    lines = [[*_head(row), *_figures(row)] for row in rows]
    subjects = [SUBJECTS[name] for name in dict.fromkeys(row.subject for row in rows)]
    return "\n\n".join(
        [
            where(),
            table(
                ["work", "metric", "subject", "isolation", "N", "median", "min - max", "times better than"],
                lines,
            ),
            "What they do not do\n" + "\n".join(f"  {subject.name}: {subject.lacks}" for subject in subjects),
            table(["goal", "measured", "verdict"], [[one.goal, one.measured, one.verdict] for one in judged]),
        ]
    )


def _head(row: Row) -> list[str]:
    return [row.work, row.metric, row.subject, row.isolation, f"{row.size:,}"]


def _figures(row: Row) -> list[str]:
    if not row.samples:
        return ["-", row.detail if row.status == "missing" else f"{row.status}: {row.detail}", "-"]
    spread = f"{quantity(min(row.samples), row.unit)} - {quantity(max(row.samples), row.unit)}"
    if row.status != "ok":
        spread += f", then {row.status}: {row.detail}"
    return [
        quantity(row.median, row.unit),
        spread,
        "-" if row.ratio is None else f"{row.ratio:.3g} x {row.peer}",
    ]


def document(options: Options, rows: Sequence[Row], judged: Sequence[Judged]) -> dict[str, object]:
    """All of the run, machine included, as it is written to the JSON file."""
    return {
        "schema": 1,
        "machine": {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "system": platform.system(),
            "architecture": platform.machine(),
            "build": build(),
            "processor": processor(),
            "cpus": os.cpu_count(),
            "pinned_to": pinning(),
        },
        "rounds": options.rounds,
        "quick": options.quick,
        "rows": [row.to_json() for row in rows],
        "goals": [one.to_json() for one in judged],
        "lacks": {subject.name: subject.lacks for subject in options.subjects},
    }


def main(arguments: Sequence[str], launch: Launch = launch_child) -> int:
    """Do what `arguments` ask; the exit code."""
    options = parse(arguments)
    if isinstance(options, list):
        print("\n".join(f"benchmarks: {fault}" for fault in options), file=sys.stderr)
        return 2
    if options.show:
        print(listing())
        return 0
    measured: list[Measured] = []
    for work in options.works:
        measured += measure(
            work,
            options.subjects,
            rounds=options.rounds,
            quick=options.quick,
            launch=launch,
            progress=lambda text: print(text, file=sys.stderr, flush=True),
        )
    rows = rows_of(measured)
    judged = [judge(goal, rows) for goal in GOALS]
    print(report(rows, judged))
    if options.json is not None:
        options.json.write_text(json.dumps(document(options, rows, judged), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

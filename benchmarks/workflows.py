"""`python -m benchmarks.workflows`: durable workflows of the engine beside DBOS, LangGraph and Prefect.

    one      durable steps a second, a run of 10 trivial steps after the other
    many     the same with 1,000 runs at once (peers: 100), processor time a step, bytes stored a run
    start    from the call until the run is stored
    restart  10,000 runs that a process killed with -9 had begun, taken up by another
    parked   memory that 100,000 parked runs take
    map      processor time an item of a map over 10,000 items and of maps over 100

Beside `many` stands its floor: the same rows by the driver alone, and the messages of a step between plain actors.

Each subject runs in a process of its own, pinned to one processor, in turn, several rounds; a row is their median. The
garbage collector of each is as `letitcrash workflow serve` has it: it does not visit what was imported, and looks at
100,000 new objects at a time.
`--peers PYTHON` is an interpreter with the peers, `pip install --group bench-workflows`; without it this one. A peer
that is not installed is a row that says so. Postgres: a schema of its own for each measurement, dropped afterwards.
The exit code is 2 when the arguments are wrong, else 0.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.metadata
import json
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from benchmarks._durable import FULL, QUICK, Place, Sizes
from benchmarks._harness import run_child
from benchmarks._machine import THRESHOLDS, pin, where
from benchmarks._outcome import Outcome
from benchmarks._table import table

ROUNDS = 3
TIME_LIMIT = 180.0
"""Seconds for one measurement."""
POSTGRES = "postgresql://postgres@127.0.0.1:5432/test"


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a measurement: a module with the function of each work, and where it stores."""

    name: str
    module: str
    store: str
    """memory, sqlite or postgres."""
    works: Sequence[str]
    durability: str = "disk"
    distributions: Sequence[str] = ()
    """Whose versions are told; empty: ours."""
    works_in: str = "WORKS"
    """The mapping of the module that has them."""


OURS, SOME = ("one", "many", "start", "restart", "parked", "map"), ("one", "many", "start")
_LANGGRAPH = "benchmarks.peers.langgraph_"
SUBJECTS = {
    each.name: each
    for each in (
        Subject("ours memory", "benchmarks._durable_ours", "memory", ("one", "many", "start", "map")),
        Subject("ours SQLite disk", "benchmarks._durable_ours", "sqlite", OURS),
        Subject("ours SQLite process", "benchmarks._durable_ours", "sqlite", (*SOME, "map"), "process"),
        Subject("ours Postgres disk", "benchmarks._durable_ours", "postgres", (*SOME, "restart")),
        Subject("floor: messages", "benchmarks._durable_floor", "memory", ("many",), works_in="MESSAGES"),
        Subject("floor: SQLite rows", "benchmarks._durable_floor", "sqlite", ("many",)),
        Subject("floor: Postgres rows", "benchmarks._durable_floor", "postgres", ("many",)),
        Subject("dbos SQLite", "benchmarks.peers.dbos_", "sqlite", SOME, distributions=("dbos",)),
        Subject("dbos Postgres", "benchmarks.peers.dbos_", "postgres", SOME, distributions=("dbos",)),
        Subject("langgraph memory", _LANGGRAPH, "memory", ("one", "many"), distributions=("langgraph",)),
        Subject(
            "langgraph SQLite",
            _LANGGRAPH,
            "sqlite",
            ("one", "many"),
            distributions=("langgraph", "langgraph-checkpoint-sqlite"),
        ),
        Subject(
            "langgraph Postgres",
            _LANGGRAPH,
            "postgres",
            ("one", "many"),
            distributions=("langgraph", "langgraph-checkpoint-postgres"),
        ),
        Subject("prefect SQLite", "benchmarks.peers.prefect_", "sqlite", ("one", "many"), distributions=("prefect",)),
    )
}
HEADS: Mapping[str, Sequence[tuple[str, str, Callable[[float], str]]]] = {
    "one": [("steps/s", "rate", "{:,.0f}".format), ("CPU us/step", "cpu", "{:,.0f}".format)],
    "many": [
        ("runs", "runs", "{:,.0f}".format),
        ("steps/s", "rate", "{:,.0f}".format),
        ("CPU us/step", "cpu", "{:,.0f}".format),
        ("bytes/run", "bytes", "{:,.0f}".format),
    ],
    "start": [("p50 ms", "p50", "{:.2f}".format), ("p99 ms", "p99", "{:.2f}".format)],
    "restart": [
        ("first 100 go on, s", "first", "{:.1f}".format),
        ("all taken up, s", "taken", "{:.1f}".format),
        ("all go on, s", "begun", "{:.1f}".format),
        ("all ended, s", "ended", "{:.1f}".format),
    ],
    "parked": [("runs", "runs", "{:,.0f}".format), ("MiB in all", "grown", "{:.1f}".format)],
    "map": [
        ("CPU us/item, 100 items", "few", "{:.0f}".format),
        ("CPU us/item, all", "all", "{:.0f}".format),
        ("ratio", "ratio", "{:.2f}".format),
    ],
}
"""The columns of each work: head, figure, how it is written."""


@dataclass(slots=True)
class Measured:
    """One subject under one work."""

    subject: Subject
    work: str
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing is gained by another round."""
        return bool(self.outcomes) and self.outcomes[-1].status != "ok"

    def row(self) -> list[str]:
        """The medians, and the spread of the first figure that is a measurement."""
        found = [each.figures for each in self.outcomes if each.status == "ok"]
        columns = HEADS[self.work]
        if not found:
            last = self.outcomes[-1]
            return [self.subject.name, f"{last.status}: {last.detail[:90]}", *[""] * (len(columns) - 1), ""]
        main = next(key for _, key, _ in columns if key != "runs")
        spread = [each[main] for each in found]
        write = next(write for _, key, write in columns if key == main)
        cells = [write(statistics.median(each.get(key, 0.0) for each in found)) for _, key, write in columns]
        return [self.subject.name, *cells, f"{write(min(spread))} - {write(max(spread))}"]


@contextmanager
def placed(subject: Subject, server: str) -> Iterator[Place]:
    """An empty place for one measurement."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if subject.store != "postgres":
            yield Place(folder if subject.store == "sqlite" else "", durability=subject.durability)
            return
        import psycopg

        schema = f"benchmark_{uuid4().hex}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
            try:
                yield Place("", server, schema, subject.durability)
            finally:
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def measured_here(subject: Subject, work: str, sizes: Sizes, server: str) -> Outcome:
    """One measurement in this process."""
    for each in subject.distributions:
        try:
            importlib.metadata.version(each)
        except importlib.metadata.PackageNotFoundError:
            return Outcome("missing", detail=f"not installed (pip install {each})")
    try:
        works = getattr(importlib.import_module(subject.module), subject.works_in)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        with placed(subject, server) as place:
            return Outcome("ok", works[work](place, sizes))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its row
        return Outcome("failed", detail=f"{type(error).__name__}: {' '.join(str(error).split())}")


def child(name: str, work: str, quick: str, server: str) -> None:
    """Measures, and writes the outcome to the standard output, which nothing else reaches meanwhile."""
    pin()
    logging.disable(logging.CRITICAL)
    with os.fdopen(os.dup(1), "w") as told:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        sizes = QUICK if quick == "quick" else FULL
        told.write(measured_here(SUBJECTS[name], work, sizes, server).to_line() + "\n")


def versions(python: str) -> str:
    """Of the peers, as their interpreter has them."""
    names = sorted({name for each in SUBJECTS.values() for name in each.distributions})
    told = (
        "import importlib.metadata as m, json, sys\n"
        "def v(n):\n"
        "    try: return m.version(n)\n"
        "    except m.PackageNotFoundError: return 'not installed'\n"
        "print(json.dumps({'status': 'ok', 'figures': {}, 'detail': ', '.join(f'{n} {v(n)}' for n in sys.argv[1:])}))"
    )
    return run_child([python, "-c", told, *names], TIME_LIMIT).detail


def report(found: Sequence[Measured], rounds: int) -> str:
    """A table for each work."""
    parts = []
    for work, columns in HEADS.items():
        rows = [each.row() for each in found if each.work == work]
        if rows:
            main = next(head for head, key, _ in columns if key != "runs")
            heads = [work, *[head for head, _, _ in columns], f"{main}: min - max of {rounds}"]
            parts.append(table(heads, rows))
    return "\n\n".join(parts)


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` ask; the exit code."""
    if arguments and arguments[0] == "--child":
        child(*arguments[1:])
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflows", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--only", default="", metavar="NAME,...", help=f"works ({', '.join(HEADS)}) or subjects")
    parser.add_argument("--rounds", type=int, default=None, metavar="N", help=f"default {ROUNDS}, 1 if quick")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="the interpreter of the peers")
    parser.add_argument("--postgres", default=POSTGRES, help=f"default {POSTGRES}; empty: none")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="also write the outcomes to FILE")
    options = parser.parse_args(arguments)
    only = [name.strip() for name in options.only.split(",") if name.strip()]
    if unknown := [name for name in only if name not in HEADS and name not in SUBJECTS]:
        known = ", ".join([*HEADS, *SUBJECTS])
        print("\n".join(f"--only: there is no {name!r}; there are {known}" for name in unknown), file=sys.stderr)
        return 2
    works = [work for work in HEADS if work in only] or list(HEADS)
    subjects = [each for each in SUBJECTS.values() if each.name in only] or list(SUBJECTS.values())
    subjects = [each for each in subjects if options.postgres or each.store != "postgres"]
    rounds = options.rounds or (1 if options.quick else ROUNDS)
    found = [Measured(subject, work) for work in works for subject in subjects if work in subject.works]
    for work in works:
        for turn in range(1, rounds + 1):
            for each in found:
                if each.work == work and not each.over:
                    print(f"{work} round {turn} of {rounds}: {each.subject.name}", file=sys.stderr, flush=True)
                    python = options.peers if each.subject.distributions else sys.executable
                    own = ["--child", each.subject.name, work, "quick" if options.quick else "full", options.postgres]
                    each.outcomes.append(run_child([python, "-m", "benchmarks.workflows", *own], TIME_LIMIT))
    print(f"{where()}\nBeside {versions(options.peers)}.\n\n{report(found, rounds)}")
    if options.json is not None:
        document = [
            {"work": each.work, "subject": each.subject.name, "outcomes": [one.to_line() for one in each.outcomes]}
            for each in found
        ]
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

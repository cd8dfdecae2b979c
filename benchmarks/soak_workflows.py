"""`python -m benchmarks.soak_workflows`: processes with durable runs are killed with `kill -9`, over and over, and
others go on with their runs. At the end every run has ended as it should, and the store breaks no promise: each run
that was acknowledged and each step whose end was told is there, no step that was done was begun again, and what a step
wrote in its transaction is there once.

An SQLite file has one engine at a time; a Postgres may have several (`--processes`). The exit code is 0 when all
promises hold, 1 when one does not, 2 when the arguments are wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread

from sqlalchemy import Connection, NullPool, create_engine, text

from benchmarks._soak_process import SoakProcess
from teams._journal.open_store import open_store
from teams._journal.rows import ENDED
from teams.workflows.testing._judge import RUNS as PROMISES

EVERY = 100
"""Kills between two lines of progress."""
LINES = 80
"""A process is killed when at most so many of its lines were read."""


@contextmanager
def beside(url: str) -> Iterator[Connection]:
    """A connection to the database of the store, for the table of the steps."""
    database = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with database.begin() as connection:
        yield connection


def result_of(number: int) -> list[object]:
    """The result of a run."""
    return [[number], [1], [2]]


@dataclass
class Campaign:
    """The state of a campaign, by the output of its processes."""

    url: str
    kills: int
    lease: float
    seed: int
    acknowledged: dict[int, str] = field(default_factory=dict)
    steps: set[tuple[str, str]] = field(default_factory=set)
    """Run and name of each step whose end was told."""
    results: int = 0
    killed: int = 0
    faults: list[str] = field(default_factory=list)
    next_number: int = 0
    lock: Lock = field(default_factory=Lock)

    def process(self, first: int, *, elsewhere: bool = False) -> SoakProcess:
        """A process with an engine."""
        return SoakProcess(self.url, first, self.lease, elsewhere=elsewhere)

    def heard(self, line: str) -> None:
        """A line of a process."""
        said, _, rest = line.partition(" ")
        number, _, what = rest.partition(" ")
        with self.lock:
            if said == "step":
                self.steps.add((number, what.strip()))
            elif said == "acknowledged":
                before = self.acknowledged.setdefault(int(number), what.strip())
                if before != what.strip():
                    self.faults.append(f"run {number} is {before} and {what.strip()}")
            elif said == "result":
                self.results += 1
                if json.loads(what) != result_of(int(number)):
                    self.faults.append(f"run {number} gave {what}")

    def kill_again_and_again(self, place: int) -> None:
        """One place for a process, until there were enough kills."""
        chance = random.Random(f"{self.seed} {place}")
        while True:
            with self.lock:
                if self.killed >= self.kills:
                    return
                self.killed += 1
                if self.killed % EVERY == 0:
                    print(f"{self.killed:,} of {self.kills:,} kills", file=sys.stderr, flush=True)
                first = self.next_number
                self.next_number += 10_000
            with self.process(first, elsewhere=chance.random() < 0.5) as running:
                lines: deque[str] = deque(maxlen=40)
                for _ in range(chance.randint(1, LINES)):
                    line = running.lines.readline()
                    if not line:
                        with self.lock:
                            self.faults.append(f"a process ended by itself, with {running.wait()}: {''.join(lines)}")
                        break
                    lines.append(line)
                    self.heard(line)
                running.kill()
                for line in running.lines:
                    if line.endswith("\n"):
                        self.heard(line)

    def finish(self) -> None:
        """A last process brings every run to its end."""
        with self.process(-1) as running:
            said = running.lines.read()
            if running.wait() != 0:
                self.faults.append(f"the last process ended with {running.wait()}: {said[-2000:]}")

    def judge(self) -> Counter[str]:
        """The content of the store, run by run."""
        found: Counter[str] = Counter()
        store = open_store(self.url, durability="process")
        ids = set()
        done: set[tuple[str, str]] = set()
        last = None
        while page := store.runs(limit=500, after=last):
            last = page[-1]
            for row in page:
                ids.add(row.id)
                found[row.state] += 1
                entries = store.entries(row.id)
                found["entries"] += len(entries)
                done.update((row.id, each.step) for each in entries if each.kind == "done")
                if row.state not in ENDED or row.result is None or json.loads(row.result) != result_of(int(row.input)):
                    self.faults.append(f"run {row.id} is {row.state} with {row.result!r}")
                for promise, check in PROMISES.items():
                    self.faults += [f"{promise}: run {row.id}: {each}" for each in check(row, entries)]
        self.faults += [
            f"run {number} was acknowledged: {id}" for number, id in self.acknowledged.items() if id not in ids
        ]
        store.close()
        self.faults += [f"step {step} of run {run} was told to be done" for run, step in self.steps - done]
        with beside(self.url) as connection:
            noted = Counter(connection.execute(text("SELECT run FROM noted")).scalars())
        self.faults += [f"run {run} was noted {count} times" for run, count in noted.items() if count != 1]
        self.faults += [f"run {run} was noted and is not there" for run in noted.keys() - ids]
        self.faults += [f"run {run} was not noted" for run in ids - noted.keys()]
        return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the campaign and prints what it did."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak_workflows", description="kill -9 of durable runs")
    parser.add_argument("--kills", type=int, default=100, help="how many processes are killed (default: 100)")
    parser.add_argument("--store", default="sqlite:///soak.db", help="the store (default: sqlite:///soak.db)")
    parser.add_argument("--processes", type=int, default=3, help="processes at a time; of SQLite one (default: 3)")
    parser.add_argument("--lease", type=float, default=3.0, help="seconds of a lease (default: 3)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a campaign")
    options = parser.parse_args(arguments)
    if options.kills < 1 or options.processes < 1 or not options.lease > 0:
        parser.error("--kills, --processes and --lease must be above 0")
    places = 1 if options.store.startswith("sqlite") else options.processes
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    campaign = Campaign(options.store, options.kills, options.lease, seed)
    began = time.monotonic()
    open_store(options.store).close()
    with beside(options.store) as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS noted (run TEXT)"))
    threads = [Thread(target=campaign.kill_again_and_again, args=(place,)) for place in range(places)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    campaign.finish()
    found = campaign.judge()
    print(
        f"{campaign.killed:,} kills of {places} processes in {time.monotonic() - began:.0f} s (--seed {seed}): "
        f"{len(campaign.acknowledged):,} runs acknowledged, {len(campaign.steps):,} steps told to be done, "
        f"{campaign.results:,} results heard; in the store "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(found.items()))
    )
    for fault in campaign.faults[:20]:
        print(f"broken: {fault}")
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""`kill -9` between any two commits: what was acknowledged is there, and nothing is there by halves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import teams
from teams._journal.open_store import open_store
from teams._journal.store import Durability
from tests import forked
from tests.teams.journal.cast import LEASE, place

PACKAGES = str(Path(teams.__file__).parents[1])
WRITER = """
import os, sys
from teams._journal.open_store import open_store
from teams._journal.rows import JournalEntry, RunRow, Unit

url, durability, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_store(url, durability=durability)
epoch = store.register("host", os.getpid(), 15)
number = 0
while True:
    ids = [f"{number + n:06}" for n in range(rows)]
    number += rows
    store.commit([
        Unit(
            id,
            epoch,
            start=RunRow(
                id, "flow", "v1", id, None, None, "running", None, 0, b"1", None, None, None, number, None, None, None,
                None, None, epoch, epoch, 0, None, None,
            ),
            entries=tuple(JournalEntry(id, seq, "done", "step", 1, 0, 0.5, b"x" * 9000) for seq in (1, 2, 3)),
            update={"total": 3},
        )
        for id in ids
    ])
    print(*ids, sep="\\n", flush=True)
"""


@pytest.mark.parametrize("durability", ["disk", "process"])
@pytest.mark.parametrize(("rows", "heard"), [(1, 1), (1, 40), (7, 33)])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_killed_process_loses_nothing_that_was_acknowledged(
    kind: str, rows: int, heard: int, durability: Durability, tmp_path: Path
) -> None:
    with place(kind, tmp_path) as there:
        if kind == "postgres":
            open_store(there.url).close()
        command = ["-c", WRITER, there.url, durability, str(rows)]
        with forked.start(command, stdout=forked.PIPE, env={**os.environ, "PYTHONPATH": PACKAGES}) as writer:
            assert writer.stdout is not None
            acknowledged = [writer.stdout.readline().strip() for _ in range(heard)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.read().split("\n")[:-1]
        store = open_store(there.url, durability=durability)
        found = {run.id for run in store.runs(limit=100_000)}
        assert set(acknowledged) <= found
        assert len(found) % rows == 0  # a commit is there with all its units
        for id in found:
            assert [entry.seq for entry in store.entries(id)] == [1, 2, 3]
            run = store.run(id)
            assert run is not None
            assert (run.seq, run.total) == (3, 3)
        if kind == "sqlite":  # the lock ended with the process, and so did its lease
            epoch = store.register("host", os.getpid(), LEASE)
            assert {run.id for run in store.claim(epoch, 100_000)} == found
        store.close()

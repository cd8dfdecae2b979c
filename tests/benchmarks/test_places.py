"""The figures of placed actors, and the campaign that looks for orphans: both run, a small one each."""

from __future__ import annotations

import asyncio

from benchmarks.orphans import PATIENCE, kill_once
from benchmarks.places import of_futures, of_multiprocessing, ours


def test_each_figure_of_a_process_is_measured() -> None:
    """Guards the rows that ours and its peers have in common."""
    columns = [asyncio.run(work(1, 20)) for work in (ours, of_multiprocessing, of_futures)]
    assert all(each > 0 for column in columns for each in column.values())
    assert {"spawn to first answer, ms", "call, ms"} <= set.intersection(*map(set, columns))


def test_a_program_that_is_killed_leaves_no_process() -> None:
    assert 0 < kill_once() < PATIENCE

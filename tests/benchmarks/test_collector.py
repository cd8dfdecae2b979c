"""The figures of the garbage collector, on a small number of actors: nothing here is judged by its size."""

from __future__ import annotations

import gc

import pytest

from benchmarks import collector


@pytest.mark.parametrize("name", collector.ROWS)
def test_every_row_of_the_collector_is_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MESSAGES", 10)
    thresholds = gc.get_threshold()
    try:
        assert collector.ROWS[name](3) >= 0
    finally:
        gc.unfreeze()
        gc.enable()
        gc.set_threshold(*thresholds)


def test_the_table_of_the_collector_has_a_column_a_size() -> None:
    _, head, rule, *rows = collector.lines([3, 4], lambda name, size: size / 1e3)
    assert head == "| CPU time | 3 actors | 4 actors |"
    assert rule == "|---|---|---|"
    assert rows[0] == "| full collection | 3.00 ms | 4.00 ms |"

"""The simulation of failure rates: what the choice of the defaults rests on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import failure_rates
from benchmarks.failure_rates import (
    DEFAULT,
    MINUTE,
    POLICIES,
    RunResult,
    always,
    independent,
    main,
    markdown,
    outage,
    run,
)
from supervisors._specs.fields import MAX_RESTARTS


def test_the_default_serves_a_worker_that_fails_now_and_then() -> None:
    """Guards the table: nine of ten good calls at up to two failures of five, where time alone serves one of ten."""
    for percent, least in ((1, 0.99), (25, 0.99), (40, 0.8)):
        good = sum(not independent(percent, 1)(number, 0.0) for number in range(1201))
        assert run(DEFAULT, MINUTE, independent(percent, 1), 1).served >= least * good
    by_time = run(POLICIES[0], MINUTE, independent(25, 1), 1, limited=False)
    assert by_time.served < 100


def test_the_default_outlives_an_outage_and_ends_a_crash_loop() -> None:
    """Guards the limit that was chosen: a minute is survived with few calls of what is broken, a loop is found."""
    down = run(DEFAULT, 3 * MINUTE, outage(MINUTE, 2 * MINUTE), 1)
    assert down.gave_up is None
    assert down.failed <= MAX_RESTARTS
    loop = run(DEFAULT, 10 * MINUTE, always, 1)
    assert loop.gave_up is not None
    assert loop.restarts == MAX_RESTARTS
    failing = run(DEFAULT, 10 * MINUTE, outage(MINUTE, 10 * MINUTE), 1, restarts_fail=True)
    assert failing.gave_up is not None


def test_a_run_is_the_same_for_the_same_seed() -> None:
    """Guards the published table."""

    def once() -> RunResult:
        return run(DEFAULT, 20.0, independent(40, 2), 2)

    assert once() == once()


def test_the_tables_are_markdown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the command: every row has as many cells as its head."""

    def rows(*_: object) -> Iterator[tuple[str, str]]:
        yield from (("a", "b"), ("1", "2"))

    assert list(markdown(rows())) == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    for name in ("rates", "kinds", "limits"):
        monkeypatch.setattr(failure_rates, name, rows)
    assert main(["--seeds", "1"]) == 0
    assert capsys.readouterr().out.count("| 1 | 2 |") == 3
    with pytest.raises(SystemExit) as left:
        main(["--seeds", "none"])
    assert left.value.code == 2

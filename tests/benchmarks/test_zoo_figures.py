"""The figures of the zoo: the arguments, and what counts as met. Nothing is measured here."""

from __future__ import annotations

from benchmarks.zoo import Options, Row, goals, parse, report


def row(schedules: tuple[int, ...], *, accused: str | None = None, moves: int | None = 1) -> Row:
    """A bug that was hunted twice."""
    found = bool(schedules)
    return Row(
        "a bug", 2, schedules, 100, accused, 0 if found else None, moves if found else None, 0.5 if found else None
    )


OPTIONS = Options(campaigns=2, schedules=200, twins=100, json=None)


def verdicts(*rows: Row) -> list[str]:
    """What is said of each goal."""
    return [each.verdict for each in goals(rows, OPTIONS)]


def test_a_bug_that_one_campaign_missed_is_not_found() -> None:
    """Guards the strictness of the first goal: every campaign, not most."""
    assert verdicts(*[row((3, 9))] * 12) == ["met", "met", "met", "met"]
    assert verdicts(*[row((3, 9))] * 12, row((3,)))[0] == "missed"


def test_a_late_find_misses_the_aim_only() -> None:
    """Guards the difference between the goal and the aim."""
    assert verdicts(*[row((3, 90))] * 12) == ["met", "missed", "met", "met"]


def test_one_false_alarm_is_one_too_many() -> None:
    """Guards that a false alarm is counted and shown."""
    rows = [row((3, 9), accused="a plan: an oracle")]
    assert goals(rows, OPTIONS)[2].verdict == "missed"
    assert "false alarm on the twin of a bug: a plan: an oracle" in report(rows, goals(rows, OPTIONS))


def test_a_find_that_stays_large_is_not_shrunk() -> None:
    """Guards the bound on moves; a bug that was never found was not shrunk either."""
    assert verdicts(*[row((3, 9))] * 11, row((3, 9), moves=4))[3] == "missed"
    assert verdicts(*[row((3, 9))] * 11, row(()))[3] == "missed"


def test_every_fault_of_the_arguments_is_named_at_once() -> None:
    """Guards against one fault at a time."""
    assert parse(["--twins", "x", "--campaigns", "0", "--json", "", "more"]) == [
        "unknown argument 'more'",
        "--campaigns: must be an integer >= 1, got '0'",
        "--twins: must be an integer >= 0, got 'x'",
        "--json: must be a file in a folder that exists, got ''",
    ]
    assert parse([]) == Options(20, 200, 10000, None)

"""The fast-track of an emergency."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import SpecError
from teams import BadVerdict, GatherFailed, NotApproved, RunFailed, member
from teams.patterns import Approved, Rejected, sequential
from teams.recipes import FastTracked, fast_track
from tests.teams.patterns.cast import crew_of, error_of, takes


def says(verdict: object) -> Any:
    """A reviewer that always says this."""
    return takes(1.0, lambda value: verdict)


def test_in_an_emergency_analysis_and_fix_go_on_at_once() -> None:
    """Guards the fast-track: the time of the longer, a smoke test, the deployment."""
    people = [
        member("security", takes(5.0, lambda value: "cause")),
        member("developer", takes(4.0, lambda value: "patch")),
        member("tester", says(Approved("smoke ok"))),
        member("ops", takes(1.0, lambda value: f"{value} is live")),
    ]
    with crew_of(*people) as (sim, crew):
        result = crew.play(fast_track("security", "developer", "tester", "ops"), "outage").get()
        assert result == FastTracked("cause", "patch", "smoke ok", "patch is live")
        assert sim.now == 7.0


def test_an_emergency_goes_before_all_work_that_waits() -> None:
    """Guards priority: a capacity of one, ten pieces of work that wait, and the emergency is the next."""
    with crew_of(member("developer", takes(1.0)), member("tester", says(Approved()))) as (sim, crew):
        waiting = [crew.play(sequential("developer"), number) for number in range(10)]
        sim.advance(0.5)
        urgent = crew.play(fast_track(lambda value: "cause", "developer", "tester"), "outage")
        urgent.get()
        assert sim.now == 3.0
        assert sum(handle.done() for handle in waiting) == 2


def test_an_emergency_ends_at_the_first_failure() -> None:
    """Guards that nothing is tried twice: the caller knows at once."""
    seen: list[object] = []

    def breaks(value: object) -> object:
        seen.append(value)
        raise OSError("no access")

    people = [member("security", takes(50.0)), member("developer", breaks), member("tester", says(Approved()))]
    with crew_of(*people) as (sim, crew):
        with pytest.raises(RunFailed) as caught:
            crew.play(fast_track("security", "developer", "tester"), "outage").get()
        assert isinstance(caught.value.error, GatherFailed)
        assert sim.now == 0.0
    assert seen == ["outage"]


def test_a_fix_that_does_not_pass_the_smoke_test_is_not_deployed() -> None:
    """Guards the one test there is."""
    deployed: list[object] = []
    pattern = fast_track(str, str, lambda fix: Rejected("still down"), deployed.append)
    error = error_of(pattern, "outage")
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, NotApproved)
    assert deployed == []


def test_a_smoke_test_that_gives_no_verdict_is_a_typed_error() -> None:
    error = error_of(fast_track(str, str, lambda fix: "fine"), "outage")
    assert isinstance(error, RunFailed)
    assert isinstance(error.error, BadVerdict)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: fast_track("a", "b", ""), "fast_track/smoke_test"),
        (lambda: fast_track("a", "b", "c", 3), "fast_track/deploy"),  # type: ignore[arg-type]
        (lambda: fast_track("a", "b", "c", within=0), "within"),
        (lambda: fast_track("a", "b", "c", priority="high"), "priority"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_of_a_fast_track_are_refused(make: Any, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        make()

"""Restart budgets (rules 8 and 9)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors._engine.budget import Window
from supervisors._engine.children import UpClock


def running(now: float) -> UpClock:
    """The clock of a child that has been up since `now`."""
    clock = UpClock(now)
    clock.resume(now)
    return clock


@pytest.mark.parametrize("start", [0.0, 0.1, 12_345.678])
def test_a_restart_is_inside_the_window_up_to_its_very_edge(start: float) -> None:
    """Rule 8: inside while age <= period, as in OTP; a nanosecond later it is out."""
    period = 10.0
    for later, allowed in [
        (start + period, False),
        (start + period + 1e-9, True),
        (start + period - 1e-9, False),
    ]:
        window = Window(1, period)
        clock = running(start)
        assert window.grant(clock, start)
        # start + period may round: the window has to agree with the subtraction.
        assert window.grant(clock, later) is (later - start > period)
        assert allowed is (later - start > period)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(0, 4), st.integers(1, 100))
def test_without_backoff_it_is_the_window_of_otp(gaps: list[int], limit: int, period: int) -> None:
    """Rule 8: for a child that is never down, grants are those of OTP's `add_restart`, on the same times."""
    window, clock = Window(limit, float(period)), running(0.0)
    kept: list[int] = []
    now = 0
    for gap in gaps:
        now += gap
        recent = [now, *(at for at in kept if at >= now - period)]
        expected = len(recent) <= limit
        clock.pause(now)
        assert window.grant(clock, now) is expected
        clock.resume(now)
        if not expected:
            break
        kept = recent


def test_waiting_does_not_count_as_time_since_the_restart() -> None:
    """Rule 8: a delay longer than period / max_restarts must not hide a crash loop for ever."""
    window, clock = Window(2, 10.0), running(0.0)
    now = 0.0
    granted = 0
    for _ in range(5):
        clock.pause(now)
        granted += window.grant(clock, now)
        now += 1000.0
        clock.resume(now)
        now += 1.0
    assert granted == 2


def test_a_restart_ages_over_several_incarnations() -> None:
    """Rule 8: up time is cumulative; two incarnations of six seconds are more than a period of ten."""
    window, clock = Window(1, 10.0), running(0.0)
    assert window.grant(clock, 0.0)
    clock.pause(6.0)
    clock.resume(100.0)
    assert not Window.grant(window, clock, 104.0)
    assert window.grant(clock, 104.5)


def test_the_restarts_of_a_child_that_is_gone_age_by_the_wall() -> None:
    """Rule 8: nothing of a deleted child stays in the window for ever."""
    window, clock = Window(1, 10.0), UpClock(0.0)
    assert window.grant(clock, 0.0)
    clock.resume(5.0)
    assert not window.grant(UpClock(15.0), 15.0)
    assert window.grant(UpClock(15.5), 15.5)


def test_zero_makes_the_first_restart_one_too_many() -> None:
    """Rule 8: max_restarts=0."""
    assert not Window(0, 60.0).grant(running(0.0), 0.0)


def test_none_grants_for_ever_and_remembers_nothing() -> None:
    """Rule 8: max_restarts=None, said on purpose."""
    window, clock = Window(None, 60.0), running(0.0)
    assert all(window.grant(clock, 0.0) for _ in range(1000))
    assert window.count(0.0) == 0


def test_the_window_holds_at_most_max_restarts_entries() -> None:
    """A restart costs the same however many there were."""
    window, clock = Window(3, 1.0), running(0.0)
    for step in range(1000):
        window.grant(clock, step * 0.7)
        assert len(window._entries) <= 3
    assert not math.isnan(window.count(700.0))

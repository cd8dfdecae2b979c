"""Leases as the store and as the engine see them: the engine stops before another one may begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from teams._journal import lease as leases
from teams._journal.lease import SECOND, Lease

seconds = st.floats(0.01, 3600)


@given(st.integers(0, 2**50), seconds)
def test_a_lease_is_over_at_its_end_and_not_before(now: int, lease: float) -> None:
    end = leases.until(now, lease)
    assert leases.over(end, end)
    assert not leases.over(end, end - 1)
    assert abs(end - now - lease * SECOND) <= 1


@given(seconds, st.floats(0, 10))
def test_an_engine_stops_before_its_lease_is_over_in_the_store(lease: float, delay: float) -> None:
    asked = 100.0
    mine = Lease(1, lease, asked)
    granted = asked + delay  # by the same steady clock: the store answers after it was asked
    assert asked < mine.due() < mine.stop() < granted + lease

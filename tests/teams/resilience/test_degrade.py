"""A faster answer while the load is high."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams.resilience import DegradationEnded, Degraded, WrongCall, degrade
from tests.teams.resilience.cast import VISITS, Service, Visit, crowd, play


def test_at_the_threshold_the_fast_function_gets_the_same_arguments() -> None:
    """Guards the load function, the edge, and the events, one for each change."""
    loads = iter([0.5, 0.8, 0.9, 0.79])
    service = Service()
    policy = degrade(lambda visit: ("fast", visit), load=lambda: next(loads), threshold=0.8)

    async def main() -> list[object]:
        return [await policy(service.call)(Visit(takes=0)) for _ in range(4)]

    answers, seen = play(main)
    assert answers == [0, ("fast", Visit(takes=0)), ("fast", Visit(takes=0)), 1]
    assert [(event.name, event.load) for event in seen.of(Degraded, DegradationEnded)] == [
        ("degraded", 0.8),
        ("degradation_ended", 0.79),
    ]
    assert not policy.degraded


def test_between_until_and_threshold_it_stays_as_it_is() -> None:
    """Guards against flapping."""
    loads = iter([0.7, 0.9, 0.7, 0.5, 0.4, 0.7])
    policy = degrade(lambda visit: "fast", load=lambda: next(loads), threshold=0.8, until=0.5)

    async def main() -> list[object]:
        return [await policy(Service().call)(Visit(takes=0)) for _ in range(6)]

    assert play(main)[0] == [0, "fast", "fast", "fast", 0, 0]


@given(VISITS, st.integers(1, 5), st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_a_limit_bounds_the_full_calls_under_way_by_the_threshold(
    visits: list[Visit], limit: int, threshold: float
) -> None:
    """Guards the bound for any arrivals, failures and cancellations: the load goes down again, too."""
    service = Service()
    policy = degrade(lambda visit: -1, limit=limit, threshold=threshold)

    async def main() -> list[int | BaseException]:
        outcomes = await crowd(policy(service.call), visits)
        assert await policy(service.call)(Visit(takes=0)) >= 0
        return outcomes

    play(main)
    assert service.peak <= max(1, math.ceil(limit * threshold))


@pytest.mark.parametrize("load", [None, "high", float("nan"), object()])
def test_a_load_that_is_not_a_number_is_a_typed_error(load: Any) -> None:
    """Guards the caller: of NaN nothing is above, and the service would never degrade."""

    async def full() -> str:
        return "full"

    async def main() -> str:
        return await degrade(lambda: "fast", load=lambda: load).call(full)

    with pytest.raises(WrongCall, match="must be plain and return a number"):
        play(main)

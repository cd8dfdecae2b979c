"""Calls that begin in stages."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from teams.resilience import staged_start
from tests.teams.resilience.cast import VISITS, Service, Visit, crowd, play


def test_calls_begin_in_stages() -> None:
    """Guards that a stage goes together, unlike with a rate."""
    service = Service()

    async def main() -> None:
        await crowd(staged_start(2, every=10)(service.call), [Visit()] * 5)

    play(main)
    assert service.begun == [0.0, 0.0, 10.0, 10.0, 20.0]


@given(VISITS, st.integers(1, 4), st.sampled_from([0.5, 2.0, 3.0]))
def test_never_more_begin_within_a_stage(visits: list[Visit], at_once: int, every: float) -> None:
    """Guards the bound in every window, whenever it begins, and that every caller that stays begins."""
    service = Service()

    async def main() -> list[int | BaseException]:
        return await crowd(staged_start(at_once, every=every)(service.call), visits)

    outcomes, _ = play(main)
    assert service.most_within(every) <= at_once
    left = sum(isinstance(each, asyncio.CancelledError) for each in outcomes)
    assert len(service.begun) >= len(visits) - left

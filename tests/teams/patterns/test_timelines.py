"""The three timelines of "Orchestration Strategies", in virtual time: what is gained by doing at once what does not
depend on each other.
"""

from __future__ import annotations

import pytest

from teams import Member, Pattern, member
from teams.patterns import parallel, sequential
from tests.teams.patterns.cast import crew_of, seconds_of, takes


def crew(**seconds: float) -> list[Member]:
    """Members that take so long."""
    return [member(name, takes(each)) for name, each in seconds.items()]


request = crew(planner=2, data=5, analytics=4, notification=3, aggregation=1)
pipeline = crew(planner=2, validation=5, analytics=4, notification=3)
order = crew(planner=3, payment=5, inventory=4, shipping=5, email=4, sms=3)


@pytest.mark.parametrize(
    ("members", "pattern", "expected"),
    [
        (request, sequential("planner", "data", "analytics", "notification", "aggregation"), 15.0),
        (request, sequential("planner", parallel("data", "analytics", "notification"), "aggregation"), 8.0),
        (pipeline, sequential("planner", "validation", "analytics", "notification"), 14.0),
        (pipeline, sequential("planner", parallel("validation", "analytics", "notification")), 7.0),
        (order, sequential("planner", "payment", "inventory", "shipping", "email", "sms"), 24.0),
        (
            order,
            sequential("planner", parallel("payment", "inventory"), parallel("shipping", "email", "sms")),
            13.0,
        ),
    ],
    ids=["request-15s", "request-8s", "pipeline-14s", "pipeline-7s", "order-24s", "order-13s"],
)
def test_a_timeline_takes_exactly_what_the_document_says(
    members: list[Member], pattern: Pattern, expected: float
) -> None:
    """Guards that steps in parallel overlap wholly, and that the runtime adds no time of its own."""
    with crew_of(*members) as (sim, team):
        assert seconds_of(sim, team, pattern) == expected

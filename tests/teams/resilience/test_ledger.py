"""Who holds and who waits: the decisions behind `Resources`."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors import Future
from supervisors import SpecError
from teams.resilience import ResourcePool
from teams.resilience._ledger import ResourceClaim, ResourceLedger

POOLS = {"db": ResourcePool.count(3), "memory": ResourcePool.amount(1.0), "api": ResourcePool.rate(2, per=10.0)}
AMOUNTS = {"db": st.integers(1, 3), "memory": st.sampled_from([0.1, 0.2, 0.3, 0.7, 1.0]), "api": st.integers(1, 2)}
WANTS = st.sets(st.sampled_from(sorted(AMOUNTS)), min_size=1).flatmap(
    lambda names: st.fixed_dictionaries({name: AMOUNTS[name] for name in sorted(names)})
)


def claim(priority: int = 0, **wants: float) -> ResourceClaim:
    """A claim without an actor."""
    return ResourceClaim(wants, priority, None, 0)


def ledger(**pools: ResourcePool) -> ResourceLedger:
    """A ledger of these pools."""
    made = ResourceLedger()
    made.pools = pools
    return made


def waiting(made: ResourceLedger, *claims: ResourceClaim, at: float = 0.0, ageing: float = 10.0) -> None:
    """Has the claims wait, in this order."""
    for each in claims:
        made.join(each, Future[Any](), at, ageing)


def granted(made: ResourceLedger, now: float = 0.0) -> list[ResourceClaim]:
    """What is granted now."""
    return [each.claim for each in made.grant(now)]


def test_all_is_granted_or_nothing() -> None:
    """Guards against two that each hold half of what both need."""
    made = ledger(db=ResourcePool.count(2), api=ResourcePool.count(1))
    first, second = claim(db=2), claim(db=1, api=1)
    waiting(made, first, second)
    assert granted(made) == [first]
    assert made.used("api", 0.0) == 0
    made.release(first)
    assert granted(made) == [second]


def test_higher_priority_comes_first_and_waiting_makes_it_grow() -> None:
    """Guards the order: one step of priority is worth `ageing` seconds."""
    made = ledger(db=ResourcePool.count(1))
    held, old, new, urgent = claim(db=1), claim(db=1), claim(1, db=1), claim(5, db=1)
    waiting(made, held)
    assert granted(made) == [held]
    waiting(made, old, at=0.0)
    waiting(made, new, at=10.5)
    waiting(made, urgent, at=20.0)
    order = []
    while made.waiting:
        made.release(next(iter(made.held)))
        order += granted(made, 20.0)
    assert order == [urgent, old, new]


def test_small_claims_do_not_starve_a_big_one_and_others_pass() -> None:
    """Guards the head of the line: no claim behind it takes of what it waits for."""
    made = ledger(db=ResourcePool.count(3), cpu=ResourcePool.count(1))
    held, big, small, other = claim(db=1), claim(db=3), claim(db=1), claim(cpu=1)
    waiting(made, held, big, small, other)
    assert granted(made) == [held, other]
    made.release(held)
    assert granted(made) == [big]


def test_a_rate_comes_back_by_time_and_not_by_release() -> None:
    """Guards the rate: at most so many in any period, at its very edge."""
    made = ledger(api=ResourcePool.rate(2, per=10.0))
    first, second, third = claim(api=1), claim(api=1), claim(api=2)
    waiting(made, first)
    assert granted(made, 1.0) == [first]
    made.release(first)
    waiting(made, second, third)
    assert granted(made, 4.0) == [second]
    assert made.refill_at(4.0) == 11.0
    assert granted(made, 11.0) == []
    assert made.refill_at(11.0) == 14.0
    assert granted(made, 14.0) == [third]
    assert made.refill_at(14.0) is None


def test_asking_again_keeps_the_place() -> None:
    """Guards the question that is asked again after a crash."""
    made = ledger(db=ResourcePool.count(1))
    first, second, reply = claim(db=1), claim(db=1), Future[Any]()
    waiting(made, first, second)
    made.join(first, reply, 50.0, 10.0)
    assert (made.waiting[first].reply, made.waiting[first].since) == (reply, 0.0)
    assert granted(made) == [first]
    made.release(first)
    assert granted(made) == [second]


def test_what_can_never_be_granted_is_named_with_the_nearest_pool() -> None:
    """Guards the account of a refusal: every fault at once."""
    faults = ledger(**POOLS).faults("team/resources", {"dbs": 1, "api": 3, "db": 1.5, "memory": 1.0})
    assert [str(fault) for fault in faults] == [
        "team/resources: dbs: unknown key; did you mean 'db'?",
        "team/resources: api: asked for 3, and there are 2 in all",
        "team/resources: db: asked for 1.5, and it comes in whole pieces",
    ]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ResourcePool.count(0), "size"),
        (lambda: ResourcePool.amount(math.inf), "size"),
        (lambda: ResourcePool.rate(1, per=0), "per"),
        (lambda: ResourcePool.count(1.5), "whole pieces"),  # type: ignore[arg-type]
    ],
)
def test_a_pool_that_cannot_work_is_refused(make: Any, problem: str) -> None:
    """Guards the sizes."""
    with pytest.raises(SpecError, match=problem):
        make()


class LedgerMachine(RuleBasedStateMachine):
    """Any order of claims, releases and time: never over a pool, all or nothing, and all comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.ledger = ledger(**POOLS)
        self.begun: list[tuple[float, float]] = []

    def serve(self) -> None:
        """What the actor does after every message."""
        before = set(self.ledger.held)
        for each in self.ledger.grant(self.now):
            assert each.claim not in before
            assert each.claim in self.ledger.held
            self.begun += [(self.now, each.claim.wants.get("api", 0))]

    @rule(wants=WANTS, priority=st.integers(0, 2))
    def a_client_asks(self, wants: dict[str, float], priority: int) -> None:
        """A claim that could be granted."""
        waiting(self.ledger, claim(priority, **wants), at=self.now)
        self.serve()

    @precondition(lambda self: self.ledger.held)
    @rule(data=st.data())
    def a_holder_is_done(self, data: st.DataObject) -> None:
        """A release."""
        self.ledger.release(data.draw(st.sampled_from(list(self.ledger.held))))
        self.serve()

    @precondition(lambda self: self.ledger.waiting)
    @rule(data=st.data())
    def a_client_leaves(self, data: st.DataObject) -> None:
        """A claim that is given up."""
        each = data.draw(st.sampled_from(list(self.ledger.waiting.values())))
        assert self.ledger.drop(each.claim) is each
        self.serve()

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        """Any moment."""
        self.now += seconds
        self.serve()

    @invariant()
    def nothing_is_over(self) -> None:
        """Capacity, counted from the claims themselves."""
        for name in ("db", "memory"):
            assert math.fsum(each.wants.get(name, 0) for each in self.ledger.held) <= POOLS[name].size
        for start, _ in self.begun:
            assert sum(amount for at, amount in self.begun if start <= at < start + 10.0) <= 2

    @invariant()
    def every_wait_has_a_reason(self) -> None:
        """The first of the queue waits only for what is taken."""
        if self.ledger.waiting:
            wants = min(self.ledger.waiting.values(), key=lambda each: each.rank).claim.wants
            assert any(self.ledger.used(name, self.now) + wants[name] > POOLS[name].size for name in wants)

    @invariant()
    def what_comes_back_by_time_comes_later(self) -> None:
        """A timer for a time that has passed would be set again and again."""
        at = self.ledger.refill_at(self.now)
        assert at is None or at > self.now

    def teardown(self) -> None:
        """Everything comes back, and everybody has had a turn."""
        for _ in range(len(self.ledger.waiting) + 1):
            for each in list(self.ledger.held):
                self.ledger.release(each)
            self.now += 10.0
            self.serve()
        assert not self.ledger.waiting
        for each in list(self.ledger.held):
            self.ledger.release(each)
        assert [usage.used for usage in self.ledger.usage(self.now + 10.0).values()] == [0, 0, 0]


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=50, stateful_step_count=25)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_no_claim_waits_behind_more_than_ageing_allows(priorities: list[int]) -> None:
    """Guards against starvation: a claim that is later by `ageing` seconds for each step of priority comes later."""
    made = ledger(db=ResourcePool.count(1))
    low, held = claim(-3, db=1), claim(db=1)
    waiting(made, held)
    granted(made)
    waiting(made, low, at=0.0)
    for number, priority in enumerate(priorities):
        waiting(made, claim(priority, db=1), at=(priority + 3) * 10.0 + number)
    made.release(held)
    assert granted(made) == [low]

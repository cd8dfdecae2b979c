"""The circuit breaker: closed, open, half open, and one probe."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors import sleep
from teams.resilience import (
    BulkheadFull,
    CallRefused,
    CircuitClosed,
    CircuitHalfOpened,
    CircuitOpen,
    CircuitOpened,
    CircuitState,
    bulkhead,
    circuit_breaker,
    timeout,
)
from teams.resilience._circuit import Circuit, Ticket
from tests.teams.resilience.cast import VISITS, Broken, Service, Visit, crowd, play

GOOD = Visit(takes=0)
BAD = Visit(takes=0, fails=True)


def test_it_opens_after_failures_in_a_row_and_closes_after_a_good_probe() -> None:
    """Guards the way round, its events, and the error that says when to come again."""
    service = Service()
    breaker = circuit_breaker(failures=2, reset_after=60)
    guarded = breaker(service.call)

    async def main() -> list[CircuitState]:
        states = []
        for visit in (BAD, GOOD, BAD, BAD):  # the success in between makes the first failure forgotten
            states.append(breaker.state)
            await asyncio.gather(guarded(visit), return_exceptions=True)
        await sleep(20)
        with pytest.raises(CircuitOpen) as caught:
            await guarded(GOOD)
        assert (caught.value.seconds, caught.value.retry_after) == (40.0, 40.0)
        states.append(breaker.state)
        await sleep(40)
        states.append(breaker.state)
        await guarded(GOOD)
        return [*states, breaker.state]

    closed, opened, half = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
    states, seen = play(main)
    assert states == [closed, closed, closed, closed, opened, half, closed]
    assert len(service.begun) == 5
    told = seen.of(CircuitOpened, CircuitHalfOpened, CircuitClosed, CallRefused)
    assert [event.name for event in told] == ["circuit_opened", "call_refused", "circuit_half_opened", "circuit_closed"]


def test_when_half_open_exactly_one_call_goes_through() -> None:
    """Guards against the herd that breaks what has just come back."""
    service = Service()
    guarded = circuit_breaker(failures=1, reset_after=10)(service.call)

    async def main() -> list[int | BaseException]:
        await asyncio.gather(guarded(BAD), return_exceptions=True)
        return await crowd(guarded, [Visit(at=10, takes=5)] * 5)

    outcomes, _ = play(main)
    assert outcomes[0] == 1
    assert [type(each) for each in outcomes[1:]] == [CircuitOpen] * 4
    assert len(service.begun) == 2
    assert isinstance(outcomes[1], CircuitOpen)
    assert outcomes[1].retry_after is None
    assert "its probe is still under way" in str(outcomes[1])


def test_a_failed_probe_opens_it_for_as_long_again() -> None:
    """Guards the time from the failure of the probe on."""
    service = Service()
    breaker = circuit_breaker(failures=3, reset_after=10)
    guarded = breaker(service.call)

    async def main() -> list[CircuitState]:
        await crowd(guarded, [BAD, BAD, BAD, Visit(at=10, takes=2, fails=True)])
        states = [breaker.state]
        await sleep(9.75)
        states.append(breaker.state)
        await sleep(0.25)
        return [*states, breaker.state]

    assert play(main)[0] == [CircuitState.OPEN, CircuitState.OPEN, CircuitState.HALF_OPEN]


def test_a_cancelled_probe_gives_the_probe_back() -> None:
    """Guards a breaker that could not close any more."""
    service = Service()
    guarded = circuit_breaker(failures=1, reset_after=10)(service.call)

    async def main() -> list[int | BaseException]:
        await asyncio.gather(guarded(BAD), return_exceptions=True)
        return await crowd(guarded, [Visit(at=10, takes=9, leaves_after=1), Visit(at=12, takes=1)])

    outcomes, _ = play(main)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] == 2


def test_what_on_does_not_mean_is_neither_failure_nor_success() -> None:
    """Guards bad input of callers from cutting off everybody."""
    service = Service()
    breaker = circuit_breaker(failures=2, reset_after=10, on=(OSError,))

    async def main() -> CircuitState:
        await crowd(breaker(service.call), [BAD] * 5)
        return breaker.state

    assert play(main)[0] is CircuitState.CLOSED


def test_a_refusal_by_a_policy_inside_is_not_a_failure_of_the_service() -> None:
    """Guards our own overload from looking like a broken service."""
    service = Service()
    breaker = circuit_breaker(failures=1, reset_after=10)

    async def main() -> tuple[list[int | BaseException], CircuitState]:
        outcomes = await crowd((breaker | bulkhead(1, waiting=0))(service.call), [Visit(takes=5)] * 3)
        return outcomes, breaker.state

    (outcomes, state), _ = play(main)
    assert [type(each) for each in outcomes[1:]] == [BulkheadFull, BulkheadFull]
    assert state is CircuitState.CLOSED


def test_a_timeout_counts_when_it_is_inside_of_the_breaker() -> None:
    """Guards the order that the documentation of `on` speaks of."""
    service = Service()
    inside, outside = circuit_breaker(1, 10), circuit_breaker(1, 10)

    async def main() -> list[CircuitState]:
        for guarded in (inside | timeout(1), timeout(1) | outside):
            with pytest.raises(TimeoutError):
                await guarded(service.call)(Visit(takes=5))
        return [inside.state, outside.state]

    assert play(main)[0] == [CircuitState.OPEN, CircuitState.CLOSED]


def test_the_outcome_of_a_call_from_before_says_nothing_about_now() -> None:
    """Guards a slow success from closing the circuit that opened meanwhile."""
    service = Service()
    breaker = circuit_breaker(failures=1, reset_after=10)

    async def main() -> CircuitState:
        await crowd(breaker(service.call), [Visit(takes=5), Visit(at=1, takes=1, fails=True)])
        return breaker.state

    assert play(main)[0] is CircuitState.OPEN


@given(VISITS, st.integers(1, 3), st.sampled_from([1.0, 2.5]))
def test_while_it_is_not_closed_at_most_one_call_is_under_way(
    visits: list[Visit], failures: int, reset_after: float
) -> None:
    """Guards the single probe, for any failures, durations and cancellations."""
    service = Service()
    breaker = circuit_breaker(failures, reset_after)
    probes = 0

    async def call(visit: Visit) -> int:
        nonlocal probes
        assert breaker.state is not CircuitState.OPEN
        probe = breaker.state is CircuitState.HALF_OPEN
        probes += probe
        try:
            assert probes <= 1
            return await service.call(visit)
        finally:
            probes -= probe

    async def main() -> list[int | BaseException]:
        return await crowd(breaker(call), visits)

    outcomes, _ = play(main)
    assert all(isinstance(each, int | Broken | CircuitOpen | asyncio.CancelledError) for each in outcomes)


class CircuitMachine(RuleBasedStateMachine):
    """The circuit against its table, in any order of calls and outcomes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit = Circuit(failures=2, reset_after=5.0)
        self.out: list[Ticket] = []
        self.opened_at: float | None = None
        self.changes = 0
        self.failures = 0

    @rule(seconds=st.sampled_from([1.0, 4.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        """Any moment, the very edge among them."""
        self.now += seconds

    @rule()
    def a_call(self) -> None:
        """A call is let through when the table says so."""
        ticket = self.circuit.admit(self.now)
        half = self.opened_at is not None and self.now >= self.opened_at + 5.0
        probing = any(each.probe and each.epoch == self.changes for each in self.out)
        assert (ticket is not None) == (self.opened_at is None or (half and not probing))
        if ticket is not None:
            assert ticket.probe == half
            self.out.append(ticket)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "nothing"]))
    def an_outcome(self, data: st.DataObject, outcome: str) -> None:
        """Only calls of the present state have a say."""
        ticket = data.draw(st.sampled_from(self.out))
        self.out.remove(ticket)
        counts = ticket.epoch == self.changes
        if outcome == "succeeded":
            assert self.circuit.succeeded(ticket) == (counts and ticket.probe)
            if counts:
                self.failures = 0
                if ticket.probe:
                    self.opened_at, self.changes = None, self.changes + 1
        elif outcome == "failed":
            self.failures += counts
            opens = counts and (ticket.probe or self.failures == 2)
            assert self.circuit.failed(ticket, self.now) == opens
            if opens:
                self.opened_at, self.changes, self.failures = self.now, self.changes + 1, 0
        self.circuit.give_back(ticket)

    @invariant()
    def it_says_when(self) -> None:
        """The state and the time until the next chance agree."""
        opened = self.circuit.state(self.now) is CircuitState.OPEN
        assert opened == (self.circuit.opens_in(self.now) > 0)


TestCircuit = CircuitMachine.TestCase
TestCircuit.settings = settings(max_examples=50, stateful_step_count=25)

"""A team under faults: two payers lease invoices from a dispatcher, and some invoice is paid twice. When?

    python examples/team_under_faults.py

No ordinary run shows it. In a simulation the same actors run on virtual time under generated faults and schedules; what
is found is made as small as it gets, and run again. The mended team then stands the same search. Needs the extra
`understudy[testing]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from actors import Actor, Message, handles
from actors.testing import (
    Crash,
    FaultPlan,
    OracleFailure,
    Schedule,
    Simulation,
    Slow,
    Strategy,
    portfolio,
    simulation,
)
from supervisors import SupervisorSpec, child, constant, supervisor

LEASE = 5.0
PAYERS = ("ann", "bob")


class Invoice(Message):
    """To be paid, once."""

    number: int


class Order(Message):
    """Pay this invoice; it is leased to you."""

    number: int


class Paid(Message):
    """The money is on its way."""

    number: int


class Prepared(Message):
    """Everything is ready for the payment."""

    number: int


class Expired(Message):
    """A lease has ended."""

    number: int


class Dispatcher(Actor):
    """Leases every invoice to one payer after the other, five seconds each, until it is paid."""

    def __init__(self, bank: list[int]) -> None:
        self.bank = bank
        self.open: set[int] = set()
        self.leases = 0

    @handles
    def enter(self, invoice: Invoice) -> None:
        self.open.add(invoice.number)
        self.lease(invoice.number)

    def lease(self, number: int) -> None:
        self.sibling(PAYERS[self.leases % len(PAYERS)]).tell(Order(number=number))
        self.leases += 1
        self.tell_after(LEASE, Expired(number=number))

    @handles
    def expire(self, lease: Expired) -> None:
        if lease.number in self.open:
            self.lease(lease.number)

    @handles
    def close(self, paid: Paid) -> None:
        self.open.discard(paid.number)

    @handles
    def settle(self, payment: Prepared) -> None:
        if payment.number in self.open:
            self.open.discard(payment.number)
            self.bank.append(payment.number)


class Payer(Actor):
    """Takes a second to prepare a payment, and pays. Whether the lease still holds by then it does not ask."""

    def __init__(self, bank: list[int]) -> None:
        self.bank = bank

    @handles
    async def pay(self, order: Order) -> None:
        await asyncio.sleep(1.0)
        self.bank.append(order.number)
        self.sibling("dispatcher").tell(Paid(number=order.number))


class PreparingPayer(Payer):
    """Leaves the last step to the dispatcher, where the check and the act are one."""

    @handles
    async def pay(self, order: Order) -> None:
        await asyncio.sleep(1.0)
        self.sibling("dispatcher").tell(Prepared(number=order.number))


def team(payer: type[Payer], bank: list[int]) -> SupervisorSpec:
    """The dispatcher and its payers, as in production. `bank` stands for the world outside: every payment made."""
    payers = [child(name, payer, args=[bank], backoff=constant(0.1)) for name in PAYERS]
    return supervisor("team", child("dispatcher", Dispatcher, args=[bank]), *payers)


tree = team(Payer, [])


def play(sim: Simulation, payer: type[Payer]) -> None:
    """The test: six invoices, faults for half a minute, and then time to recover."""
    bank: list[int] = []
    root = sim.start(team(payer, bank))
    sim.workload(lambda number: root.child("dispatcher").tell(Invoice(number=number)), n=6, every=1.5)
    sim.always("no invoice is paid twice", lambda: len(set(bank)) == len(bank))
    sim.run(until=30)
    sim.heal()
    sim.eventually("every invoice is paid", lambda: len(bank) == 6, within=30)


class Run(NamedTuple):
    """What one run is made of: all of it, so that it can be run again."""

    plan: FaultPlan
    schedule: Schedule | None = None
    search: Strategy | None = None


def failure_of(payer: type[Payer], run: Run) -> tuple[OracleFailure | None, Schedule]:
    """Runs the test once. Returns what an oracle said, and the order of steps as moves."""
    sim = simulation(run.plan, run.schedule, search=run.search)
    try:
        with sim:
            play(sim, payer)
    except OracleFailure as failure:
        return failure, sim.schedule
    return None, sim.schedule


def runs(seed: int, count: int) -> Iterator[Run]:
    """Fault plans and, for each of them, a few searches of different kinds."""
    draw = Random(seed)
    for first in range(0, count, 4):
        faults = [
            Slow("team/*", nth=draw.randint(1, 6), seconds=draw.choice((2.0, 6.0))),
            Crash(f"team/{draw.choice(PAYERS)}", nth=draw.randint(1, 3)),
        ]
        plan = FaultPlan(*draw.sample(faults, draw.randint(1, 2)))
        for search in portfolio(4, seed + first):
            yield Run(plan, search=search)


def find(payer: type[Payer], seed: int, count: int) -> Run | None:
    """The first run that fails, as a plan and moves."""
    for run in runs(seed, count):
        failure, schedule = failure_of(payer, run)
        if failure is not None:
            return Run(run.plan, schedule)
    return None


def smallest(payer: type[Payer], run: Run) -> Run:
    """The run without every fault and every move that it can fail without."""
    schedule = run.schedule or Schedule()
    candidates = [Run(run.plan, Schedule())]
    candidates += [Run(run.plan.without(index), schedule) for index in range(len(run.plan))]
    candidates += [Run(run.plan, schedule.without(index)) for index in range(len(schedule))]
    for less in candidates:
        if less != run and failure_of(payer, less)[0] is not None:
            return smallest(payer, less)
    return run


def main() -> None:
    """Finds the race, shows it, and tries the mended team."""
    ordinary, _ = failure_of(Payer, Run(FaultPlan()))
    print(f"an ordinary run: {ordinary or 'nothing to see'}")
    found = find(Payer, seed=1, count=200)
    assert found is not None
    least = smallest(Payer, found)
    failure, _ = failure_of(Payer, least)
    print(f"found: {failure}\nwith {least.plan}\nand {least.schedule}\n")
    print("\n".join(getattr(failure, "__notes__", ())))
    again, _ = failure_of(Payer, least)
    print(f"\nagain: {again}")
    mended = find(PreparingPayer, seed=1, count=200)
    print(f"the mended team in 200 schedules: {mended or 'nothing to see'}")


if __name__ == "__main__":
    main()

"""A team under faults: two payers lease invoices from a dispatcher, and some invoice is paid twice. When?

    python examples/team_under_faults.py
    pytest examples/team_under_faults.py

No ordinary run shows it. In a simulation the same actors run on virtual time under generated faults and schedules; what
is found is made as small as it gets, and run again. The mended team then stands the same search. Run by pytest, the
team as it was written fails. Needs the extra `letitcrash[testing]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from actors import Actor, Message, handles
from actors.testing import Crash, FaultPlan, Simulation, Slow, example, faults, simulate
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


trouble = faults.plans(*(f"team/{name}" for name in PAYERS), kinds=[Crash, Slow], max_faults=3, seconds=(2.0, 6.0))


@simulate(plan=trouble, examples=200)
def test_the_team(sim: Simulation, plan: FaultPlan) -> None:
    """The team as it was written."""
    play(sim, Payer)


@simulate(plan=trouble, examples=200)
def test_the_mended_team(sim: Simulation, plan: FaultPlan) -> None:
    """The team that leaves the last step to the dispatcher."""
    play(sim, PreparingPayer)


@example(plan=FaultPlan(Slow("team/ann", nth=1, seconds=6.0)))
@simulate(plan=trouble, examples=1)
def test_what_was_found(sim: Simulation, plan: FaultPlan) -> None:
    """A line of the report, pasted above the test: the very same failure, before anything is generated."""
    play(sim, Payer)


def outcome(test: Callable[[], None]) -> Exception | None:
    """What pytest would show."""
    try:
        test()
    except Exception as failure:  # noqa: BLE001 - it is shown
        return failure
    return None


def main() -> None:
    """Finds the race, shows it, and tries the mended team."""
    found = outcome(test_the_team)
    print(f"found: {found}")
    print("\n".join(getattr(found, "__notes__", ())))
    print(f"\nagain: {outcome(test_what_was_found)}")
    print(f"the mended team in 600 schedules: {outcome(test_the_mended_team) or 'nothing to see'}")


if __name__ == "__main__":
    main()

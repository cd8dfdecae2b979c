"""Orders by choreography: members hear of each other's events without a conductor, and a failure is undone in reverse.

    letitcrash run examples/order_choreography.py

received -> validated -> reserved -> paid -> shipped. The shipper has a lorry for every order but those to the moon; by
then the goods are reserved and the money is taken, so the money goes back first and then the goods. The bank crashes
now and then over an event, is restarted, and has the event again. At the end the books balance, or the example fails.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

from supervisors import constant
from teams import Emit, goal, member, team
from teams.patterns import event_driven, pipeline, sequential, stage
from teams.protocols import ChainOutcome, Event, Undo, choreography, on


class Order(NamedTuple):
    """What a customer orders."""

    number: int
    pieces: int
    to: str


ORDERS = [Order(number, number % 4, ("town", "moon", "village")[number % 3]) for number in range(24)]

books: Counter[str] = Counter()
"""The world outside: pieces reserved, money taken, parcels sent. A real shop has databases for it."""
done: set[str] = set()
"""Events that changed the books. A member may get an event twice, and the books must not."""
calls = itertools.count(1)


def once(event: Event, account: str, amount: int) -> None:
    """Writes into the books, once for each event and account."""
    if (entry := f"{event.id}/{account}") not in done:
        done.add(entry)
        books[account] += amount


def order_of(event: Event) -> Order:
    """The order in the event."""
    assert isinstance(event.payload, Order)
    return event.payload


async def validator(event: Event) -> Emit | None:
    """Orders of nothing end here."""
    return Emit("order.validated", event.payload) if order_of(event).pieces else None


async def stock(event: Event) -> Emit:
    """Reserves the goods."""
    once(event, "reserved", order_of(event).pieces)
    return Emit("order.reserved", event.payload)


async def unreserve(undo: Undo) -> None:
    """Takes a reservation back."""
    books["reserved"] -= order_of(undo.event).pieces


async def bank(event: Event) -> Emit:
    """Takes the money. Its line goes down over every fifth call, sometimes after the money is taken."""
    call = next(calls)
    if call % 10 == 5:
        raise ConnectionError("no line")
    once(event, "paid", order_of(event).pieces * 10)
    if call % 10 == 0:
        raise ConnectionError("the line went down after the money was taken")
    return Emit("order.paid", event.payload)


async def refund(undo: Undo) -> None:
    """Gives the money back."""
    books["paid"] -= order_of(undo.event).pieces * 10


async def shipper(event: Event) -> Emit:
    """Sends a parcel, to where lorries go."""
    if order_of(event).to == "moon":
        raise ValueError("no lorry goes to the moon")
    once(event, "shipped", order_of(event).pieces)
    return Emit("order.shipped", event.payload)


order = choreography(
    "order",
    on("order.received", "validator", emits="order.validated"),
    on("order.validated", "stock", undo="unreserve", emits="order.reserved"),
    on("order.reserved", "bank", undo="refund", emits="order.paid", attempts=5),
    on("order.paid", "shipper", emits="order.shipped", attempts=2),
    starts="order.received",
    ends="order.shipped",
)


def balance(outcomes: list[ChainOutcome]) -> str:
    """The outcome; the books balance, or the example fails."""
    ended = Counter(outcome.status for outcome in outcomes)
    wanted = sum(each.pieces for each in ORDERS if each.to != "moon")
    assert books == Counter(reserved=wanted, paid=wanted * 10, shipped=wanted), dict(books)
    return f"{ended['completed']} orders completed, {ended['compensated']} undone, {wanted} pieces shipped and paid"


tree = team(
    "shop",
    *(
        member(each.__name__, each, backoff=constant(0.01), max_restarts=1000)
        for each in (validator, stock, unreserve, bank, refund, shipper)
    ),
    choreographies=[order],
    goal=goal(
        sequential(pipeline(stage("order", event_driven("order.received"), parallel=6)), balance),
        ORDERS,
    ),
)

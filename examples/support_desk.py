"""A support desk: tickets are handed from triage to specialists, one of them flaky, and every customer is answered.

    letitcrash run examples/support_desk.py

Triage hands each ticket to a member that can do it. Billing loses its connection every third time and crashes with it:
it is restarted, and has its ticket again. It declines what is above its limit; triage learns that and gives such
tickets to the manager. A tech support of two shares what is left. Where no member is able, triage says so itself.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple

from supervisors import constant
from teams import Context, Handoff, can, goal, member, role, team
from teams.patterns import pipeline, sequential, stage

LIMIT = 500


class Ticket(NamedTuple):
    """The request of a customer."""

    number: int
    subject: str
    amount: int = 0


class Reply(NamedTuple):
    """The outcome of a ticket."""

    ticket: int
    by: str
    text: str
    handed: tuple[str, ...]
    """Who had the ticket before."""


SUBJECTS = ("refund", "outage", "refund", "password", "poem")
TICKETS = [Ticket(number, SUBJECTS[number % 5], number * 13 % 700) for number in range(60)]


async def triage(ticket: Ticket, context: Context) -> Handoff | Reply:
    """Hands a ticket to a member that can do it; what came back is for the manager, or is answered here."""
    if not context.refused:
        return Handoff(can(ticket.subject), reason=ticket.subject)
    if "above my limit" in context.refused[-1].why and len(context.refused) == 1:
        return Handoff("manager", reason=context.refused[-1].why)
    return Reply(ticket.number, context.member, "sorry, no member can do that", ())


connections = itertools.count(1)


async def billing(ticket: Ticket, context: Context) -> Reply:
    """Pays refunds, over a bank whose line goes down."""
    if next(connections) % 3 == 0:
        raise ConnectionError("the bank has hung up")
    return Reply(ticket.number, context.member, f"refunded {ticket.amount}", context.chain)


def within_limit(ticket: Ticket) -> bool | str:
    """What billing may decide alone."""
    return ticket.amount <= LIMIT or f"{ticket.amount} is above my limit of {LIMIT}"


async def manager(ticket: Ticket, context: Context) -> Reply:
    """Decides what others may not."""
    return Reply(ticket.number, context.member, f"refunded {ticket.amount}, with apologies", context.chain)


async def tech(ticket: Ticket, context: Context) -> Reply:
    """Mends things."""
    return Reply(ticket.number, context.member, f"{ticket.subject} solved", context.chain)


def summary(replies: list[Reply]) -> str:
    """The work of the desk; it adds up, or the example fails."""
    answered = sorted(reply.ticket for reply in replies)
    assert answered == [ticket.number for ticket in TICKETS], "every ticket has exactly one answer"
    by = Counter(reply.by for reply in replies)
    return ", ".join(f"{name} answered {count}" for name, count in sorted(by.items()))


desk = pipeline(stage("ticket", "triage", parallel=8, attempts=5))

tree = team(
    "support",
    role("specialist", "does what triage cannot"),
    role("front", "meets the customer"),
    role("lead", "has the last word"),
    member("triage", triage, role="front", concurrency=4),
    member(
        "billing",
        billing,
        role="specialist",
        capabilities={"refund"},
        accepts=within_limit,
        backoff=constant(0.01),
        max_restarts=100,
    ),
    member("tech", tech, role="specialist", capabilities={"outage", "password"}, count=2),
    member("manager", manager, role="lead"),
    goal=goal(sequential(desk, summary), TICKETS),
)

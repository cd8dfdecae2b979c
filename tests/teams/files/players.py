"""Members that the tests of files name as "tests.teams.files.players:..."."""

from __future__ import annotations

from typing import Any

from actors import Actor
from teams import Emit


async def echo(work: Any) -> Any:
    """Gives back what it gets."""
    return work


def add_one(work: Any) -> Any:
    """One more."""
    return work + 1


async def double(work: Any) -> Any:
    """Twice as much."""
    return 2 * work


async def total(results: Any) -> Any:
    """An aggregator."""
    return sum(results.values())


async def broken(work: Any) -> Any:
    """Never works."""
    raise ValueError("no luck")


def is_large(work: Any) -> bool:
    """A condition."""
    return bool(work > 10)


async def validate(order: Any) -> Any:
    """Goes on with the chain."""
    return Emit("order.validated", order)


class Clerk(Actor):
    """A member that is an actor."""

    def on_receive(self, message: object) -> object:
        return message


NUMBER = 7
"""Something that is not a function."""

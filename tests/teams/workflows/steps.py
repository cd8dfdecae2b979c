"""Engines on stores of every kind, and steps, for the tests of what engines do with runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from teams import Member, member
from teams.workflows import do
from tests.teams.patterns.cast import fails, takes
from tests.teams.workflows.cast import Scene, played, played_on_sqlite

Played = Callable[..., AbstractContextManager[Scene]]


@pytest.fixture(params=["disk", "sqlite"])
def land(request: pytest.FixtureRequest, tmp_path: Path) -> Played:
    """Engines on stores of every kind in turn."""
    return played if request.param == "disk" else partial(played_on_sqlite, tmp_path)


def adds(letter: str, seconds: float = 1.0) -> Member:
    """A member that appends its name to a list."""
    return member(letter, takes(seconds, lambda value: [*(value or []), letter]))


def flaky(name: str, failures: int, then: object = "done", seconds: float = 0.0) -> tuple[Member, Counter[str]]:
    """A member that fails so often, and then succeeds; and how often it was asked."""
    asked: Counter[str] = Counter()

    async def work(value: Any) -> object:
        asked[name] += 1
        await asyncio.sleep(seconds)
        if asked[name] <= failures:
            raise ValueError(f"failure {asked[name]}")
        return then

    return member(name, work), asked


a, b, c = adds("a"), adds("b"), adds("c")
bad = member("bad", fails("no"))


class Mail(BaseModel):
    """An input, and a result."""

    to: str
    lines: list[str] = []


def undoing(ledger: list[str], *names: str, failing: str | None = None) -> list[Any]:
    """Steps with an undo that writes down what it undoes."""

    def undo_of(name: str) -> Callable[[Any], Any]:
        async def undo(value: Any) -> object:
            ledger.append(f"undo {name} {value['result']}")
            if name == failing:
                raise ValueError("cannot")
            return None

        return undo

    def work_of(name: str) -> Callable[[Any], Any]:
        async def work(value: Any) -> object:
            await asyncio.sleep(1.0)
            ledger.append(name)
            return name.upper()

        return work

    return [do(name, work_of(name), undo=undo_of(name)) for name in names]

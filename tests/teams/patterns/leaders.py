"""Leaders and workers of hierarchies."""

from __future__ import annotations

from typing import Any

from teams import Member, member
from teams.patterns import Plan, Subtask, Synthesis
from tests.teams.patterns.cast import takes


def leads(*subtasks: Subtask) -> Any:
    """A leader's work: plans, and then says what came of it."""

    def lead(value: Any) -> object:
        if isinstance(value, Synthesis):
            return {**value.results, **{name: str(each.error.__cause__) for name, each in value.failures.items()}}
        return Plan(subtasks)

    return takes(1.0, lead)


def orders(text: str) -> Any:
    """A leader's work that leaves it to rules who does what: gives orders, and then reports."""

    def lead(value: Any) -> object:
        if isinstance(value, Synthesis):
            return f"{text}({', '.join(map(str, value.results.values()))})"
        return f"{value}>{text}"

    return takes(1.0, lead)


def worker(name: str, seconds: float = 2.0) -> Member:
    """Signs what it gets."""
    return member(name, takes(seconds, lambda value: f"{value}:{name}"))


data, web = worker("data"), worker("web", 5.0)

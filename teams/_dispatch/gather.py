"""Gather: one question to several, and what to do when some of them fail.

| policy | ends when | satisfied when |
|---|---|---|
| `collect()` | all have ended | always |
| `fail_fast()` | one has failed, or all are done | nobody failed |
| `quorum(n)` | `n` results are there, or can no longer come | `n` results |
| `first(n=1)` | the same, with 1 | one result |

The decision is pure: `Gathering` is told of each end and says when it is over. Whatever finished by then is in the
`Gathered`; failures are values in it, with the exit reason. What had not ended is named and called off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from actors.spi import ActorDeadError, Crashed, ExitReason


@dataclass(frozen=True, slots=True)
class GatherPolicy:
    """When a gathering is over, and whether it is satisfied then."""

    kind: Literal["collect", "fail_fast", "quorum"]
    n: int = 0


def collect() -> GatherPolicy:
    """Wait for all; failures are as good an answer as results."""
    return GatherPolicy("collect")


def fail_fast() -> GatherPolicy:
    """End at the first failure."""
    return GatherPolicy("fail_fast")


def quorum(n: int) -> GatherPolicy:
    """End as soon as `n` results are there, or cannot come any more. Raises ValueError."""
    if type(n) is not int or n < 1:
        raise ValueError(f"a quorum is a whole number from 1, not {n!r}")
    return GatherPolicy("quorum", n)


def first() -> GatherPolicy:
    """The first result there is."""
    return quorum(1)


class Failed(NamedTuple):
    """A failure as a value."""

    error: BaseException
    reason: ExitReason

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """The failure of whoever raised `error`, or is gone."""
        inner = error.__cause__ if error.__cause__ is not None else error
        return cls(error, inner.reason if isinstance(inner, ActorDeadError) else Crashed(inner))


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of a gathering."""

    results: dict[str, object]
    """By name, in the order they came."""
    failures: dict[str, Failed]
    unanswered: tuple[str, ...]
    """Those that had not ended when it was over."""
    satisfied: bool
    """Whether the policy got what it wanted."""


class Gathering:
    """A gathering under way."""

    def __init__(self, names: Iterable[str], policy: GatherPolicy) -> None:
        self._open = dict.fromkeys(names)
        self._policy = policy
        self._results: dict[str, object] = {}
        self._failures: dict[str, Failed] = {}

    def done(self, name: str, result: object) -> None:
        """One has a result."""
        del self._open[name]
        self._results[name] = result

    def failed(self, name: str, error: BaseException) -> None:
        """One has failed."""
        del self._open[name]
        self._failures[name] = Failed.by(error)

    @property
    def over(self) -> bool:
        """Whether nothing that may still come changes the answer."""
        if not self._open:
            return True
        if self._policy.kind == "quorum":
            have = len(self._results)
            return have >= self._policy.n or have + len(self._open) < self._policy.n
        return self._policy.kind == "fail_fast" and bool(self._failures)

    def gathered(self) -> Gathered:
        """What there is now."""
        match self._policy.kind:
            case "collect":
                satisfied = True
            case "fail_fast":
                satisfied = not self._failures and not self._open
            case "quorum":
                satisfied = len(self._results) >= self._policy.n
        return Gathered(dict(self._results), dict(self._failures), tuple(self._open), satisfied)

"""Gather: one question to several members, and what follows when some of them fail.

| policy | ends when | satisfied when |
|---|---|---|
| `collect()` | all have ended | always |
| `fail_fast()` | one has failed, or all are done | none has failed |
| `quorum(n)` | there are `n` results, or cannot be any more | there are `n` results |
| `first()` | the same, with 1 | there is one result |

The decision is pure: `Gathering` is told of each end and says when it is over. Results and failures until then are
values in the `Gathered`, failures with the exit reason. Members that had not ended are named in it and called off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from actors.spi import ActorDeadError, Crashed, ExitReason
from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import seconds_faults


@dataclass(frozen=True, slots=True)
class GatherPolicy:
    """When a gathering is over, and whether it is satisfied then. Raises SpecError for a wrong field."""

    kind: Literal["collect", "fail_fast", "quorum"]
    n: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("collect", "fail_fast", "quorum"):
            kinds = "must be 'collect', 'fail_fast' or 'quorum'"
            raise SpecError([SpecFault("GatherPolicy()", f"kind: {kinds}, got {self.kind!r}")])
        if self.kind == "quorum" and (type(self.n) is not int or self.n < 1):
            raise SpecError([SpecFault("quorum()", f"n: a quorum must be an integer >= 1, got {self.n!r}")])


@builder("collect()")
def collect() -> GatherPolicy:
    """Wait for all. A failure is an answer like a result."""
    return GatherPolicy("collect")


@builder("fail_fast()")
def fail_fast() -> GatherPolicy:
    """End at the first failure."""
    return GatherPolicy("fail_fast")


@builder("quorum()")
def quorum(n: int) -> GatherPolicy:
    """End as soon as there are `n` results, or cannot be any more. Raises SpecError."""
    return GatherPolicy("quorum", n)


@builder("first()")
def first() -> GatherPolicy:
    """The first result there is."""
    return quorum(1)


def gather_faults(path: str, policy: object, within: object, branches: int | None = None) -> Iterator[SpecFault]:
    """The faults of how something is gathered; `branches` is how many there are, if that is known."""
    yield from seconds_faults(path, "within", within)
    if policy is None:
        return
    if not isinstance(policy, GatherPolicy):
        yield SpecFault(path, f"policy: must be collect(), fail_fast(), quorum(n) or first(), got {policy!r}")
    elif branches is not None and policy.kind == "quorum" and policy.n > branches:
        yield SpecFault(path, f"policy: a quorum of {policy.n} can never be reached by {branches}")


class Failed(NamedTuple):
    """A failure as a value."""

    error: BaseException
    reason: ExitReason

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """The failure of a member that raised `error`, or has terminated."""
        inner = error.__cause__ if error.__cause__ is not None else error
        return cls(error, inner.reason if isinstance(inner, ActorDeadError) else Crashed(inner))


@dataclass(frozen=True, slots=True)
class Gathered:
    """The outcome of a gathering."""

    results: dict[str, object]
    """By name, in the order in which they came."""
    failures: dict[str, Failed]
    unanswered: tuple[str, ...]
    """The names of those that had not ended when it was over."""
    satisfied: bool
    """Whether the policy was satisfied."""


class Gathering:
    """A gathering under way."""

    def __init__(self, names: Iterable[str], policy: GatherPolicy) -> None:
        self._open = dict.fromkeys(names)
        self._policy = policy
        self._results: dict[str, object] = {}
        self._failures: dict[str, Failed] = {}
        self.over = self._is_over()
        """Whether no further answer changes the outcome."""

    def done(self, name: str, result: object) -> None:
        """A member has a result."""
        del self._open[name]
        self._results[name] = result
        self.over = not self._open or self._is_over()

    def failed(self, name: str, error: BaseException) -> None:
        """A member has failed."""
        del self._open[name]
        self._failures[name] = Failed.by(error)
        self.over = self._is_over()

    def _is_over(self) -> bool:
        if not self._open:
            return True
        if self._policy.kind == "quorum":
            have = len(self._results)
            return have >= self._policy.n or have + len(self._open) < self._policy.n
        return self._policy.kind == "fail_fast" and bool(self._failures)

    def gathered(self) -> Gathered:
        """The outcome as it is now."""
        match self._policy.kind:
            case "collect":
                satisfied = True
            case "fail_fast":
                satisfied = not self._failures and not self._open
            case "quorum":
                satisfied = len(self._results) >= self._policy.n
        return Gathered(dict(self._results), dict(self._failures), tuple(self._open), satisfied)

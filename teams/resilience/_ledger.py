"""Who holds and who waits for what: the decisions behind `Resources`, without effects.

A claim is granted as a whole or not at all. Claims are looked at in the order of their rank: the priority, and one more
for every `ageing` seconds of waiting. A claim that has to wait keeps those behind it from whatever it needs, so that
small claims cannot starve a big one; claims for other resources pass.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import pykka

from teams._actors import ActorRef, Reply
from teams._supervisors import Fault, unknown_key
from teams.resilience._pool import Pool


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What somebody wants all of. It is known by its identity, in every message about it."""

    wants: Mapping[str, float]
    priority: int
    holder: ActorRef[pykka.Actor] | None
    """The actor whose code it is, whose end releases the claim; `None`: it is no actor's."""
    incarnation: int


class Waiting(NamedTuple):
    """A claim that waits."""

    rank: tuple[float, int]
    """Lower is earlier. Priorities grow alike with time, so that the order of two claims never changes."""
    claim: Claim
    reply: Reply
    since: float


class PoolUsage(NamedTuple):
    """How one pool is used."""

    size: float
    used: float
    waiting: int
    """How many claims that want of it wait."""


_NONE: deque[tuple[float, float]] = deque(maxlen=0)


class Ledger:
    """What is held and who waits. Times are seconds, passed in."""

    def __init__(self) -> None:
        self.pools: Mapping[str, Pool] = {}
        self.held: dict[Claim, float] = {}
        """Since when each claim is granted."""
        self.waiting: list[Waiting] = []
        self.watched = False
        """Whether the end of the actor for good is being waited for."""
        self._taken: dict[str, deque[tuple[float, float]]] = {}
        """Of a rate: when each amount was granted that counts yet."""
        self._claims = 0

    def faults(self, path: str, wants: Mapping[str, float]) -> list[Fault]:
        """Why this can never be granted."""
        found = []
        for name, amount in wants.items():
            pool = self.pools.get(name)
            if pool is None:
                found.append(unknown_key(path, name, list(self.pools)))
            elif (problem := pool.problem(amount)) is not None:
                found.append(Fault(path, f"{name}: {problem}"))
        return found

    def join(self, claim: Claim, reply: Reply, now: float, ageing: float) -> None:
        """The claim waits. One that waits already keeps its place, and is answered at `reply` from now on."""
        for index, each in enumerate(self.waiting):
            if each.claim is claim:
                self.waiting[index] = each._replace(reply=reply)
                return
        self._claims += 1
        rank = (now / ageing - claim.priority, self._claims)
        bisect.insort(self.waiting, Waiting(rank, claim, reply, now), key=attrgetter("rank"))

    def drop(self, claim: Claim) -> Waiting | None:
        """The claim waits no longer; returns what it waited with."""
        for index, each in enumerate(self.waiting):
            if each.claim is claim:
                return self.waiting.pop(index)
        return None

    def release(self, claim: Claim) -> float | None:
        """The claim is held no longer; returns since when it was."""
        return self.held.pop(claim, None)

    def grant(self, now: float) -> list[Waiting]:
        """Grants what can be granted now, and returns it in order."""
        granted: list[Waiting] = []
        blocked: set[str] = set()
        for each in self.waiting:
            wants = each.claim.wants
            if blocked.isdisjoint(wants) and all(self._fits(name, amount, now) for name, amount in wants.items()):
                self._take(each.claim, now)
                granted.append(each)
            else:
                blocked.update(wants)
        if granted:
            self.waiting = [each for each in self.waiting if each.claim not in self.held]
        return granted

    def refill_at(self, now: float) -> float | None:
        """When a rate that somebody waits for next gets something back."""
        wanted = {name for each in self.waiting for name in each.claim.wants}
        return min(
            (taken[0][0] + self._period(name) for name in wanted if (taken := self._recent(name, now))), default=None
        )

    def used(self, name: str, now: float) -> float:
        """How much of the pool is granted."""
        # Summed anew each time: a running total of fractions would drift, and end above or below zero.
        if self.pools[name].kind == "rate":
            return math.fsum(amount for _, amount in self._recent(name, now))
        return math.fsum(claim.wants[name] for claim in self.held if name in claim.wants)

    def usage(self, now: float) -> dict[str, PoolUsage]:
        """How every pool is used."""
        return {
            name: PoolUsage(pool.size, self.used(name, now), sum(name in each.claim.wants for each in self.waiting))
            for name, pool in self.pools.items()
        }

    def _recent(self, name: str, now: float) -> deque[tuple[float, float]]:
        """What was granted of a rate and counts yet; of another pool: nothing."""
        taken = self._taken.get(name, _NONE)
        while taken and taken[0][0] + self._period(name) <= now:
            taken.popleft()
        return taken

    def _period(self, name: str) -> float:
        return self.pools[name].per or 0.0

    def _fits(self, name: str, amount: float, now: float) -> bool:
        pool = self.pools[name]
        return math.fsum((self.used(name, now), amount)) <= pool.size

    def _take(self, claim: Claim, now: float) -> None:
        self.held[claim] = now
        for name, amount in claim.wants.items():
            if self.pools[name].kind == "rate":
                self._taken.setdefault(name, deque()).append((now, amount))

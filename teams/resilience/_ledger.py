"""The claims that are held and that wait: the decisions behind `Resources`, without effects.

A claim is granted as a whole or not at all. Claims are looked at in the order of their rank: the priority, and one more
for every `ageing` seconds of waiting. A claim that must wait keeps those behind it from what it needs, so that
small claims cannot starve a big one; claims for other resources pass.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import pykka

from actors.spi import ActorRef, ReplyTo
from supervisors.spi import SpecFault, unknown_key
from teams.resilience._pool import ResourcePool


@dataclass(frozen=True, slots=True, eq=False)
class ResourceClaim:
    """Amounts that a client wants all of. Messages name it by its identity."""

    wants: Mapping[str, float]
    priority: int
    holder: ActorRef[pykka.Actor] | None
    """The actor whose code made the claim, and whose end releases it; None: code outside of any actor."""
    incarnation: int


@dataclass(slots=True, eq=False)
class WaitingClaim:
    """A waiting claim."""

    rank: tuple[float, int]
    """Lower is earlier. Priorities grow alike with time, so that the order of two claims never changes."""
    claim: ResourceClaim
    reply: ReplyTo
    since: float


_rank = attrgetter("rank")


class PoolUsage(NamedTuple):
    """How one pool is used."""

    size: float
    used: float
    waiting: int
    """How many claims wait for it."""


class ResourceLedger:
    """Held and waiting claims. Times are seconds, passed in."""

    def __init__(self) -> None:
        self.pools: Mapping[str, ResourcePool] = {}
        self.held: dict[ResourceClaim, float] = {}
        """Since when each claim is granted."""
        self.waiting: dict[ResourceClaim, WaitingClaim] = {}
        self.watched = False
        """Whether the end of the actor for good is being waited for."""
        self._queue: list[WaitingClaim] = []
        """Waiting claims, by rank."""
        self._parts: dict[str, dict[ResourceClaim, float]] = {}
        """How much of each pool each claim holds."""
        self._taken: dict[str, deque[tuple[float, float]]] = {}
        """For each rate, the amounts that still count, with the time of each grant."""
        self._wanted: Counter[str] = Counter()
        """How many wait for each pool."""
        self._claims = 0

    def claims(self) -> list[ResourceClaim]:
        """All holders and waiting clients."""
        return [*self.held, *self.waiting]

    def faults(self, path: str, wants: Mapping[str, float]) -> list[SpecFault]:
        """Why this can never be granted."""
        found = []
        for name, amount in wants.items():
            pool = self.pools.get(name)
            if pool is None:
                found.append(unknown_key(path, name, list(self.pools)))
            elif (problem := pool.problem(amount)) is not None:
                found.append(SpecFault(path, f"{name}: {problem}"))
        return found

    def join(self, claim: ResourceClaim, reply: ReplyTo, now: float, ageing: float) -> None:
        """The claim waits. One that waits already keeps its place, and is answered at `reply` from now on."""
        known = self.waiting.get(claim)
        if known is not None:
            known.reply = reply
            return
        self._claims += 1
        made = self.waiting[claim] = WaitingClaim((now / ageing - claim.priority, self._claims), claim, reply, now)
        bisect.insort(self._queue, made, key=_rank)
        self._wanted.update(claim.wants.keys())

    def drop(self, claim: ResourceClaim) -> WaitingClaim | None:
        """The claim waits no longer; returns what it waited with."""
        known = self.waiting.pop(claim, None)
        if known is not None:
            del self._queue[bisect.bisect_left(self._queue, known.rank, key=_rank)]
            self._wanted.subtract(claim.wants.keys())
        return known

    def release(self, claim: ResourceClaim) -> float | None:
        """The claim is held no longer; returns since when it was."""
        since = self.held.pop(claim, None)
        if since is not None:
            for name in claim.wants:
                self._parts[name].pop(claim, None)
        return since

    def grant(self, now: float) -> list[WaitingClaim]:
        """Grants what can be granted now, and returns it in order."""
        granted: list[WaitingClaim] = []
        blocked: set[str] = set()
        for each in self._queue:
            wants = each.claim.wants
            if blocked.isdisjoint(wants) and all(self._fits(name, amount, now) for name, amount in wants.items()):
                self._take(each.claim, now)
                granted.append(each)
            else:
                blocked.update(wants)
                if len(blocked) == len(self.pools):
                    break
        for each in granted:
            self.drop(each.claim)
        return granted

    def refill_at(self, now: float) -> float | None:
        """When a rate that a claim waits for next gets something back."""
        times = (
            taken[0][0] + self._period(name)
            for name in self._taken
            if self._wanted[name] and (taken := self._recent(name, now))
        )
        return min(times, default=None)

    def used(self, name: str, now: float) -> float:
        """How much of the pool is granted."""
        # Summed anew each time: a running total of fractions would drift, and end above or below zero.
        if self.pools[name].kind == "rate":
            return math.fsum(amount for _, amount in self._recent(name, now))
        return math.fsum(self._parts.get(name, {}).values())

    def usage(self, now: float) -> dict[str, PoolUsage]:
        """How every pool is used."""
        return {
            name: PoolUsage(pool.size, self.used(name, now), self._wanted[name]) for name, pool in self.pools.items()
        }

    def _recent(self, name: str, now: float) -> deque[tuple[float, float]]:
        """The amount of a rate that still counts."""
        taken = self._taken.setdefault(name, deque())
        while taken and taken[0][0] + self._period(name) <= now:
            taken.popleft()
        return taken

    def _period(self, name: str) -> float:
        pool = self.pools.get(name)  # an updated spec may have taken it away
        return 0.0 if pool is None or pool.per is None else pool.per

    def _fits(self, name: str, amount: float, now: float) -> bool:
        return math.fsum((self.used(name, now), amount)) <= self.pools[name].size

    def _take(self, claim: ResourceClaim, now: float) -> None:
        self.held[claim] = now
        for name, amount in claim.wants.items():
            self._parts.setdefault(name, {})[claim] = amount
            if self.pools[name].kind == "rate":
                self._recent(name, now).append((now, amount))

"""Resources that actors share: a claim is granted as a whole or not at all, and returns when its holder ends.

| message | from | answer |
|---------|------|--------|
| `Take(claim)`     | a client               | once it is granted; `ResourceUnavailable` if it never can be |
| `GiveBack(claim)` | the same, in any case: done with it, cancelled, out of time | `None` |
| `Inspect()`       | any | how each pool is used |
| `Down`            | the runtime: an actor that holds or waits has ended | |
| `Refill`          | its own timer: a rate has something back | |

A claim is *waiting* from its `Take`, *held* when granted, and *ended* after its `GiveBack` or the end of the actor it
is of.

Promise: the claims that are held never exceed a pool, and every claim ends. Both hold while clients and
`Resources` itself crash or are killed at any step. What is held and who waits is kept through every incarnation. A
`Take` that a crash of `Resources` has swallowed is sent again, as is a `GiveBack`; both may come twice. `Resources`
monitors holders and waiting clients, and checks after a restart whether they are there.

Bounds: a claim waits as long as its client does; their number has no limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pykka

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    Down,
    ExitReason,
    Timer,
    answer,
    handles,
    has_ended,
    settle_failure,
    take_reply,
    when_gone,
)
from supervisors.spi import SpecError, SpecFault
from teams._checks.fields import mapping_faults, refuse
from teams.resilience._ledger import PoolUsage, ResourceClaim, ResourceLedger, WaitingClaim
from teams.resilience._pool import ResourcePool
from teams.resilience.errors import ResourceUnavailable
from teams.resilience.events import ResourcesGranted, ResourcesReleased


class Take(NamedTuple):
    """Grant this claim, and answer when it is granted."""

    claim: ResourceClaim


class GiveBack(NamedTuple):
    """The claim is done with, granted or not."""

    claim: ResourceClaim


class Inspect(NamedTuple):
    """How is each pool used?"""


class Refill(NamedTuple):
    """A rate has something back."""


class Watched(NamedTuple):
    """An incarnation with a held or waiting claim."""

    monitor: int
    claims: dict[ResourceClaim, None]


class Resources(Actor):
    """Grants of shared resources: `child("resources", Resources, args={"pools": {"db": Pool.count(10)}})`.

    Ask for them by way of `resources(ref)`. It belongs on the event loop: nothing of it waits.
    """

    only_host = "loop"
    answers = (ResourceUnavailable,)

    def __init__(self, pools: Mapping[str, ResourcePool | Mapping[str, object]], ageing: float = 10.0) -> None:
        """Checks the pools.

        Args:
            pools: the resources by name, as `ResourcePool` or as its fields
            ageing: seconds of waiting that are worth one step of priority

        Raises:
            SpecError: everything that is wrong with them
        """
        self._pools: dict[str, ResourcePool] = {}
        faults = list(mapping_faults(self.path, "pools", pools, "{name: ResourcePool}"))
        for name, given in pools.items() if not faults else ():
            if not isinstance(given, ResourcePool | Mapping):
                faults.append(SpecFault(f"{self.path}/{name}", f"must be a ResourcePool, or its fields, got {given!r}"))
                continue
            try:
                self._pools[name] = _pool(given)
            except SpecError as error:
                faults += [SpecFault(f"{self.path}/{name}", fault.message) for fault in error.faults]
        seconds: object = ageing
        if not isinstance(seconds, int | float) or not seconds > 0:
            faults.append(SpecFault(self.path, f"ageing: must be more than 0 seconds, got {ageing!r}"))
        refuse(faults)
        self._ageing = ageing
        self._holders: dict[tuple[ActorRef[pykka.Actor], int], Watched] = {}
        self._timer: Timer | None = None

    def on_start(self) -> None:
        """Goes on with what the last incarnation left."""
        ledger = self._ledger = self.kept(ResourceLedger)
        ledger.pools = self._pools
        if not ledger.watched:
            ledger.watched = True
            when_gone(self, lambda reason: _refuse_all(self.path, ledger, reason))
        for each in list(ledger.waiting.values()):
            if faults := ledger.faults(self.path, each.claim.wants):  # an updated spec may have brought smaller pools
                ledger.drop(each.claim)
                settle_failure(each.reply, ResourceUnavailable(self.path, tuple(faults)), self.path)
        for claim in ledger.claims():
            self._watch(claim)
        self._serve()

    @handles
    def take(self, message: Take) -> bool:
        """Grants the claim, or has it wait."""
        claim, ledger = message.claim, self._ledger
        if faults := ledger.faults(self.path, claim.wants):
            raise ResourceUnavailable(self.path, tuple(faults))
        if claim in ledger.held:  # granted by an incarnation that ended before it could say so
            return True
        if claim.holder is not None and has_ended(claim.holder, claim.incarnation):
            raise self._orphaned(claim.holder)
        reply = take_reply(self)
        if reply is not None:
            ledger.join(claim, reply, self.runtime.now(), self._ageing)
            self._watch(claim)
            self._serve()
        return False

    @handles
    def give_back(self, message: GiveBack) -> None:
        """The claim has ended."""
        self._remove(message.claim, died=False)
        self._serve()

    @handles
    def inspect(self, message: Inspect) -> dict[str, PoolUsage]:
        """How the pools are used."""
        return self._ledger.usage(self.runtime.now())

    @handles
    def holder_ended(self, down: Down) -> None:
        """An actor has ended, and its claims with it."""
        for watched in [each for each in self._holders.values() if each.monitor == down.monitor]:
            for claim in list(watched.claims):
                self._remove(claim, died=True)
        self._serve()

    @handles
    def refill(self, message: Refill) -> None:
        """Time has brought something back."""
        self._timer = None
        self._serve()

    def _watch(self, claim: ResourceClaim) -> None:
        """Has the runtime say when the holder ends. One of another runtime gives back what it holds by itself."""
        if claim.holder is None or claim.holder.runtime is not self.runtime:
            return
        if has_ended(claim.holder, claim.incarnation):
            self._remove(claim, died=True)
            return
        holder = (claim.holder, claim.incarnation)
        if holder not in self._holders:
            self._holders[holder] = Watched(self.monitor(claim.holder), {})
        self._holders[holder].claims[claim] = None

    def _remove(self, claim: ResourceClaim, *, died: bool) -> None:
        waited, since = self._ledger.drop(claim), self._ledger.release(claim)
        if waited is not None:
            if died and claim.holder is not None:
                settle_failure(waited.reply, self._orphaned(claim.holder), self.path)
            else:
                answer(waited.reply, False)
        if since is not None:
            now = self.runtime.now()
            place = None if claim.holder is None else claim.holder.path
            self.runtime.events.publish(ResourcesReleased(self.path, now, place, claim.wants, now - since, died))
        if claim.holder is not None:
            self._unwatch((claim.holder, claim.incarnation), claim)

    def _orphaned(self, holder: ActorRef[pykka.Actor]) -> ResourceUnavailable:
        """For code of an actor that goes on although its incarnation has ended."""
        return ResourceUnavailable(self.path, (SpecFault(self.path, f"{holder.path}, whose code asks, has ended"),))

    def _unwatch(self, holder: tuple[ActorRef[pykka.Actor], int], claim: ResourceClaim) -> None:
        """Takes the monitor back when nothing is left of the holder."""
        watched = self._holders.get(holder)
        if watched is not None:
            watched.claims.pop(claim, None)
            if not watched.claims:
                del self._holders[holder]
                self.demonitor(watched.monitor)

    def _serve(self) -> None:
        """Grants what can be granted, and sees to it that time's part is not missed."""
        ledger, now = self._ledger, self.runtime.now()
        for each in ledger.grant(now):
            self._granted(each, now)
        refill_at = ledger.refill_at(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if refill_at is not None:
            self._timer = self.tell_after(refill_at - now, Refill())

    def _granted(self, waited: WaitingClaim, now: float) -> None:
        claim = waited.claim
        place = None if claim.holder is None else claim.holder.path
        self.runtime.events.publish(ResourcesGranted(self.path, now, place, claim.wants, now - waited.since))
        # A client that no longer waits has sent a GiveBack, which is on its way.
        answer(waited.reply, True)


def _refuse_all(path: str, ledger: ResourceLedger, reason: ExitReason) -> None:
    """The actor has terminated: every waiting claim is refused."""
    for each in list(ledger.waiting.values()):
        ledger.drop(each.claim)
        settle_failure(each.reply, ActorDeadError(path, reason, Take(each.claim)), path)


def _pool(given: ResourcePool | Mapping[str, object]) -> ResourcePool:
    """A pool, given as such or as its fields. Raises SpecError."""
    if isinstance(given, ResourcePool):
        return given
    fields: dict[str, Any] = {str(key): value for key, value in given.items()}
    return ResourcePool(**fields)

"""The messages of the desk of an engine to itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.spi import ActorRef, ExitReason
from teams.workflows._run.keeper import DurableKeeper


class LookForRuns(NamedTuple):
    """Look whether there is something to do."""


class PollStore(NamedTuple):
    """Look whether another process wrote something."""


class RenewLease(NamedTuple):
    """Lengthen the lease."""


class PurgeRuns(NamedTuple):
    """Delete ended runs that are not kept any longer."""


class RunWaits(NamedTuple):
    """A run has come to wait for something that may take long."""

    run: str
    keeper: DurableKeeper


class MaybePark(NamedTuple):
    """A run has waited for a while."""

    run: str
    keeper: DurableKeeper


class LeaveRun(NamedTuple):
    """A run is paused, or goes elsewhere."""

    run: str
    keeper: DurableKeeper


class HasNews(NamedTuple):
    """Something was written of a run whose stream is read."""

    run: str


class PlayerGone(NamedTuple):
    """The actor of a run has terminated."""

    run: str
    keeper: DurableKeeper
    ref: ActorRef[Any]
    reason: ExitReason


class KeeperLost(NamedTuple):
    """A run cannot be kept any more."""

    run: str
    keeper: DurableKeeper
    error: BaseException

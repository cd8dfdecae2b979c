"""Intentions: announcements of peers, and their outcomes. The protocol is in
`_mesh.peer`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from actors.spi import ActorRef, ExitReason


class Intention(NamedTuple):
    """An announced action of a peer."""

    id: str
    by: str
    """The path of the peer."""
    action: Any
    resource: str
    priority: int
    """More goes first."""
    at: float
    """When it was announced, by the runtime's clock in seconds."""

    @property
    def precedence(self) -> tuple[int, float, str, str]:
        """Of two that conflict the smaller goes first."""
        return -self.priority, self.at, self.by, self.id


class Acted(NamedTuple):
    """The action is done."""

    intention: Intention
    result: Any


class Yielded(NamedTuple):
    """The peer does not act."""

    intention: Intention
    to: tuple[str, ...]
    """The peers that objected, or had not consented in time."""
    why: str
    objected: bool
    """Whether a peer objected; otherwise the time was up."""


class ActFailed(NamedTuple):
    """The peer crashed, was killed or has terminated; how far the action came is unknown."""

    intention: Intention
    reason: ExitReason


IntentionOutcome = Acted | Yielded | ActFailed


class Intend(NamedTuple):
    """Do this, unless a peer objects."""

    action: object
    resource: str
    priority: int = 0
    within: float | None = None
    """Seconds for the consent of all; None: what the peer's class says."""


class Announcement(NamedTuple):
    """A peer will do this, unless another objects."""

    intention: Intention
    by: ActorRef[Any]
    round: int
    """How often this peer was asked before, and once more."""


class Consent(NamedTuple):
    """Go ahead."""


class Objection(NamedTuple):
    """Do not."""

    by: str
    why: str


class Reaction(NamedTuple):
    """A peer's answer to an announcement, an exception where it could not give one."""

    id: str
    peer: ActorRef[Any]
    round: int
    outcome: object


class Go(NamedTuple):
    """All peers have consented."""

    id: str


class PeerEnded(NamedTuple):
    """The incarnation of a peer has ended."""

    path: str
    incarnation: int


class ConsentDue(NamedTuple):
    """Not all peers have consented in time."""

    id: str

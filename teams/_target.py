"""Targets: who is to do a piece of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass

Route = Literal["least_loaded", "round_robin", "random", "consistent_hash"]
ROUTES: tuple[Route, ...] = ("least_loaded", "round_robin", "random", "consistent_hash")


@dataclass(frozen=True, slots=True)
class Can:
    """Whoever has this capability."""

    capability: str

    def __str__(self) -> str:
        return f"can({self.capability!r})"


def can(capability: str) -> Can:
    """Work for whoever has this capability."""
    return Can(capability)


@dataclass(frozen=True, slots=True)
class Pool:
    """The members of a role, or those with a capability, and how one of them is chosen for each piece of work."""

    whom: str | Can
    route: Route = "least_loaded"
    key: Callable[[object], object] | None = None
    """What of the work decides, for `consistent_hash`; None: the work itself."""

    def __str__(self) -> str:
        return f"{self.whom} ({self.route})"


def pool(whom: str | Can, route: Route = "least_loaded", *, key: Callable[[object], object] | None = None) -> Pool:
    """Work for one of several, chosen by `route`.

    `least_loaded` takes whoever has the fewest pieces of work reserved, `round_robin` one after another, `random` any
    with equal chance, `consistent_hash` the same one for equal keys for as long as that one is a member (rendezvous
    hashing, Thaler and Ravishankar 1998: when a member leaves, only its own keys move).

    Raises:
        ValueError: there is no such route
    """
    if route not in ROUTES:
        raise ValueError(f"route must be one of {', '.join(ROUTES)}, not {route!r}")
    return Pool(whom, route, key)


Whom = str | Can | Pool
"""One of a team: a member by id or else the members of a role, those with a capability, a pool of either."""

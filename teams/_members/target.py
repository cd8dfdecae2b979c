"""Targets: which members may do a piece of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.coroutine import async_faults
from teams._checks.fields import refuse

Route = Literal["least_loaded", "round_robin", "random", "consistent_hash"]
POOL_ROUTES: tuple[Route, ...] = get_args(Route)


@dataclass(frozen=True, slots=True)
class Can:
    """The members that have this capability. Raises SpecError if it is not a name."""

    capability: str

    def __post_init__(self) -> None:
        given: object = self.capability
        if not isinstance(given, str) or not given.strip():
            raise SpecError([SpecFault("can()", f"to: a capability must have a name, got {given!r}")])

    def __str__(self) -> str:
        return f"can({self.capability!r})"


@builder("can()")
def can(capability: str) -> Can:
    """Work for any member that has this capability. Raises SpecError if it is not a name."""
    return Can(capability)


@dataclass(frozen=True, slots=True)
class Pool:
    """The members of a role, or those with a capability, and how one of them is chosen for each piece of work. Raises
    SpecError with all faults of its fields.
    """

    target: str | Can
    route: Route = "least_loaded"
    key: Callable[[object], object] | None = None
    """The key of the work, for `consistent_hash`; None: the work itself."""

    def __post_init__(self) -> None:
        faults = list(work_target_faults("pool()", self.target, "target"))
        if self.route not in POOL_ROUTES:
            faults.append(SpecFault("pool()", f"route: must be one of {', '.join(POOL_ROUTES)}, got {self.route!r}"))
        if self.key is not None and not callable(self.key):
            faults.append(SpecFault("pool()", f"key: must be a function of the work, got {self.key!r}"))
        refuse(faults, async_faults("pool()", key=self.key))

    def __str__(self) -> str:
        return f"{self.target} ({self.route})"


@builder("pool()")
def pool(target: str | Can, route: Route = "least_loaded", *, key: Callable[[object], object] | None = None) -> Pool:
    """Work for one of several, chosen by `route`.

    `least_loaded` takes the member with the fewest pieces of work reserved, `round_robin` one after another, `random`
    any with equal chance; of these three, members that are being restarted get nothing until they are up, and the first
    that is up gets what came while none was. `consistent_hash` takes the same member for the same key for as long as it
    is in the team, and waits for it while it is being restarted. When a member leaves or terminates, only its own keys
    move; when one joins, it takes 1 / n of the keys, n being the number of members then, and no key moves between the
    others. A key is known by its `repr`: strings and numbers are good keys, an object without a `__repr__` of its own
    is another one each time.

    What a choice costs does not grow with the number of members (`round_robin`, `random`), or with its logarithm.

    Raises:
        SpecError: every fault
    """
    return Pool(target, route, key)


WorkTarget = str | Can | Pool
"""The targets of work: a member by id, the members of a role, those with a capability, or a pool of these."""


def work_target_faults(path: str, target: object, name: str = "to") -> Iterator[SpecFault]:
    """The faults of a member, role or capability."""
    if not isinstance(target, Can) and (not isinstance(target, str) or not target.strip()):
        yield SpecFault(path, f"{name}: must be the name of a member or a role, or can(...), got {target!r}")

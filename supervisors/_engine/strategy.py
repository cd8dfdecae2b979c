"""Restart decisions as tables and pure functions (supervision rules 5, 6 and 21)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from supervisors._specs.fields import AutoShutdownMode, Restart, RestartStrategy

ExitAction = Literal["restart", "keep", "drop"]


T = TypeVar("T")


EXIT_ACTIONS: Mapping[tuple[Restart, bool], ExitAction] = {
    # (restart type, whether the exit was expected): what follows
    ("permanent", True): "restart",
    ("permanent", False): "restart",
    ("transient", True): "keep",
    ("transient", False): "restart",
    ("temporary", True): "drop",
    ("temporary", False): "drop",
}
"""The consequence of an exit: `restart` the child, `keep` its spec without a restart, or `drop` the spec."""

GROUPS: frozenset[RestartStrategy] = frozenset({"one_for_all", "rest_for_one"})
"""The strategies under which the restart of one child also restarts siblings."""


def group(strategy: RestartStrategy, order: Sequence[T], place: int) -> Sequence[T]:
    """The children that restart with the one at this index of the start order, in start order (rule 6). They stop in
    reverse order.
    """
    match strategy:
        case "one_for_one" | "simple_one_for_one":
            return (order[place],)
        case "one_for_all":
            return order
        case "rest_for_one":
            return order[place:]


def shuts_down(auto_shutdown: AutoShutdownMode, *, significant: bool, others_alive: int) -> bool:
    """Whether a child that ended of its own accord, and will not restart, ends its supervisor (rule 21).

    `others_alive` is the number of other significant children that run or will run again.
    """
    if not significant:
        return False
    match auto_shutdown:
        case "never":
            return False
        case "any_significant":
            return True
        case "all_significant":
            return others_alive == 0

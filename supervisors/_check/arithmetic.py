"""Bounds of a tree: how often a worker can be restarted, and how long the tree can take to stop.

Pure functions of specs. No limit is None for restarts, `math.inf` for seconds.

**Restarts.** Within one life of its supervisor, a child can be restarted as often as its budgets allow (supervision
rules 6, 8 and 9):

- `max_restarts` of the supervisor, if the child draws on it, or a sibling whose restart also restarts the child (any
  other under one_for_all, an earlier one under rest_for_one). With a `period` it counts once, because all restarts
  share it; without a `period` it counts once for each of these children, because each has its own count in a row;
- its own `max_restarts`, if it has a budget of its own, and that of each sibling whose restart also restarts the child.

With `r` such restarts the child has at most `r + 1` lives in one life of its supervisor, because the restart beyond the
budget ends the supervisor. The supervisor has `r' + 1` lives in one life of its own supervisor, and so on up to the
root, which has one. So a worker is started at most `(r1 + 1) * (r2 + 1) * ... * (rn + 1)` times, and *restarted* once
less: with 3 at each of two levels, 15 times and not 6. That is the bound of one burst: a restart leaves its window
after `period` seconds of running, or when its child makes progress, and another one is allowed. A child of a dynamic
supervisor belongs to one life of it, because it does not return after that; a temporary child is never restarted.

**Stopping.** Children of an ordered supervisor stop one after another, so their times add up; those of a dynamic one
stop in parallel, so the longest counts. A worker takes at most its `shutdown`, and after a kill the grace of the
runtime. A supervisor with a `shutdown` in seconds is killed after that time, with everything below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from supervisors._engine.strategy import GROUPS
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec

KILL_GRACE = 1.0
"""Seconds; the default of `Runtime(kill_grace=...)`."""
_EXACT = 10_000
"""Delays that are added up one by one; each further one counts as the cap, an upper bound."""


class PlacedSpec(NamedTuple):
    """A spec and its place in the tree."""

    path: str
    spec: Spec
    supervisor: SupervisorSpec | None
    """None for the root."""
    starts: int | None
    """The most starts in the whole life of the tree, the first one included."""

    @property
    def restarts(self) -> int | None:
        """The most restarts."""
        return None if self.starts is None else self.starts - 1


def places(root: SupervisorSpec) -> Iterator[PlacedSpec]:
    """Every spec of the tree, the root first, each supervisor before its children.

    A template appears once for all its instances.
    """
    yield from _places(PlacedSpec(root.id, root, None, 1))


def _places(place: PlacedSpec) -> Iterator[PlacedSpec]:
    yield place
    spec = place.spec
    if isinstance(spec, SupervisorSpec):
        above = 1 if spec.is_dynamic else place.starts
        for child in below(spec):
            here = lives(spec, child)
            starts = None if here is None or above is None else here * above
            yield from _places(PlacedSpec(f"{place.path}/{child.id}", child, spec, starts))


def below(spec: SupervisorSpec) -> Sequence[Spec]:
    """The children of a supervisor; if all are made from a template, the template."""
    return spec.children if spec.template is None else (spec.template,)


def lives(supervisor: SupervisorSpec, child: Spec) -> int | None:
    """The most starts of the child in one life of its supervisor: `r + 1` in the docstring of the module."""
    if child is supervisor.template and not supervisor.is_dynamic:
        child = supervisor.children[0]  # partitions differ only in their place under rest_for_one
        if supervisor.strategy == "rest_for_one":
            child = supervisor.children[-1]
    if child.restart == "temporary":
        return 1  # a bystander of a group restart is dropped, too (supervision rule 6)
    causes = _causes(supervisor, child)
    budgets: list[int | None] = []
    for cause in causes:
        own = cause.own_restarts
        if cause.restart != "temporary" and own is not None:
            budgets.append(own.max_restarts)
    drawing = sum(cause.restart != "temporary" and cause.own_restarts is None for cause in causes)
    budgets += [supervisor.max_restarts] * (drawing if supervisor.period is None else min(drawing, 1))
    limited = [budget for budget in budgets if budget is not None]
    return None if len(limited) < len(budgets) else sum(limited) + 1


def _causes(supervisor: SupervisorSpec, child: Spec) -> Sequence[Spec]:
    """The children whose restart also restarts this one: the inverse of `supervisors._engine.strategy.group`."""
    match supervisor.strategy:
        case "one_for_all":
            return supervisor.children
        case "rest_for_one":
            ids = [each.id for each in supervisor.children]
            return supervisor.children[: ids.index(child.id) + 1]
        case _:
            return (child,)


def stop_time(spec: Spec, kill_grace: float = KILL_GRACE) -> float:
    """The most seconds from the order to stop until the spec and everything below it has terminated."""
    if isinstance(spec, ChildSpec):
        return _grace(spec) + kill_grace
    times = [stop_time(child, kill_grace) for child in below(spec)]
    if spec.kind == "partition":
        times *= len(spec.children)
    in_order = max(times, default=0.0) if spec.is_dynamic else sum(times)
    return min(in_order, _grace(spec) + kill_grace)


def endless(root: SupervisorSpec) -> Iterator[str]:
    """The paths of the workers that their supervisors wait for without limit."""
    yield from _endless(root, root.id)


def _endless(spec: Spec, path: str) -> Iterator[str]:
    if _grace(spec) < math.inf:
        return
    if isinstance(spec, ChildSpec):
        yield path
    else:
        for child in below(spec):
            yield from _endless(child, f"{path}/{child.id}")


def ageing(spec: SupervisorSpec, kill_grace: float = KILL_GRACE) -> float:
    """The most seconds by which a restart in the window can age while one group restart stops its child.

    For the window a child that is being stopped is still up (supervision rule 8).
    """
    if spec.strategy not in GROUPS or len(spec.children) < 2:
        return 0.0
    return max(stop_time(child, kill_grace) for child in spec.children)


def longest_wait(spec: Spec, restarts: int) -> float:
    """The most seconds that the child waits in total before this many restarts in a row."""
    backoff = spec.backoff
    if backoff is None:
        return 0.0
    if backoff.jitter == "decorrelated":
        return backoff.cap * restarts
    total, attempt = 0.0, 0
    while attempt < min(restarts, _EXACT):
        attempt += 1
        delay = backoff.base(attempt)
        total += delay
        if delay >= backoff.cap:
            break
    return total + backoff.cap * (restarts - attempt)


def _grace(spec: Spec) -> float:
    if spec.shutdown == "infinity":
        return math.inf
    return 0.0 if spec.shutdown == "brutal_kill" else float(spec.shutdown)

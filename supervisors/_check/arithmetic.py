"""What a tree can come to: how often a leaf can be started again, and how long the tree can take to stop.

Pure functions of specs. None stands for "without limit" among restarts, `math.inf` among seconds.

**Restarts.** Within one life of its supervisor, a child can be started again as often as the budgets allow
that its restarts are paid from (supervision rules 6, 8 and 9):

- `max_restarts` of the supervisor, if the child draws on it, or a sibling does whose restart takes the child along (any
  other under one_for_all, an earlier one under rest_for_one): once with a `period`, in which all restarts count, and
  once for each of these children without, since then each has as many in a row;
- its own `max_restarts`, if it has a budget of its own; and that of each sibling whose restart takes the
child along.

With `r` such restarts the child lives at most `r + 1` times in one life of its supervisor: the restart that
the budget does not allow ends the supervisor. The supervisor in turn lives `r' + 1` times in one life of
its own, and so on up to the root, which lives once. So a leaf is started at most `(r1 + 1) * (r2 + 1) * ...
* (rn + 1)` times, and *restarted* once less: with 3 at each of two levels, 15 times and not 6. That is the
most of one burst: a restart leaves its window after `period` seconds of running, or when its child makes progress, and
makes room for the next. A child of a dynamic supervisor lives in one life of it only, since it is not started again
after that; a temporary child is never restarted on its own account.

**Stopping.** Children of an ordered supervisor stop one after another, so their times add up; those of a
dynamic one stop in parallel, so the longest counts. A worker takes its `shutdown`, and if it has to be
killed, the grace of the runtime until it is left behind. A supervisor with a `shutdown` in seconds is
killed after that, with everything below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from supervisors._engine.strategy import is_group
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec

KILL_GRACE = 1.0
"""Seconds; the default of `Runtime(kill_grace=...)`."""
_EXACT = 10_000
"""Delays added up one by one; beyond, each counts as the cap, which is still not less than it can be."""


class Place(NamedTuple):
    """A spec and where it stands in its tree."""

    path: str
    spec: Spec
    supervisor: SupervisorSpec | None
    """None for the root."""
    starts: int | None
    """How often it is started at most in the whole tree's life, the first time included."""

    @property
    def restarts(self) -> int | None:
        """How often it is restarted at most."""
        return None if self.starts is None else self.starts - 1


def places(root: SupervisorSpec) -> Iterator[Place]:
    """Every spec of the tree, the root first, each supervisor before what is below it.

    A template stands once for all its instances, whatever their number.
    """
    yield from _places(Place(root.id, root, None, 1))


def _places(place: Place) -> Iterator[Place]:
    yield place
    spec = place.spec
    if isinstance(spec, SupervisorSpec):
        above = 1 if spec.is_dynamic else place.starts
        for child in below(spec):
            here = lives(spec, child)
            starts = None if here is None or above is None else here * above
            yield from _places(Place(f"{place.path}/{child.id}", child, spec, starts))


def below(spec: SupervisorSpec) -> Sequence[Spec]:
    """The children of a supervisor; the template where all are made from one."""
    return spec.children if spec.template is None else (spec.template,)


def lives(supervisor: SupervisorSpec, child: Spec) -> int | None:
    """How often the child is started at most in one life of its supervisor: `r + 1` of the module's
    account.
    """
    if child is supervisor.template and not supervisor.is_dynamic:
        child = supervisor.children[0]  # all partitions are alike, save for their place under rest_for_one
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
    """The children whose restart restarts this one: `supervisors._engine.strategy.group`, seen from the other
    end.
    """
    match supervisor.strategy:
        case "one_for_all":
            return supervisor.children
        case "rest_for_one":
            ids = [each.id for each in supervisor.children]
            return supervisor.children[: ids.index(child.id) + 1]
        case _:
            return (child,)


def stop_time(spec: Spec, kill_grace: float = KILL_GRACE) -> float:
    """The most seconds it takes until nothing of the spec is left, from the order to stop."""
    if isinstance(spec, ChildSpec):
        return _grace(spec) + kill_grace
    times = [stop_time(child, kill_grace) for child in below(spec)]
    if spec.kind == "partition":
        times *= len(spec.children)
    in_order = max(times, default=0.0) if spec.is_dynamic else sum(times)
    return min(in_order, _grace(spec) + kill_grace)


def endless(root: SupervisorSpec) -> Iterator[str]:
    """The paths of the workers for whose end somebody would wait for ever."""
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

    A child that is being stopped is still up for the window (supervision rule 8), though it does nothing
    any more.
    """
    if not is_group(spec.strategy) or len(spec.children) < 2:
        return 0.0
    return max(stop_time(child, kill_grace) for child in spec.children)


def longest_wait(spec: Spec, restarts: int) -> float:
    """The most seconds the child waits altogether before that many restarts in a row."""
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

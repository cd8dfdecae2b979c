"""`letitcrash check`: surprises in a valid spec, found by arithmetic and by a comparison of its parts.

A spec with faults cannot be built (supervision rules 22 and 24). The findings here are about specs that can be built
and then do something that their author may not expect.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from supervisors._check.arithmetic import (
    KILL_GRACE,
    PlacedSpec,
    ageing,
    below,
    endless,
    longest_wait,
    places,
    stop_time,
)
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors._specs.tree import settled_tree, unresolved

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark about a tree for its author.

    An `error`: the tree, or a part of it, can never start. A `warning`: a setting does not do what it says. A `note`: a
    consequence that is easily missed.
    """

    severity: Severity
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of `check`."""

    findings: tuple[Finding, ...]
    """Errors first, then warnings, then notes; each in the order of the tree."""
    restarts: dict[str, int | None]
    """For each worker, by path: the most restarts in one burst. None: no limit.

    The formula is in `supervisors._check.arithmetic`.
    """
    shutdown: float
    """The most seconds that an ordered shutdown takes; `math.inf` if a supervisor may wait for ever."""
    endless: tuple[str, ...]
    """The workers that their supervisors wait for without limit."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings because of which the tree cannot start."""
        return tuple(each for each in self.findings if each.severity == "error")


def check(tree: SupervisorSpec, *, imports: bool = True, kill_grace: float = KILL_GRACE) -> Report:
    """Checks a tree without starting anything.

    With `imports`, it looks for every "module:Class", which imports these modules; without, the check is pure.
    `kill_grace` is that of the runtime, in seconds.
    """
    found = [*_unresolved(tree)] if imports else []
    if imports:
        tree = settled_tree(tree, tree.id)
    found += _names(tree)
    every = list(places(tree))
    for place in every:
        found += _findings(place, kill_grace)
    order = ("error", "warning", "note")
    return Report(
        findings=tuple(sorted(found, key=lambda each: order.index(each.severity))),
        restarts={each.path: each.restarts for each in every if isinstance(each.spec, ChildSpec)},
        shutdown=stop_time(tree, kill_grace),
        endless=tuple(endless(tree)),
    )


def _findings(place: PlacedSpec, kill_grace: float) -> Iterator[Finding]:
    path, spec, above = place.path, place.spec, place.supervisor
    if above is None:
        yield from _root(path, spec)
    else:
        if not _own_children(above):
            yield from _restarting(path, spec, above)
        yield from _starting(path, spec, above)
    if isinstance(spec, ChildSpec):
        yield from _worker(path, spec)
    else:
        yield from _supervisor(path, spec, kill_grace)
        yield from _auto_shutdown(path, spec, is_root=above is None)


# The whole tree


def _unresolved(tree: SupervisorSpec) -> Iterator[Finding]:
    for fault in unresolved(tree):
        yield Finding("error", fault.path, fault.message)


def _names(tree: SupervisorSpec) -> Iterator[Finding]:
    """A registered name must be unique in its runtime, not only among siblings."""
    owners: dict[str, list[str]] = defaultdict(list)
    for path, spec, repeated in _named(tree, tree.id):
        assert spec.name is not None
        if repeated:
            yield Finding(
                "warning",
                path,
                f"name={spec.name!r} on a template: a name belongs to one actor, so the second instance will "
                "not start; let each instance register a name itself, or join a group",
            )
        owners[spec.name].append(path)
    for name, paths in owners.items():
        if len(paths) > 1:
            yield Finding("error", paths[1], f"name={name!r} already belongs to {paths[0]}: this child can never start")


def _named(spec: Spec, path: str, repeated: bool = False) -> Iterator[tuple[str, Spec, bool]]:
    if spec.name is not None:
        yield path, spec, repeated
    if isinstance(spec, SupervisorSpec):
        # Each partition is a spec of its own: a name on it has a fault of its own.
        dynamic = spec.is_dynamic and spec.max_children != 1
        for each in spec.children or below(spec):
            yield from _named(each, f"{path}/{each.id}", repeated or dynamic)


# One child


def _root(path: str, spec: Spec) -> Iterator[Finding]:
    given = [key for key in ("restart", "backoff", "own_budget", "retry_start") if key in spec.model_fields_set]
    if given:
        yield Finding("note", path, f"{', '.join(given)} has no effect on the root: the root is not restarted")
    if spec.significant:
        yield Finding("warning", path, "significant=True has no effect on the root: it has no supervisor")


def _restarting(path: str, spec: Spec, above: SupervisorSpec) -> Iterator[Finding]:
    backoff_given = "backoff" in spec.model_fields_set and spec.backoff is not None
    own = spec.own_restarts
    limit, period = (above.max_restarts, above.period) if own is None else (own.max_restarts, own.period)
    whose = "its supervisor's " if own is None else ""
    if spec.restart == "temporary":
        useless = [
            key
            for key, given in (("backoff", backoff_given and not spec.retry_start), ("its own budget", own))
            if given
        ]
        if useless:
            message = f"{' and '.join(useless)} without effect: a temporary child is not restarted"
            yield Finding("warning", path, message)
        return
    if limit == 0 and backoff_given:
        message = f"backoff has no effect: with {whose}max_restarts=0 the first crash is final"
        yield Finding("warning", path, message)
    if limit is None and spec.backoff is None:
        message = f"restarts for ever ({whose}max_restarts=None) without any delay (backoff=None): a child that "
        yield Finding("warning", path, message + "always crashes will keep the event loop busy; give it a backoff")
    if limit and period and spec.backoff is not None and backoff_given and spec.backoff.cap > period:
        seconds = longest_wait(spec, limit)
        yield Finding(
            "note",
            path,
            f"the backoff goes up to {spec.backoff.cap:g} s, longer than {whose}period={period:g} s: waiting "
            f"does not count in the period, so a crash loop ends after {limit} restarts, which can take "
            f"{_shown(seconds)}",
        )


def _starting(path: str, spec: Spec, above: SupervisorSpec) -> Iterator[Finding]:
    """The start of a supervisor includes the starts of its children, so its time limit applies to them, too."""
    if above.is_dynamic or above.start_timeout is None:
        return
    limit = above.start_timeout
    if spec.start_timeout is None or spec.start_timeout > limit:
        own = "None" if spec.start_timeout is None else f"{spec.start_timeout:g}"
        yield Finding(
            "warning",
            path,
            f"start_timeout={own} is longer than its supervisor's start_timeout={limit:g}, which in the first start "
            "covers all its children; raise that one",
        )
    if spec.retry_start:
        yield Finding(
            "warning",
            path,
            f"retry_start goes on for at most {limit:g} s, the start_timeout of its supervisor; raise that one",
        )


def _worker(path: str, spec: ChildSpec) -> Iterator[Finding]:
    if spec.redeliver and spec.mailbox.on_restart == "drop":
        message = "the message that crashed it is dropped with the rest of the queue"
        yield Finding("warning", path, f"redeliver={spec.redeliver} with mailbox='drop' never redelivers: {message}")
    if spec.redeliver and spec.restart == "temporary":
        message = "a temporary child has one incarnation only"
        yield Finding("warning", path, f"redeliver={spec.redeliver} with restart='temporary' has no effect: {message}")
    if isinstance(spec.shutdown, float) and (spec.handler_timeout or 0) > spec.shutdown:
        yield Finding(
            "note",
            path,
            f"handler_timeout={spec.handler_timeout:g} is longer than shutdown={spec.shutdown:g}: a shutdown "
            "kills a handler that is still within its time limit",
        )


# One supervisor


def _supervisor(path: str, spec: SupervisorSpec, kill_grace: float) -> Iterator[Finding]:
    if spec.restart == "temporary":
        yield Finding(
            "warning",
            path,
            "a temporary supervisor that gives up is not restarted, nor is anything below it",
        )
    yield from _shutdown(path, spec, kill_grace)
    aged, budget = ageing(spec, kill_grace), spec.max_restarts
    if budget and spec.period is not None and aged * budget >= spec.period:
        if aged == math.inf:
            problem = "one of its children may take for ever to stop"
        else:
            problem = f"its children may take {aged:g} s each to stop, {budget} times {aged * budget:g} s"
        yield Finding(
            "warning",
            path,
            f"{problem}, while max_restarts={budget} counts within period={spec.period:g} s: a restart that "
            "takes siblings along can push the earlier ones out of the window, so children crashing in turn "
            "may never reach the limit; shorten shutdown or lengthen period",
        )


def _shutdown(path: str, spec: SupervisorSpec, kill_grace: float) -> Iterator[Finding]:
    if spec.shutdown == "brutal_kill":
        yield Finding(
            "warning", path, "shutdown='brutal_kill' on a supervisor leaves the actors below it no time to stop"
        )
    elif spec.shutdown != "infinity":
        needed = stop_time(spec.model_copy(update={"shutdown": "infinity"}), kill_grace)
        if needed > spec.shutdown + kill_grace:
            yield Finding(
                "warning",
                path,
                f"shutdown={spec.shutdown:g} is less than the {_shown(needed)} its children may need: "
                "children that have not stopped by then are killed; 'infinity' gives each its own time",
            )


def _auto_shutdown(path: str, spec: SupervisorSpec, *, is_root: bool) -> Iterator[Finding]:
    if spec.auto_shutdown == "never":
        return
    significant = [each for each in spec.children if each.significant]
    if not significant:
        message = "no child is significant, so it has no effect (start_child may add one)"
        yield Finding("warning", path, f"auto_shutdown={spec.auto_shutdown!r}: {message}")
    if spec.restart == "permanent" and not is_root:
        yield Finding(
            "warning",
            path,
            f"auto_shutdown={spec.auto_shutdown!r} on a permanent supervisor: it is restarted after each automatic "
            "shutdown, and that counts in the budget; make it transient",
        )
    if spec.restart == "transient" and not is_root:
        yield Finding(
            "note",
            path,
            "after an automatic shutdown this transient supervisor is not restarted (it is after a crash and after "
            "giving up)",
        )
    for child in () if _own_children(spec) else spec.children:
        if child.restart == "permanent" and significant:
            message = "permanent under auto_shutdown: its own end never counts; it ends with its supervisor"
            yield Finding("note", f"{path}/{child.id}", message)


def _own_children(spec: SupervisorSpec) -> bool:
    """Whether its class defines its children: the author of the tree cannot change how they are restarted."""
    return getattr(spec.supervisor_class, "own_children", False)


def _shown(seconds: float) -> str:
    return "unlimited time" if seconds == math.inf else f"{seconds:g} s"

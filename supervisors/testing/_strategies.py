"""Hypothesis strategies for specs, whole trees, and trials of them.

All times are multiples of a quarter of a second, and there are few of them: events coincide, and ages meet the edge of
a window exactly.

Strategies that are drawn from in every tree are built once: Hypothesis examines each new one, which costs more than a
draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from actors.testing.spi import Fault, FaultPlan, Schedule, faults, needs_extra, schedules
from supervisors._specs.backoff import Backoff, Constant, Exponential, Linear
from supervisors._specs.spec import ChildSpec, OwnBudget, Spec, SupervisorSpec
from supervisors.testing._scripted_actor import ScriptedActor
from supervisors.testing._trial import Deed, ScriptedAction, Trial

with needs_extra():
    from hypothesis import strategies as st

seconds = st.sampled_from([0.25, 0.5, 1.0, 2.0])
jitters = st.sampled_from(["none", "none", "full", "equal", "decorrelated"])
resets = st.sampled_from([None, 0.5, 2.0, 60.0])


def backoffs(*, only_healthy: bool = False) -> st.SearchStrategy[Backoff | None]:
    """Every kind of backoff with every jitter, and none. `only_healthy`: also those that only the child resets."""
    return _backoffs(only_healthy)


@cache
def _backoffs(only_healthy: bool) -> st.SearchStrategy[Backoff | None]:
    usual = st.one_of(st.none(), backoffs_of(Constant), backoffs_of(Linear), backoffs_of(Exponential))
    if not only_healthy:
        return usual
    return st.one_of(usual, usual, *(backoffs_of(kind, only_healthy=True) for kind in (Constant, Linear, Exponential)))


@cache
def backoffs_of(
    kind: type[Constant | Linear | Exponential], *, only_healthy: bool = False
) -> st.SearchStrategy[Backoff]:
    """One kind of backoff with every jitter."""
    own: dict[str, st.SearchStrategy[Any]] = {}
    if kind is Linear:
        own["step"] = st.none() | seconds
    elif kind is Exponential:
        own["factor"] = st.sampled_from([1.0, 2.0, 3.0])
    caps = st.sampled_from([2.0, 4.0])
    if only_healthy:
        own["reset"] = st.just("healthy")
    else:
        own["reset_after"] = resets
    return st.builds(kind, initial=seconds, cap=caps, jitter=jitters, **own)


def own_budgets() -> st.SearchStrategy[OwnBudget]:
    """Budgets of a child's own."""
    return _own_budgets


_own_budgets = st.builds(
    OwnBudget,
    max_restarts=st.integers(0, 2),
    period=st.sampled_from([None, None, 0.5, 2.0, 60.0]),
    on_limit=st.sampled_from(["drop", "escalate"]),
)


@cache
def _restarts(significant: bool) -> st.SearchStrategy[str]:
    """Restart types; where a child may be significant, mostly those that allow it."""
    usual = ["permanent", "permanent", "transient", "temporary"]
    return st.sampled_from(["transient", "transient", "temporary", "permanent"] if significant else usual)


ids = st.sampled_from(["a", "b", "c", "d", "e"])


@st.composite
def child_specs(
    draw: st.DrawFn, id: str | None = None, *, start: Any = ScriptedActor, significant: bool = False
) -> ChildSpec:
    """Workers that a supervisor can have; with `significant`, some that end it. `start`: the class; scripted actors by
    default.
    """
    restart = draw(_restarts(significant))
    values: dict[str, Any] = {
        "id": id if id is not None else draw(ids),
        "start": start,
        "restart": restart,
        "backoff": draw(backoffs(only_healthy=start is ScriptedActor)),
        "significant": significant and restart != "permanent" and draw(st.sampled_from([True, True, False])),
        "shutdown": draw(st.sampled_from([5.0, 5.0, 0.5, "brutal_kill", "infinity"])),
        "start_timeout": draw(st.sampled_from([30.0, 30.0, None, 0.125, 0.75])),
        "retry_start": draw(st.sampled_from([False, False, False, True])),
        "mailbox": draw(st.sampled_from(["keep", "keep", "keep", "drop"])),
        "redeliver": draw(st.sampled_from([0, 0, 0, 1])),
    }
    own = draw(st.none() | st.none() | own_budgets())
    if own is not None:
        values |= own.model_dump()
    else:
        values["on_limit"] = draw(st.sampled_from([None, None, None, "drop"]))
    if start is ScriptedActor:
        values["args"] = draw(_manners(may_hang=values["shutdown"] != "infinity"))
    return ChildSpec(**values)


@st.composite
def _manners(draw: st.DrawFn, *, may_hang: bool) -> dict[str, Any]:
    """The starts and the stop of a scripted actor: mostly well, and a first start mostly succeeds, or few trees would
    ever run.
    """
    given: dict[str, Any] = {}
    manners = ["up", "up", "up", "up", "slow", "fail", "decline"]
    first = draw(st.sampled_from(["up"] * 12 + ["slow", "slow", "fail", "decline"]))
    later = draw(st.lists(st.sampled_from(manners), max_size=4))
    if first != "up" or any(each != "up" for each in later):
        given["starts"] = (first, *later)
    stop = draw(st.sampled_from(["prompt"] * 6 + ["slow", "slow", "fail", "never" if may_hang else "slow"]))
    if stop != "prompt":
        given["stop"] = stop
    return given


@st.composite
def supervisor_specs(
    draw: st.DrawFn,
    id: str | None = None,
    *,
    depth: int = 1,
    width: int = 4,
    start: Any = ScriptedActor,
    significant: bool = False,
) -> SupervisorSpec:
    """Supervisors of every strategy with up to `width` children, up to `depth` levels of supervisors below."""
    strategy = draw(
        st.sampled_from(["one_for_one", "one_for_all", "rest_for_one", "rest_for_one", "simple_one_for_one"])
    )
    restart = draw(_restarts(significant))
    values: dict[str, Any] = {
        "id": id if id is not None else draw(ids),
        "strategy": strategy,
        "restart": restart,
        "max_restarts": draw(st.sampled_from([None, 0, 1, 2, 3, 5, 5])),
        "period": draw(st.sampled_from([None, None, None, 0.5, 1.0, 2.0, 60.0])),
        "backoff": draw(backoffs()),
        "significant": significant and restart != "permanent" and draw(st.sampled_from([True, True, False])),
        "shutdown": draw(st.sampled_from(["infinity", "infinity", 5.0, "brutal_kill"])),
        "own_budget": draw(st.none() | st.none() | own_budgets()),
        "retry_start": draw(st.sampled_from([False, False, False, True])),
    }
    if strategy == "simple_one_for_one":
        values["kind"] = "dynamic"
        values["template"] = draw(child_specs("t", start=start))
        values["max_children"] = draw(st.sampled_from([None, 1, 2]))
        values["initial"] = ((),) * min(draw(st.sampled_from([0, 0, 1, 2])), values["max_children"] or 2)
        values["max_restarts"] = _bounded(values["max_restarts"], [values["template"]])
        return SupervisorSpec(**values)
    values["auto_shutdown"] = draw(
        st.sampled_from(["never", "never", "any_significant", "all_significant", "all_significant"])
    )
    counts = values["auto_shutdown"] != "never"
    children: list[Spec] = []
    for name in "abcdefgh"[: draw(st.sampled_from([width] * 4 + [max(1, width - 1)] * 4 + [2, 2, 1, 0]))]:
        nested = depth > 0 and draw(st.integers(0, 3)) == 0
        child: st.SearchStrategy[Any] = (
            supervisor_specs(name, depth=depth - 1, width=max(1, width - 1), start=start, significant=counts)
            if nested
            else child_specs(name, start=start, significant=counts)
        )
        children.append(draw(child))
    values["max_restarts"] = _bounded(values["max_restarts"], children)
    return SupervisorSpec(**values, children=tuple(children))


def _bounded(max_restarts: int | None, children: Sequence[Spec]) -> int | None:
    """The budget, but not "for ever" for a child that is started again at once: what never comes up would keep time
    from moving.
    """
    return 5 if max_restarts is None and any(child.backoff is None for child in children) else max_restarts


@st.composite
def settings_specs(draw: st.DrawFn, *, dynamic: bool) -> SupervisorSpec:
    """Supervisors that stand for the settings they have: of dynamic ones, or of others."""
    values: dict[str, Any] = {
        "id": "settings",
        "max_restarts": draw(st.sampled_from([0, 1, 2, 3, 5])),
        "period": draw(st.sampled_from([None, None, 0.5, 2.0, 60.0])),
    }
    if dynamic:
        template = ChildSpec(id="t", start=ScriptedActor)
        values |= {"kind": "dynamic", "strategy": "simple_one_for_one", "template": template}
        return SupervisorSpec(**values, max_children=draw(st.sampled_from([None, 1, 2, 3])))
    return SupervisorSpec(
        **values,
        strategy=draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),
        auto_shutdown=draw(st.sampled_from(["never", "any_significant", "all_significant", "all_significant"])),
    )


def trees(*, depth: int = 2, width: int = 4, start: Any = ScriptedActor) -> st.SearchStrategy[SupervisorSpec]:
    """Whole trees with the root `root`."""
    return supervisor_specs("root", depth=depth, width=width, start=start)


def places(spec: Spec, path: str | None = None) -> Iterator[tuple[str, Spec]]:
    """Every actor of the tree with its path; the children of a template as a pattern."""
    path = path or spec.id
    yield path, spec
    if isinstance(spec, SupervisorSpec):
        for child in spec.children:
            yield from places(child, f"{path}/{child.id}")
        if spec.is_dynamic and spec.template is not None:
            yield from places(spec.template, f"{path}/*")


WORKER_DEEDS: Sequence[Deed] = (
    "crash",
    "crash",
    "crash",
    "crash",
    "work",
    "healthy",
    "nap",
    "ask",
    "finish",
    "stop",
    "kill",
    "terminate_child",
    "restart_child",
    "delete_child",
    "start_again",
    "get_child_spec",
)
WITH_A_CRASH: Sequence[Deed] = ("crash", "crash", "crash", "finish", "stop", "terminate_child")
AFTER_AN_END: Sequence[Deed] = ("restart_child", "restart_child", "delete_child", "terminate_child", "start_again")
SUPERVISOR_DEEDS: Sequence[Deed] = (
    "start_child",
    "start_child",
    "start_child",
    "which_children",
    "which_children",
    "count_children",
    "update_specs",
    "update_settings",
    "adopt_settings",
)


_soon = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def scripts(draw: st.DrawFn, tree: SupervisorSpec, *, most: int = 18, until: float = 8.0) -> tuple[ScriptedAction, ...]:
    """The events of a tree: messages, kills, requests to its supervisors."""
    workers = [path for path, spec in places(tree) if not isinstance(spec, SupervisorSpec)]
    supervisors = [(path, spec) for path, spec in places(tree) if isinstance(spec, SupervisorSpec)]
    actions: list[ScriptedAction] = []
    for path, spec in supervisors:
        if spec.is_dynamic:
            actions.extend([ScriptedAction(0.25, path, "start_child")] * draw(st.integers(0, 3)))
    loops: bool = draw(st.booleans())
    if workers and loops:
        # A crash loop, which may end its supervisors.
        worker: str = draw(st.sampled_from(workers))
        step: float = draw(st.sampled_from([0.5, 1.0, 2.0]))
        actions.extend(
            ScriptedAction(0.5 + step * number, worker, "crash") for number in range(draw(st.integers(3, 8)))
        )
    moments = st.integers(1, max(1, int(4 * until))).map(lambda quarter: quarter / 4)
    for at in sorted(draw(st.lists(moments, min_size=most // 3, max_size=most))):
        if workers and draw(st.integers(0, 3)) > 0:
            worker, deed = draw(st.sampled_from(workers)), draw(st.sampled_from(WORKER_DEEDS))
            actions.append(ScriptedAction(at, worker, deed))
            if deed == "terminate_child":
                actions.append(ScriptedAction(at + draw(_soon), worker, draw(st.sampled_from(AFTER_AN_END))))
            elif deed == "crash" and draw(st.booleans()):
                # Another failure while the restart is under way.
                actions.append(
                    ScriptedAction(
                        at + draw(_soon), draw(st.sampled_from(workers)), draw(st.sampled_from(WITH_A_CRASH))
                    )
                )
            continue
        path, spec = draw(st.sampled_from(supervisors))
        deed = draw(st.sampled_from(SUPERVISOR_DEEDS if path == tree.id else (*SUPERVISOR_DEEDS, "kill")))
        if deed in ("update_settings", "adopt_settings"):
            actions.append(ScriptedAction(at, path, deed, draw(settings_specs(dynamic=spec.is_dynamic))))
            below = [worker for worker in workers if worker.startswith(f"{path}/")]
            if below:
                # What was counted before still counts, and what comes then is judged by the new settings.
                worker = draw(st.sampled_from(below))
                actions += [
                    ScriptedAction(max(0.25, at + when), worker, "crash")
                    for when in (-draw(_soon), 0.25, 0.25 + draw(_soon))
                ]
            continue
        takes_spec = deed == "update_specs" or (deed == "start_child" and not spec.is_dynamic)
        # What hangs while it stops may run already: a new spec must not give it for ever.
        given = child_specs(significant=draw(st.booleans())).filter(lambda given: given.shutdown != "infinity")
        new = draw(given) if takes_spec else None
        actions.append(ScriptedAction(at, path, deed, new))
    return tuple(actions)


@st.composite
def plans_for(draw: st.DrawFn, tree: SupervisorSpec, *, most: int = 4) -> FaultPlan:
    """Fault plans for a tree: which kinds are on is drawn first. Faults in handlers aim at workers only, where the
    model sees their effect.
    """
    workers = [path for path, spec in places(tree) if not isinstance(spec, SupervisorSpec)]
    supervisors = [path for path, spec in places(tree) if isinstance(spec, SupervisorSpec) and path != tree.id]
    everyone = workers + supervisors
    if not everyone:
        return FaultPlan()
    count = draw(st.sampled_from([0, 1, 2, 2, 3, 4]))
    kinds = draw(st.lists(st.sampled_from(FAULT_KINDS), unique=True, min_size=count, max_size=count))
    chosen: list[Fault] = []
    for kind in kinds:
        targets = everyone if kind in _OF_ANYONE else workers
        if targets and len(chosen) < most:
            chosen.append(draw(_FAULTS[kind](st.sampled_from(targets))))
    return FaultPlan(*chosen)


_OF_ANYONE = frozenset({"CrashInStart", "CrashInStop", "Kill", "KillDuringRestart"})
_nth, _times = st.integers(1, 4), st.integers(1, 3)
_FAULTS: dict[str, Any] = {
    "Crash": lambda paths: st.builds(faults.Crash, paths, nth=_nth, times=_times),
    "CrashInStart": lambda paths: st.builds(faults.CrashInStart, paths, nth=st.integers(2, 4), times=_times),
    "CrashInStop": lambda paths: st.builds(faults.CrashInStop, paths, nth=_nth, times=_times),
    "Hang": lambda paths: st.builds(faults.Hang, paths, nth=_nth, times=st.just(1)),
    "Slow": lambda paths: st.builds(faults.Slow, paths, nth=_nth, seconds=seconds, times=_times),
    "Kill": lambda paths: st.builds(faults.Kill, paths, at=st.integers(1, 24).map(lambda quarter: quarter / 4)),
    "KillDuringRestart": lambda paths: st.builds(faults.KillDuringRestart, paths, nth=_nth, times=_times),
    "DropMessage": lambda paths: st.builds(faults.DropMessage, paths, nth=_nth),
    "DuplicateMessage": lambda paths: st.builds(faults.DuplicateMessage, paths, nth=_nth),
    "DelayMessage": lambda paths: st.builds(faults.DelayMessage, paths, nth=_nth, seconds=seconds),
    "AskTimeout": lambda paths: st.builds(faults.AskTimeout, paths, nth=_nth),
    "ClockJump": lambda paths: st.builds(
        faults.ClockJump,
        at=st.integers(1, 24).map(lambda quarter: quarter / 4),
        seconds=st.sampled_from([-1.0, 1.0, 5.0]),
    ),
}

FAULT_KINDS: Sequence[str] = sorted(_FAULTS)
"""The kinds of fault that a plan may have."""

SEARCHES = ("fifo", "random", "pct3", "pos", "lag", "pct5", "lag2")


def schedules_for(tree: SupervisorSpec, *, most: int = 3) -> st.SearchStrategy[Schedule]:
    """Schedules of few moves of those who stand in the tree."""
    return schedules({path: 40 for path, _ in places(tree) if "*" not in path}, max_moves=most)


@st.composite
def trials(draw: st.DrawFn, *, depth: int = 2, width: int = 4) -> Trial:
    """Trees of scripted actors with a script, a fault plan and a way to choose a schedule."""
    tree = draw(trees(depth=depth, width=width))
    search = draw(st.sampled_from(SEARCHES))
    # Mostly long enough for everything to come to rest; sometimes the end comes before.
    until = draw(st.sampled_from([20.0, 20.0, 3.0, 1.5]))
    return Trial(
        tree,
        draw(scripts(tree, until=min(8.0, 2 * until))),
        draw(plans_for(tree)),
        draw(schedules_for(tree)) if search == "fifo" else Schedule(),
        None if search == "fifo" else (search, draw(st.integers(0, 999))),
        seed=draw(st.integers(0, 999)),
        until=until,
    )

"""The engine: workflows whose runs outlive their process, as a tree like any other.

engine (one_for_one)
|- store     the connection, in a thread
|- journal   gathers what is written into commits
|- agents    the team of the members that were given to the engine
|- ...       the teams and supervisors that were given to it
|- desk      which runs are awake here, and what is said to them
|- scheduler starts runs at the slots of schedules; there is none without schedules
`- runs      an actor for each run that is awake
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from actors.spi import ActorRef, MissingExtra, needs_extra
from supervisors.spi import (
    ChildSpec,
    CommonOptions,
    Spec,
    SpecError,
    SpecFault,
    Supervisor,
    SupervisorSpec,
    builder,
    child,
    dynamic_supervisor,
    exponential,
    nearest,
    supervisor,
)
from teams._checks.fields import count_faults, seconds_faults
from teams._dispatch.spec import TeamSpec
from teams._journal.codec import HIGHEST_LIMIT, LIMIT
from teams._journal.open_store import open_store
from teams._journal.store import Durability, Store
from teams._members.member import Member
from teams._members.role import Role
from teams._members.target import Can
from teams._runs.pattern import Pattern, pattern_faults, work_targets
from teams._team import Team, team
from teams.workflows._engine.desk import Desk
from teams.workflows._engine.journal import JournalWriter, StoreActor
from teams.workflows._engine.ref import EngineRef
from teams.workflows._engine.scheduler import ScheduleActor
from teams.workflows._engine.settings import RETAIN, EngineSettings
from teams.workflows._graph.check import endless_faults, nested_continue_faults, unknown_names
from teams.workflows._graph.edit import KnownNames
from teams.workflows._graph.node import Nested
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.code import CodeWorkflow
from teams.workflows._run.play import read_input
from teams.workflows._run.routing import Routing
from teams.workflows._run.run import DurableRun
from teams.workflows._time.schedule import WorkflowSchedule
from teams.workflows.errors import BadInput

AGENTS = "agents"
"""The id of the team of an engine's own members."""
OWN = ("store", "journal", AGENTS, "desk", "scheduler", "runs")
"""The ids of the parts of an engine."""
RUN_RESTARTS, RUN_PERIOD = 100, 60.0
"""How often the actor of a run may crash within so many seconds before the run fails. What is done is kept."""

FLOWS = Workflow | CodeWorkflow | Routing


class EngineSupervisor(Supervisor):
    """The supervisor at the root of an engine."""

    ref_type: ClassVar[type[ActorRef[Any]]] = EngineRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> EngineRef: ...


class EngineOptions(CommonOptions, total=False):
    """The options of an engine as a supervisor; `engine` explains them."""

    max_restarts: int | None
    period: float | None
    on_give_up: Callable[..., object] | None


@builder("{id}", EngineOptions)
def engine(
    id: str,
    *parts: Workflow | CodeWorkflow | Routing | Member | Role | SupervisorSpec | WorkflowSchedule,
    patterns: Mapping[str, Pattern] | None = None,
    store: str | Callable[[], Store] = "sqlite:///runs.db",
    durability: Durability = "disk",
    max_concurrent_workflows: int = 100,
    max_value_bytes: int = LIMIT,
    default_timeout: float | None = 300.0,
    retain: Mapping[str, float | None] | None = None,
    tracing: bool = False,
    **options: Unpack[EngineOptions],
) -> SupervisorSpec[EngineRef]:
    """An engine, for `start` or as a child of another supervisor. Raises SpecError with all faults at once.

    Its runs survive the death of the process: what was acknowledged is in the store, and an engine that opens the
    store goes on with it. Of several processes on one Postgres each run belongs to one, and the others take it over
    when that dies.

    Args:
        id: One step of its path; of the root, the whole path.
        parts: Workflows, made by `workflow()`, `coded()` or `routing()`; members and roles, which form the team
            `agents` that does the work of steps; teams, made by `team()`, for steps with `team`; schedules, made by
            `schedule()`; and other supervisors, which run beside them.
        patterns: Patterns of `teams.patterns` by name. A run of one is started like a run of a workflow, and a step of
            a team may name it. Default: None.
        store: Where runs are kept: "sqlite:///path", "postgresql://user@host/database", or "memory:", which forgets
            them with the process. Default: "sqlite:///runs.db".
        durability: "disk": what was acknowledged survives a power loss; "process": it survives the death of the process
            only, and a commit does not wait for the disk. Default: "disk".
        max_concurrent_workflows: How many runs are awake in this process at most; the others wait, in the order of
            priority and age. A run that waits for a person, a signal or a time does not count. Default: 100.
        default_timeout: Seconds for a run whose workflow and caller give none; waiting for people does not count. None:
            any time. Default: 300.0.
        max_value_bytes: The most bytes of an input, a result and a signal, as JSON; at most 16 MiB. What is larger
            belongs elsewhere: hand on where it is. Default: 1 MiB.
        retain: Seconds for which ended runs are kept, by state ("done", "failed", "cancelled", "continued"); None: for
            ever. Default: 90 days for those that failed, 30 for the others.
        tracing: Whether runs and their steps are spans of the global tracer provider of OpenTelemetry; needs the extra
            `otel`. `WorkflowTracing` takes another provider. Default: False.
        max_restarts: The budget of the parts of the engine together. Default: 15.
        period: Seconds of running within which restarts count. None: restarts in a row without progress. Default: None.
        on_give_up: A function that is called when the engine gives up. Default: None.
        restart: After which exits the supervisor above restarts the engine: "permanent", "transient" or "temporary".
            Default: "permanent".
        shutdown: Seconds between the order to stop and the kill, or "infinity", or "brutal_kill". Default: "infinity".
        backoff: The delays before restarts of the engine: `exponential()`, `linear()` or `constant()`. None restarts at
            once. Default: exponential().
        significant: Whether the end of the engine may end the supervisor above. Default: False.
        name: A name to register the engine under, besides its path. Default: None.
        start_timeout: Seconds that a start of the engine may take. None: only its parts have limits. Default: None.
        retry_start: Whether a first start that fails is tried again with the backoff of a restart. Default: False.
    """
    given: tuple[object, ...] = parts
    flows = [each for each in parts if isinstance(each, FLOWS)]
    people = [each for each in parts if isinstance(each, Member | Role)]
    trees = [each for each in parts if isinstance(each, SupervisorSpec)]
    schedules = [each for each in parts if isinstance(each, WorkflowSchedule)]
    faults = [
        SpecFault(id, f"must have workflows, members, roles, teams, schedules and supervisors, got {each!r}")
        for each in given
        if not isinstance(each, FLOWS | Member | Role | SupervisorSpec | WorkflowSchedule)
    ]
    if patterns is not None and not isinstance(patterns, Mapping):
        faults.append(SpecFault(id, f"patterns: must be a mapping {{name: pattern}}, got {patterns!r}"))
        patterns = None
    named: dict[str, Pattern] = dict(patterns or {})
    for name, each in named.items():
        faults += pattern_faults(f"{id}/patterns/{name}", each)
    workflows: dict[str, Pattern] = dict(named)
    for flow in flows:
        if flow.name in workflows:
            faults.append(SpecFault(id, f"there are two workflows {flow.name!r}; give them different names"))
        workflows[flow.name] = flow
    faults += [
        SpecFault(f"{id}/{each.id}", f"the id is that of a part of the engine; choose another than {', '.join(OWN)}")
        for each in trees
        if each.id in OWN
    ]
    agents = _agents(people, faults)
    names = KnownNames()
    if not faults:
        names = _known_names(people, trees, workflows)
        faults += [*_name_faults(id, flows, names, workflows)]
    faults += [*_schedule_faults(id, schedules, workflows)]
    faults += [*_option_faults(id, store, durability, max_concurrent_workflows, default_timeout, retain)]
    faults += [*_bytes_faults(id, max_value_bytes)]
    faults += [*tracing_faults(id, tracing)]
    try:
        supervisor(id, **options)
    except SpecError as error:
        faults += error.faults
    if faults:
        raise SpecError(faults)
    settings = EngineSettings(
        workflows,
        named,
        max_concurrent_workflows,
        default_timeout,
        {**RETAIN, **(retain or {})},
        {each.id: each for each in schedules},
        tracing,
        max_value_bytes,
        names,
    )
    opened = partial(open_store, store, durability=durability) if isinstance(store, str) else store
    run = child(
        "run",
        DurableRun,
        restart="transient",
        backoff=exponential(0.01, cap=1.0),
        shutdown="brutal_kill",
        max_restarts=RUN_RESTARTS,
        period=RUN_PERIOD,
        on_limit="drop",
    )
    children: list[Spec] = [
        child("store", StoreActor, args=(opened,), backoff=exponential(0.05, cap=5.0)),
        child("journal", JournalWriter, backoff=None),
        agents,
        *trees,
        child("desk", Desk, args=(settings,), backoff=exponential(0.05, cap=5.0)),
        *(
            [child("scheduler", ScheduleActor, args=(settings,), backoff=exponential(0.05, cap=5.0))]
            if schedules
            else ()
        ),
        dynamic_supervisor("runs", run, max_restarts=None, backoff=None),
    ]
    root = supervisor(id, *children, supervisor_class=EngineSupervisor, **options)
    return cast("SupervisorSpec[EngineRef]", root)


def _agents(people: list[Member | Role], faults: list[SpecFault]) -> SupervisorSpec:
    try:
        return team(AGENTS, *people)
    except SpecError as error:
        faults += error.faults
        return team(AGENTS)


def _known_names(
    people: list[Member | Role], trees: list[SupervisorSpec], workflows: Mapping[str, Pattern]
) -> KnownNames:
    return KnownNames(
        frozenset(_names(people)),
        frozenset(name for each in people for name in each.capabilities),
        {each.id: frozenset(_team_names(each)) for each in trees if each.supervisor_class is Team},
        frozenset(workflows),
    )


def _name_faults(
    id: str,
    flows: Iterable[Workflow | CodeWorkflow | Routing],
    names: KnownNames,
    workflows: Mapping[str, Pattern],
) -> Iterator[SpecFault]:
    for flow in flows:
        if not isinstance(flow, Workflow):
            known: set[str | Can] = {*names.members, *(Can(each) for each in names.capabilities)}
            for target in dict.fromkeys(work_targets(flow)):
                if target not in known:
                    hint = nearest(str(target), names.members)
                    yield SpecFault(f"{id}/{flow.name}", f"no member or role {target}; {hint}")
            continue
        for fault in unknown_names(flow, **names._asdict()):
            yield SpecFault(f"{id}/{fault.path}", fault.message)
        for node in flow.graph.nodes:
            if isinstance(node.what, Nested) and node.what.definition is None:
                yield from nested_continue_faults(f"{id}/{flow.name}/{node.id}", workflows.get(node.what.workflow))
    yield from endless_faults(id, workflows)


def _schedule_faults(
    id: str, schedules: list[WorkflowSchedule], workflows: Mapping[str, Pattern]
) -> Iterator[SpecFault]:
    for name, count in Counter(each.id for each in schedules).items():
        if count > 1:
            yield SpecFault(f"{id}/schedule {name}", f"{count} schedules have this id; give them different ids")
    for each in schedules:
        path, pattern = f"{id}/schedule {each.id}", workflows.get(each.workflow)
        if pattern is None:
            hint = nearest(each.workflow, workflows)
            yield SpecFault(path, f"workflow: the engine has no workflow {each.workflow!r}; {hint}")
        elif isinstance(pattern, Workflow):
            try:
                read_input(pattern, each.input)
            except BadInput as error:
                yield SpecFault(path, f"input: {error}")


def _names(people: Iterable[Member | Role]) -> set[str]:
    """The names that work can be given to."""
    found = {each.id for each in people if isinstance(each, Member)}
    found |= {each.name for each in people if isinstance(each, Role)}
    found |= {spec.id for each in people if isinstance(each, Member) for spec in each.specs}
    return found | {each.role for each in people if isinstance(each, Member) and each.role is not None}


def _team_names(spec: SupervisorSpec) -> set[str]:
    """The names of the members and roles of a team."""
    args = next(each.args for each in spec.children if each.id == "coordinator" and isinstance(each, ChildSpec))
    assert not isinstance(args, Mapping)
    made = args[0]
    assert isinstance(made, TeamSpec)
    return _names([*made.members, *made.roles])


def tracing_faults(id: str, tracing: object) -> Iterator[SpecFault]:
    """The faults of the option `tracing`."""
    if not isinstance(tracing, bool):
        yield SpecFault(id, f"tracing: must be True or False, got {tracing!r}. WorkflowTracing takes a tracer provider")
    elif tracing:
        try:
            with needs_extra():
                import opentelemetry.trace  # noqa: F401 - its API is light, and needed at the start
        except MissingExtra as error:
            yield SpecFault(id, f"tracing: {error}")


def _bytes_faults(id: str, most: object) -> Iterator[SpecFault]:
    yield from count_faults(id, "max_value_bytes", most)
    if isinstance(most, int) and most > HIGHEST_LIMIT:
        yield SpecFault(id, f"max_value_bytes: must be at most {HIGHEST_LIMIT} (16 MiB), got {most}")


def _option_faults(
    id: str,
    store: object,
    durability: object,
    most: object,
    timeout: object,
    retain: object,
) -> Iterator[SpecFault]:
    if not isinstance(store, str) and not callable(store):
        yield SpecFault(id, f"store: must be an address such as 'sqlite:///runs.db', got {store!r}")
    if durability not in ("disk", "process"):
        yield SpecFault(id, f"durability: must be 'disk' or 'process', got {durability!r}")
    yield from count_faults(id, "max_concurrent_workflows", most)
    yield from seconds_faults(id, "default_timeout", timeout)
    if retain is not None and not isinstance(retain, Mapping):
        yield SpecFault(id, f"retain: must be a mapping from states to seconds, got {retain!r}")
        return
    for state, seconds in (retain or {}).items():
        if state not in RETAIN:
            yield SpecFault(id, f"retain: {state!r} is not a state of ended runs: {', '.join(RETAIN)}")
        yield from seconds_faults(id, f"retain[{state!r}]", seconds)

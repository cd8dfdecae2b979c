"""A team: a supervisor of members, a coordinator, and the runs of its patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack, cast

from actors.spi import (
    ActorDeadError,
    ActorRef,
    ChildStarted,
    ExitReason,
    ReplyTo,
    answer,
    handles,
    notice,
    settle_failure,
    take_reply,
    when_gone,
)
from supervisors.spi import (
    CommonOptions,
    OwnBudget,
    Spec,
    SpecError,
    SpecFault,
    Supervisor,
    SupervisorSpec,
    builder,
    child,
    dynamic_supervisor,
    exponential,
    supervisor,
)
from supervisors.spi import (
    RestartStrategy as Strategy,
)
from teams._checks.fields import count_faults, refuse
from teams._dispatch.coordinator import MEMBERS, TOPICS, Coordinator
from teams._dispatch.messages import AwaitPart, MemberUp, PartUp
from teams._dispatch.spec import TeamSpec
from teams._members.handoff import HandoffRule
from teams._members.member import Member
from teams._members.role import Role
from teams._members.target import Can
from teams._runs.pattern import Pattern, pattern_faults, work_targets
from teams._runs.run import GoalRun, Run
from teams._team_ref import TeamRef
from teams.protocols._topics.choreography import Choreography
from teams.protocols._topics.topics import Topics

T = TypeVar("T")

RUN_RESTARTS = 100
"""How often a run may crash within the period of the team before it fails. What is done is kept, so only runs that are
killed on purpose need so many.
"""
OWN_RESTARTS, OWN_PERIOD = 5, 60.0
"""The budget of the parts of a team besides its members (the goal, the coordinator): restarts within seconds. Each
counts, because the messages that a part handles are not progress of its own.
"""


class Team(Supervisor):
    """The supervisor at the root of a team. It answers callers that wait for a part of the team that is being started
    again, and tells the coordinator of the parts that were.
    """

    ref_type: ClassVar[type[ActorRef[Any]]] = TeamRef
    own_children = True

    if TYPE_CHECKING:

        @property
        def ref(self) -> TeamRef: ...

    def __init__(self, spec: SupervisorSpec) -> None:
        super().__init__(spec)
        self._callers = self.kept(_Callers)
        if not self._callers.open:
            self._callers.open = True
            when_gone(self, partial(self._callers.refuse, self.path))

    @handles
    def await_part(self, request: AwaitPart) -> None:
        """Answers with the ref of a part of the team: at once if it exists, otherwise when it has been started."""
        reply = take_reply(self)
        part = self.runtime.find(f"{self.path}/{request.part}")
        if reply is not None and part is not None:
            answer(reply, part)
        elif reply is not None:
            self._callers.add(request.part, reply)

    @handles
    def child_started(self, started: ChildStarted) -> None:
        coordinator = self.runtime.find(f"{self.path}/coordinator")  # None at the first start of what comes before it
        super().child_started(started)
        part = self.runtime.find(f"{self.path}/{started.id}")
        if part is not None:
            for reply in self._callers.take(started.id):
                answer(reply, part)
        if coordinator is not None and started.id in (MEMBERS, TOPICS):
            notice(coordinator, PartUp(started.id))


class _Callers:
    """Callers that wait for a part of a team. Kept through a crash of the team."""

    def __init__(self) -> None:
        self.open = False
        self._waiting: dict[str, list[ReplyTo]] = {}

    def add(self, part: str, reply: ReplyTo) -> None:
        """Adds a caller, and forgets those that do not wait any more."""
        self._waiting[part] = [*(each for each in self._waiting.get(part, ()) if not each.done()), reply]

    def take(self, part: str) -> list[ReplyTo]:
        """Takes the callers that wait for this part."""
        return self._waiting.pop(part, [])

    def refuse(self, path: str, reason: ExitReason) -> None:
        """The team has terminated."""
        for part in list(self._waiting):
            for reply in self.take(part):
                settle_failure(reply, ActorDeadError(path, reason, AwaitPart(part)), path)


class Members(Supervisor):
    """The supervisor of the members of a team. It tells the coordinator of each member that has come up."""

    @handles
    def child_started(self, started: ChildStarted) -> None:
        super().child_started(started)
        coordinator = self.runtime.find(f"{self.path.rpartition('/')[0]}/coordinator")
        if coordinator is not None:
            notice(coordinator, MemberUp(started.id))


class TeamOptions(CommonOptions, total=False):
    """The options of a team as a supervisor; `team` explains them."""

    max_restarts: int | None
    period: float | None
    own_budget: OwnBudget | None
    on_failure: Callable[..., object] | None
    on_give_up: Callable[..., object] | None


@dataclass(frozen=True, slots=True)
class GoalSpec:
    """The purpose of a team: a pattern that is played when the team starts. The team ends with it.

    Raises SpecError if it is not a pattern.
    """

    pattern: Pattern
    value: object = None

    def __post_init__(self) -> None:
        refuse(pattern_faults("goal()", self.pattern))


@builder("goal()")
def goal(pattern: Pattern, value: object = None) -> GoalSpec:
    """A goal for `team(goal=...)`: the pattern is played with this input as soon as the team is up, and the team ends
    when it has its result. A failure is restarted like any crash, and steps that are done stay done; when the budget is
    spent, the team gives up. Raises SpecError if it is not a pattern.
    """
    return GoalSpec(pattern, value)


@builder("{id}", TeamOptions)
def team(
    id: str,
    *people: Member | Role,
    strategy: Strategy = "one_for_one",
    handoffs: Sequence[HandoffRule] = (),
    choreographies: Sequence[Choreography] = (),
    goal: GoalSpec | None = None,
    max_hops: int = 10,
    ageing: float = 60.0,
    **options: Unpack[TeamOptions],
) -> SupervisorSpec[TeamRef]:
    """A team, for `start` or as a child of another supervisor. Raises SpecError with all faults at once.

    A member's failures are its own. It is restarted alone (unless `strategy` says otherwise), and its restarts count in
    a budget of its own (supervision rule 9): `max_restarts` and `period` of the member, or else those of the team. When
    the budget is spent, that member alone is given up: `GaveUp` and `MemberLost` are published, and work that no other
    member can do ends with `NoCapableAgent`. The other members keep the work they have, and the team goes on without
    it. A member without which the team makes no sense says `on_limit="escalate"`: then all members are started anew,
    and that restart counts for the team.

    The team gives up when its own parts have to be restarted more often than `max_restarts` and `period` allow: the
    coordinator, the topics, the supervisors of the members and of the runs, and the goal. All but the goal are code of
    this library, and crash only when they are killed.

    Args:
        id: One step of the path of the team; of the root, the whole path. Unique among its siblings.
        people: Members and roles. If roles are given, members may have these and no others.
        strategy: Which members restart with a member: "one_for_one" none, "one_for_all" all, "rest_for_one" those that
            started after it. Default: "one_for_one".
        handoffs: Rules made by `handoff()`, by which results go on from role to role. Default: ().
        choreographies: How members go on from each other's events, made by `choreography()`. Default: ().
        goal: What the team exists for, made by `goal()`: when it is reached, the team ends. None: the team runs until
            it is stopped. Default: None.
        max_hops: How often one piece of work may be handed on. Default: 10.
        ageing: Seconds of waiting that count as much as one level of priority. Default: 60.0.
        max_restarts: The budget of each member, and of the parts of the team together. Without `period`: restarts of a
            member in a row without progress. 0: no restart; None: no limit. If it is not given, the parts of the team
            may be restarted 5 times. Default: 15.
        period: Seconds of running within which restarts count. None: for a member, restarts in a row without progress;
            for the parts of the team, those within 60 seconds. Default: None.
        on_failure: A function that is called with each failure of a member: each abnormal exit, and each start that
            fails. It may return "restart" or "stop". Default: None.
        on_give_up: A function that is called when the team gives up. Default: None.
        restart: After which exits the supervisor above restarts the team: "permanent", "transient" or "temporary".
            Default: "permanent".
        shutdown: Seconds between the order to stop and the kill, or "infinity", or "brutal_kill". Default: "infinity".
        backoff: The delays before restarts of the team: `exponential()`, `linear()` or `constant()`. None restarts at
            once. Default: exponential().
        significant: Whether the end of the team may end the supervisor above. Default: False.
        name: A name to register the team under, besides its path. Default: None.
        start_timeout: Seconds that a start of the team may take, with all members. None: only the members have limits.
            Default: None.
        retry_start: Whether a first start that fails is tried again with the backoff of a restart; otherwise it fails
            the start of the supervisor above. Default: False.
        own_budget: The restart budget of the team as a child: a `budget()`. None: it draws on the budget of the
            supervisor above. Default: None.
    """
    members = tuple(each for each in people if isinstance(each, Member))
    roles = tuple(each for each in people if isinstance(each, Role))
    given: tuple[object, ...] = people
    strangers = [each for each in given if not isinstance(each, Member | Role)]
    faults = [
        SpecFault(id, f"must have members and roles, got {each!r}: write member() around it") for each in strangers
    ]
    faults += _option_faults(id, strategy, options)
    handoffs = _of_kind(id, "handoffs", HandoffRule, "handoff()", handoffs, faults)
    choreographies = _of_kind(id, "choreographies", Choreography, "choreography()", choreographies, faults)
    faults += [*_people_faults(id, members, roles), *_handoff_faults(id, members, roles, handoffs)]
    slots = [spec.id for each in members for spec in each.specs]
    faults += [
        SpecFault(f"{id}/{fault.path}", fault.message) for made in choreographies for fault in made.unknown(slots)
    ]
    refuse(faults, _goal_faults(id, members, roles, goal), _number_faults(id, max_hops, ageing))
    spec = TeamSpec(
        id,
        members,
        roles,
        tuple(handoffs),
        max_hops,
        float(ageing),
        tuple(choreographies),
        options.get("max_restarts", SupervisorSpec.model_fields["max_restarts"].default),
        options.get("period"),
    )
    children = list(_team_children(spec, strategy, options, goal))
    options.setdefault("max_restarts", OWN_RESTARTS)
    options["period"] = _period(options)
    root = supervisor(
        id,
        *children,
        supervisor_class=Team,
        auto_shutdown="never" if goal is None else "any_significant",
        keep_children=False,  # a team that starts again begins afresh: its end has answered every caller
        **options,
    )
    return cast("SupervisorSpec[TeamRef]", root)


def _team_children(spec: TeamSpec, strategy: Strategy, options: TeamOptions, goal: GoalSpec | None) -> Iterator[Spec]:
    """The children of a team, in start order. Takes the options that are for the members out of `options`."""
    yield supervisor(
        MEMBERS,
        *(spec.budgeted(slot) for each in spec.members for slot in each.specs),
        strategy=strategy,
        max_restarts=None,  # each member has a budget of its own
        supervisor_class=Members,
        keep_children=False,
        on_failure=options.pop("on_failure", None),
    )
    yield child(TOPICS, Topics, backoff=None)
    yield child("coordinator", Coordinator, args=(spec,), backoff=None)
    # Runs wait for others. When a run stops, its steps are called off, so it needs no time to end in order.
    run = child(
        "run",
        Run,
        restart="transient",
        backoff=exponential(0.01, cap=1.0),
        shutdown="brutal_kill",
        max_restarts=RUN_RESTARTS,
        period=_period(options),
        on_limit="drop",
    )
    yield dynamic_supervisor("runs", run, max_restarts=None, backoff=None)
    if goal is not None:
        args = (goal.pattern, goal.value)
        yield child("goal", GoalRun, args=args, restart="transient", significant=True, shutdown="brutal_kill")


def _period(options: TeamOptions) -> float:
    return options.get("period") or OWN_PERIOD


def _goal_faults(
    id: str, members: Sequence[Member], roles: Sequence[Role], goal: GoalSpec | None
) -> Iterator[SpecFault]:
    given: object = goal
    if goal is not None and isinstance(given, GoalSpec):
        yield from (
            SpecFault(f"{id}/goal", f"the team has no member {target}")
            for target in unknown(members, roles, goal.pattern)
        )
    elif given is not None:
        yield SpecFault(id, f"goal: must be made by goal(), got {given!r}")


def _number_faults(id: str, max_hops: int, ageing: float) -> Iterator[SpecFault]:
    yield from count_faults(id, "max_hops", max_hops, least=0)
    if type(ageing) not in (int, float) or not ageing > 0:
        yield SpecFault(id, f"ageing: must be more than 0 seconds, got {ageing!r}")


def unknown(members: Sequence[Member], roles: Sequence[Role], pattern: Pattern) -> Iterator[str]:
    """The targets of a pattern that none of these members belongs to, in the order in which it names them."""
    known = _known(members, roles)
    return (str(target) for target in dict.fromkeys(work_targets(pattern)) if target not in known)


def _known(members: Sequence[Member], roles: Sequence[Role]) -> set[str | Can]:
    skilled = {role.name: role.capabilities for role in roles}
    known: set[str | Can] = set()
    for each in members:
        known |= {each.id, *(spec.id for spec in each.specs)}
        known |= {Can(capability) for capability in each.capabilities}
        if each.role is not None:
            known |= {each.role, *(Can(capability) for capability in skilled.get(each.role, ()))}
    return known


def _option_faults(id: str, strategy: Strategy, options: TeamOptions) -> Sequence[SpecFault]:
    """The faults of the options of a team as a supervisor."""
    try:
        supervisor(id, strategy=strategy, **options)
    except SpecError as error:
        return error.faults
    return ()


def _of_kind(id: str, name: str, kind: type[T], maker: str, given: object, faults: list[SpecFault]) -> tuple[T, ...]:
    """The values in `given` that are of this kind; the rest goes to the faults."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.append(SpecFault(id, f"{name}: must be a list of what {maker} makes, got {given!r}"))
        return ()
    faults += [
        SpecFault(id, f"{name}: must be made by {maker}, got {each!r}") for each in given if not isinstance(each, kind)
    ]
    return tuple(each for each in given if isinstance(each, kind))


def _people_faults(id: str, members: Sequence[Member], roles: Sequence[Role]) -> Iterator[SpecFault]:
    names = Counter(role.name for role in roles)
    slots = Counter(spec.id for each in members for spec in each.specs)
    yield from (SpecFault(id, f"role {name!r} is declared {count} times") for name, count in names.items() if count > 1)
    yield from (
        SpecFault(f"{id}/{slot}", f"id: {count} members have it; ids must be unique in a team")
        for slot, count in slots.items()
        if count > 1
    )
    for each in members:
        if each.role is not None and roles and each.role not in names:
            yield SpecFault(f"{id}/{each.id}", f"role: {each.role!r} is not declared; there is {', '.join(names)}")
    for role in roles:
        taken = sum(each.count for each in members if each.role == role.name)
        if role.max_members is not None and taken > role.max_members:
            yield SpecFault(
                f"{id}/{role.name}", f"max_members is {role.max_members}, and {taken} members have the role"
            )
    played = {each.role for each in members} | set(names)
    yield from (
        SpecFault(f"{id}/{each.id}", "id: a role has the same name, and work for it could mean either")
        for each in members
        if each.id in played and each.role != each.id
    )


def _handoff_faults(
    id: str, members: Sequence[Member], roles: Sequence[Role], rules: Sequence[HandoffRule]
) -> Iterator[SpecFault]:
    known = {each for each in _known(members, roles) if isinstance(each, str)} | {role.name for role in roles}
    for rule in rules:
        for side, name in (("from_role", rule.from_role), ("to_role", rule.to_role)):
            if name not in known:
                yield SpecFault(f"{id}/handoffs", f"{side}: there is neither a role nor a member {name!r}")

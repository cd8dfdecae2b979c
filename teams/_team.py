"""A team: a supervisor of members, a coordinator, and the runs of its patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar, Unpack

from actors.spi import (
    ActorDeadError,
    ActorRef,
    ChildStarted,
    ExitReason,
    Reply,
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
    Strategy,
    Supervisor,
    SupervisorSpec,
    child,
    dynamic_supervisor,
    exponential,
    supervisor,
)
from teams._dispatch.coordinator import MEMBERS, TOPICS, Coordinator
from teams._dispatch.messages import AwaitPart, MemberUp, PartUp
from teams._dispatch.spec import TeamSpec
from teams._members.handoff import HandoffRule
from teams._members.member import Member
from teams._members.role import Role
from teams._members.target import Can
from teams._runs.pattern import Pattern, pattern_faults, whoms
from teams._runs.run import GoalRun, Run
from teams._team_ref import TeamRef
from teams.protocols._topics.choreography import Choreography
from teams.protocols._topics.topics import Topics

T = TypeVar("T")

RUN_RESTARTS = 100
"""How often a run may crash within the period of the team before it fails: what is done is kept, so that few would do
but for runs that are killed on purpose.
"""
OWN_RESTARTS, OWN_PERIOD = 5, 60.0
"""The budget of what a team is made of besides its members (the goal, the coordinator): restarts within seconds. All
count, since the messages that it handles are no progress of its own.
"""


class Team(Supervisor):
    """The supervisor at the root of a team. It also answers callers that wait for a part of the team that is being
    started again.
    """

    ref_type: ClassVar[type[ActorRef[Any]]] = TeamRef
    own_children = True

    def __init__(self, spec: SupervisorSpec) -> None:
        super().__init__(spec)
        self._callers = self.kept(_Callers)
        if not self._callers.open:
            self._callers.open = True
            when_gone(self, partial(self._callers.refuse, self.path))

    @handles
    def await_part(self, request: AwaitPart) -> None:
        """Answers with the ref of a part of the team: at once if it is there, otherwise when it has been started."""
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
        self._waiting: dict[str, list[Reply]] = {}

    def add(self, part: str, reply: Reply) -> None:
        """One more waits; those that no longer do are forgotten."""
        self._waiting[part] = [*(each for each in self._waiting.get(part, ()) if not each.done()), reply]

    def take(self, part: str) -> list[Reply]:
        """Those that wait for this part."""
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
    """What a team may say as a supervisor; meaning and defaults stand at `supervisors.SupervisorSpec`."""

    max_restarts: int | None
    period: float | None
    own_budget: OwnBudget | None
    on_failure: Callable[..., object] | None
    on_give_up: Callable[..., object] | None


@dataclass(frozen=True, slots=True)
class GoalSpec:
    """What a team exists for: a pattern that is played when it starts, and whose end is the team's."""

    pattern: Pattern
    value: object = None


def goal(pattern: Pattern, value: object = None) -> GoalSpec:
    """A goal for `team(goal=...)`: the pattern is played with this input as soon as the team is up, and the team ends
    when it has its result. A failure is restarted as any crash is, with what was done kept; when the budget is spent,
    the team gives up. Raises SpecError when it is no pattern.
    """
    faults = list(pattern_faults("goal()", pattern))
    if faults:
        raise SpecError(faults)
    return GoalSpec(pattern, value)


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
) -> SupervisorSpec:
    """A team, for `start` or as a child of another supervisor.

    Args:
        id: its place in the tree
        people: members, and roles; where roles are declared, members play these and no others
        strategy: which members are restarted when one crashes
        handoffs: rules by which results go on from role to role
        choreographies: how members go on from each other's events
        goal: what it exists for; None: it runs until it is stopped
        max_hops: how often one piece of work may be handed on
        ageing: seconds of waiting that count as much as one level of priority
        options: those of `supervisors.supervisor`, for the team as a child. `max_restarts` and `period` are the budget
            of each member, and of the parts of the team

    A member's failures are its own. It is restarted alone (unless `strategy` says otherwise), and its restarts count in
    a budget of its own (supervision rule 9): `max_restarts` and `period` of the member, or else those of the team. When
    the budget is spent, that member alone is given up: `GaveUp` and `MemberLost` are published, and work that no other
    member can do ends with `NoCapableAgent`. The other members keep the work they have, and the team goes on without
    it. A member without which the team makes no sense says `on_limit="escalate"`: then all members are started anew,
    and that restart counts for the team.

    Only those parts end a team without which there is none: the coordinator, the topics, the supervisors of the members
    and of the runs, and the goal. When these have to be restarted more often than `max_restarts` and `period` allow,
    the team gives up. All but the goal are code of this library, and crash only when they are killed.

    Raises:
        SpecError: every fault
    """
    members = tuple(each for each in people if isinstance(each, Member))
    roles = tuple(each for each in people if isinstance(each, Role))
    given: tuple[object, ...] = people
    strangers = [each for each in given if not isinstance(each, Member | Role)]
    faults = [
        SpecFault(id, f"is made of members and roles, got {each!r}: write member() around it") for each in strangers
    ]
    faults += _option_faults(id, strategy, options)
    handoffs = _only(id, "handoffs", HandoffRule, "handoff()", handoffs, faults)
    choreographies = _only(id, "choreographies", Choreography, "choreography()", choreographies, faults)
    faults += [*_people_faults(id, members, roles), *_rule_faults(id, members, roles, handoffs)]
    seats = [spec.id for each in members for spec in each.specs]
    faults += [
        SpecFault(f"{id}/{fault.path}", fault.message) for made in choreographies for fault in made.unknown(seats)
    ]
    faults += [*_goal_faults(id, members, roles, goal), *_number_faults(id, max_hops, ageing)]
    if faults:
        raise SpecError(faults)
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
    children = list(_children(spec, strategy, options, goal))
    options.setdefault("max_restarts", OWN_RESTARTS)
    options["period"] = _period(options)
    return supervisor(
        id,
        *children,
        supervisor_class=Team,
        auto_shutdown="never" if goal is None else "any_significant",
        keep_children=False,  # a team that starts again begins afresh: its end has answered everybody
        **options,
    )


def _children(spec: TeamSpec, strategy: Strategy, options: TeamOptions, goal: GoalSpec | None) -> Iterator[Spec]:
    """What a team is made of, in start order. Takes what is meant for the members out of the options."""
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
    # Runs wait for others, and when they are to stop, what they wait for is called off: they need no time for that.
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
        yield from (SpecFault(f"{id}/goal", f"nobody is {whom}") for whom in unknown(members, roles, goal.pattern))
    elif given is not None:
        yield SpecFault(id, f"goal: must be made by goal(), got {given!r}")


def _number_faults(id: str, max_hops: int, ageing: float) -> Iterator[SpecFault]:
    if type(max_hops) is not int or max_hops < 0:
        yield SpecFault(id, f"max_hops: must be a whole number from 0, got {max_hops!r}")
    if type(ageing) not in (int, float) or not ageing > 0:
        yield SpecFault(id, f"ageing: must be more than 0 seconds, got {ageing!r}")


def unknown(members: Sequence[Member], roles: Sequence[Role], pattern: Pattern) -> Iterator[str]:
    """What of a pattern nobody among these is or can do, in the order it is named."""
    known = _known(members, roles)
    return (str(whom) for whom in dict.fromkeys(whoms(pattern)) if whom not in known)


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
    """What is wrong with what a team says as a supervisor."""
    try:
        supervisor(id, strategy=strategy, **options)
    except SpecError as error:
        return error.faults
    return ()


def _only(id: str, name: str, kind: type[T], maker: str, given: object, faults: list[SpecFault]) -> tuple[T, ...]:
    """What of `given` is of this kind; the rest goes to the faults."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.append(SpecFault(id, f"{name}: must be a list of what {maker} makes, got {given!r}"))
        return ()
    faults += [
        SpecFault(id, f"{name}: must be made by {maker}, got {each!r}") for each in given if not isinstance(each, kind)
    ]
    return tuple(each for each in given if isinstance(each, kind))


def _people_faults(id: str, members: Sequence[Member], roles: Sequence[Role]) -> Iterator[SpecFault]:
    names = Counter(role.name for role in roles)
    seats = Counter(spec.id for each in members for spec in each.specs)
    yield from (SpecFault(id, f"role {name!r} is declared {count} times") for name, count in names.items() if count > 1)
    yield from (
        SpecFault(f"{id}/{seat}", f"id: {count} members have it; ids must be unique in a team")
        for seat, count in seats.items()
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


def _rule_faults(
    id: str, members: Sequence[Member], roles: Sequence[Role], rules: Sequence[HandoffRule]
) -> Iterator[SpecFault]:
    known = {each for each in _known(members, roles) if isinstance(each, str)} | {role.name for role in roles}
    for rule in rules:
        for side, name in (("from_role", rule.from_role), ("to_role", rule.to_role)):
            if name not in known:
                yield SpecFault(f"{id}/handoffs", f"{side}: there is neither a role nor a member {name!r}")

"""A team: a supervisor of members, a coordinator, and the runs of its patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, Unpack

from teams._actors import ActorRef
from teams._coordinator import Coordinator
from teams._dispatcher import Charter
from teams._handoff import HandoffRule
from teams._member import Member
from teams._pattern import Pattern, pattern_faults, whoms
from teams._role import Role
from teams._run import Goal, Run
from teams._supervisors import (
    MAX_RESTARTS,
    CommonOptions,
    Fault,
    OwnBudget,
    Spec,
    SpecError,
    Strategy,
    Supervisor,
    SupervisorSpec,
    budget,
    child,
    dynamic_supervisor,
    exponential,
    supervisor,
)
from teams._target import Can
from teams._team_ref import TeamRef
from teams.protocols._choreography import Choreography
from teams.protocols._topics import Topics

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
    """The supervisor at the root of a team."""

    ref_type: ClassVar[type[ActorRef[Any]]] = TeamRef
    own_children = True


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
        options: those of `supervisors.supervisor`, for the team as a child. `max_restarts`, in a row without progress
            unless there is a `period`, is the budget of each member (supervision rule 8). A member that spends it is
            given up alone, so that it costs no other its work. With `on_limit="escalate"` all members are started
            anew, once; when it is spent again without progress, or within `period`, the team gives up. The goal has 5
            restarts within 60 s, or these numbers.

    Raises:
        SpecError: every fault
    """
    members = tuple(each for each in people if isinstance(each, Member))
    roles = tuple(each for each in people if isinstance(each, Role))
    given: tuple[object, ...] = people
    strangers = [each for each in given if not isinstance(each, Member | Role)]
    faults = [Fault(id, f"is made of members and roles, got {each!r}: write member() around it") for each in strangers]
    faults += _option_faults(id, strategy, options)
    handoffs = _only(id, "handoffs", HandoffRule, "handoff()", handoffs, faults)
    choreographies = _only(id, "choreographies", Choreography, "choreography()", choreographies, faults)
    faults += [*_people_faults(id, members, roles), *_rule_faults(id, members, roles, handoffs)]
    seats = [spec.id for each in members for spec in each.specs]
    faults += [Fault(f"{id}/{fault.path}", fault.message) for made in choreographies for fault in made.unknown(seats)]
    faults += [*_goal_faults(id, members, roles, goal), *_number_faults(id, max_hops, ageing)]
    if faults:
        raise SpecError(faults)
    charter = Charter(id, members, roles, tuple(handoffs), max_hops, float(ageing), tuple(choreographies))
    children = list(_children(charter, strategy, options, goal))
    options.setdefault("max_restarts", OWN_RESTARTS)
    options["period"] = _period(options)
    return supervisor(
        id,
        *children,
        supervisor_class=Team,
        auto_shutdown="never" if goal is None else "any_significant",
        **options,
    )


def _children(charter: Charter, strategy: Strategy, options: TeamOptions, goal: GoalSpec | None) -> Iterator[Spec]:
    """What a team is made of, in start order. Takes what is meant for the members out of the options."""
    period = options.get("period")
    yield supervisor(
        "members",
        *(spec for each in charter.members for spec in each.specs),
        strategy=strategy,
        max_restarts=options.get("max_restarts", MAX_RESTARTS),
        period=period,
        own_budget=budget(1, period=period),
        on_failure=options.pop("on_failure", None),
    )
    yield child("topics", Topics, backoff=None)
    yield child("coordinator", Coordinator, args=(charter,), backoff=None)
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
        yield child("goal", Goal, args=args, restart="transient", significant=True, shutdown="brutal_kill")


def _period(options: TeamOptions) -> float:
    return options.get("period") or OWN_PERIOD


def _goal_faults(id: str, members: Sequence[Member], roles: Sequence[Role], goal: GoalSpec | None) -> Iterator[Fault]:
    given: object = goal
    if goal is not None and isinstance(given, GoalSpec):
        yield from (Fault(f"{id}/goal", f"nobody is {whom}") for whom in unknown(members, roles, goal.pattern))
    elif given is not None:
        yield Fault(id, f"goal: must be made by goal(), got {given!r}")


def _number_faults(id: str, max_hops: int, ageing: float) -> Iterator[Fault]:
    if type(max_hops) is not int or max_hops < 0:
        yield Fault(id, f"max_hops: must be a whole number from 0, got {max_hops!r}")
    if type(ageing) not in (int, float) or not ageing > 0:
        yield Fault(id, f"ageing: must be more than 0 seconds, got {ageing!r}")


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


def _option_faults(id: str, strategy: Strategy, options: TeamOptions) -> Sequence[Fault]:
    """What is wrong with what a team says as a supervisor."""
    try:
        supervisor(id, strategy=strategy, **options)
    except SpecError as error:
        return error.faults
    return ()


def _only(id: str, name: str, kind: type[T], maker: str, given: object, faults: list[Fault]) -> tuple[T, ...]:
    """What of `given` is of this kind; the rest goes to the faults."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.append(Fault(id, f"{name}: must be a list of what {maker} makes, got {given!r}"))
        return ()
    faults += [
        Fault(id, f"{name}: must be made by {maker}, got {each!r}") for each in given if not isinstance(each, kind)
    ]
    return tuple(each for each in given if isinstance(each, kind))


def _people_faults(id: str, members: Sequence[Member], roles: Sequence[Role]) -> Iterator[Fault]:
    names = Counter(role.name for role in roles)
    seats = Counter(spec.id for each in members for spec in each.specs)
    yield from (Fault(id, f"role {name!r} is declared {count} times") for name, count in names.items() if count > 1)
    yield from (
        Fault(f"{id}/{seat}", f"id: {count} members have it; ids must be unique in a team")
        for seat, count in seats.items()
        if count > 1
    )
    for each in members:
        if each.role is not None and roles and each.role not in names:
            yield Fault(f"{id}/{each.id}", f"role: {each.role!r} is not declared; there is {', '.join(names)}")
    for role in roles:
        taken = sum(each.count for each in members if each.role == role.name)
        if role.max_members is not None and taken > role.max_members:
            yield Fault(f"{id}/{role.name}", f"max_members is {role.max_members}, and {taken} members have the role")
    played = {each.role for each in members} | set(names)
    yield from (
        Fault(f"{id}/{each.id}", "id: a role has the same name, and work for it could mean either")
        for each in members
        if each.id in played and each.role != each.id
    )


def _rule_faults(
    id: str, members: Sequence[Member], roles: Sequence[Role], rules: Sequence[HandoffRule]
) -> Iterator[Fault]:
    known = {each for each in _known(members, roles) if isinstance(each, str)} | {role.name for role in roles}
    for rule in rules:
        for side, name in (("from_role", rule.from_role), ("to_role", rule.to_role)):
            if name not in known:
                yield Fault(f"{id}/handoffs", f"{side}: there is neither a role nor a member {name!r}")

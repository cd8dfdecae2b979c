"""Three forms of `hierarchical`: a chain of command, and centralised and hybrid coordination."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from supervisors import SpecError, SpecFault
from teams import GatherPolicy
from teams.patterns import Hierarchical, delegate, delegation, hierarchical
from teams.recipes._checks import RecipeTarget, builder, list_faults, refusals


@builder("command")
def command(
    commander: RecipeTarget,
    squads: Mapping[str, Sequence[RecipeTarget]],
    *,
    policy: GatherPolicy | None = None,
    within: float | None = None,
) -> Hierarchical:
    """Hierarchical command: the orders of `commander` go to every squad leader, and the orders of a leader to its
    workers. Results go up the same way, each as a `Synthesis`.

    Raises SpecError for faults of `squads`, and otherwise what `hierarchical` raises.
    """
    given: object = squads
    if not isinstance(given, Mapping):
        raise SpecError([SpecFault("command", f"squads: must be a mapping {{leader: workers}}, got {squads!r}")])
    faults = [] if squads else [SpecFault("command", "has no squads")]
    for leader, workers in squads.items():
        place = f"command/{leader}"
        empty = [] if workers else [SpecFault(place, "has no workers")]
        faults += list_faults(place, "workers", workers) or empty
    if faults:
        raise SpecError(faults)
    rules = [delegation(commander, list(squads)), *(delegation(leader, list(each)) for leader, each in squads.items())]
    return hierarchical(commander, rules=rules, policy=policy, within=within)


@builder("centralised")
def centralised(
    planner: RecipeTarget, *, policy: GatherPolicy | None = None, within: float | None = None
) -> Hierarchical:
    """Centralised coordination: only `planner` decides. It answers with a `Plan`, the members named in it do their
    parts, and the planner makes the result of the `Synthesis`. A member that answers with a plan of its own fails.

    Raises what `hierarchical` raises.
    """
    return hierarchical(planner, policy=policy, within=within, max_depth=1)


@builder("hybrid")
def hybrid(
    planner: RecipeTarget,
    members: Iterable[RecipeTarget],
    *,
    policy: GatherPolicy | None = None,
    within: float | None = None,
) -> Hierarchical:
    """Hybrid coordination: `planner` decides what to do, `members` decide among themselves which of them does it.

    A `Subtask` without a target is passed from member to member until one takes it (`delegate`). The planner makes the
    result of the `Synthesis`.

    Raises:
        SpecError: every fault
    """
    faults = refusals("hybrid", hierarchical, planner, policy=policy, within=within)
    listed = list_faults("hybrid", "members", members)
    targets = () if listed else tuple(members)
    faults += listed or refusals("hybrid/members", delegate, *targets)
    if faults:
        raise SpecError(faults)
    return replace(centralised(planner, policy=policy, within=within), anybody=delegate(*targets))

"""A supervisor of candidates. The protocol of the election is in `teams.protocols.Candidate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from supervisors import SpecError, SpecFault, SupervisorSpec, child, supervisor
from teams.protocols import Candidate
from teams.recipes._checks import WorkerOptions, builder, refusals
from teams.resilience import timeout as time_limit


@builder("{id}", WorkerOptions, {"args": "is what the electorate gives each candidate"})
def electorate(
    id: str,
    *candidates: str,
    timeout: float = 0.2,
    stand_for: Mapping[str, str] | None = None,
    candidate: type[Candidate] = Candidate,
    **options: Unpack[WorkerOptions],
) -> SupervisorSpec:
    """A supervisor of candidates that elect one of them. `root.child(id).child("ann").leader()` returns the leader.

    Args:
        id: of the supervisor
        candidates: their ids; an even number tolerates no more crashes at once than the next smaller odd number
        timeout: seconds without a leader until a candidate stands, plus a random time up to as long. It must exceed the
            time that a message takes, and the time that a busy candidate takes to handle one.
        stand_for: candidate -> path of the actor that it stands for, such as `crew/members/ann`. The candidate leads
            only while that actor is up. If it is missing for ten elections, a `StandsForNobody` reports it.
        candidate: the class, for your own hooks
        options: those of `supervisors.child` without `args`, for every candidate

    Raises:
        SpecError: every fault
    """
    paths: Mapping[str, object] = stand_for or {}
    given: Sequence[object] = candidates
    names = [each for each in given if isinstance(each, str)]
    faults = [] if candidates else [SpecFault(id, "an electorate needs at least one candidate")]
    faults += refusals(f"{id}/timeout", time_limit, timeout)
    faults += (
        SpecFault(id, f"a candidate is an id, given as an argument of its own, got {each!r}")
        for each in given
        if not isinstance(each, str)
    )
    faults += (SpecFault(f"{id}/{each}", "stands twice") for each in dict.fromkeys(names) if names.count(each) > 1)
    if not isinstance(paths, Mapping):
        faults.append(SpecFault(id, f"stand_for: must be a mapping {{candidate: path}}, got {stand_for!r}"))
        paths = {}
    for each, path in paths.items():
        if each not in names:
            faults.append(SpecFault(f"{id}/{each}", "stand_for: is not a candidate"))
        if not (isinstance(path, str) and path):
            faults.append(SpecFault(f"{id}/{each}", f"stand_for: must be the path of an actor, got {path!r}"))
    if faults:
        raise SpecError(faults)
    shared = {"electorate": candidates, "timeout": timeout}
    children = (
        child(each, candidate, args={**shared, "stands_for": paths.get(each)}, **options) for each in candidates
    )
    return supervisor(id, *children)

"""The builder of an electorate; the protocol is in `Candidate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from supervisors.spi import ChildOptions, SpecError, SpecFault, SupervisorSpec, child, supervisor
from teams._checks.fields import seconds_faults
from teams.protocols._election.candidate import Candidate


def electorate(
    id: str,
    *candidates: str,
    timeout: float = 0.2,
    stand_for: Mapping[str, str] | None = None,
    candidate: type[Candidate] = Candidate,
    **options: Unpack[ChildOptions],
) -> SupervisorSpec:
    """A supervisor of candidates that elect one of them. `root.child(id).child("ann").leader()` says whom.

    Args:
        id: of the supervisor
        candidates: their ids; an even number bears no more crashes at once than the next smaller odd one
        timeout: seconds without a leader until a candidate stands, and as much again at random; longer than a message
            takes, and than a busy candidate needs to look at it
        stand_for: for candidates that stand for another actor: its path, such as `crew/members/ann`. It leads only
            while that one is up. Where there is nobody for ten elections, a `StandsForNobody` tells of it.
        candidate: the class, for hooks of your own
        options: those of `supervisors.child`, for every candidate

    Raises:
        SpecError: every fault
    """
    stand_for = stand_for or {}
    paths: Mapping[str, object] = stand_for
    given: Sequence[object] = candidates
    limit: object = timeout
    named = dict.fromkeys(each for each in given if isinstance(each, str))
    faults = [
        *([] if candidates else [SpecFault(id, "an electorate needs at least one candidate")]),
        *([SpecFault(id, "timeout: must be seconds above 0, got None")] if limit is None else []),
        *seconds_faults(id, "timeout", limit),
        *(
            SpecFault(id, f"a candidate is an id, given as an argument of its own, got {each!r}")
            for each in given
            if not isinstance(each, str)
        ),
        *(SpecFault(f"{id}/{each}", "stands twice") for each in named if candidates.count(each) > 1),
        *(
            SpecFault(f"{id}/{each}", "stands for somebody but is no candidate")
            for each in stand_for
            if each not in candidates
        ),
        *(
            SpecFault(f"{id}/{each}", f"stand_for: must be the path of an actor, got {path!r}")
            for each, path in paths.items()
            if not (isinstance(path, str) and path)
        ),
    ]
    if faults:
        raise SpecError(faults)
    children = []
    for each in candidates:
        settings = options.copy()
        settings["args"] = {"electorate": candidates, "timeout": timeout, "stands_for": stand_for.get(each)}
        children.append(child(each, candidate, **settings))
    return supervisor(id, *children)

"""The broadcasting router: all members of a role, or with a capability, get the same work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import refuse
from teams._dispatch.gather import GatherPolicy, collect, gather_faults
from teams._members.target import Can
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.patterns._parallel import settled


@dataclass(frozen=True, slots=True)
class BroadcastTo(Pattern):
    """All members of a role or with a capability."""

    target: str | Can
    policy: GatherPolicy
    within: float | None

    def __post_init__(self) -> None:
        target: object = self.target
        faults = [*target_faults("broadcast_to", target), *gather_faults("broadcast_to", self.policy, self.within)]
        if not isinstance(target, str | Can):
            faults.append(SpecFault("broadcast_to", f"must be a role, a member or can(...), got {target!r}"))
        refuse(faults)

    def parts(self) -> Iterator[Target]:
        yield self.target

    async def play(self, run: RunContext, value: object) -> object:
        slots = await run.able(self.target)
        branches: dict[str, tuple[Target, object]] = {slot: (slot, value) for slot in slots}
        gathered = await run.gather(branches, self.policy, within=self.within)
        return settled(run, "gather", gathered, list(slots), self.policy)


@builder("broadcast_to")
def broadcast_to(target: str | Can, *, policy: GatherPolicy | None = None, within: float | None = None) -> BroadcastTo:
    """All members of a role or with a capability work on the input. The result is {member: result}, with failures as
    values, as for `parallel`. They are chosen when it is played.

    It is work, given to free members and kept in the journal of the run; `TeamRef.broadcast` is a message.

    Raises:
        SpecError: every fault
        GatherFailed: when it is played: there are fewer results than the policy wants
        StepFailed: when it is played: there are none (`NoCapableAgent`)
    """
    return BroadcastTo(target, collect() if policy is None else policy, within)

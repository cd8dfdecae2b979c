"""Decentralised delegation: can I do it, and else, who can?

| value | from | to | meaning |
|---|---|---|---|
| the input | pattern | a member | is it yours? |
| a result | member | pattern | done |
| `Decline` | member | pattern | not mine: the next is asked, none twice |
| `Handoff` | member | the team | not mine, but I know whose (teams/_members/handoff.py) |

It does not loop: each member is asked at most once, and handoffs refuse loops themselves. If no member takes it, that
is `NobodyTook`, with the reason of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import refuse
from teams._members.handoff import Decline
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, label, members_faults
from teams.errors import NobodyTook


@dataclass(frozen=True, slots=True)
class Delegate(Pattern):
    """Members that are asked one after the other."""

    members: tuple[Target, ...]

    def __post_init__(self) -> None:
        faults = list(members_faults("delegate", self.members))
        if not self.members:
            faults.append(SpecFault("delegate", "has no members"))
        faults += [
            SpecFault("delegate", f"{label(each)} is named twice")
            for number, each in enumerate(self.members)
            if each in self.members[:number]
        ]
        refuse(faults)

    def parts(self) -> Iterator[Target]:
        yield from self.members

    async def play(self, run: RunContext, value: object) -> object:
        reasons: dict[str, str] = {}
        for each in self.members:
            said = await run.do(each, value)
            if not isinstance(said, Decline):
                return said
            reasons[label(each)] = said.reason
        raise NobodyTook(run.run, reasons)


@builder("delegate")
def delegate(*members: Target) -> Delegate:
    """The first capable member does it: another answers `Decline(reason)`, and the next is asked, or `Handoff(to)` if
    it knows a capable one.

    Raises:
        SpecError: every fault
        NobodyTook: when it is played: all declined
    """
    return Delegate(members)

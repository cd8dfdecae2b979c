"""Discussions: participants speak in turn, each knowing what was said before.

    message                               from, to                   answer
    Turn(topic, transcript, round)        the run to a participant   what it says; None or `Pass(reason)` for nothing

    state       goes to     when
    a turn      the next    the participant has spoken, passed, crashed or let its time pass
    a round     the next    all have had a turn
    discussed   ended       `max_rounds` rounds are over, or `until` holds after a round

Promise: a participant that crashes or is late loses that turn, with the reason in the transcript, and not the
discussion. Bounds: `max_rounds` turns a participant, each at most `turn_timeout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from supervisors.spi import SpecFault, builder
from teams._checks.fields import count_faults, refuse, seconds_faults
from teams._dispatch.gather import Failed
from teams._runs.pattern import Pattern, Target
from teams.errors import StepFailed, StepTimeout
from teams.protocols._agreement.decision import named_targets

if TYPE_CHECKING:
    from teams._runs.context import RunContext


class Said(NamedTuple):
    """A participant spoke."""

    by: str
    round: int
    content: object


class Missed(NamedTuple):
    """A participant passed, crashed, or was late."""

    by: str
    round: int
    why: str


class Transcript(NamedTuple):
    """The entries of a discussion, in order."""

    topic: object
    entries: tuple[Said | Missed, ...] = ()
    ended: Literal["under way", "rounds", "consensus", "until"] = "under way"
    """Why it is over: the rounds are used up, all say the same, or the predicate holds."""

    @property
    def said(self) -> tuple[Said, ...]:
        """The entries without the missed turns."""
        return tuple(entry for entry in self.entries if isinstance(entry, Said))

    def round(self, number: int) -> tuple[Said | Missed, ...]:
        """The entries of one round, from 1."""
        return tuple(entry for entry in self.entries if entry.round == number)


class Turn(NamedTuple):
    """It is a participant's turn."""

    topic: object
    transcript: Transcript
    round: int
    """From 1."""


class Pass(NamedTuple):
    """Nothing to say, and why."""

    reason: str


Until = Literal["consensus"] | Callable[[Transcript], object] | None


def consensus(transcript: Transcript) -> bool:
    """Whether all participants said the same in the last round, and none missed it."""
    if not transcript.entries:
        return False
    last = transcript.round(transcript.entries[-1].round)
    return all(isinstance(entry, Said) and entry.content == last[0][2] for entry in last)


@dataclass(frozen=True, slots=True)
class Discussion(Pattern):
    """Has the participants speak in turn: see `discussion`."""

    participants: Mapping[str, Target]
    max_rounds: int
    turn_timeout: float | None
    until: Until = None

    def parts(self) -> Iterator[Target]:
        """The participants."""
        yield from self.participants.values()

    async def play(self, run: RunContext, value: object) -> Transcript:
        """Discusses `value`, and returns the transcript."""
        transcript = Transcript(value)
        for number in range(1, self.max_rounds + 1):
            part = run.at(f"round {number}")
            for name, target in self.participants.items():
                entry = await self._turn(part, name, target, Turn(value, transcript, number))
                transcript = transcript._replace(entries=(*transcript.entries, entry))
            if self.until == "consensus":
                if consensus(transcript):
                    return transcript._replace(ended="consensus")
            elif self.until is not None and self.until(transcript):
                return transcript._replace(ended="until")
        return transcript._replace(ended="rounds")

    async def _turn(self, part: RunContext, name: str, target: Target, turn: Turn) -> Said | Missed:
        try:
            content = await part.do(target, turn, name=name, timeout=self.turn_timeout)
        except StepTimeout:
            return Missed(name, turn.round, f"it said nothing within {self.turn_timeout} s")
        except StepFailed as error:
            return Missed(name, turn.round, str(Failed.by(error).reason))
        if content is None or isinstance(content, Pass):
            return Missed(name, turn.round, "it passed" if content is None else content.reason)
        return Said(name, turn.round, content)


@builder("discussion()")
def discussion(
    participants: Sequence[Target] | Mapping[str, Target],
    *,
    max_rounds: int = 3,
    turn_timeout: float | None = None,
    until: Until = None,
) -> Discussion:
    """A pattern that has the participants discuss its input, and returns the `Transcript`.

    Args:
        participants: who takes part, in turn order; with names of your own as a mapping
        max_rounds: how many turns each has at most
        turn_timeout: seconds for one turn; None: any time
        until: ends it after a round: "consensus" when all said the same, or a function of the transcript, which must
            say the same whenever it is asked

    Raises:
        SpecError: every fault
    """
    named, faults = named_targets("discussion()", participants)
    faults += count_faults("discussion()", "max_rounds", max_rounds)
    faults += seconds_faults("discussion()", "turn_timeout", turn_timeout)
    if until is not None and until != "consensus" and not callable(until):
        faults.append(SpecFault("discussion()", f"until: must be 'consensus', a function or None, got {until!r}"))
    refuse(faults)
    return Discussion(named, max_rounds, turn_timeout, until)

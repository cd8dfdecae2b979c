"""Decisions: several are asked, and their votes are counted by a rule.

    message                      from, to              answer
    Poll(question, options)      the run to all        an option, None or `Abstain(reason)` for no vote

    rule                   decides for
    majority()             what more than half of the votes are for
    unanimity()            what every vote is for
    weighted(weights)      what more than half of the weight of the votes is for
    first_past(n)          what is the first to have n votes, in the order they came (first past the post)

Abstentions are not votes and do not count, not for the quorum either. A tie is a result, and so
is a vote that decides nothing. A participant that crashes or does not answer in time abstains, with the reason
in the ruling. The counting is pure; only `first_past` looks at the order. Bounds: one message a participant, one
deadline.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import count_faults, refuse, seconds_faults, several_faults
from teams._dispatch.gather import collect
from teams._runs.pattern import Pattern, Target, label, target_faults

if TYPE_CHECKING:
    from teams._runs.context import RunContext

Exact = Fraction | float
"""A fraction, or infinity, which is not a fraction."""


def exact(number: Fraction | float) -> Exact:
    """The number as it is written.

    The float 0.1 is a little more than a tenth: ten of them are less than 1.0 when they are added up as floats, and
    more when they are added up as what they are. A user who writes 0.1 means a tenth, as its shortest repr says.
    """
    if isinstance(number, int | Fraction):
        return Fraction(number)
    return Fraction(str(float(number))) if math.isfinite(number) else number


def plain(number: Exact) -> float:
    """The number for people: whole where it is, else the nearest float."""
    if not isinstance(number, Fraction):
        return number
    whole = number.denominator == 1 or number > 2**53  # beyond, floats have no decimals, and end somewhere
    return round(number) if whole else float(number)


Votes = Mapping[str, Hashable] | Iterable[tuple[str, Hashable]]
"""Voter -> option; None is an abstention. In the order of the votes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How votes become a decision."""

    kind: Literal["majority", "unanimity", "weighted", "first_past"]
    weights: Mapping[str, float] = field(default_factory=dict)
    n: int = 0
    quorum: int = 0
    """The least number of votes; abstentions do not count."""

    def __post_init__(self) -> None:
        path, weights = f"{self.kind}()", cast("object", self.weights)
        if not isinstance(weights, Mapping):
            raise SpecError([SpecFault(path, f"weights: must be a mapping {{voter: weight}}, got {weights!r}")])
        faults = [
            SpecFault(path, f"weights: that of {who} must be a number >= 0, got {weight!r}")
            for who, weight in weights.items()
            if not isinstance(weight, int | float | Fraction) or not 0 <= weight < math.inf
        ]
        if self.kind == "first_past":
            faults += count_faults(path, "n", self.n)
        refuse(faults, count_faults(path, "quorum", self.quorum, least=0))
        object.__setattr__(self, "weights", dict(weights))


@builder("majority()")
def majority(*, quorum: int = 0) -> Rule:
    """More than half of the votes."""
    return Rule("majority", quorum=quorum)


@builder("unanimity()")
def unanimity(*, quorum: int = 0) -> Rule:
    """All of the votes."""
    return Rule("unanimity", quorum=quorum)


@builder("weighted()")
def weighted(weights: Mapping[str, float], *, quorum: int = 0) -> Rule:
    """More than half of the weight of the votes; a voter without a weight weighs 1. Weights are added up as they are
    written: ten times 0.1 is 1.

    Raises:
        SpecError: a weight is not a number >= 0
    """
    return Rule("weighted", weights, quorum=quorum)


@builder("first_past()")
def first_past(n: int, *, quorum: int = 0) -> Rule:
    """The first option that has `n` votes.

    Raises:
        SpecError: `n` is below 1
    """
    return Rule("first_past", n=n, quorum=quorum)


class Decided(NamedTuple):
    """An option has won."""

    option: Hashable
    counts: Mapping[Hashable, float]


class Tied(NamedTuple):
    """Nothing has won, and several have the most votes."""

    options: tuple[Hashable, ...]
    """In the order in which they were first voted for."""
    counts: Mapping[Hashable, float]


class Undecided(NamedTuple):
    """Nothing has won, and one option has the most votes; or there are none."""

    counts: Mapping[Hashable, float]


class NoQuorum(NamedTuple):
    """There are too few votes."""

    votes: int
    quorum: int
    counts: Mapping[Hashable, float]


Tally = Decided | Tied | Undecided | NoQuorum


def tally(votes: Votes, rule: Rule) -> Tally:
    """Counts the votes by a rule.

    Raises:
        SpecError: a voter voted twice or for something that cannot be counted, or `rule` is not a rule
    """
    faults = list(_rule_faults("tally()", rule))
    pairs = list(votes.items()) if isinstance(votes, Mapping) else list(votes)
    voters = [who for who, _ in pairs]
    twice = [who for who in dict.fromkeys(voters) if voters.count(who) > 1]
    faults += [SpecFault("tally()", f"{who} voted {voters.count(who)} times") for who in twice]
    faults += [
        SpecFault("tally()", f"{who}: {why}") for who, option in pairs if (why := _uncountable(option)) is not None
    ]
    refuse(faults)
    cast = [(who, option) for who, option in pairs if option is not None]
    sums: dict[Hashable, Exact] = {}
    past: Hashable | None = None
    for who, option in cast:
        weight = rule.weights.get(who, 1) if rule.kind == "weighted" else 1
        sums[option] = sums.get(option, 0) + exact(weight)
        if past is None and rule.kind == "first_past" and sums[option] >= rule.n:
            past = option
    counts = {option: plain(count) for option, count in sums.items()}
    if len(cast) < rule.quorum:
        return NoQuorum(len(cast), rule.quorum, counts)
    if not counts:
        return Undecided(counts)
    most = max(sums.values())
    first = tuple(option for option, count in sums.items() if count == most)
    won: Hashable | None = None
    match rule.kind:
        case "majority" | "weighted":
            won = first[0] if most * 2 > sum(sums.values()) else None
        case "unanimity":
            won = first[0] if len(counts) == 1 else None
        case "first_past":
            won = past
    if won is not None:
        return Decided(won, counts)
    return Tied(first, counts) if len(first) > 1 else Undecided(counts)


def _rule_faults(path: str, rule: object) -> Iterator[SpecFault]:
    if not isinstance(rule, Rule):
        yield SpecFault(path, f"rule: must be majority(), unanimity(), weighted(...) or first_past(n), got {rule!r}")


def _uncountable(answer: object) -> str | None:
    """Why an answer cannot be counted."""
    try:
        hash(answer)
    except TypeError:
        return f"{answer!r} cannot be counted: it is not hashable"
    return None


class Poll(NamedTuple):
    """The question to a participant."""

    question: object
    options: tuple[Hashable, ...]
    """The options of the vote; empty: any answer."""


class Abstain(NamedTuple):
    """No vote, and why."""

    reason: str


class Ruling(NamedTuple):
    """The result of a decision."""

    outcome: Tally
    votes: Mapping[str, Hashable]
    """In the order they came."""
    abstained: Mapping[str, str]
    """Participants without a vote -> the reason."""

    @property
    def option(self) -> Hashable | None:
        """The winning option; None: there is none."""
        return self.outcome.option if isinstance(self.outcome, Decided) else None


@dataclass(frozen=True, slots=True)
class Decision(Pattern):
    """Asks the participants and counts their votes: see `decision`."""

    participants: Mapping[str, Target]
    rule: Rule
    options: tuple[Hashable, ...] = ()
    timeout: float | None = None

    def parts(self) -> Iterator[Target]:
        """The participants."""
        yield from self.participants.values()

    async def play(self, run: RunContext, value: object) -> Ruling:
        """Asks whether `value`, and returns the ruling."""
        poll = Poll(value, self.options)
        branches = {name: (target, poll) for name, target in self.participants.items()}
        gathered = await run.gather(branches, collect(), within=self.timeout)
        votes: dict[str, Hashable] = {}
        abstained: dict[str, str] = {}
        for name, answer in gathered.results.items():
            why = self._refusal(answer)
            if why is None:
                votes[name] = answer
            else:
                abstained[name] = why
        for name, failed in gathered.failures.items():
            abstained[name] = str(failed.reason)
        for name in gathered.unanswered:
            abstained[name] = f"no answer within {self.timeout:g} s"
        return Ruling(tally(votes, self.rule), votes, abstained)

    def _refusal(self, answer: object) -> str | None:
        """Why an answer is not a vote."""
        if answer is None:
            return "it abstained"
        if isinstance(answer, Abstain):
            return answer.reason
        if self.options and answer not in self.options:
            return f"{answer!r} is none of the options"
        return _uncountable(answer)


@builder("decision()")
def decision(
    participants: Sequence[Target] | Mapping[str, Target],
    rule: Rule | None = None,
    *,
    options: Iterable[Hashable] = (),
    timeout: float | None = None,
) -> Decision:
    """A pattern that asks whether, or which of `options`, and returns a `Ruling`.

    Args:
        participants: who votes; with names of your own as a mapping, which weights refer to
        rule: `majority()` by default
        options: what may be voted for; another answer is an abstention. Empty: anything hashable.
        timeout: seconds for all votes together; who has not voted by then abstains. None: any time

    Raises:
        SpecError: every fault
    """
    path, counted = "decision()", rule if rule is not None else majority()
    named, faults = named_targets(path, participants)
    faults += _rule_faults(path, counted)
    faults += several_faults(path, "options", options)
    faults += seconds_faults(path, "timeout", timeout)
    refuse(faults)
    return Decision(named, counted, tuple(options), timeout)


def named_targets(
    path: str, targets: Sequence[Target] | Mapping[str, Target]
) -> tuple[dict[str, Target], list[SpecFault]]:
    """The targets by name (their own labels, unless they were given names), and what is wrong with them."""
    faults = list(several_faults(path, "participants", targets))
    if faults:
        return {}, faults
    pairs = list(targets.items()) if isinstance(targets, Mapping) else [(label(target), target) for target in targets]
    named = dict(pairs)
    for name, target in pairs:
        faults += target_faults(f"{path}/{name}", target)
    if not named:
        faults.append(SpecFault(path, "participants: at least one is needed"))
    if len(named) < len(pairs):
        faults.append(SpecFault(path, "participants: some have the same name; give them names in a mapping"))
    return named, faults

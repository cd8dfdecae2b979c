"""Conflicts between members, and how they end.

    conflict         goes to                                    a tie
    Contention       the higher priority                        the earlier claim
    Contradiction    the statement with the stronger evidence   a person
    Disagreement     a person, with a deadline and a default    -

`resolve` is pure: it decides, or returns the question for a person. `settle` has the person asked where it
must be, and publishes a `ConflictResolved`. Findings that state the same add their evidence up.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from actors import current_ref
from supervisors import SpecError, SpecFault
from teams.patterns import parallel
from teams.protocols import Answered, ConflictResolved, PersonRef
from teams.recipes._checks import refusals

T = TypeVar("T")


class Claim(NamedTuple):
    """A member wants a resource."""

    by: str
    priority: float = 0
    """More goes first."""
    at: float = 0
    """The time of the claim, in seconds of one clock."""


class Statement(NamedTuple):
    """A member says how something is."""

    by: str
    statement: Hashable
    evidence: float = 1
    """How strong the evidence is, >= 0; equal statements add up."""


class Position(NamedTuple):
    """A member wants it done this way."""

    by: str
    choice: Hashable


Party = Claim | Statement | Position


@dataclass(frozen=True, slots=True)
class Contention:
    """Several members claim what only one can have."""

    resource: str
    claims: tuple[Claim, ...]

    def __post_init__(self) -> None:
        _check(f"contention for {self.resource!r}", "claims", self.claims, Claim)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Several say different things of one matter. `default` and `within` (seconds) are for the
    person, if one is asked.
    """

    about: str
    findings: tuple[Statement, ...]
    default: Hashable = None
    within: float | None = None

    def __post_init__(self) -> None:
        _check(f"contradiction about {self.about!r}", "findings", self.findings, Statement, self.within)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Several want different things. `default` takes effect when the person has not answered within `within` seconds;
    None: any time.
    """

    about: str
    positions: tuple[Position, ...]
    default: Hashable = None
    within: float | None = None

    def __post_init__(self) -> None:
        _check(f"disagreement about {self.about!r}", "positions", self.positions, Position, self.within)


Conflict = Contention | Contradiction | Disagreement


class Resolved(NamedTuple):
    """The conflict is over."""

    winner: Any
    """The claim, statement or choice that wins."""
    why: str


class Escalated(NamedTuple):
    """A person must decide."""

    question: str
    options: tuple[Hashable, ...]
    default: Hashable
    within: float | None
    why: str


def resolve(conflict: Conflict) -> Resolved | Escalated:
    """Decides a conflict, or says what to ask a person. Raises SpecError for another value."""
    match conflict:
        case Contention(_, claims):
            most = max(claim.priority for claim in claims)
            first = [claim for claim in claims if claim.priority == most]
            winner = min(first, key=lambda claim: claim.at)
            if len(first) == 1:
                return Resolved(winner, f"priority {most:g} is the highest")
            return Resolved(winner, f"of {len(first)} claims with priority {most:g} it was the first")
        case Contradiction(about, findings):
            return _weigh(about, findings, conflict)
        case Disagreement(about, positions):
            choices = _distinct(position.choice for position in positions)
            if len(choices) == 1:
                return Resolved(choices[0], "all want the same")
            return _escalated(f"{about}: what shall be done?", choices, conflict, "members want different things")
        case _:
            raise SpecError(
                [SpecFault("resolve()", f"must be a Contention, a Contradiction or a Disagreement, got {conflict!r}")]
            )


def _weigh(about: str, findings: tuple[Statement, ...], conflict: Contradiction) -> Resolved | Escalated:
    weights: dict[Hashable, Fraction | float] = {}
    for finding in findings:
        weights[finding.statement] = weights.get(finding.statement, 0) + _as_written(finding.evidence)
    most = max(weights.values())
    strongest = tuple(statement for statement, weight in weights.items() if weight == most)
    if len(strongest) == 1:
        return Resolved(strongest[0], f"its evidence is the strongest: {_shown(most)}")
    return _escalated(f"{about}: what is true?", strongest, conflict, f"the evidence is equally strong: {_shown(most)}")


def _as_written(number: float) -> Fraction | float:
    """Ten times 0.1 is 1, and not the sum of ten floats. Infinity is not a fraction."""
    if isinstance(number, int):
        return Fraction(number)
    return Fraction(str(float(number))) if math.isfinite(number) else number


def _shown(weight: Fraction | float) -> str:
    try:
        return f"{float(weight):g}"
    except OverflowError:  # the sum of great floats
        return f"{Decimal(weight.numerator) / Decimal(weight.denominator):.6g}"  # type: ignore[union-attr]


def _escalated(
    question: str, options: tuple[Hashable, ...], conflict: Contradiction | Disagreement, why: str
) -> Escalated:
    return Escalated(question, options, conflict.default, conflict.within, why)


async def settle(conflict: Conflict, person: PersonRef, *, id: str | None = None) -> Resolved:
    """Resolves a conflict, if need be by asking the person, from the code of an actor.

    Args:
        conflict: what to resolve
        person: asked if the rules do not decide
        id: give one where it may be settled again after a crash: the person is asked once

    Raises:
        SpecError: the conflict, the person or the id is another value
        ActorDeadError: the person had terminated
    """
    faults = list(_faults_of_settle(person, id))
    if faults:
        raise SpecError(faults)
    resolution = resolve(conflict)
    if isinstance(resolution, Escalated):
        answer = await person.consult(
            resolution.question, resolution.options, default=resolution.default, within=resolution.within, id=id
        )
        why = "a person decided" if isinstance(answer, Answered) else answer.why
        resolution = Resolved(answer.choice, f"{resolution.why}; {why}")
    settling = current_ref()
    path = settling.path if settling is not None else person.path
    about = conflict.resource if isinstance(conflict, Contention) else conflict.about
    kind = type(conflict).__name__.lower()
    runtime = person.runtime
    runtime.events.publish(ConflictResolved(path, runtime.now(), kind, about, resolution.winner, resolution.why))
    return resolution


def _faults_of_settle(person: object, id: object) -> Iterator[SpecFault]:
    if not isinstance(person, PersonRef):
        yield SpecFault("settle()", f"person: must be the ref of a Person, such as root.child('id'), got {person!r}")
    if id is not None and not (isinstance(id, str) and id):
        yield SpecFault("settle()", f"id: must be a string, or None, got {id!r}")


def _distinct(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _check(what: str, name: str, parties: object, kind: type[Party], within: float | None = None) -> None:
    """Refuses a conflict that cannot be decided, with all its faults."""
    faults = refusals(what, parallel, str, within=within)
    if not isinstance(parties, Sequence) or not parties:
        faults.append(SpecFault(what, f"{name}: must be a tuple of at least one {kind.__name__}, got {parties!r}"))
    else:
        for number, party in enumerate(parties, 1):
            faults += _party_faults(f"{what}/{number}", party, kind)
    if faults:
        raise SpecError(faults)


def _party_faults(place: str, party: object, kind: type[Party]) -> Iterator[SpecFault]:
    if not isinstance(party, kind):
        yield SpecFault(place, f"must be a {kind.__name__}, got {party!r}")
    elif isinstance(party, Claim):
        for name, number in (("priority", party.priority), ("at", party.at)):
            if not _orders(number):
                yield SpecFault(place, f"{name}: must be a number, got {number!r}")
    else:
        if isinstance(party, Statement) and not (_orders(party.evidence) and party.evidence >= 0):
            yield SpecFault(place, f"evidence: must be a number >= 0, got {party.evidence!r}")
        name, value = ("statement", party.statement) if isinstance(party, Statement) else ("choice", party.choice)
        try:
            hash(value)
        except TypeError:
            yield SpecFault(place, f"{name}: must be hashable, to be told from others, got {value!r}")


def _orders(number: object) -> bool:
    """Whether it can be compared; NaN cannot."""
    try:
        return isinstance(number, int | float) and not math.isnan(number)
    except OverflowError:  # an integer that no float can hold
        return False

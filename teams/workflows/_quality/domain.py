"""Quality domains: criteria with thresholds, and scores. Pure values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisors.spi import SpecFault, builder, nearest
from teams._checks.fields import refuse
from teams._runs.pattern import Pattern, Target

if TYPE_CHECKING:
    from teams._runs.context import RunContext

THRESHOLD = 0.85
"""The least weighted mean that passes."""
QUALITY = ".quality"
"""The part of a step that scores its result. No step has a dot in its id."""
_NAME = re.compile(r"[^\W\d_][\w-]*")
"""A criterion: it may be a field of a result, and part of the name of a step."""
HEAVIEST = 1_000_000
"""The largest weight."""
_DIGITS = 9
"""Digits of a mean that count: 0.85 three times has the mean 0.85."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion of a result: its threshold and weight. `at_least` makes it."""

    threshold: float
    """The least score that passes, from 0 to 1."""
    weight: float = 1.0
    """How much it counts in the mean."""


@builder("at_least()")
def at_least(threshold: float, *, weight: float = 1.0) -> Criterion:
    """A criterion of `quality_domain`, which checks it.

    Args:
        threshold: The least score that passes, from 0 to 1.
        weight: How much the score counts in the mean, more than 0 and at most 1,000,000. Default: 1.0.
    """
    return Criterion(threshold, weight)


@dataclass(frozen=True, slots=True)
class Scores:
    """How good a result is, from 0 to 1."""

    domain: str
    score: float
    """The weighted mean of the criteria; a missing score counts as 0."""
    scores: Mapping[str, float]
    """By criterion, without those that are missing."""
    threshold: float
    """The least mean that passes."""
    low: tuple[str, ...] = ()
    """The criteria below their thresholds."""
    missing: tuple[str, ...] = ()
    """The criteria without a score."""

    @property
    def passed(self) -> bool:
        """Whether the mean and every criterion reach their thresholds, and no score is missing."""
        return self.score >= self.threshold and not self.low and not self.missing


@dataclass(frozen=True)
class QualityDomain(Pattern):
    """A name, and the criteria of results. `quality_domain` makes it.

    It may be the gate of `quality_gate`: the scores are then the fields of the result with the names of the criteria.
    """

    name: str
    criteria: Mapping[str, Criterion]
    """By name, in the order of the names."""

    def parts(self) -> Iterator[Target]:
        return iter(())

    async def play(self, run: RunContext, value: object) -> object:
        from teams.workflows._quality.scoring import scored

        return await scored(self).play(run, value)

    def rated(self, scores: Mapping[str, float], threshold: float) -> Scores:
        """What scores by criterion mean."""
        known = {name: scores[name] for name in self.criteria if name in scores}
        whole = math.fsum(each.weight for each in self.criteria.values())
        mean = math.fsum(scores.get(name, 0.0) * (each.weight / whole) for name, each in self.criteria.items())
        return Scores(
            self.name,
            round(mean, _DIGITS),
            known,
            threshold,
            tuple(name for name, score in known.items() if score < self.criteria[name].threshold),
            tuple(name for name in self.criteria if name not in known),
        )


@builder("quality_domain {id!r}")
def quality_domain(name: str, **criteria: Criterion | float) -> QualityDomain:
    """A quality domain. Raises SpecError with all faults at once.

    Args:
        name: Its name in events, metrics and plans.
        criteria: What results are scored by: `at_least(0.9)`, or the least score as a number. A name begins with a
            letter and has letters, digits, `_` and `-`.
    """
    return domain_of(name, criteria)


def domain_of(name: str, criteria: Mapping[str, Criterion | float]) -> QualityDomain:
    """The quality domain with these criteria. Raises SpecError with all faults at once."""
    refuse(_domain_faults(name, criteria))
    # One order in every process: it is in the names of the steps of scorers.
    given = ((each, criteria[each]) for each in sorted(criteria))
    made = {
        each: Criterion(float(found.threshold), float(found.weight))
        if isinstance(found, Criterion)
        else Criterion(float(found))
        for each, found in given
    }
    return QualityDomain(name, made)


def _domain_faults(name: object, criteria: Mapping[str, object]) -> Iterator[SpecFault]:
    path = f"quality_domain {name!r}"
    yield from text_faults(path, "name", name)
    if not criteria:
        yield SpecFault(path, "has no criteria, such as completeness=at_least(0.9)")
    for each, found in criteria.items():
        where = f"{path}/{each}"
        if not _NAME.fullmatch(each):
            yield SpecFault(where, "a criterion begins with a letter and has letters, digits, _ and -")
        if isinstance(found, Criterion):
            yield from part_faults(where, "threshold", found.threshold)
            if not _is_number(found.weight) or not 0 < found.weight <= HEAVIEST:
                yield SpecFault(
                    where, f"weight: must be a number more than 0 and at most {HEAVIEST:,}, got {found.weight!r}"
                )
        elif not _is_number(found):
            yield SpecFault(where, f"must be at_least(...), or a number from 0 to 1, got {found!r}")
        else:
            yield from part_faults(where, "threshold", found)


def is_of_quality(step: str) -> bool:
    """Whether a step of a run scores a result, or is a scorer."""
    return step.endswith(f"/{QUALITY}") or f"/{QUALITY}/" in step


def text_faults(path: str, key: str, value: object) -> Iterator[SpecFault]:
    """The faults of a name."""
    if not (isinstance(value, str) and value.strip() and value.isprintable()):
        yield SpecFault(path, f"{key}: must be a printable string, got {value!r}")


def part_faults(path: str, name: str, value: object) -> Iterator[SpecFault]:
    """The faults of a number from 0 to 1."""
    if not is_score(value):
        yield SpecFault(path, f"{name}: must be a number from 0 to 1, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_score(value: object) -> bool:
    """Whether this is a number from 0 to 1. NaN, true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


GENERIC = quality_domain("GENERIC", completeness=0.9, accuracy=0.95)
ANALYTICAL = quality_domain("ANALYTICAL", completeness=at_least(0.9), accuracy=at_least(0.95, weight=2))
BUSINESS = quality_domain("BUSINESS", confidence_score=0.75, technical_feasibility=0.8, risk_tolerance=0.6)
ACADEMIC = quality_domain(
    "ACADEMIC", research_confidence=0.7, evidence_quality=0.75, methodological_rigor=0.7, bias_detection=0.6
)
SERVICE = quality_domain("SERVICE", service_reliability=0.95, response_accuracy=0.8, user_satisfaction=0.75)

DOMAINS: Mapping[str, QualityDomain] = {each.name: each for each in (GENERIC, ANALYTICAL, BUSINESS, ACADEMIC, SERVICE)}
"""The domains that come along, by name."""


def domain_named(path: str, value: object, faults: list[SpecFault]) -> QualityDomain | None:
    """The domain, or the one that comes along under this name. None, with a fault: it is neither."""
    if isinstance(value, QualityDomain):
        return value
    found = DOMAINS.get(value) if isinstance(value, str) else None
    if found is None:
        known = nearest(str(value), DOMAINS)
        faults.append(SpecFault(path, f"domain: must be quality_domain(...) or a name, got {value!r}; {known}"))
    return found

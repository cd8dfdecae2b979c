"""Scoring: how a result gets its scores, and what follows when they are low.

| value | from | to | meaning |
|---|---|---|---|
| the result | the run | every scorer | at once |
| a number, a mapping by criterion | scorer | the run | scores from 0 to 1; None: there is none |
| `Approved(Scores)`, `Rejected(Scores)` | scoring | the run, or the gate | whether they reach their thresholds |
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from actors.spi import TEXT, described, shown
from supervisors.spi import SpecFault, builder, nearest
from teams._checks.fields import count_faults, refuse, seconds_faults
from teams._members.target import Can, Pool
from teams._runs.context import RunContext, end_all
from teams._runs.pattern import Pattern, StepFunction, Target, target_faults
from teams.errors import RunError
from teams.patterns import Approved, Rejected
from teams.workflows._language.expression import parse
from teams.workflows._language.refs import MISSING, Ref, resolve
from teams.workflows._quality.domain import (
    GENERIC,
    QUALITY,
    THRESHOLD,
    QualityDomain,
    domain_named,
    is_score,
    part_faults,
    text_faults,
)
from teams.workflows.errors import BadExpression, Blocked, ScoringFailed
from teams.workflows.events import LowQuality, QualityScored

OnLow = Literal["warn", "retry", "ask", "fail"]
ON_LOW: tuple[OnLow, ...] = get_args(OnLow)
MAX_ROUNDS = 3
DECISION = ".decision"
"""The part of a step in which a person decides about a low score."""
DECISIONS = ("accept", "retry", "fail")

Scorer: TypeAlias = str | Can | Pool | Pattern | StepFunction
"""A function of the result, a judge in the team, or a field of the result, such as "$self.score"."""


@dataclass(frozen=True, slots=True)
class Scoring(Pattern):
    """Scores a result. `scored` makes it. Its result is a verdict, so it may be the gate of `quality_gate`."""

    domain: QualityDomain
    scorers: tuple[tuple[tuple[str, ...], Target | Ref], ...]
    """What scores, each with its criteria."""
    threshold: float = THRESHOLD
    timeout: float | None = None
    """Seconds for each scorer."""

    def parts(self) -> Iterator[Target]:
        for _, scorer in self.scorers:
            if not isinstance(scorer, Ref):
                yield scorer

    async def play(self, run: RunContext, value: object) -> Approved | Rejected:
        faults: list[str] = []
        scores: dict[str, float] = {}
        for criteria, answer in await self._answers(run, value):
            _read(criteria, answer, scores, faults)
        if faults:
            raise ScoringFailed(run.run, _step(run), self.domain.name, tuple(faults))
        found = self.domain.rated(scores, self.threshold)
        event = QualityScored if found.passed else LowQuality
        run.emit(
            event(
                "",
                0.0,
                "",
                _step(run),
                found.domain,
                found.score,
                found.scores,
                found.threshold,
                found.low,
                found.missing,
            )
        )
        return Approved(found) if found.passed else Rejected(found)

    async def _answers(self, run: RunContext, value: object) -> list[tuple[tuple[str, ...], object]]:
        """What every scorer says of the result, all at once."""

        async def ask(criteria: tuple[str, ...], scorer: Target | Ref) -> tuple[tuple[str, ...], object]:
            if isinstance(scorer, Ref):
                found = resolve(scorer, {"self": value})
                return criteria, None if found is MISSING else found
            return criteria, await run.do(scorer, value, name="+".join(criteria), timeout=self.timeout)

        tasks = [asyncio.ensure_future(ask(*each)) for each in self.scorers]
        done: list[asyncio.Task[tuple[tuple[str, ...], object]]] = []
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            done = [task for task in tasks if task.done() and not task.cancelled()]
        finally:
            await end_all(tasks)
        failed = [error for task in done if (error := task.exception()) is not None]
        if not failed:
            return [task.result() for task in tasks]
        for criteria, _ in self.scorers:
            run.call_off("+".join(criteria), "another scorer has failed")
        for error in failed:
            if isinstance(error, Blocked) or not isinstance(error, RunError):
                raise error
        faults = tuple(described(error, TEXT) for error in failed)
        raise ScoringFailed(run.run, _step(run), self.domain.name, faults) from failed[0]


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of the results of a step. `quality` makes it."""

    scoring: Scoring
    on_low: OnLow = "warn"
    max_rounds: int = MAX_ROUNDS
    person: str | None = None


def _step(run: RunContext) -> str:
    """The step whose result is scored here, or the gate."""
    return run.path.removesuffix(f"/{QUALITY}")


def _read(criteria: tuple[str, ...], said: object, scores: dict[str, float], faults: list[str]) -> None:
    """Adds what a scorer said of its criteria."""
    for name in criteria:
        found = said.get(name) if isinstance(said, Mapping) else said
        if is_score(found):
            scores[name] = float(found)  # type: ignore[arg-type]
        elif found is not None:
            faults.append(f"{name}: must be a number from 0 to 1, got {shown(found)}")


@builder("scored")
def scored(
    domain: QualityDomain | str,
    scorers: Scorer | Mapping[str, Scorer] | None = None,
    *,
    threshold: float = THRESHOLD,
    timeout: float | None = None,
) -> Scoring:
    """A pattern that scores a result: `Approved(Scores)`, or `Rejected(Scores)` if a score is below its threshold or is
    missing. It may be the gate of `quality_gate`. Raises SpecError with all faults at once.

    Args:
        domain: The criteria: `quality_domain(...)`, or the name of a domain that comes along.
        scorers: What scores. By criterion: a function, a member or another target, which gets the result; or a field of
            the result, such as "$self.score". Each says a number from 0 to 1. One scorer that is not in a mapping
            scores all criteria, and says a number or a mapping by criterion. A criterion without a scorer is the field
            of the result with its name. None: all criteria are fields. Default: None.
        threshold: The least weighted mean that passes, from 0 to 1. Each criterion must reach its own threshold, too.
            Default: 0.85.
        timeout: Seconds for each scorer. None: any time. Default: None.
    """
    faults: list[SpecFault] = []
    made = _scoring("scored", domain, scorers, threshold, timeout, faults)
    refuse(faults)
    return made


@builder("quality")
def quality(
    domain: QualityDomain | str,
    scorers: Scorer | Mapping[str, Scorer] | None = None,
    *,
    threshold: float = THRESHOLD,
    on_low: OnLow = "warn",
    max_rounds: int = MAX_ROUNDS,
    person: str | None = None,
    timeout: float | None = None,
) -> Quality:
    """The quality of the results of a step, for `do(quality=)`. Each result is scored, and the scores are written down:
    a run that goes on elsewhere does not score again. Raises SpecError with all faults at once.

    A scorer that fails, or says anything but a number from 0 to 1, fails the step with `ScoringFailed`. A missing score
    is a low one.

    Args:
        domain: As in `scored`.
        scorers: As in `scored`.
        threshold: As in `scored`.
        on_low: What follows when a score is low or missing, after the event `LowQuality`: "warn" goes on with the
            result; "retry" does the step again with a `Revision`, whose feedback is the `Scores`; "ask" asks a person
            to accept the result, to retry, or to fail; "fail" fails the step with `QualityTooLow`. Default: "warn".
        max_rounds: How often "retry" does the step at most; then it fails with `QualityTooLow`. Default: 3.
        person: Who decides, with "ask" alone. Default: None.
        timeout: As in `scored`.
    """
    path = "quality"
    faults: list[SpecFault] = []
    made = _scoring(path, domain, scorers, threshold, timeout, faults)
    if on_low not in ON_LOW:
        faults.append(SpecFault(path, f"on_low: must be one of {', '.join(ON_LOW)}, got {on_low!r}"))
    faults += count_faults(path, "max_rounds", max_rounds)
    if on_low == "ask" and person is None:
        faults.append(SpecFault(path, "person: on_low='ask' needs the person that decides"))
    if on_low != "ask" and person is not None:
        faults.append(SpecFault(path, "person: is asked with on_low='ask' alone"))
    if person is not None:
        faults += text_faults(path, "person", person)
    refuse(faults)
    return Quality(made, on_low, max_rounds, person)


def _scoring(
    path: str, domain: object, scorers: object, threshold: float, timeout: float | None, faults: list[SpecFault]
) -> Scoring:
    found = domain_named(path, domain, faults)
    faults += part_faults(path, "threshold", threshold)
    faults += seconds_faults(path, "timeout", timeout)
    names = tuple((found or GENERIC).criteria)
    made: dict[tuple[str, ...], Target | Ref] = {}
    if isinstance(scorers, Mapping):
        for name, scorer in scorers.items():
            made[name,] = _scorer(path, f"scorers/{name}", scorer, faults)
            if found is not None and found.criteria and name not in names:
                hint = nearest(str(name), names)
                faults.append(SpecFault(path, f"scorers/{name}: {found.name} has no such criterion; {hint}"))
        made = {(name,): made.get((name,), Ref("self", (name,))) for name in names}
    elif scorers is None:
        made = {(name,): Ref("self", (name,)) for name in names}
    else:
        made[names] = _scorer(path, "scorers", scorers, faults)
    if faults:
        return Scoring(found or GENERIC, ())
    assert found is not None
    return Scoring(found, tuple(made.items()), float(threshold), None if timeout is None else float(timeout))


def _scorer(path: str, key: str, value: object, faults: list[SpecFault]) -> Target | Ref:
    """A scorer; a field of the result as a reference."""
    if isinstance(value, str) and value.startswith("$"):
        try:
            found = parse(value)
        except BadExpression as error:
            faults.append(SpecFault(path, f"{key}: {error}"))
            return Ref("self")
        if isinstance(found, Ref) and found.root == "self" and found.steps:
            return found
        faults.append(SpecFault(path, f'{key}: must be a field of the result, such as "$self.score", got {value!r}'))
        return Ref("self")
    bad = [SpecFault(path, f"{key}: {each.message}") for each in target_faults(path, value)]
    faults += bad
    return Ref("self") if bad else value  # type: ignore[return-value]

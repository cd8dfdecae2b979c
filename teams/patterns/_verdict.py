"""Verdicts: what gates and reviewers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from teams._dispatch.gather import Failed
from teams._runs.context import RunContext
from teams.errors import BadVerdict


@dataclass(frozen=True, slots=True)
class Approved:
    """The work is good."""

    note: object = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The work is not good yet; `feedback` is for its producer."""

    feedback: object = None


Verdict = Approved | Rejected


@dataclass(frozen=True, slots=True)
class Revision:
    """Asks a producer for a better result."""

    work: object
    """The original work."""
    feedback: object
    previous: object
    """Its last result."""
    round: int
    """2 for the first revision."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """The verdicts of several reviewers, for the approval."""

    work: object
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    failures: Mapping[str, Failed] = field(default_factory=dict)
    """Reviewers that gave no verdict, and why."""
    unanswered: tuple[str, ...] = ()
    """Reviewers that were called off, because there were enough or the time was up."""


def verdict(run: RunContext, step: str, said: object) -> Verdict:
    """Returns the answer if it is a verdict. Raises BadVerdict."""
    if not isinstance(said, Verdict):
        raise BadVerdict(run.run, run.key(step), said)
    return said

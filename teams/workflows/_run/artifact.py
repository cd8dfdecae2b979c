"""Artifacts: what a step makes that is worth a name of its own, such as a report or a chart.

A step makes one by returning it, alone or in a list or a mapping. It is written down with the result of the step, so it
is kept as durably, and has the limits of every value: 1 MiB, and what JSON can say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from teams._journal.codec import encode
from teams._journal.rows import JournalEntry

KIND = "json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A named piece of data that a step returns. Raises ValueError for a name or a kind that is not a printable string.

    A step that returns more than 1 MiB fails with `PayloadTooLarge`, one whose data JSON cannot say with `NotStorable`.
    """

    name: str
    data: Any
    """What JSON can say."""
    kind: str = KIND
    """What it is, such as "report" or "text/markdown"."""

    def __post_init__(self) -> None:
        given: tuple[tuple[str, object], ...] = (("name", self.name), ("kind", self.kind))
        for key, value in given:
            if not (isinstance(value, str) and value.strip() and value.isprintable()):
                raise ValueError(f"artifact: {key}: must be a printable string, got {value!r}")


@dataclass(frozen=True, slots=True)
class MadeArtifact:
    """An artifact of a run, as it is written down."""

    run: str
    step: str
    """The step that returned it, as the run names it: `execution/draft`, `draft#2`."""
    name: str
    kind: str
    data: Any
    size: int
    """Bytes of the data as JSON."""
    at: float
    """When the step ended, in seconds since the epoch."""


class ArtifactReader:
    """Finds artifacts in entries of one run, in their order. One that is handed on from step to step counts once."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def made_by(self, entry: JournalEntry) -> Iterator[MadeArtifact]:
        """The artifacts that come with this entry first."""
        from teams.workflows._run.values import read  # which writes artifacts

        if entry.kind != "done" or entry.body is None or b'"Artifact"' not in entry.body:
            return
        for each in _artifacts(read(entry.body)):
            data = encode(each.data)
            digest = hashlib.sha256(encode([each.name, each.kind]) + data).digest()
            if digest not in self._seen:
                self._seen.add(digest)
                step = entry.step if entry.attempt <= 1 else f"{entry.step}~{entry.attempt}"
                yield MadeArtifact(entry.run, step, each.name, each.kind, each.data, len(data), entry.at / 1e6)


def artifacts_in(entries: Iterable[JournalEntry]) -> tuple[MadeArtifact, ...]:
    """The artifacts of a run, in the order in which they were made."""
    reader = ArtifactReader()
    return tuple(made for entry in entries for made in reader.made_by(entry))


def _artifacts(value: object) -> Iterator[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, Artifact))
    elif isinstance(value, dict):
        yield from (each for each in value.values() if isinstance(each, Artifact))

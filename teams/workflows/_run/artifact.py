"""Artifacts: what a step makes that is worth a name of its own, such as a report or a chart."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import model_serializer


@dataclass(frozen=True, slots=True)
class Artifact:
    """A named piece of data in the result of a step: the result itself, or anywhere in its lists and mappings.

    It is written down with the result, so it is kept as durably. Together they have the limits of every value: a step
    that returns more than 1 MiB fails with `PayloadTooLarge`, one whose data JSON cannot say with `NotStorable`.

    Raises ValueError for a name or a kind that is not a printable string.
    """

    name: str
    data: object
    """What JSON can say."""
    kind: str = "json"
    """Its kind, such as "report" or "text/markdown"."""

    def __post_init__(self) -> None:
        given: tuple[tuple[str, object], ...] = (("name", self.name), ("kind", self.kind))
        for key, value in given:
            if not (isinstance(value, str) and value.strip() and value.isprintable()):
                raise ValueError(f"artifact: {key}: must be a printable string, got {value!r}")

    @model_serializer
    def _written(self) -> dict[str, object]:
        """With its class, also where pydantic writes it: in a step that says what it `returns`."""
        from teams.workflows._run.values import IS  # which writes artifacts

        return {IS: "Artifact", "name": self.name, "data": self.data, "kind": self.kind}


@dataclass(frozen=True, slots=True)
class MadeArtifact:
    """An artifact of a run, as it is written down."""

    run: str
    step: str
    """The step that returned it, as the run names it: `draft`, `draft#2`, `draft[7]`."""
    name: str
    kind: str
    data: object
    size: int
    """Bytes of the data as JSON."""
    at: float
    """When the step ended, in seconds since the epoch."""

"""How far a run is, and how long it will take, by the durations that its workflow declares. Pure.

What is left is drawn many times, each step with a duration around the one that was declared; each draw gives the time
of the longest way through the steps that are left. P50 and P90 are of these times, so steps that run beside each other
make the forecast later, as they make the run.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from teams._journal.rows import LONGEST, JournalEntry
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import AskPerson, InTeam, Node, Sleep, WaitForSignal, expected_seconds
from teams.workflows._quality.domain import is_of_quality
from teams.workflows._run.names import step_of

LOW, HIGH = 0.5, 2.0
"""A step takes between half and twice the duration that was declared for it; most often that one."""
MOST_DRAWS, FEWEST_DRAWS, WORK = 200, 20, 5_000
"""Draws, and durations that are drawn in all."""

ENDINGS = ("done", "slept", "signalled", "answered", "expired", "skipped")
"""The entries that end a step."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """How long a run will take from now on, if it waits for no person and for no free place."""

    p50: float
    """Seconds that it will keep to as likely as not."""
    p90: float
    """Seconds that it will keep to nine times out of ten."""


def ended_steps(graph: Graph, entries: Collection[JournalEntry]) -> frozenset[str]:
    """The steps of a graph that have ended, by what is written of a run.

    A step with items, iterations, a quality or a team writes entries for its parts only: it has ended when a step that
    needs it has begun.
    """
    written = {entry.step for entry in entries if entry.kind in ENDINGS}
    skipped = {entry.step for entry in entries if entry.kind == "skipped"}
    touched = {base_of(entry.step) for entry in entries}
    return frozenset(
        id
        for id, node in graph.by_id.items()
        if id in skipped
        or (id in written and not has_parts(node))
        or any(each in touched for each in graph.needed_by(id))
    )


def counted(entries: Iterable[JournalEntry], *, parts: bool = False) -> tuple[int, int]:
    """How many steps have ended, and how many have failed, by what was written last of each.

    The items, iterations, attempts and inner steps of a step of the workflow are one step; a step that was undone is
    none. With `parts` each of them counts.
    """
    steps: dict[str, dict[str, str]] = {}
    for entry in entries:
        inner = entry.step.rpartition("/")[2]
        if inner == "pause" or is_of_quality(entry.step):
            continue
        id = entry.step if parts else step_of(entry.step)
        if inner == "undo":
            if entry.kind == "done":
                steps.pop(entry.step.removesuffix("/undo") if parts else id, None)
        elif entry.kind in ENDINGS:
            steps.setdefault(id, {})[entry.step] = "ended"
        elif entry.kind in ("began", "asked", "failed"):
            steps.setdefault(id, {})[entry.step] = entry.kind
    states = [each.get(id) or min(each.values(), key=_WORST.index) for id, each in steps.items()]
    return states.count("ended"), states.count("failed")


_WORST = ("failed", "began", "asked", "ended")
"""What is so of a step whose entries are those of its parts."""


def has_parts(node: Node) -> bool:
    """Whether entries are written for parts of a step, and none for the whole."""
    several = node.each is not None or node.max_iterations is not None or node.quality is not None
    return several or isinstance(node.what, InTeam)


def base_of(step: str) -> str:
    """The step of the graph that a step of the run belongs to."""
    for number, letter in enumerate(step):
        if letter in "/#[":
            return step[:number]
    return step


def percentage(graph: Graph, ended: Collection[str]) -> float | None:
    """The part of the work that has ended, in percent; steps weigh by their declared durations. None: no steps."""
    weights = declared_durations(graph) or dict.fromkeys(graph.by_id, 1.0)
    every = sum(weights.values())
    if not every:
        return None
    return round(100.0 * sum(weights[id] for id in ended) / every, 1)


def remaining(graph: Graph, ended: Collection[str], running: Mapping[str, float]) -> Remaining | None:
    """How long what is left will take. None: no step has a declared duration.

    `running` has the steps under way, with the seconds since they began.
    """
    durations = declared_durations(graph)
    if not durations:
        return None
    left = [id for id in graph.order if id not in ended]
    if not left:
        return Remaining(0.0, 0.0)
    source = random.Random(0)  # the same figures for the same state
    draws = max(FEWEST_DRAWS, min(MOST_DRAWS, WORK // len(left)))
    ways = [[need for need in graph.needs(id) if need not in ended] for id in left]
    times = sorted(_draw(graph, left, ways, durations, running, source) for _ in range(draws))
    return Remaining(_at(times, 0.5), _at(times, 0.9))


def _draw(
    graph: Graph,
    left: list[str],
    ways: list[list[str]],
    durations: Mapping[str, float],
    running: Mapping[str, float],
    source: random.Random,
) -> float:
    ends: dict[str, float] = {}
    for id, needs in zip(left, ways, strict=True):
        likely = durations[id]
        exact = isinstance(graph[id].what, Sleep)
        whole = likely if exact else source.triangular(LOW * likely, HIGH * likely, likely)
        begin = max((ends[need] for need in needs), default=0.0)
        ends[id] = begin + max(0.0, whole - running.get(id, 0.0))
    return max(ends.values())


def _at(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(share * len(times)))], 3)


def declared_durations(graph: Graph) -> dict[str, float]:
    """Seconds that each step takes: declared, or the mean of those that are. Empty: none is."""
    said = {node.id: seconds for node in graph.nodes if (seconds := _declared(node)) is not None}
    if not said:
        return {}
    mean = sum(said.values()) / len(said)
    return {
        id: said.get(id, 0.0 if isinstance(node.what, WaitForSignal | AskPerson | Sleep) else mean)
        for id, node in graph.by_id.items()
    }


def _declared(node: Node) -> float | None:
    if isinstance(node.what, Sleep) and node.what.seconds is not None:
        return float(min(node.what.seconds, LONGEST))
    said = node.metadata.get("estimated_duration")
    if isinstance(said, list):  # low, likely, high
        said = expected_seconds(*said)
    return float(min(said, LONGEST)) if isinstance(said, int | float) and not isinstance(said, bool) else None

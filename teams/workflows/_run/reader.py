"""Reading the journal of a run as events. Pure: the same entries give the same events in every process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from teams._journal.codec import decode, encode, unrecorded
from teams._journal.rows import ENDED, JournalEntry, RunRow
from teams.patterns import Approved, Rejected
from teams.workflows._graph.graph import Graph
from teams.workflows._quality.domain import QUALITY, Scores, is_of_quality
from teams.workflows._quality.scoring import DECISION
from teams.workflows._run.names import keyed
from teams.workflows._run.progress import ENDINGS, base_of, has_parts
from teams.workflows._run.stream_events import (
    ArtifactMade,
    LevelComplete,
    NodeComplete,
    RunComplete,
    StreamEvent,
    TaskComplete,
    TaskFailed,
    TaskScored,
    TaskScoredLow,
    TaskSkipped,
    TaskStarted,
)
from teams.workflows._run.values import artifacts_of, read

PLACES = 100_000
"""More events than an entry ever tells: a body of 1 MiB has fewer artifacts, and a graph has fewer steps."""

Told = tuple[type[StreamEvent], tuple[Any, ...]]
"""An event without its place: its class, and its own fields."""


@dataclass
class GraphReader:
    """Which steps and levels of a graph the entries end. A step with items, rounds or a team ends when a step that
    needs it begins, or with the run: nothing else is written of its end.
    """

    graph: Graph
    within: str = ""
    """The part of the run that plays the graph, with a slash; empty: the whole run."""
    _began: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    """When the last part of a step ended."""
    _scores: dict[str, float] = field(default_factory=dict)
    _over: dict[str, int] = field(default_factory=dict)
    """The steps that have ended, with the number of the entry that told it."""
    _level_of: dict[str, int] = field(default_factory=dict)
    _left: list[int] = field(default_factory=list)
    """By level: how many of its steps have not ended."""
    _level: int = 0
    """The first level that is not told."""

    def __post_init__(self) -> None:
        self.use(self.graph)

    def use(self, graph: Graph) -> None:
        """The graph from now on. What has ended stays so."""
        self.graph = graph
        levels = () if graph.chain else graph.levels
        self._level_of = {id: number for number, level in enumerate(levels) for id in level}
        self._left = [sum(id not in self._over for id in level) for level in levels]
        open_ = next((number for number, left in enumerate(self._left) if left), len(levels))
        self._level = min(self._level, open_)

    @property
    def over(self) -> Collection[str]:
        """The steps of the graph that have ended or were skipped."""
        return self._over.keys()

    def before(self, entry: JournalEntry) -> Iterator[Told]:
        """The events of an entry that came before it."""
        found = self._place(entry)
        if found is None:
            return
        id, _ = found
        ready = [each for each in self.graph.needs(id) if each not in self._over]
        yield from self._ends(entry, ready)

    def after(self, entry: JournalEntry) -> Iterator[Told]:
        """What else an entry tells."""
        found = self._place(entry)
        if found is None:
            return
        id, part = found
        if entry.kind in ("began", "asked"):
            self._began.setdefault(id, entry.at)
        if entry.kind in ENDINGS:
            self._last[id] = entry.at
        if entry.kind == "done" and part.endswith(f"/{QUALITY}") and (scores := scores_of(entry)) is not None:
            self._scores[id] = scores.score
        if entry.kind == "skipped" and part == id:
            yield from self._end(entry, id)
        elif self._is_end(id, part, entry):
            yield from self._ends(entry, [id])

    def ended(self, entry: JournalEntry, *, done: bool) -> Iterator[Told]:
        """The events of the end of the run."""
        if done:
            yield from self._ends(entry, [id for id in self.graph.order if id not in self._over])
            yield from self._levels_over()

    def retried(self, first: int) -> None:
        """What began with this entry or later is done again."""
        self._over = {id: seq for id, seq in self._over.items() if seq < first}
        self._began = {id: at for id, at in self._began.items() if id in self._over}
        self.use(self.graph)

    def _place(self, entry: JournalEntry) -> tuple[str, str] | None:
        """The step of the graph that an entry is about, and the part of it."""
        part = entry.step.removeprefix(self.within)
        id = base_of(part)
        if len(part) + len(self.within) != len(entry.step) or id not in self.graph:
            return None
        return id, part

    def _is_end(self, id: str, part: str, entry: JournalEntry) -> bool:
        """Whether an entry ends a step of the graph."""
        if id in self._over or entry.kind not in ENDINGS:
            return False
        node = self.graph[id]
        if not has_parts(node):
            return part == id
        if node.quality is None or node.each is not None:
            return False
        if entry.kind == "answered" and part.endswith(f"/{DECISION}"):
            return bool(decode(entry.body or b"{}").get("value") == "accept")
        if entry.kind != "done" or not part.endswith(f"/{QUALITY}"):
            return False
        scores = scores_of(entry)
        return scores is not None and (scores.passed or node.quality.on_low == "warn")

    def _ends(self, entry: JournalEntry, ids: Iterable[str]) -> Iterator[Told]:
        for id in ids:
            end = self._last.get(id, entry.at)  # nothing is written of a step whose list of items is empty
            yield NodeComplete, (id, max(0, end - self._began.get(id, end)) / 1e6, self._scores.get(id))
            yield from self._end(entry, id)

    def _end(self, entry: JournalEntry, id: str) -> Iterator[Told]:
        """A step has ended, perhaps the last one of its level."""
        if id in self._over:
            return
        self._over[id] = entry.seq
        level = self._level_of.get(id)
        if level is not None:
            self._left[level] -= 1
            yield from self._levels_over()

    def _levels_over(self) -> Iterator[Told]:
        """The levels that are over now, in order."""
        while self._level < len(self._left) and not self._left[self._level]:
            self._level += 1
            yield LevelComplete, (self._level, self.graph.levels[self._level - 1])


class RunReader:
    """Reads the entries of one run, in order, from the first."""

    def __init__(self) -> None:
        self._graph: GraphReader | None = None
        self._began: dict[str, int] = {}
        self._artifacts: set[bytes] = set()

    def use(self, graph: Graph | None) -> None:
        """The graph of the run, from now on. What has ended stays so."""
        if graph is None:
            return
        if self._graph is None:
            self._graph = GraphReader(graph)
        elif self._graph.graph is not graph:
            self._graph.use(graph)

    def read(self, entry: JournalEntry, row: RunRow) -> list[StreamEvent]:
        """The events of an entry. `row` is that of the run, as new as the entry or newer."""
        found = [
            kind(entry.seq * PLACES + index, entry.run, entry.at / 1e6, *fields)
            for index, (kind, fields) in enumerate(self.told(entry, row))
        ]
        self._remember(entry)
        return found

    def told(self, entry: JournalEntry, row: RunRow) -> Iterator[Told]:
        """The events of an entry, without their places."""
        graph = self._graph
        if graph is not None:
            yield from graph.before(entry)
        yield from self.step(entry, keyed(entry.step, entry.attempt))
        if graph is not None:
            yield from graph.after(entry)
        if entry.kind == "retried" and graph is not None:
            graph.retried(int(decode(entry.body or b"0")) or entry.seq)
        if entry.kind == "ended":
            state = str(decode(entry.body or b'""'))
            if graph is not None:
                yield from graph.ended(entry, done=state == "done")
            last = row.state in ENDED and entry.seq == row.seq and row.error is not None
            yield RunComplete, (state, str(decode(row.error or b"{}")["text"]) if last else None)

    def step(self, entry: JournalEntry, task: str) -> Iterator[Told]:
        """The events of an entry of a step. `task` is what it is called in them."""
        if is_of_quality(entry.step):
            scores = scores_of(entry) if entry.kind == "done" and entry.step.endswith(f"/{QUALITY}") else None
            if scores is not None:
                kind = TaskScored if scores.passed else TaskScoredLow
                yield kind, (task.removesuffix(f"/{QUALITY}"), scores)
            return
        match entry.kind:
            case "began" | "asked":
                yield TaskStarted, (task, _target(entry))
            case "done" | "slept" | "signalled" | "answered":
                yield TaskComplete, (task, self._seconds(entry))
            case "failed":
                said = decode(entry.body or b"{}")
                error = str(unrecorded(encode(said["error"])))
                yield TaskFailed, (task, self._seconds(entry), error, said["again"])
            case "expired":
                yield TaskSkipped, (task, "its time is up")
            case "skipped":
                yield TaskSkipped, (task, str(decode(entry.body or b'""')))
        if entry.kind == "done":
            for key, made in artifacts_of(entry):
                if key not in self._artifacts:
                    self._artifacts.add(key)
                    yield ArtifactMade, (task, made.name, made.kind, made.size, made.data)

    def _remember(self, entry: JournalEntry) -> None:
        key = keyed(entry.step, entry.attempt)
        if entry.kind in ("began", "asked"):
            self._began[key] = entry.at
        elif entry.kind in ENDINGS or entry.kind == "failed":
            self._began.pop(key, None)

    def _seconds(self, entry: JournalEntry) -> float:
        if entry.seconds is not None:
            return entry.seconds
        return max(0, entry.at - self._began.get(keyed(entry.step, entry.attempt), entry.at)) / 1e6


def scores_of(entry: JournalEntry) -> Scores | None:
    """The scores that an entry has; None: it has none."""
    match read(entry.body):
        case Approved(Scores() as scores) | Rejected(Scores() as scores):
            return scores
    return None


def _target(entry: JournalEntry) -> str:
    """What a step was given to, or what it waits for."""
    said = None if entry.body is None else decode(entry.body)
    if isinstance(said, str):
        return said
    return str(said["what"]) if isinstance(said, dict) and "what" in said else ""

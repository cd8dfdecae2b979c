"""The metrics sink of engines: the events of their runs, and how many runs are open, as Prometheus metrics.

| what                                        | metric, with `letitcrash_workflow_` before it |
|---------------------------------------------|---|
| runs that have not ended, by state          | `open_runs` |
| runs that ended, by outcome                 | `runs_total` |
| from the start of a run to its end          | `run_seconds` (histogram) |
| steps that ended, by outcome                | `steps_total` |
| from the beginning of a step to its end     | `step_seconds` (histogram) |
| results that were scored, by outcome         | `quality_total` |
| the weighted means of their scores          | `quality_score` (histogram) |
| commits: how long they took                 | `commit_seconds` (histogram) |
| commits: what was written with them         | `commit_rows_total` |
| runs whose process died, taken up here      | `takeovers_total` |
| runs that another process has taken up      | `fenced_total` |
| slots of schedules that started a run       | `slots_total` |
| ended runs that were deleted                | `purged_total` |

Counters and histograms only grow, and begin when the sink is made. `open_runs` is of the whole store, and as old as the
scrape before: a scrape asks the store for the next one, and does not wait for it. No run is a label.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from prometheus_client import CollectorRegistry

from actors.spi import NAME, ActorRef, CallbackReply, Descriptions, EventMetrics, Labels, LifecycleEvent, Runtime, post
from teams._journal.rows import ENDED
from teams.errors import RunCancelled
from teams.events import RunBegan, RunEnded, RunEvent, StepBroke, StepDone, StepSkipped
from teams.workflows._engine.desk import Desk
from teams.workflows._engine.journal import Query
from teams.workflows._quality.domain import QUALITY
from teams.workflows.errors import ScoringFailed, TakenOver, UndoFailed
from teams.workflows.events import (
    BatchWritten,
    LeaseLost,
    LowQuality,
    QualityScored,
    RunBlocked,
    RunLost,
    RunParked,
    RunPaused,
    RunsPurged,
    RunTakenUp,
    SlotStarted,
)


class _Awake(NamedTuple):
    """A run that is awake here."""

    engine: str
    workflow: str
    since: float
    """When it was started, in seconds of the runtime's clock; before its begin, perhaps."""


class WorkflowMetrics(EventMetrics):
    """A Prometheus collector for all engines of one runtime, in the registry it is given; the global registry is never
    touched. An engine is labelled with its path.
    """

    COUNTERS: ClassVar[Descriptions] = {
        "runs": ("Runs that ended, by outcome: done, failed or cancelled.", ("engine", "workflow", "outcome")),
        "steps": ("Steps that ended, by outcome: done, failed or skipped.", ("engine", "workflow", "outcome")),
        "quality": (
            "Results that were scored, by outcome: passed, failed, or unscored where a scorer failed.",
            ("engine", "workflow", "domain", "outcome"),
        ),
        "takeovers": ("Runs that were taken up here because their process had died.", ("engine",)),
        "fenced": ("Runs that were given up here because another process had them.", ("engine",)),
        "commit_rows": ("What runs and callers had written.", ("engine",)),
        "slots": ("Slots of schedules that started a run.", ("engine", "schedule")),
        "purged": ("Ended runs that were deleted.", ("engine",)),
    }
    HISTOGRAMS: ClassVar[Descriptions] = {
        "run_seconds": ("From the start of a run to its end, waiting included, in seconds.", ("workflow",)),
        "step_seconds": ("From the beginning of a step to its end, in seconds.", ("workflow",)),
        "quality_score": ("The weighted mean of the scores of a result, from 0 to 1.", ("domain",)),
        "commit_seconds": ("From handing a commit to the store to its end, in seconds.", ("engine",)),
    }
    SCRAPED_GAUGES: ClassVar[Descriptions] = {
        "open_runs": ("Runs in the store that have not ended, by state, at the scrape before.", ("engine", "state")),
    }
    BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 3_600.0, 86_400.0)
    """From a commit to a run that waits for a person."""
    OTHER_BUCKETS: ClassVar[Mapping[str, Sequence[float]]] = {
        "quality_score": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
    }

    def __init__(self, runtime: Runtime, registry: CollectorRegistry, *, namespace: str = NAME) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already
        """
        self._lock = threading.Lock()
        self._awake: dict[str, _Awake] = {}
        self._open: dict[str, dict[str, int]] = {}
        """The open runs of each engine by state, as the store told them last."""
        super().__init__(
            runtime, registry, f"{namespace}_workflow", (RunEvent, BatchWritten, LeaseLost, RunsPurged, SlotStarted)
        )
        self._ask()

    # What events tell

    def count(self, event: LifecycleEvent) -> None:
        if isinstance(event, RunEvent):
            self._count_run(event)
            return
        engine = event.path.rpartition("/")[0]
        match event:
            case BatchWritten(rows=rows, seconds=seconds):
                self.observe("commit_seconds", engine, seconds)
                self._counters["commit_rows"].labels(engine).inc(rows)
            case SlotStarted(schedule=schedule):
                self.add("slots", engine, schedule)
            case RunsPurged(count=count):
                self._counters["purged"].labels(engine).inc(count)
            case LeaseLost():
                with self._lock:
                    self._awake = {run: each for run, each in self._awake.items() if each.engine != engine}
            case _:
                pass

    def _count_run(self, event: RunEvent) -> None:
        run = event.run
        match event:
            case RunTakenUp(workflow=workflow, state=state, age=age):
                engine = event.path.rpartition("/")[0]
                with self._lock:
                    self._awake[run] = _Awake(engine, workflow, event.at - age)
                if state in ("running", "cancelling"):
                    self.add("takeovers", engine)
            case RunBegan(pattern=workflow):
                engine = event.path.rpartition("/runs/")[0]
                if self._is_engine(engine):
                    with self._lock:
                        self._awake.setdefault(run, _Awake(engine, workflow, event.at))
            case RunEnded(error=error):
                if (awake := self._left(run)) is not None:
                    self.add("runs", awake.engine, awake.workflow, _outcome(error))
                    self.observe("run_seconds", awake.workflow, event.at - awake.since)
            case RunLost(error=error):
                awake = self._left(run)
                if isinstance(error, TakenOver):
                    self.add("fenced", event.path.rpartition("/")[0])
            case RunParked() | RunPaused() | RunBlocked():
                self._left(run)
            case StepDone(seconds=seconds):
                self._count_step(run, "done", seconds)
            case StepBroke(step=step, seconds=seconds, error=error):
                self._count_step(run, "failed", seconds)
                # What is around it breaks with the same error.
                if isinstance(error, ScoringFailed) and step.removesuffix(f"/{QUALITY}") == error.step:
                    self._count_quality(run, error.domain, "unscored")
            case QualityScored(domain=domain, score=score):
                self._count_quality(run, domain, "failed" if isinstance(event, LowQuality) else "passed", score)
            case StepSkipped():
                self._count_step(run, "skipped", None)
            case _:
                pass

    def _count_step(self, run: str, outcome: str, seconds: float | None) -> None:
        awake = self._awake.get(run)
        if awake is not None:
            self.add("steps", awake.engine, awake.workflow, outcome)
            if seconds is not None:
                self.observe("step_seconds", awake.workflow, seconds)

    def _count_quality(self, run: str, domain: str, outcome: str, score: float | None = None) -> None:
        awake = self._awake.get(run)
        if awake is not None:
            self.add("quality", awake.engine, awake.workflow, domain, outcome)
            if score is not None:
                self.observe("quality_score", domain, score)

    def _left(self, run: str) -> _Awake | None:
        with self._lock:
            return self._awake.pop(run, None)

    def _is_engine(self, path: str) -> bool:
        found = self._runtime.find(f"{path}/desk")
        return found is not None and found.actor_class is Desk

    # What the store knows

    def scrape(self) -> dict[str, dict[Labels, float]]:
        with self._lock:
            found: dict[Labels, float] = {
                (engine, state): n for engine, counts in self._open.items() for state, n in counts.items()
            }
        self._ask()
        return {"open_runs": found}

    def _ask(self) -> None:
        """Asks the stores how many runs are open, for the next scrape."""
        stores = dict(self._stores())
        with self._lock:
            self._open = {engine: counts for engine, counts in self._open.items() if engine in stores}
        for engine, store in stores.items():
            post(store, Query("counts"), CallbackReply(self._told(engine), self._not_told(engine)))

    def _stores(self) -> Iterator[tuple[str, ActorRef[Any]]]:
        for path in self._runtime.cells.copy():
            engine, _, part = path.rpartition("/")
            if part == "desk" and self._is_engine(engine):
                store = self._runtime.find(f"{engine}/store")
                if store is not None:
                    yield engine, store

    def _told(self, engine: str) -> Any:
        def told(counts: dict[str, int]) -> None:
            with self._lock:
                self._open[engine] = {state: count for state, count in counts.items() if state not in ENDED}

        return told

    def _not_told(self, engine: str) -> Any:
        def failed(_: BaseException) -> None:
            with self._lock:
                self._open.pop(engine, None)

        return failed


def _outcome(error: BaseException | None) -> str:
    """How a run ended."""
    if isinstance(error, UndoFailed):
        error = error.error
    return "done" if error is None else "cancelled" if isinstance(error, RunCancelled) else "failed"

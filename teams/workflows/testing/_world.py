"""A world: a workflow, what callers do with runs of it, and what goes wrong meanwhile. A value, with one outcome.

`World.run` plays it in a simulation, waits until all is over, and judges: the result of each run is that of the
reference model, and what the disk has at the end breaks none of the promises of an engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from actors.spi import Future
from actors.testing.spi import FaultPlan, Simulation, Strategy, simulation
from supervisors.spi import SupervisorSpec
from teams._journal.codec import decode
from teams._journal.memory import Tables
from teams._journal.rows import ENDED, RunRow
from teams._journal.store import Durability, Store
from teams.workflows._engine.engine import engine
from teams.workflows._engine.listeners import follower
from teams.workflows._engine.ref import EngineRef, WorkflowRun
from teams.workflows._graph.file import workflow_from
from teams.workflows.testing._disk import Disk
from teams.workflows.testing._errors import PromiseBroken
from teams.workflows.testing._faults import DiskFault
from teams.workflows.testing._judge import judge, left_done, released
from teams.workflows.testing._processes import Processes
from teams.workflows.testing._reference import Expected, expected
from teams.workflows.testing._sketch import LAST_INPUT, Ledger, Sketch

EngineDeed = Literal["start", "say", "cancel", "cancel_now", "pause", "resume", "edit"]
SAID = 7
"""The value of a signal."""
ANSWER = "yes"
MOST = 3
"""Runs that are awake at once in an engine."""
PATIENCE = 400.0
"""Seconds in which every run has ended after all faults."""
WITHIN = 200.0
"""Seconds in which a cancelled run has ended after all faults: its undo has its tries, with pauses between them."""


@dataclass(frozen=True, slots=True)
class EngineAction:
    """The action of a caller at this time, by way of this engine, on the run of this number."""

    at: float
    deed: EngineDeed
    run: int = 0
    engine: int = 0
    step: str = ""
    """Of "say": the step that waits or asks. Of "edit": the step that is replaced, or a new one."""


@dataclass
class Heard:
    """What callers were told."""

    started: dict[int, str] = field(default_factory=dict)
    """Numbers of runs to their ids, of those that were acknowledged."""
    cancelled: set[int] = field(default_factory=set)
    """Runs whose cancellation was acknowledged."""
    asked_to_cancel: set[int] = field(default_factory=set)
    said: set[tuple[str, str]] = field(default_factory=set)
    """Ids of runs and steps of which a signal or an answer was acknowledged."""
    edited: set[tuple[int, str]] = field(default_factory=set)
    """Runs and steps of which an edit was acknowledged."""


@dataclass(frozen=True, slots=True)
class WorldOutcome:
    """The outcome of a world."""

    tables: Tables
    rows: dict[int, RunRow]
    ledger: Ledger
    heard: Heard
    fired: int
    """How many faults fired, those of the disk and those of actors."""
    reboots: int


@dataclass(frozen=True, slots=True)
class World:
    """A workflow, engines, a script, and faults."""

    sketch: Sketch
    script: tuple[EngineAction, ...] = (EngineAction(0.5, "start"),)
    plan: FaultPlan = field(default_factory=FaultPlan)
    disk: tuple[DiskFault, ...] = ()
    engines: int = 1
    seed: int = 0
    search: tuple[str, int] | None = None
    until: float = 20.0
    """Virtual seconds with faults. What follows is without."""
    durability: Durability = "disk"

    def run(self) -> WorldOutcome:
        """Plays it and judges it. Raises PromiseBroken, or what an oracle of the simulation raises."""
        search = None if self.search is None else Strategy(*self.search)
        with simulation(self.plan, None, self.seed, search=search, strict=False, record=False) as sim:
            disk = Disk(sim, *self.disk, durability=self.durability, exclusive=self.engines == 1)
            ledger = Ledger()
            processes = Processes(sim, disk, partial(self._engine, ledger), self.engines)
            play = _Play(self, sim, disk, processes)
            sim.always("no engine has more runs awake than it may", partial(_few_awake, sim, self.engines))
            play.play()
            disk.sync()
            tables = disk.durable
            fired = len(disk.fired) + len(sim.fired)
        judge(disk, tables, ledger)
        released(disk)
        play.judge()
        return WorldOutcome(tables, play.rows, ledger, play.heard, fired, processes.reboots)

    def _engine(self, ledger: Ledger, path: str, opened: Callable[[], Store]) -> SupervisorSpec:
        return engine(
            path,
            *ledger.members(),
            self.sketch.build(),
            store=opened,
            max_concurrent_workflows=MOST,
            default_timeout=None,
            max_restarts=None,
        )

    def expects(self) -> Expected:
        """The outcome of a run that is neither cancelled nor edited."""
        return _expects(self.sketch)


def _expects(sketch: Sketch) -> Expected:
    said = {each.id: SAID if each.kind == "wait" else ANSWER for each in sketch.pieces}
    return expected(sketch, LAST_INPUT, said)


def _few_awake(sim: Simulation, engines: int) -> bool:
    return all(len(sim.actors(f"engine-{number}/runs/*")) <= MOST for number in range(engines))


class _Play:
    """One run of a world."""

    def __init__(self, world: World, sim: Simulation, disk: Disk, processes: Processes) -> None:
        self._world = world
        self._sim = sim
        self._disk = disk
        self._processes = processes
        self.heard = Heard()
        self.rows: dict[int, RunRow] = {}
        self._runs = sorted({each.run for each in world.script if each.deed == "start"})

    def play(self) -> None:
        """Plays the script under faults, then has everything said that was not acknowledged, and waits for the ends."""
        processes, sim = self._processes, self._sim
        for action in sorted(self._world.script, key=lambda each: each.at):
            processes.run(max(action.at, sim.now))
            self._perform(action)
        processes.run(max(self._world.until, sim.now))
        processes.heal()
        healed = sim.now
        while not self._over():
            processes.run(sim.now + 2.0)
            self._insist()
            if sim.now > healed + PATIENCE:
                open_ = {number: self._row(number) for number in self._runs}
                raise PromiseBroken(sim.now, "ends", f"not ended {PATIENCE:g} s after all faults: {open_}")
            late = [number for number in self.heard.cancelled if not self._has_ended(number)]
            if late and sim.now > healed + WITHIN:
                raise PromiseBroken(sim.now, "cancel ends", f"run {late[0]} was cancelled and has not ended")
        processes.run(sim.now + 3.0)
        self.rows = {number: row for number in self._runs if (row := self._row(number)) is not None}

    def judge(self) -> None:
        """Compares the ends of the runs with what the reference model says of their graphs as they were edited."""
        for number, row in self.rows.items():
            sketch = self._edited(number, row)
            wanted = _expects(sketch)
            if row.state == "cancelled":
                if number not in self.heard.asked_to_cancel:
                    raise PromiseBroken(self._sim.now, "results", f"run {number} was cancelled by itself")
                continue
            found = Expected(row.state, None if row.result is None else decode(row.result))
            if any(each.once for each in self._world.sketch.pieces) and found.state == "failed":
                continue  # its work was lost with its member
            left = left_done(self._disk.durable.entries.get(row.id, ())) if wanted.undoes else []
            if left:
                raise PromiseBroken(self._sim.now, "11 undone", f"run {number} failed, and is not undone: {left}")
            if (found.state, found.result) != (wanted.state, wanted.result):
                why = None if row.error is None else decode(row.error)["text"]
                raise PromiseBroken(
                    self._sim.now,
                    "results",
                    f"run {number} is {found.state} with {found.result!r} ({why}), not {wanted.state} with "
                    f"{wanted.result!r}",
                )

    def _edited(self, number: int, row: RunRow) -> Sketch:
        """The sketch of a run after its edits. Raises PromiseBroken: an edit is not whole, or was forgotten."""
        sketch, tables = self._world.sketch, self._disk.durable
        made: set[str] = set()
        for each in self._chain(tables, number):
            sketch = self._world.sketch  # a run that goes on for another one is not edited
            for entry in tables.entries.get(each.id, ()):
                if entry.kind == "edited" and (said := decode(entry.body or b"{}"))["edit"] is not None:
                    sketch = sketch.edited(said["added"], said["replaced"])
                    made |= {*said["added"], *said["replaced"]}
        for run, step in self.heard.edited:
            if run == number and step not in made:
                raise PromiseBroken(self._sim.now, "16 edits", f"run {number} has no {step}, which was acknowledged")
        definition = tables.definitions[row.workflow, row.version]
        flow = workflow_from(json.loads(definition.body))  # raises for a cycle
        wanted = sketch.build()
        if flow.body != wanted.body or row.total != len(wanted.graph.nodes):
            raise PromiseBroken(self._sim.now, "16 edits", f"run {number} has {row.total} steps: {flow}, not {sketch}")
        return sketch

    # What callers do

    def _perform(self, action: EngineAction) -> None:
        ref = self._processes.ref(action.engine % self._world.engines)
        if action.deed.startswith("cancel"):
            self.heard.asked_to_cancel.add(action.run)
        if ref is None:
            return
        if action.deed == "start":
            self._start(ref, action.run)
            return
        run = self._known(ref, action.run)
        if run is None:
            return
        match action.deed:
            case "say":
                self._say(run, action.step)
            case "edit":
                self._edit(run, action.run, action.step)
            case "cancel" | "cancel_now":
                self._then(run.cancel(now=action.deed == "cancel_now"), lambda _: self.heard.cancelled.add(action.run))
            case "pause":
                self._then(run.pause(), lambda _: None)
            case "resume":
                self._then(run.resume(), lambda _: None)

    def _start(self, ref: EngineRef, number: int) -> None:
        sketch = self._world.sketch
        future = ref.start_workflow(sketch.name, sketch.input, key=f"run-{number}")
        self._then(future, lambda run: self._acknowledged(number, run.id))

    def _acknowledged(self, number: int, id: str) -> None:
        before = self.heard.started.setdefault(number, id)
        if before != id:
            raise PromiseBroken(self._sim.now, "one run a key", f"run {number} is {before} and {id}")

    def _say(self, run: WorkflowRun, step: str) -> None:
        piece = next(each for each in self._world.sketch.pieces if each.id == step)
        future = run.signal(f"signal-{step}", SAID) if piece.kind == "wait" else run.answer(step, ANSWER)
        self._then(future, lambda _: self.heard.said.add((run.id, step)))

    def _edit(self, run: WorkflowRun, number: int, step: str) -> None:
        sketch = self._world.sketch
        old = any(each.id == step for each in sketch.pieces)
        made = sketch.edited((), [step]) if old else sketch.edited([step], ())
        node = made.node(next(each for each in made.pieces if each.id == step))
        future = run.edit(replace=node) if old else run.edit(add_node=node)
        self._then(future, lambda _: self.heard.edited.add((number, step)))

    def _then(self, future: Future[Any], done: Callable[[Any], object]) -> None:
        """Calls `done` with what was acknowledged. A caller that hears nothing, or an error, knows nothing."""

        def settled(settled: Future[Any]) -> None:
            try:
                result = settled.get(timeout=0)
            except Exception:  # noqa: BLE001 - whatever it is, the run is not acknowledged
                return
            done(result)

        future.add_done_callback(settled)

    def _insist(self) -> None:
        """Says again what was not acknowledged, as callers do after a failure, and resumes what waits for a person."""
        ref = next((found for place in range(self._world.engines) if (found := self._processes.ref(place))), None)
        if ref is None:
            return
        for number in self._runs:
            if number not in self.heard.started:
                self._start(ref, number)
            elif not self._has_ended(number):
                row = self._row(number)
                if row is not None:
                    self._insist_on(ref.workflow_run(row.id), number, row)

    def _insist_on(self, run: WorkflowRun, number: int, row: RunRow) -> None:
        if number in self.heard.asked_to_cancel and number not in self.heard.cancelled:
            self._then(run.cancel(), lambda _: self.heard.cancelled.add(number))
        for piece in self._world.sketch.pieces:
            if piece.kind in ("wait", "ask") and (row.id, piece.id) not in self.heard.said:
                self._say(run, piece.id)
        if row.state in ("paused", "blocked"):
            self._then(run.resume(), lambda _: None)
        if row.state == "blocked" and any(each.once for each in self._world.sketch.pieces):
            self.heard.asked_to_cancel.add(number)

    # What is known

    def _known(self, ref: EngineRef, number: int) -> WorkflowRun | None:
        id = self.heard.started.get(number)
        return None if id is None else ref.workflow_run(id)

    def _row(self, number: int) -> RunRow | None:
        """The row of a run; where others go on for it, of the last of them."""
        found = self._chain(self._disk.volatile, number)
        return found[-1] if found else None

    def _chain(self, tables: Tables, number: int) -> list[RunRow]:
        """The rows of a run, and of those that go on for it."""
        id = tables.keys.get((self._world.sketch.name, f"run-{number}"))
        found = []
        while id is not None:
            row = tables.runs[id]
            found.append(row)
            id = follower(row)
        return found

    def _has_ended(self, number: int) -> bool:
        row = self._row(number)
        return row is not None and row.state in ENDED

    def _over(self) -> bool:
        return all(self._has_ended(number) for number in self._runs) and all(
            place.up_at is None for place in self._processes.places
        )

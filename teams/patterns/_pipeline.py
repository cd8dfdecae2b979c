"""Pipeline: items go through stages, and every stage works on another item at the same time.

Promise: an item that has passed a stage does not return to it, under any crashes; results have the order
of the items.
Bounded: a stage has at most `parallel` items in it and as many waiting before it; when those places are taken, the
stage before holds its items, and so on up to the source, which is read no faster than the first stage works. What is
kept is the items on their way and the results, not the outcome of each stage.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from supervisors.spi import SpecFault, builder
from teams._checks.fields import count_faults, refuse
from teams._dispatch.gather import Failed
from teams._runs.context import RunContext, end_all
from teams._runs.pattern import Pattern, Target, label, target_faults
from teams._runs.step import OnFailure, Step
from teams.patterns._flow import Flow, FlowItem


@dataclass(frozen=True, slots=True)
class Stage(Step):
    """A step, and how many items may be in it at once."""

    parallel: int = 1

    def faults(self, path: str) -> Iterator[SpecFault]:
        yield from Step.faults(self, path)
        yield from count_faults(path, "parallel", self.parallel)


@dataclass(frozen=True, slots=True)
class Pipeline(Pattern):
    """Stages in order."""

    stages: tuple[Stage, ...]

    def parts(self) -> Iterator[Target]:
        yield from self.stages

    async def play(self, run: RunContext, value: object) -> object:
        flow = run.kept("items", lambda: Flow(value))
        await StageWorkers(run, self.stages, flow).work()
        return flow.result()


class StageWorkers:
    """The stages at work: some tasks for each, with a queue before it."""

    def __init__(self, run: RunContext, stages: tuple[Stage, ...], flow: Flow) -> None:
        self._run = run
        self._stages = stages
        self._flow = flow
        self._queues: list[asyncio.Queue[FlowItem]] = [asyncio.Queue(each.parallel) for each in stages]
        self._resumed = [deque(flow.waiting(number)) for number in range(len(stages))]
        """Items that were on their way when the run crashed."""
        self._came_out = asyncio.Event()
        """Set when an item has come out."""

    async def work(self) -> None:
        """Returns when the last item has come out. Raises RunError: the first failure that stops the pipeline."""
        tasks = [asyncio.ensure_future(self._read())]
        for number, each in enumerate(self._stages):
            tasks += [asyncio.ensure_future(self._tend(number)) for _ in range(each.parallel)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end_all(tasks)

    async def _read(self) -> None:
        """Reads the items. Returns when the last has come out."""
        while (item := await self._flow.next(self._run)) is not None:
            await self._queues[0].put(item)
        while self._flow.items:
            self._came_out.clear()
            await self._came_out.wait()

    async def _tend(self, number: int) -> None:
        """Takes one item after the other through a stage, until it is cancelled."""
        stage, queue, resumed = self._stages[number], self._queues[number], self._resumed[number]
        while True:
            # The queues are awaited only where that must wait: a coroutine costs more than the rest of a put or get.
            item = resumed.popleft() if resumed else queue.get_nowait() if queue.qsize() else await queue.get()
            if not await self._pass(stage, item):
                self._came_out.set()
            elif self._queues[number + 1].full():
                await self._queues[number + 1].put(item)
            else:
                self._queues[number + 1].put_nowait(item)

    async def _pass(self, stage: Stage, item: FlowItem) -> bool:
        """Whether the item goes on to the next stage. Raises RunError."""
        part = self._run.apart(str(item.index))
        result, skipped = await stage.tried(part, item.value, stage.name)
        goes_on = skipped is None and item.stage + 1 < len(self._stages)
        if skipped is not None:
            result = Failed.by(skipped)
        if goes_on:
            item.value = result
            item.stage += 1
        else:
            self._flow.finished(item, result)
        part.close()
        return goes_on


@builder("pipeline")
def pipeline(*stages: Stage | Target) -> Pipeline:
    """Takes items through stages, each at work on other items at the same time. What is played with it is an iterable
    or an async iterable of items, and the result is the list of what became of each, in that order; or it is one item,
    and the result what became of it. Text, bytes, a mapping and a record (a named tuple, a pydantic model) are one
    item.

    Args:
        stages: `stage("name", target, ...)`; a step or a plain target is a stage with one item at a time

    Raises:
        SpecError: every fault
        StepFailed, StepTimeout: when it is played: an item failed in a stage with on_failure "stop". Results of items
            that came out by then are in `RunFailed.partial`.
        SourceFailed, SourceLost: when it is played: the items could not be read
    """
    made, faults = [], [] if stages else [SpecFault("pipeline", "has no stages")]
    for number, each in enumerate(stages, 1):
        wrong = list(target_faults(f"pipeline/{number}", each))
        faults += wrong
        if not wrong:
            made.append(as_stage(each))
    names = [each.label for each in made]
    faults += [
        SpecFault(f"pipeline/{number}", f"there is a stage {name!r} before it; give them different names")
        for number, name in enumerate(names, 1)
        if name in names[: number - 1]
    ]
    refuse(faults)
    return Pipeline(tuple(made))


def as_stage(target: Stage | Target) -> Stage:
    """The target as a stage."""
    if isinstance(target, Stage):
        return target
    if isinstance(target, Step):
        options = {each.name: getattr(target, each.name) for each in fields(target)}
        return Stage(**{**options, "name": target.label})
    return Stage(target, label(target))


@builder("stage")
def stage(
    name: str,
    target: Target,
    *,
    parallel: int = 1,
    timeout: float | None = None,
    on_failure: OnFailure = "stop",
    attempts: int = 1,
    priority: int | None = None,
    fallback: Sequence[Target] = (),
    when: Callable[[Any], object] | None = None,
    transform: Callable[[Any], object] | None = None,
) -> Stage:
    """A stage for `pipeline`. `parallel` is how many items may be in it at once; as many may wait before it, and then
    the stages before it wait, too. The others are those of `step`, for each item; with on_failure "skip" an item that
    fails goes no further, and its result is the `Failed`.

    Raises SpecError with every fault.
    """
    return Stage(**locals())

"""What a pattern plays through: steps that are remembered, time, randomness and events of its run."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from teams._actors import Actor, ActorRef, sleep
from teams._errors import RunError, StepFailed, StepTimeout, WorkFailed
from teams._events import RunEvent, StepBegan, StepBroke, StepDone
from teams._gather import Gathered, Gathering, GatherPolicy, collect
from teams._pattern import Pattern, Target, label
from teams._record import Record
from teams._requests import CancelWork
from teams._target import Can, Pool
from teams._work import Assign, Outcome


class Scope:
    """A run, or a named part of one. Steps are named by where they stand in the pattern, so that the same step has the
    same name when the pattern is played again.
    """

    def __init__(self, actor: Actor, record: Record, coordinator: ActorRef[Any], path: str = "") -> None:
        self._actor = actor
        self._record = record
        self._coordinator = coordinator
        self._path = path
        self._used: Counter[str] = Counter()

    @property
    def run(self) -> str:
        """The name of the run."""
        return self._record.id

    @property
    def path(self) -> str:
        """The part of the run that this is; empty for the whole."""
        return self._path

    @property
    def random(self) -> random.Random:
        """The randomness of the runtime."""
        return self._actor.runtime.random

    def now(self) -> float:
        """The runtime's clock, in seconds."""
        return self._actor.runtime.now()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await sleep(seconds)

    def at(self, name: str) -> Scope:
        """A part of this one, with names of its own."""
        return Scope(self._actor, self._record, self._coordinator, self._key(name))

    def emit(self, event: RunEvent) -> None:
        """Publishes an event of this run, once, however often the pattern is played. Path, time and run are filled in
        here.
        """
        key = self._key(f"({event.name})")
        if key not in self._record.emitted:
            self._record.emitted.add(key)
            self._tell(replace(event, path=self._actor.path, at=self.now(), run=self.run))

    def _tell(self, event: RunEvent) -> None:
        self._record.tell(event)
        self._actor.runtime.events.publish(event)

    def _key(self, name: str) -> str:
        self._used[name] += 1
        count = self._used[name]
        numbered = name if count == 1 else f"{name}#{count}"
        return f"{self._path}/{numbered}" if self._path else numbered

    async def do(
        self,
        target: Target,
        value: object,
        *,
        name: str | None = None,
        timeout: float | None = None,
        priority: int = 0,
        attempts: int = 1,
    ) -> Any:
        """One step: has `target` work on `value` and returns the result.

        Args:
            target: one of the team (a member, a role, a capability, a pool), a pattern, or a function that is called
                here
            name: what the step is called in events and partial results; by default the target
            timeout: seconds for all attempts together
            priority: more is sooner, where work has to wait for somebody to be free
            attempts: how often it may be tried when whoever does it crashes

        Raises:
            StepTimeout: it was not done in time
            StepFailed: every attempt failed; `error` is the last failure
        """
        key = self._key(name or label(target))
        record = self._record
        known = record.journal.get(key)
        if known is None:
            began = record.under_way.setdefault(key, self.now())
            self._tell(StepBegan(self._actor.path, self.now(), self.run, key, label(target)))
            known = await self._outcome(key, target, value, timeout, priority, attempts)
            record.journal[key] = known
            record.under_way.pop(key, None)
            seconds = self.now() - began
            if known.error is None:
                self._tell(StepDone(self._actor.path, self.now(), self.run, key, seconds, known.value))
            else:
                self._tell(StepBroke(self._actor.path, self.now(), self.run, key, seconds, known.error))
        if known.error is not None:
            raise known.error
        return known.value

    async def _outcome(
        self, key: str, target: Target, value: object, timeout: float | None, priority: int, attempts: int
    ) -> Outcome:
        try:
            if isinstance(target, str | Can | Pool):
                return Outcome(await self._assigned(key, target, value, timeout, priority, attempts))
            async with asyncio.timeout(timeout):
                return Outcome(await self._here(key, target, value, attempts))
        except TimeoutError as error:
            return Outcome(error=StepTimeout(self.run, key, error))
        except RunError as error:
            return Outcome(error=error)
        except WorkFailed as error:
            return Outcome(error=StepFailed(self.run, key, error.error))
        except Exception as error:  # noqa: BLE001 - whatever a step raises is the outcome of that step
            return Outcome(error=StepFailed(self.run, key, error))

    async def _assigned(
        self, key: str, target: str | Can | Pool, value: object, timeout: float | None, priority: int, attempts: int
    ) -> object:
        id = f"{self.run}:{key}"
        try:
            return await self._coordinator.call(
                Assign(value, target, id, self.run, priority, timeout, attempts), timeout=None
            )
        except asyncio.CancelledError:
            if self._coordinator.is_alive():
                self._coordinator.tell(CancelWork(id, "its run goes on without it"))
            raise

    async def _here(self, key: str, target: Any, value: object, attempts: int) -> object:
        """A pattern, or a function, in the actor of the run."""
        for attempt in range(1, attempts):
            with suppress(Exception):
                return await self._once(key if attempt == 1 else f"{key}~{attempt}", target, value)
        return await self._once(key if attempts == 1 else f"{key}~{attempts}", target, value)

    async def _once(self, key: str, target: Any, value: object) -> object:
        if isinstance(target, Pattern):
            return await target.play(Scope(self._actor, self._record, self._coordinator, key), value)
        result = target(value)
        return await result if inspect.isawaitable(result) else result

    async def gather(
        self,
        branches: Mapping[str, tuple[Target, object]],
        policy: GatherPolicy | None = None,
        *,
        within: float | None = None,
        priority: int = 0,
        attempts: int = 1,
    ) -> Gathered:
        """Several steps at once, each with a name: (target, input). Ends as `policy` says (by default `collect()`), or
        after `within` seconds; what has not ended by then is called off. Failures are values of the result.
        """
        scope = self.at("gather")
        gathering = Gathering(branches, policy or collect())
        tasks = {
            asyncio.ensure_future(scope.do(target, value, name=name, priority=priority, attempts=attempts)): name
            for name, (target, value) in branches.items()
        }
        deadline = None if within is None else self.now() + within
        left = set(tasks)
        try:
            while left and not gathering.over:
                limit = None if deadline is None else max(0.0, deadline - self.now())
                ended, left = await asyncio.wait(left, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if not ended:
                    break
                for task in sorted(ended, key=lambda task: list(tasks).index(task)):
                    error = task.exception()
                    if error is None:
                        gathering.done(tasks[task], task.result())
                    else:
                        gathering.failed(tasks[task], error)
        finally:
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
        return gathering.gathered()

"""Calls that begin in stages, against a thundering herd. `teams.recipes.staged` is for children."""

from __future__ import annotations

from supervisors.spi import Positive, Seconds, builder, checked
from teams.resilience._pace import Pacer, SlidingWindow
from teams.resilience._policy import Call, Local, Policy, PolicyOptions


class StageOptions(PolicyOptions):
    """The options of `staged_start`."""

    at_once: Positive
    every: Seconds


class StagedStart(Policy):
    """Made by `staged_start`."""

    once = True

    def __init__(self, options: StageOptions) -> None:
        self.options: StageOptions = options
        self._local = Local(repr(self), lambda clock: Pacer(SlidingWindow(options.at_once, options.every), clock))

    async def through(self, call: Call) -> object:
        await self._local.get().wait()
        return await call.proceed()


@builder("staged_start()")
def staged_start(at_once: int, every: float) -> StagedStart:
    """Lets `at_once` calls begin together, as many again `every` seconds later, and so on, first come, first served.

    Never more than `at_once` begin within `every` seconds. Raises SpecError with everything that is wrong with the
    arguments.
    """
    return StagedStart(checked(StageOptions, "staged_start()", {"at_once": at_once, "every": every}))

"""Against the thundering herd: what wants to start all at once starts in stages.

`staged_start` is for calls. `staged` is for the children of a supervisor, which starts them one after another already,
but without a pause: each begins to work while the next one starts.
"""

from __future__ import annotations

from actors.spi import Actor, sleep
from supervisors.spi import ChildSpec, Spec, SpecError, SpecFault, SupervisorSpec, attempt, checked, child
from teams.resilience._fields import Positive, Seconds
from teams.resilience._local import Local
from teams.resilience._pace import Pacer, SlidingWindow
from teams.resilience._policy import Call, Options, Policy


class StageOptions(Options):
    """The options of `staged_start` and `staged`."""

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


def staged_start(at_once: int, every: float) -> StagedStart:
    """Lets `at_once` calls begin together, as many again `every` seconds later, and so on, first come, first served.

    Never more than `at_once` begin within `every` seconds. Raises SpecError with everything that is wrong with the
    arguments.
    """
    return StagedStart(checked(StageOptions, "staged_start()", {"at_once": at_once, "every": every}))


class Pause(Actor):
    """Takes a time to start, and does nothing then.

    It stays: a child that declines to start is left out when a strategy starts its siblings again.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def on_start(self) -> None:  # type: ignore[override]
        await sleep(self._seconds)


def staged(*children: Spec, at_once: int, every: float) -> tuple[Spec, ...]:
    """The children of a supervisor with a pause of `every` seconds after each `at_once` of them.

    `supervisor("workers", *staged(*workers, at_once=10, every=1.0))` starts ten workers a second, at its own start and
    whenever its strategy starts all of them again. The pauses are children of their own, such as
    `pause-before-w11`, whose start takes that long. A child that restarts alone is spread by the jitter of its backoff.
    Raises SpecError with everything that is wrong with the arguments.
    """
    given: tuple[object, ...] = children
    faults = [
        SpecFault("staged()", f"child {number}: must be made by child(), supervisor() or the like, got {each!r}")
        for number, each in enumerate(given, 1)
        if not isinstance(each, ChildSpec | SupervisorSpec)
    ]
    options = attempt(StageOptions, "staged()", {"at_once": at_once, "every": every}, faults)
    if options is None or faults:
        raise SpecError(faults)
    stages = [children[first : first + options.at_once] for first in range(0, len(children), options.at_once)]
    specs: list[Spec] = []
    for stage in stages:
        if specs:
            # Named by whom it holds up, for there may be several groups in one supervisor. Its start may take as long
            # as it says: the pause is known, and a limit would only end it.
            pause = f"pause-before-{stage[0].id}"
            specs.append(child(pause, Pause, args={"seconds": options.every}, start_timeout=None))
        specs.extend(stage)
    return tuple(specs)

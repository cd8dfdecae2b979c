"""Children of a supervisor that start in stages, against a thundering herd."""

from __future__ import annotations

from actors import Actor, sleep
from supervisors import ChildSpec, Spec, SpecError, SpecFault, SupervisorSpec, child
from teams.recipes._checks import builder, refusals
from teams.resilience import staged_start


class StartPause(Actor):
    """Takes a time to start, and does nothing afterwards.

    It stays up: a child that declines to start is left out when a strategy restarts its siblings.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def on_start(self) -> None:  # type: ignore[override]
        await sleep(self._seconds)


@builder("staged()")
def staged(*children: Spec, at_once: int, every: float) -> tuple[Spec, ...]:
    """The children of a supervisor with a pause of `every` seconds after each `at_once` of them.

    `supervisor("workers", *staged(*workers, at_once=10, every=1.0))` starts ten workers a second, at its own start and
    whenever its strategy restarts all of them. The pauses are children, such as `pause-before-w11`, whose start takes
    that long. A child that restarts alone is spread by the jitter of its backoff. `teams.resilience.staged_start` does
    the same for calls.

    Raises:
        SpecError: every fault
    """
    given: tuple[object, ...] = children
    faults = [
        SpecFault("staged()", f"child {number}: must be made by child(), supervisor() or the like, got {each!r}")
        for number, each in enumerate(given, 1)
        if not isinstance(each, ChildSpec | SupervisorSpec)
    ]
    faults += refusals("staged()", staged_start, at_once, every)
    if faults:
        raise SpecError(faults)
    specs: list[Spec] = []
    for number, each in enumerate(children):
        if number and number % at_once == 0:
            # The id names the child that waits, because one supervisor may have several groups. No start timeout: the
            # pause is a known time.
            pause = f"pause-before-{each.id}"
            specs.append(child(pause, StartPause, args={"seconds": every}, start_timeout=None))
        specs.append(each)
    return tuple(specs)

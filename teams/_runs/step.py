"""A step: a target, and what follows if it takes too long or fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from supervisors.spi import SpecFault, builder
from teams._checks.coroutine import async_faults, generator_faults
from teams._checks.fields import count_faults, priority_faults, refuse, seconds_faults, several_faults, step_name_faults
from teams._runs.pattern import Inline, Target, label, target_faults
from teams.errors import RunError, StepFailed
from teams.events import StepPassedOver, StepSkipped

if TYPE_CHECKING:
    from teams._runs.context import RunContext


OnFailure = Literal["stop", "continue_with_warning", "retry_once", "skip"]


ON_FAILURE: tuple[OnFailure, ...] = get_args(OnFailure)


@dataclass(frozen=True, slots=True)
class Step(Inline):
    """A target with options. It may stand wherever a target may. Raises SpecError with all faults of its fields."""

    target: Target
    name: str | None = None
    timeout: float | None = None
    on_failure: OnFailure = "stop"
    attempts: int = 1
    priority: int | None = None
    fallback: tuple[Target, ...] = ()
    when: Callable[[Any], object] | None = None
    transform: Callable[[Any], object] | None = None

    def __post_init__(self) -> None:
        kind = type(self).__name__.lower()
        path = kind if self.name is None else f"{kind} {self.name!r}"
        unlisted = list(several_faults(path, "fallback", self.fallback))
        object.__setattr__(self, "fallback", () if unlisted else tuple(self.fallback))
        refuse(unlisted, self.faults(path))

    def parts(self) -> Iterator[Target]:
        yield self.target
        yield from self.fallback

    def faults(self, path: str) -> Iterator[SpecFault]:
        """The faults of its options."""
        if self.name is not None:
            yield from step_name_faults(path, self.name)
        yield from target_faults(path, self.target)
        for number, target in enumerate(self.fallback, 1):
            yield from target_faults(f"{path}/fallback {number}", target)
        yield from seconds_faults(path, "timeout", self.timeout)
        yield from count_faults(path, "attempts", self.attempts)
        if self.on_failure not in ON_FAILURE:
            yield SpecFault(path, f"on_failure: must be one of {', '.join(ON_FAILURE)}, got {self.on_failure!r}")
        yield from priority_faults(path, self.priority)
        for name, function in (("when", self.when), ("transform", self.transform)):
            if function is not None and not callable(function):
                yield SpecFault(path, f"{name}: must be a function of the input, got {function!r}")
        yield from async_faults(path, when=self.when, transform=self.transform)
        yield from generator_faults(path, when=self.when, transform=self.transform)

    @property
    def label(self) -> str:
        """Its name, or that of its target."""
        return self.name or label(self.target)

    async def take(
        self, run: RunContext, value: object, name: str | None = None, priority: int | None = None
    ) -> object:
        return (await self.tried(run, value, name, priority))[0]

    async def tried(
        self, run: RunContext, value: object, name: str | None, priority: int | None = None
    ) -> tuple[object, RunError | None]:
        """The result, or the input if the step is left out, and the failure for which it is skipped. Repeats it, and
        goes to a fallback, as its options say. Raises RunError: the last failure, if that ends the pattern.
        """
        name = name or self.label
        try:
            when = self.when
            if when is not None and not _computed(lambda each: bool(when(each)), run, value, name):
                run.emit(StepSkipped("", 0.0, "", run.key(name), "its condition is not met"))
                return value, None
            given = value if self.transform is None else _computed(self.transform, run, value, name)
            urgency = priority if self.priority is None else self.priority
            targets = [self.target] * (2 if self.on_failure == "retry_once" else 1) + [*self.fallback]
            while True:
                target = targets.pop(0)
                try:
                    result = await run.do(
                        target, given, name=name, timeout=self.timeout, priority=urgency, attempts=self.attempts
                    )
                except RunError:  # an event has told of it
                    if not targets:
                        raise
                else:
                    return result, None
        except RunError as error:
            if self.on_failure == "continue_with_warning":
                run.emit(StepPassedOver("", 0.0, "", run.key(name), str(error), error))
                return value, None
            if self.on_failure != "skip":
                raise
            run.emit(StepSkipped("", 0.0, "", run.key(name), str(error)))
            return value, error


def _computed(function: Callable[[Any], object], run: RunContext, value: object, name: str) -> Any:
    """What a function of the input returns; its failure is that of the step."""
    try:
        return function(value)
    except BaseException as error:
        raise StepFailed(run.run, run.key(name), error) from error


@builder("step")
def step(
    target: Target,
    *,
    name: str | None = None,
    timeout: float | None = None,
    on_failure: OnFailure = "stop",
    attempts: int = 1,
    priority: int | None = None,
    fallback: Sequence[Target] = (),
    when: Callable[[Any], object] | None = None,
    transform: Callable[[Any], object] | None = None,
) -> Step:
    """A step with options, for every pattern. Raises SpecError with all faults at once.

    Args:
        target: What does it: a member or a role, `can(...)`, a pool, a pattern, or a function.
        name: What the step is called in events and partial results. None: as its target. Default: None.
        timeout: Seconds for all attempts on one target. Each target of `fallback`, and the repetition of "retry_once",
            has as long again. None: any time. Default: None.
        on_failure: What follows after all attempts and fallbacks failed. "stop" fails the pattern. "retry_once" repeats
            the step once, and then stops. "continue_with_warning" goes on with the input in place of the result, and
            publishes `StepPassedOver`. "skip" does the same with `StepSkipped`, which is not a warning; in a pipeline
            it leaves out the item and not the step. Default: "stop".
        attempts: How often one target may try it when its member crashes. Default: 1.
        priority: More is sooner where work has to wait. None: the priority of the pattern. Default: None.
        fallback: Other targets that try it in turn when it failed. Default: ().
        when: Called with the input: if it returns false, the step is left out and the input goes on. It must only
            compute: it is called again after a crash of the run. None: always. Default: None.
        transform: Called with the input: returns what the target gets. It must only compute, too. None: the input
            itself. Default: None.
    """
    return Step(**locals())

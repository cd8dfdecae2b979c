"""A step: a target, with what to do when it takes too long or fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from supervisors.spi import SpecError, SpecFault
from teams._checks.coroutine import async_faults, generator_faults
from teams._checks.fields import count_faults, priority_faults, seconds_faults, step_name_faults
from teams._runs.pattern import Inline, Target, label, several_faults, target_faults
from teams.errors import RunError, StepFailed
from teams.events import StepPassedOver, StepSkipped

if TYPE_CHECKING:
    from teams._runs.context import RunContext


OnFailure = Literal["stop", "continue_with_warning", "retry_once", "skip"]


ON_FAILURE: tuple[OnFailure, ...] = ("stop", "continue_with_warning", "retry_once", "skip")


@dataclass(frozen=True, slots=True)
class Step(Inline):
    """A target with options. It may stand wherever a target may."""

    target: Target
    name: str | None = None
    timeout: float | None = None
    on_failure: OnFailure = "stop"
    attempts: int = 1
    priority: int | None = None
    fallback: tuple[Target, ...] = ()
    when: Callable[[Any], object] | None = None
    transform: Callable[[Any], object] | None = None

    def parts(self) -> Iterator[Target]:
        yield self.target
        yield from self.fallback

    @property
    def label(self) -> str:
        """What it is called where nobody gives it another name."""
        return self.name or label(self.target)

    async def take(
        self, run: RunContext, value: object, name: str | None = None, priority: int | None = None
    ) -> object:
        name = name or self.label
        try:
            if not self.applies(run, value, name):
                run.emit(StepSkipped("", 0.0, "", run.key(name), "its condition is not met"))
                return value
            return await self.attempt(run, value, name, priority)
        except RunError as error:
            if self.on_failure == "continue_with_warning":
                run.emit(StepPassedOver("", 0.0, "", run.key(name), str(error), error))
            elif self.on_failure == "skip":
                run.emit(StepSkipped("", 0.0, "", run.key(name), str(error)))
            else:
                raise
            return value

    def applies(self, run: RunContext, value: object, name: str) -> bool:
        """Whether it is to be done with this input. Raises StepFailed when its condition does."""
        try:
            return self.when is None or bool(self.when(value))
        except BaseException as error:
            raise StepFailed(run.run, run.key(name), error) from error

    async def attempt(self, run: RunContext, value: object, name: str, priority: int | None = None) -> object:
        """Has it done, again or by another where that is said. Raises RunError: the last failure."""
        try:
            given = value if self.transform is None else self.transform(value)
        except BaseException as error:
            raise StepFailed(run.run, run.key(name), error) from error
        targets = [self.target] * (2 if self.on_failure == "retry_once" else 1)
        targets += self.fallback
        for target in targets[:-1]:
            try:
                return await self.once(run, target, given, name, priority)
            except RunError:  # an event has told of it, and there is another
                continue
        return await self.once(run, targets[-1], given, name, priority)

    async def once(self, run: RunContext, target: Target, value: object, name: str, priority: int | None) -> object:
        """Has one target do it."""
        return await run.do(
            target,
            value,
            name=name,
            timeout=self.timeout,
            priority=priority if self.priority is None else self.priority,
            attempts=self.attempts,
        )


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
    """A step with options, for every pattern.

    Args:
        target: who does it: a member or a role, `can(...)`, a pool, a pattern, or a function
        name: what it is called in events and partial results; by default the target
        timeout: seconds for all attempts together; every target of `fallback`, and the one more time of "retry_once",
            has as long again
        on_failure: what follows when it failed, after all attempts and fallbacks. "stop" fails the pattern.
            "retry_once" tries once more, afresh, and stops then. "continue_with_warning" goes on with the input in
            place of the result and says so in a `StepPassedOver`. "skip" goes on in the same way, with a `StepSkipped`
            that is no warning: for what is optional. In a pipeline, "skip" leaves out the item, not the step.
        attempts: how often it may be tried when whoever does it crashes
        priority: more is sooner where work has to wait; None: that of the pattern
        fallback: others to try in turn when it failed
        when: asked with the input; when it says no, the step is left out and the input goes on
        transform: makes what the target gets from the input. It and `when` are asked again after a crash of the run,
            so they must only compute.

    Raises:
        SpecError: every fault
    """
    faults = list(several_faults("step", "fallback", fallback))
    others = () if faults else tuple(fallback)
    made = Step(target, name, timeout, on_failure, attempts, priority, others, when, transform)
    faults += step_faults(made)
    if faults:
        raise SpecError(faults)
    return made


def step_faults(step: Step) -> Iterator[SpecFault]:
    """What is wrong with a step."""
    kind = type(step).__name__.lower()
    path = f"{kind} {step.name!r}" if step.name is not None else kind
    if step.name is not None:
        yield from step_name_faults(path, step.name)
    yield from target_faults(path, step.target)
    for number, target in enumerate(step.fallback, 1):
        yield from target_faults(f"{path}/fallback {number}", target)
    yield from seconds_faults(path, "timeout", step.timeout)
    yield from count_faults(path, "attempts", step.attempts)
    if step.on_failure not in ON_FAILURE:
        yield SpecFault(path, f"on_failure: must be one of {', '.join(ON_FAILURE)}, got {step.on_failure!r}")
    yield from priority_faults(path, step.priority)
    for name, function in (("when", step.when), ("transform", step.transform)):
        if function is not None and not callable(function):
            yield SpecFault(path, f"{name}: must be a function of the input, got {function!r}")
    yield from async_faults(path, when=step.when, transform=step.transform)
    yield from generator_faults(path, when=step.when, transform=step.transform)

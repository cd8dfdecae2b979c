"""Fallback: other functions, or a value, in place of a call that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supervisors.spi import SpecError, SpecFault, builder, checked
from teams.resilience._fields import Exceptions, ResultFunction, Which, is_meant
from teams.resilience._policy import Call, Policy, PolicyOptions, name_of
from teams.resilience.errors import AllFailed
from teams.resilience.events import FellBack

_NOTHING = object()


class FallbackOptions(PolicyOptions):
    """The options of `fallback`."""

    others: tuple[ResultFunction, ...]
    value: Any = _NOTHING
    on: Exceptions


class Fallback(Policy):
    """Made by `fallback`."""

    def __init__(self, options: FallbackOptions) -> None:
        self.options: FallbackOptions = options

    async def through(self, call: Call) -> object:
        options = self.options
        causes: list[Exception] = []
        try:
            return await call.proceed()
        except Exception as error:
            if not is_meant(error, options.on):
                raise
            causes.append(error)
        for other in options.others:
            call.tell(FellBack, name_of(other), causes[-1])
            try:
                return await call.replaced_by(other)
            except Exception as error:
                if not is_meant(error, options.on):
                    raise
                causes.append(error)
        if options.value is not _NOTHING:
            call.tell(FellBack, "value", causes[-1])
            return options.value
        raise AllFailed(call.label, tuple(causes)) from causes[-1]


@builder("fallback()")
def fallback(*others: Callable[..., object], value: object = _NOTHING, on: Which = Exception) -> Fallback:
    """When a call fails, makes it with the first of `others` instead; when that fails, with the next.

    Args:
        others: called with the arguments of the call. They may be plain functions, if they do not block
        value: what is returned when all of them failed; without it, `AllFailed` is raised
        on: which exceptions are failures; others are raised as they are

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        AllFailed: from the call, with every cause
    """
    if not others and value is _NOTHING:
        raise SpecError([SpecFault("fallback()", "give something to fall back to: functions, a value, or both")])
    return Fallback(checked(FallbackOptions, "fallback()", {"others": others, "value": value, "on": on}))

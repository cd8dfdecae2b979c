"""Graceful degradation: a faster answer while the load is high."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from supervisors.spi import Positive, SpecFault, builder, checked
from teams._checks.fields import refuse
from teams.resilience._fields import Amount, ResultFunction
from teams.resilience._policy import Call, Local, Policy, PolicyOptions
from teams.resilience.errors import WrongCall
from teams.resilience.events import DegradationEnded, Degraded


class DegradeOptions(PolicyOptions):
    """The options of `degrade`."""

    fast: ResultFunction
    load: Callable[[], float] | None
    limit: Positive | None
    threshold: Amount
    until: Amount | None


class _Service:
    """How the service is, and how many full calls are under way."""

    def __init__(self) -> None:
        self.degraded = False
        self.under_way = 0


class Degrade(Policy):
    """Made by `degrade`."""

    once = True

    def __init__(self, options: DegradeOptions) -> None:
        self.options: DegradeOptions = options
        self._local = Local(repr(self), lambda _: _Service())

    @property
    def degraded(self) -> bool:
        """Whether the last call was answered by the faster function."""
        return self._local.state is not None and self._local.state.degraded

    async def through(self, call: Call) -> object:
        service = self._local.get()
        if self._looked_at(service, call):
            return await call.replaced_by(self.options.fast)
        service.under_way += 1
        try:
            return await call.proceed()
        finally:
            service.under_way -= 1

    def _looked_at(self, service: _Service, call: Call) -> bool:
        """Whether the service is degraded now."""
        options = self.options
        load = service.under_way / (options.limit or 1) if options.load is None else self._load(options.load(), call)
        if not service.degraded and load >= options.threshold:
            service.degraded = True
            call.tell(Degraded, load)
        elif service.degraded and load < (options.threshold if options.until is None else options.until):
            service.degraded = False
            call.tell(DegradationEnded, load)
        return service.degraded

    def _load(self, load: object, call: Call) -> float:
        if not isinstance(load, Real) or math.isnan(load):
            problem = f"the load() of degrade() must be plain and return a number, got {type(load).__qualname__}"
            raise WrongCall(call.label, problem)
        return float(load)


@builder("degrade()")
def degrade(
    fast: Callable[..., object],
    *,
    load: Callable[[], float] | None = None,
    limit: int | None = None,
    threshold: float = 0.8,
    until: float | None = None,
) -> Degrade:
    """While the load is at or above `threshold`, has `fast` answer in place of the function.

    The load is what `load()` says or, with `limit`, the calls of the function that are under way, as a share of it: no
    more than `limit * threshold`, rounded up, are under way at once.

    Args:
        fast: called with the arguments of the call; it may be plain, if it does not block
        load: says the load, with 1.0 for a full one; it must not block
        limit: how many calls are a full load
        threshold: the load from which on `fast` answers
        until: the load below which it no longer does (hysteresis); `None`: the threshold

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        WrongCall: from the call, `load()` returned no number
    """
    values = {"fast": fast, "load": load, "limit": limit, "threshold": threshold, "until": until}
    options = checked(DegradeOptions, "degrade()", values)
    faults = []
    if (load is None) == (limit is None):
        faults.append(SpecFault("degrade()", "give either `load` or `limit`: one of them says what the load is"))
    if options.until is not None and options.until > options.threshold:
        faults.append(
            SpecFault("degrade()", f"until={until} is above threshold={threshold}: the service would end as it begins")
        )
    refuse(faults)
    return Degrade(options)

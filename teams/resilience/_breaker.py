"""The circuit breaker: no calls to what fails all the time. Its states stand at `Circuit`."""

from __future__ import annotations

from actors.spi import Clock
from supervisors.spi import Positive, Seconds, builder, checked
from teams.resilience._circuit import Circuit, CircuitState
from teams.resilience._fields import Exceptions, Which, is_meant
from teams.resilience._policy import Call, Local, Policy, PolicyOptions
from teams.resilience.errors import CircuitOpen, Refused
from teams.resilience.events import CallRefused, CircuitClosed, CircuitHalfOpened, CircuitOpened


class BreakerOptions(PolicyOptions):
    """The options of `circuit_breaker`."""

    failures: Positive
    reset_after: Seconds
    on: Exceptions


class _Watched:
    """A circuit and the clock it goes by."""

    def __init__(self, options: BreakerOptions, clock: Clock) -> None:
        self.circuit = Circuit(options.failures, options.reset_after)
        self.clock = clock


class CircuitBreaker(Policy):
    """Made by `circuit_breaker`."""

    once = True

    def __init__(self, options: BreakerOptions) -> None:
        self.options: BreakerOptions = options
        self._local = Local(repr(self), lambda clock: _Watched(options, clock))

    @property
    def state(self) -> CircuitState:
        """The present state."""
        found = self._local.state
        return CircuitState.CLOSED if found is None else found.circuit.state(found.clock.now())

    async def through(self, call: Call) -> object:
        watched = self._local.get()
        circuit, now = watched.circuit, watched.clock.now
        ticket = circuit.admit(now())
        if ticket is None:
            refusal = CircuitOpen(call.label, circuit.opens_in(now()))
            call.tell(CallRefused, refusal)
            raise refusal
        if ticket.probe:
            call.tell(CircuitHalfOpened)
        try:
            answer = await call.proceed()
        except Exception as error:
            # A refusal by a policy inside says nothing about what is called: it was not called.
            counts = not isinstance(error, Refused) and is_meant(error, self.options.on)
            if counts and circuit.failed(ticket, now()):
                call.tell(CircuitOpened, self.options.reset_after, error)
            raise
        else:
            if circuit.succeeded(ticket):
                call.tell(CircuitClosed)
            return answer
        finally:
            circuit.give_back(ticket)


@builder("circuit_breaker()")
def circuit_breaker(failures: int = 5, reset_after: float = 60.0, *, on: Which = Exception) -> CircuitBreaker:
    """Refuses calls after `failures` failures in a row; after `reset_after` seconds lets exactly one through to see.

    Args:
        failures: how many in a row open the circuit
        reset_after: seconds from then to the probe; if that fails, from then on again
        on: which exceptions are failures. Others, and cancellations, are neither failure nor success. A call that a
            `timeout` outside of the breaker ends is a cancellation: to have it count, put a `timeout` inside

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        CircuitOpen: from the call
    """
    values = {"failures": failures, "reset_after": reset_after, "on": on}
    return CircuitBreaker(checked(BreakerOptions, "circuit_breaker()", values))

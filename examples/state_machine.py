"""A circuit breaker as a state machine: it spares a service that is down, and tries again after a pause.

    python examples/state_machine.py

closed     Requests go through. The third failure in a row opens the breaker.
open       Requests are refused, patient ones are postponed until the pause is over.
half open  One request goes through: it closes the breaker or opens it again.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from actors import Message, StateMachine, StateTimeout, during, entering
from supervisors import child, start, supervisor


class State(StrEnum):
    """The states of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Request(Message):
    """Asks the service. A patient request waits while the breaker is open."""

    text: str
    patient: bool = False


class Breaker(StateMachine):
    """Stands between callers and a service that raises ConnectionError while it is down."""

    initial = State.CLOSED

    def __init__(self, service: Callable[[str], str], failures: int, pause: float) -> None:
        self.service = service
        self.allowed = failures
        self.pause = pause
        self.failures = 0

    @during(State.CLOSED, State.HALF_OPEN)
    def pass_on(self, request: Request) -> str:
        try:
            answer = self.service(request.text)
        except ConnectionError as error:
            self.failures += 1
            if self.state is State.HALF_OPEN or self.failures == self.allowed:
                self.goto(State.OPEN, timeout=self.pause)
            return f"failed: {error}"
        self.goto(State.CLOSED)
        self.failures = 0
        return answer

    @during(State.OPEN)
    def refuse(self, request: Request) -> str | None:
        if request.patient:
            self.postpone()
            return None
        return "refused: the breaker is open"

    @during(State.OPEN)
    def pause_is_over(self, _: StateTimeout) -> None:
        self.goto(State.HALF_OPEN)

    @entering(State.OPEN, State.HALF_OPEN, State.CLOSED)
    def show(self) -> None:
        print(f"-- the breaker is {self.state}")


class Flaky:
    """A service that is down for its first calls."""

    def __init__(self, down_for: int) -> None:
        self.down_for = down_for

    def __call__(self, text: str) -> str:
        if self.down_for:
            self.down_for -= 1
            raise ConnectionError("the service is down")
        return text.upper()


tree = supervisor(
    "root",
    child("breaker", Breaker, args={"service": Flaky(down_for=4), "failures": 3, "pause": 0.5}),
)


def main() -> None:
    """Six requests to a service that is down for the first four."""
    with start(tree, log=False) as root:
        breaker = root.child("breaker")
        for text in ("one", "two", "three", "four"):
            print(f"{text}: {breaker.ask(Request(text=text), timeout=5)}")
        for text in ("five", "six"):
            print(f"{text}, patiently: {breaker.ask(Request(text=text, patient=True), timeout=5)}")


if __name__ == "__main__":
    main()

"""The open requests to one supervisor, with their possible answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from actors.spi import ActorRef
from supervisors.errors import AlreadyStarted

Disagree = Callable[[int, str, str], None]


@dataclass
class Ask:
    """One request. `allowed`: "ok", the name of an error, "*" for any answer, at any time from here on; empty while
    there must be none yet.
    """

    what: str
    rule: int
    allowed: set[str] = field(default_factory=set)
    child: str | None = None
    """The path that the ref in a good answer has."""
    results: Sequence[object] = ()
    """The values that a good answer may have; empty: any."""


class Asks:
    """All requests, by the number of the message."""

    def __init__(self, disagree: Disagree) -> None:
        self._disagree = disagree
        self._open: dict[int, Ask] = {}

    def add(
        self,
        number: int,
        what: str,
        rule: int,
        *allowed: str,
        child: str | None = None,
        results: Sequence[object] = (),
    ) -> None:
        """A request is handled."""
        self._open[number] = Ask(what, rule, set(allowed), child, results)

    def answered_to_nobody(self, number: int) -> None:
        """The message was told, not asked."""
        self._open.pop(number, None)

    def allow(self, number: int, outcome: str) -> None:
        """From now on this must be the answer of the request."""
        ask = self._open.get(number)
        if ask is not None:
            ask.allowed.add(outcome)

    def allow_all(self, outcome: str) -> None:
        """Every open request may be answered so."""
        for number in self._open:
            self.allow(number, outcome)

    def name(self, number: int, child: str) -> None:
        """The child of the request is known."""
        if number in self._open:
            self._open[number].child = child

    def answered(self, number: int, value: object, error: BaseException | None) -> None:
        """The supervisor has answered."""
        ask = self._open.pop(number, None)
        if ask is None:
            return
        said = "ok" if error is None else type(error).__name__
        if said not in ask.allowed and "*" not in ask.allowed:
            wanted = " or ".join(sorted(ask.allowed)) or "no answer yet"
            self._disagree(ask.rule, f"{wanted} as the answer to {ask.what}", said if error is None else repr(error))
        ref = error.ref if isinstance(error, AlreadyStarted) else value
        if ask.child is not None and isinstance(ref, ActorRef) and ref.path != ask.child:
            self._disagree(23, f"the ref of {ask.child} in the answer to {ask.what}", ref.path)
        if error is None and ask.results and value not in ask.results:
            wanted = " or ".join(repr(result) for result in ask.results)
            self._disagree(23, f"{wanted} as the answer to {ask.what}", repr(value))

    def overdue(self) -> list[Ask]:
        """The requests that could have been answered and were not."""
        return [ask for ask in self._open.values() if ask.allowed - {"*"}]

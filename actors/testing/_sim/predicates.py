"""Predicates of a test, which may ask actors."""

from __future__ import annotations

from collections.abc import Callable

from actors._extras import needs_extra
from actors.testing._sim.strands import Strands

with needs_extra():
    from greenlet import GreenletExit


class PredicateCheck:
    """A predicate that is called again and again, in a simulated thread of its own: there it may ask, and wait.

    One that does not wait takes no step of the run. One that does is called when nothing else can run before time
    moves on, once at each moment, for its questions are steps of their own.
    """

    def __init__(self, strands: Strands, name: str, predicate: Callable[[], object]) -> None:
        self.waits = False
        """Whether it has waited, as one that asks does."""
        self.busy = False
        """Whether a call is under way."""
        self._strands = strands
        self._predicate = predicate
        self._called_at = -1.0
        self._outcome: tuple[object, BaseException | None] | None = None
        self._strand = strands.prepare(self._work, strands.loop.lane(name), name)

    def _work(self) -> None:
        while True:
            try:
                self._outcome = self._predicate(), None
            except GreenletExit:
                raise
            except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is taken
                self._outcome = None, error
            self.busy = False
            self._strands.pause()

    def call(self) -> None:
        """Calls it, unless it is under way."""
        if not self.busy:
            self.busy = True
            self._called_at = self._strands.loop.time()
            self._strands.run_now(self._strand)
            self.waits = self.waits or self.busy

    def call_at_rest(self) -> None:
        """Calls one that waits, unless it was called at this moment."""
        if self.waits and self._called_at != self._strands.loop.time():
            self.call()

    def take(self, otherwise: object) -> object:
        """The value of the call that has ended since, or `otherwise`. Raises what it raised."""
        outcome, self._outcome = self._outcome, None
        if outcome is None:
            return otherwise
        value, error = outcome
        if error is not None:
            raise error
        return value

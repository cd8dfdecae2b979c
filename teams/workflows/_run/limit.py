"""The time limit of a run. Waiting for people, and being paused, does not count. Times are in UTC microseconds."""

from __future__ import annotations


class TimeLimit:
    """When a run has to be ended, by what its journal says of people and pauses."""

    def __init__(self) -> None:
        self._people: set[str] = set()
        """The steps that wait for people."""
        self._people_since = 0
        self._with_people = 0
        """How long the run waited for people, up to `_people_since`."""
        self._paused_at: int | None = None
        self._held = 0
        """How long the run was paused, until it went on."""

    @property
    def paused(self) -> bool:
        """Whether a pause is not over."""
        return self._paused_at is not None

    def asks(self, step: str, at: int) -> None:
        """A step asks a person."""
        if not self._people:
            self._people_since = at
        self._people.add(step)

    def asks_no_more(self, step: str, at: int) -> None:
        """A step has ended, which may have asked a person."""
        if step in self._people:
            self._people.remove(step)
            if not self._people:
                self._with_people += at - self._people_since

    def pause(self, at: int) -> None:
        """The run is paused."""
        self._paused_at = at

    def go_on(self, at: int) -> None:
        """The run goes on, if it was paused."""
        if self._paused_at is not None:
            self._held, self._paused_at = self._held + at - self._paused_at, None

    def begin_again(self, at: int) -> None:
        """The run is tried again, with all of its time."""
        self._with_people, self._people_since, self._held = 0, at, 0

    def due(self, deadline: int | None) -> int | None:
        """When the run has to be ended, whose deadline would be this one. None: at no time, or not while it waits for
        people.
        """
        if deadline is None or self._people:
            return None
        return deadline + self._with_people + self._held

"""The errors of the protocols.

Other bases stand in brackets::

    NoSuchQuestion (TeamError, LookupError)
    NoSuchChoice (TeamError, ValueError)
    NoSuchPerson (TeamError, LookupError)
    NobodyHears (TeamError)
"""

from __future__ import annotations

from supervisors.spi import nearest
from teams.errors import TeamError

# People


class NoSuchQuestion(TeamError, LookupError):
    """A person has no open question of this id: it was never asked, or has its answer."""

    path: str
    question: str
    open: tuple[str, ...]

    def describe(self) -> str:
        waiting = ", ".join(self.open) or "none"
        return f"{self.path} has no open question {self.question!r} (open: {waiting})"


class NoSuchChoice(TeamError, ValueError):
    """The answer is not an option of the question. The question stays open."""

    path: str
    question: str
    choice: object
    options: tuple[object, ...]

    def describe(self) -> str:
        offered = ", ".join(map(repr, self.options))
        return f"{self.path}: {self.question!r} does not offer the answer {self.choice!r}; choose one of {offered}"


class NoSuchPerson(TeamError, LookupError):
    """A question went to a person that does not exist, or to an actor that is not a `Person`. `by` asked; `persons` are
    the paths of those that exist.
    """

    by: str
    person: str
    persons: tuple[str, ...]

    def describe(self) -> str:
        there = nearest(self.person, self.persons) if self.persons else "there is none"
        return (
            f"{self.by}: no Person is called {self.person!r}; {there}. "
            f"Add member({self.person.rpartition('/')[2]!r}, Person) to the team, or give the path of a Person"
        )


class NobodyHears(TeamError):
    """A chain began with an event without a subscriber. `patterns` are the subscriptions at these topics."""

    topics: str
    topic: str
    patterns: tuple[str, ...]

    def describe(self) -> str:
        return f"topic {self.topic!r} has no subscriber at {self.topics}; {nearest(self.topic, self.patterns)}"

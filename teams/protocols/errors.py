"""The errors of the protocols."""

from __future__ import annotations

from supervisors.spi import nearest
from teams.errors import TeamError

# People


class NoSuchQuestion(TeamError, LookupError):
    """A person was to answer what is not asked, or not any more."""

    fields = ("path", "question", "open")
    path: str
    question: str
    open: tuple[str, ...]

    def describe(self) -> str:
        waiting = ", ".join(self.open) or "none"
        return f"{self.path} is not asked {self.question!r}, or has answered it; questions that wait: {waiting}"


class NoSuchChoice(TeamError, ValueError):
    """An answer is none of those that the question offers. The question stays open."""

    fields = ("path", "question", "choice", "options")
    path: str
    question: str
    choice: object
    options: tuple[object, ...]

    def describe(self) -> str:
        offered = ", ".join(map(repr, self.options))
        return f"{self.choice!r} is no answer to {self.question!r} of {self.path}; choose one of {offered}"


class NobodyHears(TeamError):
    """A chain began with an event that nobody hears; `patterns` are what is subscribed to at these topics."""

    fields = ("topics", "topic", "patterns")
    topics: str
    topic: str
    patterns: tuple[str, ...]

    def describe(self) -> str:
        return f"nobody hears of {self.topic!r} at {self.topics}; {nearest(self.topic, self.patterns)}"

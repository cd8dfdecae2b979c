"""Events, and their topics.

A topic is words with dots between them (`order.received`). A subscription names a topic, or many with a pattern: `*`
stands for one word, `**` for any number of words, at least one.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from supervisors.spi import SpecFault

_WORDS = re.compile(r"[^\s.*]+(\.[^\s.*]+)*")
_PATTERN = re.compile(r"(\*\*|\*|[^\s.*]+)(\.(\*\*|\*|[^\s.*]+))*")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as its subscribers get it."""

    id: str
    """An event that is published again keeps its id: every subscriber handles it once."""
    topic: str
    payload: object
    sender: str | None
    """The path of the actor that published it; None: code outside of any actor."""
    correlation_id: str
    """The id of the chain of events that it began or continues."""
    at: float
    """When it was published, in seconds of the runtime's clock."""


def new_id(random: random.Random) -> str:
    """An id that nothing else has: 64 random bits."""
    return f"{random.getrandbits(64):016x}"


def topic_fault(topic: object) -> str | None:
    """The fault of a topic; None: there is none."""
    if isinstance(topic, str) and _WORDS.fullmatch(topic):
        return None
    return f"a topic is words with dots between them, such as 'order.received', not {topic!r}"


def pattern_fault(pattern: object) -> str | None:
    """The fault of a topic or a pattern of topics; None: there is none."""
    if isinstance(pattern, str) and _PATTERN.fullmatch(pattern):
        return None
    return f"a pattern is a topic in which '*' may stand for one word and '**' for many, not {pattern!r}"


def topic_faults(place: str, *topics: object) -> list[SpecFault]:
    """The faults of topics."""
    return [SpecFault(place, fault) for fault in map(topic_fault, topics) if fault is not None]


def topic_pattern_faults(place: str, *patterns: object) -> list[SpecFault]:
    """The faults of topics or patterns of topics."""
    return [SpecFault(place, fault) for fault in map(pattern_fault, patterns) if fault is not None]


def topic_matcher(pattern: str) -> re.Pattern[str]:
    """A regular expression that fully matches the topics of the pattern."""
    words = {"*": r"[^.]+", "**": r".+"}
    return re.compile(r"\.".join(words.get(word) or re.escape(word) for word in pattern.split(".")))

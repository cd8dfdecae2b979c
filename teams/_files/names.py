"""The names of members, roles, capabilities and topics that a file may use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from teams._members.member import MAX_COUNT as MOST
from teams.protocols._topics.event import pattern_fault, topic_matcher


@dataclass(frozen=True, slots=True)
class Names:
    """The names in the file of a team, sound or not, so that one fault does not cause others."""

    slots: frozenset[str]
    """Slots of members: of one with a `count`, each by its number."""
    people: frozenset[str]
    """Members, their slots, and the roles they play."""
    capabilities: frozenset[str]
    """The capabilities of members."""
    topics: frozenset[str]
    """Topics and patterns of topics with a subscriber."""
    declared: frozenset[str]
    """The roles that are declared; empty: members play what they like."""

    @classmethod
    def of(
        cls,
        members: Sequence[Mapping[str, object]],
        roles: Sequence[Mapping[str, object]],
        choreographies: Sequence[Mapping[str, object]] = (),
    ) -> Names:
        """The names in a team of these."""
        handlers = [each.get("event_handlers") for each in choreographies]
        topics = {str(topic) for each in handlers if isinstance(each, Mapping) for topic in each}
        declared = {name: each for each in roles if isinstance(name := each.get("name"), str)}
        slots: set[str] = set()
        people: set[str] = set()
        can: set[str] = set()
        for each in members:
            id, role, count = each.get("id"), each.get("role"), each.get("count", 1)
            if isinstance(id, str):
                numbers = range(1, count + 1) if isinstance(count, int) and 1 < count <= MOST else ()
                slots |= {f"{id}-{number}" for number in numbers} or {id}
                people.add(id)
            subscribes = each.get("subscribes", ())
            topics |= {subscribes} if isinstance(subscribes, str) else set(_texts(subscribes))
            if isinstance(role, str):
                people.add(role)
                can |= set(_texts(declared.get(role, {}).get("capabilities")))
            can |= set(_texts(each.get("capabilities")))
        return cls(frozenset(slots), frozenset(people | slots), frozenset(can), frozenset(topics), frozenset(declared))

    def hears(self, topic: str) -> bool:
        """Whether a topic has a subscriber. A wrong pattern matches nothing."""
        patterns = [each for each in self.topics if pattern_fault(each) is None]
        return any(topic_matcher(each).fullmatch(topic) for each in patterns)

    @property
    def sides(self) -> frozenset[str]:
        """Members and roles, those without members included: the two sides of a handoff."""
        return self.people | self.declared


def _texts(values: object) -> Iterable[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        return ()
    return [each for each in values if isinstance(each, str)]


def mappings(listed: object) -> list[Mapping[str, object]]:
    """The mappings of a list in a file."""
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return []
    return [each for each in listed if isinstance(each, Mapping)]

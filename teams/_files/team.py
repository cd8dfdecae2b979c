"""Teams in files: TOML, and YAML with the extra `yaml`.

    team = "support"                # marks the format; the id of the team

    [[members]]
    id = "triage"
    work = "desk:triage"            # a function or an actor class

    [[members]]
    id = "billing"
    work = "desk:billing"
    capabilities = ["refund"]
    backoff = { kind = "constant", initial = 0.01, cap = 0.01 }

    [goal]
    input = "a refund, please"
    steps = [{ agent = "triage", attempts = 3, timeout = "30s" }]

The keys are those of `team`, `member`, `role` and `handoff`; where Python takes a function, a file says "module:name".
Choreographies are topics and who hears of each (_files/choreography.py); a goal has its `input` and the keys of one
pattern (_files/pattern.py). Every fault is found at once, each with its place and the nearest name there is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from supervisors.spi import (
    ChildOptions,
    SpecError,
    SpecFault,
    SupervisorSpec,
    nearest,
    read_document,
    supervisor,
    unknown_key,
)
from teams._files.choreography import ChoreographyReader
from teams._files.form import Faults, FormReader, TooManyFaults
from teams._files.names import Names, mappings
from teams._files.pattern import PatternReader
from teams._members.handoff import HandoffRule, handoff
from teams._members.member import Member, member
from teams._members.role import Role, role
from teams._team import GoalSpec, TeamOptions, goal, team
from teams._team_ref import TeamRef

T = TypeVar("T")

_CALLBACKS = frozenset({"on_failure", "on_give_up"})
"""Options that a file cannot express."""
_OF_SUPERVISORS = TeamOptions.__optional_keys__ - _CALLBACKS
_OF_TEAMS = frozenset(
    {"team", "members", "roles", "handoffs", "choreographies", "goal", "strategy", "max_hops", "ageing"}
)
_OF_MEMBERS = ChildOptions.__optional_keys__ | frozenset(
    {"id", "work", "role", "capabilities", "count", "concurrency", "accepts", "through", "on_timeout", "subscribes"}
)
_OF_ROLES = frozenset({"name", "description", "capabilities", "max_members"})
_OF_HANDOFFS = frozenset({"from_role", "to_role", "trigger", "transform"})


def load_team(path: str | os.PathLike[str]) -> SupervisorSpec[TeamRef]:
    """The team a `.toml`, `.yaml` or `.yml` file describes. Imports the modules it names.

    Raises:
        SpecError: the file cannot be read or parsed, or the team in it has faults; all of them, each with its place
    """
    return parse_team(read_document(path))


def parse_team(values: Mapping[str, object]) -> SupervisorSpec[TeamRef]:
    """The team that nested mappings describe. Imports the modules they name. Raises SpecError with every fault."""
    if not isinstance(values, Mapping):
        raise SpecError([SpecFault("team", f"must be a mapping with the keys of a team, got {values!r}")])
    faults = Faults()
    spec = None
    with suppress(TooManyFaults):
        spec = read_team(values, faults)
    if spec is None or faults:
        raise SpecError(tuple(dict.fromkeys(faults)))
    return spec


def read_team(values: Mapping[str, object], faults: Faults) -> SupervisorSpec[TeamRef] | None:
    """The team that a mapping describes, as part of a document. None where it has faults, which go to `faults`."""
    return _TeamReader(values, faults).spec()


def read_people(values: Mapping[str, object], faults: Faults) -> list[Member | Role]:
    """The members and roles under the keys `members` and `roles` of a document, without those that have faults."""
    return _TeamReader(values, faults).people()


class _TeamReader(FormReader):
    """Reads one team and collects what is wrong with it."""

    def __init__(self, values: Mapping[str, object], faults: Faults) -> None:
        super().__init__(faults)
        self.values = values
        id = values.get("team")
        self.id = id if isinstance(id, str) and id else "team"
        self.names = Names.of(*(mappings(values.get(key)) for key in ("members", "roles", "choreographies")))

    def spec(self) -> SupervisorSpec[TeamRef] | None:
        """The team, if nothing is wrong with its parts."""
        values = self.values
        if "team" not in values:
            self.faults.append(SpecFault(self.id, 'a team needs the key team = "name"'))
        self._keys(self.id, values, _OF_TEAMS | _OF_SUPERVISORS)
        options = self._options()
        people = self.people()
        rules = [self._handoff(path, each) for path, each in self._each("handoffs", "trigger")]
        reader = ChoreographyReader(self.names, self.faults)
        chains = [reader.choreography(path, each) for path, each in self._each("choreographies", "name")]
        found = self._goal()
        settings: dict[str, Any] = {key: values[key] for key in ("max_hops", "ageing") if key in values}
        if not self.faults:
            settings |= {
                "handoffs": rules,
                "choreographies": chains,
                "goal": found,
            }  # they name others, who may be missing for a fault of theirs
        try:
            return team(self.id, *people, **settings, **options)
        except SpecError as error:
            self.faults += error.faults
            return None

    def people(self) -> list[Member | Role]:
        """The roles and the members, without those that have faults."""
        roles = [self._role(path, each) for path, each in self._each("roles", "name")]
        members = {path: self._member(path, each) for path, each in self._each("members", "id")}
        self._repeated_ids()
        return [each for each in (*roles, *members.values()) if each]

    def _options(self) -> dict[str, Any]:
        """The options of the team as a supervisor; empty if they have faults."""
        options: dict[str, Any] = {
            key: value for key, value in self.values.items() if key in _OF_SUPERVISORS or key == "strategy"
        }
        try:
            supervisor(self.values.get("team", self.id), **options)  # type: ignore[arg-type]
        except SpecError as error:
            self.faults += (SpecFault(self.id, fault.message) for fault in error.faults)
            return {}
        return options

    def _each(self, key: str, name: str) -> list[tuple[str, Mapping[str, object]]]:
        """The mappings of a list, each with its place."""
        listed = self.values.get(key, ())
        if isinstance(listed, str) or not isinstance(listed, Sequence):
            self.faults.append(SpecFault(self.id, f"{key}: must be a list, got {type(listed).__name__}"))
            return []
        found = []
        for index, each in enumerate(listed):
            if isinstance(each, Mapping):
                label = each.get(name)
                found.append((f"{self.id}/{key}/{label if isinstance(label, str) and label else f'[{index}]'}", each))
            else:
                self.faults.append(SpecFault(f"{self.id}/{key}/[{index}]", f"must be a mapping, got {each!r}"))
        return found

    def _repeated_ids(self) -> None:
        ids = Counter(id for each in mappings(self.values.get("members")) if isinstance(id := each.get("id"), str))
        self.faults += (
            SpecFault(f"{self.id}/members/{id}", f"id: {count} members have it; ids must be unique in a team")
            for id, count in ids.items()
            if count > 1
        )

    def _keys(self, path: str, values: Mapping[str, object], known: frozenset[str], *required: str) -> bool:
        """Whether all keys exist and none is missing."""
        before = len(self.faults)
        self.faults += (unknown_key(path, str(key), sorted(known)) for key in values if key not in known)
        self.faults += (SpecFault(path, f"{key}: is missing") for key in required if key not in values)
        return len(self.faults) == before

    # Its parts

    def _role(self, path: str, values: Mapping[str, object]) -> Role | None:
        self._keys(path, values, _OF_ROLES, "name")
        given: dict[str, Any] = {key: value for key, value in values.items() if key in _OF_ROLES}
        return self.made(path, role, given, None) if "name" in given else None

    def _member(self, path: str, values: Mapping[str, object]) -> Member | None:
        self._keys(path, values, _OF_MEMBERS, "id", "work")
        given: dict[str, Any] = {key: value for key, value in values.items() if key in _OF_MEMBERS}
        if "accepts" in given:
            given["accepts"] = self.function(path, "accepts", given["accepts"])
        if "through" in given:
            given["through"] = self.function(path, "through", given["through"])
        if not isinstance(given.get("work", ""), str):
            self.faults.append(SpecFault(path, f"work: must have the form 'module:name', got {given['work']!r}"))
            return None
        role = given.get("role")
        if isinstance(role, str) and self.names.declared and role not in self.names.declared:
            hint = nearest(role, self.names.declared)
            self.faults.append(SpecFault(path, f"role: no role {role!r}; {hint}"))
            return None
        # Without its id, which has been missed, the rest of it is looked at all the same.
        return self.made(path, member, {"id": "member", **given}, None) if "work" in given else None

    def _handoff(self, path: str, values: Mapping[str, object]) -> HandoffRule | None:
        sound = self._keys(path, values, _OF_HANDOFFS, "from_role", "to_role", "trigger")
        given: dict[str, Any] = {key: value for key, value in values.items() if key in _OF_HANDOFFS}
        for key in ("from_role", "to_role"):
            name = given.get(key)
            if key in given and not (isinstance(name, str) and name):
                sound = False
                self.faults.append(SpecFault(path, f"{key}: must be the name of a role or a member, got {name!r}"))
            elif isinstance(name, str) and name not in self.names.sides:
                sound = False
                near = nearest(name, self.names.sides)
                self.faults.append(SpecFault(path, f"{key}: there is neither a role nor a member {name!r}; {near}"))
        if "trigger" in given and not isinstance(given["trigger"], str):
            sound = False
            self.faults.append(SpecFault(path, f"trigger: must be the name of one, got {given['trigger']!r}"))
        if "transform" in given:
            given["transform"] = self.function(path, "transform", given["transform"])
        return self.made(path, handoff, given, None) if sound else None

    def _goal(self) -> GoalSpec | None:
        """The goal; None also when it is faulty."""
        values = self.values.get("goal")
        if values is None:
            return None
        path = f"{self.id}/goal"
        if not isinstance(values, Mapping):
            self.faults.append(SpecFault(path, f"must be a mapping with the keys of a pattern, got {values!r}"))
            return None
        rest = {key: value for key, value in values.items() if key != "input"}
        return goal(PatternReader(self.names, self.faults).pattern(path, rest), values.get("input"))

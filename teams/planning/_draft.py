"""Drafts: workflows that a model writes. Nothing in a draft names code, whatever it says, and nothing is imported.

A draft has the keys of a file, but for those that lead to code. What is left of it is read as a file is, so that all
faults come at once: those of the keys, of the workflow, and of the names of members.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisors.spi import SpecError, SpecFault, unknown_key
from teams._journal.codec import DEPTH, decode, plain
from teams._journal.errors import NotReadable, NotStorable
from teams._members.target import Can
from teams.workflows._graph.check import unknown_names
from teams.workflows._graph.file import FORMS, METADATA, workflow_from
from teams.workflows._graph.file import WORKFLOW as FILE

WORKFLOW = frozenset(FILE) - {"input"}
"""The keys of a draft: those of a workflow in a file, without the type of its input."""
STEP = METADATA | {
    "agent",
    "ask",
    "condition",
    "default",
    "dependencies",
    "detached",
    "each",
    "effects",
    "id",
    "input",
    "max_iterations",
    "max_parallel",
    "max_retries",
    "metadata",
    "on_failure",
    "on_low",
    "on_skipped",
    "on_timeout",
    "options",
    "person",
    "priority",
    "redact",
    "retry",
    "sleep",
    "team",
    "timeout",
    "undo",
    "until",
    "wait",
    "workflow",
}
"""The keys of a step."""
AGENT = frozenset({"can", "pool", "route"})
QUALITY = frozenset({"domain", "scorers", "threshold", "on_low", "max_rounds", "person", "timeout"})
_IN_FILES = {*FILE, "key", *(key for _, keys in FORMS.values() for key in keys)}
"""The keys of a file."""
DEEPEST = 16
"""Workflows within workflows in one draft."""
LONGEST = 256 * 1024
"""Characters of a draft that is text."""
STAND_IN = "(code)"
"""The member of a step that named code. The draft has a fault then."""


@dataclass(frozen=True)
class DraftNames:
    """The names that a draft may use."""

    members: frozenset[str]
    capabilities: frozenset[str]
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    workflows: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, targets: Iterable[str | Can], teams: Mapping[str, Iterable[str]], workflows: Iterable[str]
    ) -> DraftNames:
        """These members, roles and capabilities, teams with their members, and workflows."""
        given = tuple(targets)
        return cls(
            frozenset(each for each in given if isinstance(each, str)),
            frozenset(each.capability for each in given if isinstance(each, Can)),
            {name: tuple(each) for name, each in teams.items()},
            frozenset(workflows),
        )


def checked_draft(draft: object, known: DraftNames, max_steps: int) -> dict[str, Any]:
    """The workflow of a draft as a mapping, which `workflow_from` reads. Raises SpecError with all faults."""
    values = _read(draft)
    not_numbers = list(_not_numbers("draft", values))
    if not not_numbers:
        values = _plain(values)
    sieve = _Sieve(max_steps)
    cleaned = sieve.workflow("draft", values, 0)
    faults = [*not_numbers, *sieve.faults]
    members = known.members | ({STAND_IN} if sieve.faults else frozenset())
    try:
        made = workflow_from(cleaned if isinstance(cleaned, Mapping) else {})
    except SpecError as error:
        faults += error.faults
    else:
        faults += unknown_names(
            made,
            members=members,
            capabilities=known.capabilities,
            teams=known.teams,
            workflows=known.workflows,
        )
        if not faults:
            found: dict[str, Any] = json.loads(made.body)
            return found
    raise SpecError(tuple(dict.fromkeys(faults)))


def draft_value(draft: object) -> object:
    """The content of a draft as JSON has it, without NaN; text is read. Raises SpecError with all faults."""
    value = _read(draft)
    faults = list(_not_numbers("draft", value))
    if faults:
        raise SpecError(faults)
    return _plain(value)


def _read(draft: object) -> object:
    """A draft as a value: text is JSON, in a fenced block or not."""
    if isinstance(draft, str):
        text = draft.strip()
        if text.startswith("```"):
            text = text.removesuffix("```").partition("\n")[2]
        if len(text) > LONGEST:
            raise SpecError([SpecFault("draft", f"has {len(text)} characters, at most {LONGEST}")])
        try:
            return decode(text.encode("utf-8", "surrogatepass"))
        except NotReadable as error:
            raise SpecError([SpecFault("draft", f"must be JSON: {error.what}")]) from None
    return draft


def _plain(draft: object) -> object:
    """A draft as JSON has it. Raises SpecError."""
    try:
        return plain(draft)
    except NotStorable as error:
        raise SpecError([SpecFault("draft", f"must be a mapping with the keys of a workflow: {error}")]) from None


def _not_numbers(path: str, value: object, depth: int = 0) -> Iterator[SpecFault]:
    """NaN and infinity, which no duration and no threshold is. Raises SpecError where values are nested too deep."""
    if depth > DEPTH:
        raise SpecError([SpecFault("draft", f"values are nested deeper than {DEPTH} levels")])
    if isinstance(value, float) and not math.isfinite(value):
        yield SpecFault(path, f"must be a finite number, got {value!r}")
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, each in pairs:
        yield from _not_numbers(f"{path}/{name}", each, depth + 1)


class _Sieve:
    """Takes out what a draft must not have."""

    def __init__(self, max_steps: int) -> None:
        self.faults: list[SpecFault] = []
        self._max_steps = max_steps
        self._steps = 0

    def workflow(self, path: str, values: object, depth: int) -> object:
        """The workflow without it."""
        if not isinstance(values, Mapping):
            self._fault(path, f"must be a mapping with the keys {', '.join(sorted(WORKFLOW))}, got {values!r}")
            return values
        if depth > DEEPEST:
            self._fault(path, f"workflows are nested deeper than {DEEPEST} levels")
            return {"workflow": "deep", "steps": []}
        found = self._kept(path, values, WORKFLOW)
        for key in ("steps", "tasks"):
            if isinstance(found.get(key), list | tuple):
                found[key] = [
                    self._step(f"{path}/{key}/{_name(each, number)}", each, depth)
                    for number, each in enumerate(found[key])
                ]
        return found

    def _step(self, path: str, values: object, depth: int) -> object:
        self._steps += 1
        if self._steps == self._max_steps + 1:
            self._fault(path, f"is one step too many: a draft has at most {self._max_steps}")
        if not isinstance(values, Mapping):
            return values
        found = self._kept(path, values, STEP)
        if "agent" in found:
            found["agent"] = self._worker(path, "agent", found["agent"])
        if "undo" in found and not isinstance(found["undo"], str):
            self._fault(path, f"undo: must be the name of a member, got {found.pop('undo')!r}")
        elif "undo" in found:
            found["undo"] = self._worker(path, "undo", found["undo"])
        if isinstance(found.get("retry"), Mapping):
            self._fault(path, f"retry: must be a number of retries, got {found.pop('retry')!r}")
        if isinstance(found.get("quality"), Mapping):
            found["quality"] = self._quality(f"{path}/quality", found["quality"])
        if isinstance(found.get("workflow"), Mapping):
            found["workflow"] = self.workflow(f"{path}/workflow", found["workflow"], depth + 1)
        if values.keys() & FORMS.keys() and not found.keys() & FORMS.keys():
            found["agent"] = STAND_IN
        return found

    def _quality(self, path: str, values: Mapping[str, object]) -> dict[str, Any]:
        found = self._kept(path, values, QUALITY)
        scorers = found.get("scorers")
        if isinstance(scorers, Mapping) and not scorers.keys() & AGENT:
            found["scorers"] = {name: self._worker(path, f"scorers/{name}", each) for name, each in scorers.items()}
        elif scorers is not None:
            found["scorers"] = self._worker(path, "scorers", scorers)
        return found

    def _worker(self, path: str, key: str, value: object) -> object:
        """The name of a member, a capability or a pool."""
        if isinstance(value, str) and ":" in value and not value.startswith("$"):
            self._fault(path, f"{key}: {value!r} names code, which a draft must not; name a member")
            return STAND_IN
        if isinstance(value, Mapping):
            found = self._kept(f"{path}/{key}", value, AGENT)
            if "pool" in found:
                found["pool"] = self._worker(f"{path}/{key}", "pool", found["pool"])
            return found if found.keys() & {"can", "pool"} else STAND_IN
        return value

    def _kept(self, path: str, values: Mapping[str, object], allowed: frozenset[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            if key in allowed:
                found[key] = value
            elif key == "continue_as_new":
                self._fault(path, f"{key}: a draft is played inside a run, and cannot end it")
            elif key in _IN_FILES:
                self._fault(path, f"{key}: leads to code, which a draft must not name; the work is for members")
            else:
                self.faults.append(unknown_key(path, str(key), sorted(allowed)))
        return found

    def _fault(self, path: str, message: str) -> None:
        self.faults.append(SpecFault(path, message))


def _name(step: object, number: int) -> str:
    id = step.get("id") if isinstance(step, Mapping) else None
    return id if isinstance(id, str) and id.strip() and id.isprintable() else f"[{number}]"

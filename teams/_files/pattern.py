"""Patterns in files: mappings in place of builders.

| key that says which | pattern | further keys |
|---|---|---|
| `steps` | `sequential` | |
| `stages` | `pipeline` | |
| `branches` | `parallel` | `aggregator`, `policy`, `within` |
| `root` | `hierarchical` | `delegation_rules`, `synthesize`, `policy`, `within` |
| `commander` | `command` | `squad_leaders`, `policy`, `within` |
| `sections` | `sequential` of parts | `failure_handling` |
| `gate` | `quality_gate` | `producer`, `max_rounds` |
| `reviewer` | `refine` | `producer`, `max_iterations` |
| `topic` | `event_driven` | `deadline` |
| `reviewers` | `multi_stage_review` | `approval`, `policy`, `within` |

A target is a member or a role by name, `{ can = "capability" }`, a function as "module:name", or the mapping of another
pattern. Times are seconds or strings such as "30s". A condition is "module:name" of a function, or field, op and value
(_files/condition.py); nothing in a file is evaluated as code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from supervisors.spi import SpecError, attempt, nearest, unknown_key
from teams._dispatch.gather import GatherPolicy, collect, fail_fast, first, quorum
from teams._files.condition import Condition
from teams._files.form import Faults, FormKey, FormKeys, FormReader, TooManyFaults, placed
from teams._files.names import Names
from teams._members.target import can
from teams._runs.pattern import Pattern, Target
from teams._runs.step import step
from teams.patterns import (
    delegation,
    event_driven,
    hierarchical,
    multi_stage_review,
    parallel,
    pipeline,
    quality_gate,
    refine,
    sequential,
    stage,
)
from teams.recipes import command


def parse_pattern(values: Mapping[str, object], *, path: str = "pattern") -> Pattern:
    """The pattern that nested mappings describe, for `crew.play`. Imports the modules they name. `crew.check` says
    whether a team has all the members that it needs.

    Raises SpecError with every fault (of more than 100, the first 100), each with its place below `path`.
    """
    faults = Faults()
    with suppress(TooManyFaults):
        pattern = PatternReader(None, faults).pattern(path, values)
        if not faults:
            return pattern
    raise SpecError(faults)


class PatternReader(FormReader):
    """Reads patterns."""

    def __init__(self, names: Names | None, faults: Faults) -> None:
        """`names` are those of the team; None: they are not known yet."""
        super().__init__(faults)
        self._names = names

    def pattern(self, path: str, values: object) -> Pattern:
        """The pattern; another, with faults, if it is not one."""
        if not isinstance(values, Mapping):
            self.fault(path, f"must be a mapping with the keys of a pattern, got {values!r}")
            return NOTHING
        markers = [key for key in FORMS if key in values]
        if len(markers) != 1:
            given = f"got {' and '.join(markers)}" if markers else unmarked(values)
            self.fault(path, f"a pattern needs one of {', '.join(FORMS)}; {given}")
            return NOTHING
        build, keys = FORMS[markers[0]]
        if markers[0] == "sections":
            build = partial(self._in_sections, path)
        made: Pattern = self.form(path, values, build, keys, NOTHING)
        return made

    def _in_sections(self, path: str, sections: Mapping[str, object], failure_handling: str = "stop") -> Pattern:
        attempts = 2 if failure_handling in ("retry_once", "retry_then_skip") else 1
        on_failure = {"retry_once": "stop", "retry_then_skip": "skip"}.get(failure_handling, failure_handling)
        made = [self.section(f"{path}/sections/{name}", each, on_failure, attempts) for name, each in sections.items()]
        return sequential(*made)

    def target(self, path: str, value: object) -> Target:
        """A target of a step."""
        if isinstance(value, str):
            return self._name(path, value)
        if isinstance(value, Mapping) and "can" in value:
            return self._capability(path, value)
        if isinstance(value, Mapping):
            return self.pattern(path, value)
        self.fault(path, f'must be a name, {{ can = "capability" }} or a pattern, got {value!r}')
        return NOTHING

    def _name(self, path: str, name: str) -> Target:
        names = self._names
        if ":" in name and (names is None or name not in names.people):
            return self.function(path, "agent", name)
        if not name or (names is not None and name not in names.people):
            why = "has no members" if names is not None and name in names.declared else "is not in the team"
            hint = nearest(name, names.people) if names is not None else "give a name"
            self.fault(path, f"{name!r} {why}; {hint}")
        return name or NOTHING

    def _capability(self, path: str, values: Mapping[str, object]) -> Target:
        name = values["can"]
        self.faults += (unknown_key(path, str(key), ["can"]) for key in values if key != "can")
        if not isinstance(name, str) or not name:
            self.fault(path, f"can: must be the name of a capability, got {name!r}")
            return NOTHING
        if self._names is not None and name not in self._names.capabilities:
            hint = nearest(name, self._names.capabilities)
            self.fault(path, f"can: no member has the capability {name!r}; {hint}")
        return can(name)

    # How the value of a key is read

    def target_at(self, path: str, key: str, value: object) -> Target:
        """A target that stands under a key."""
        return self.target(f"{path}/{key}", value)

    def agent(self, path: str, key: str, value: object) -> Target:
        """The target of a step, which has the place of the step."""
        return self.target(path, value)

    def targets(self, path: str, key: str, value: object) -> list[Target]:
        """A list of targets."""
        return [self.target(where, each) for where, each in self.listed(path, key, value)]

    def fallback(self, path: str, key: str, value: object) -> list[Target]:
        """A list of targets that have one place."""
        return [self.target(f"{path}/{key}", each) for _, each in self.listed(path, key, value)]

    def step(self, path: str, value: object) -> Target:
        """A step: a target, or a mapping with `agent`."""
        if isinstance(value, Mapping) and "agent" in value:
            made: Target = self.form(path, value, step, STEP, NOTHING)
            return made
        return self.target(path, value)

    def steps(self, path: str, key: str, value: object) -> list[Target]:
        """A list of steps."""
        return [self.step(where, each) for where, each in self.listed(path, key, value)]

    def stages(self, path: str, key: str, value: object) -> list[Target]:
        """A list of stages, each called by its place unless it has a name."""
        found = []
        for where, each in self.listed(path, key, value):
            default = stage(where.rpartition("/")[2], NOTHING)
            values = {"name": where.rpartition("/")[2], **each} if isinstance(each, Mapping) else each
            found.append(self.form(where, values, stage, STAGE, default))
        return found

    def branches(self, path: str, key: str, value: object) -> dict[str, Target]:
        """Steps by name."""
        return {name: self.step(f"{path}/{key}/{name}", each) for name, each in self.named(path, key, value).items()}

    def reviewers(self, path: str, key: str, value: object) -> dict[str, Target]:
        """Targets by name."""
        return {name: self.target(f"{path}/{key}/{name}", each) for name, each in self.named(path, key, value).items()}

    def rules(self, path: str, key: str, value: object) -> list[Any]:
        """Delegation rules."""
        made = [self.form(where, each, delegation, RULE, None) for where, each in self.listed(path, key, value)]
        return [each for each in made if each is not None]

    def squads(self, path: str, key: str, value: object) -> dict[str, list[Target]]:
        """The workers of each squad leader."""
        if not isinstance(value, Mapping):
            self.fault(path, f"{key}: must be a mapping {{leader: workers}}, got {value!r}")
            return {}
        found = {}
        for leader, each in value.items():
            where = f"{path}/{key}/{leader}"
            self.target(where, leader)
            found[leader] = self.form(where, each, lambda workers: workers, SQUAD, [NOTHING])
        return found

    def sections(self, path: str, key: str, value: object) -> dict[str, Any]:
        """The mapping of each section, which is read when `failure_handling` is known."""
        if isinstance(value, Mapping) and value:
            return dict(value)
        self.fault(path, f"{key}: must be a mapping {{name: section}} with at least one, got {value!r}")
        return {}

    def failure_handling(self, path: str, key: str, value: object) -> str:
        """The fate of a section when an agent of it fails."""
        made: str = self.form(f"{path}/{key}", value, lambda agent_failure="stop": agent_failure, HANDLING, "stop")
        if made not in AGENT_FAILURES:
            self.fault(f"{path}/{key}", f"agent_failure: must be one of {', '.join(AGENT_FAILURES)}, got {made!r}")
            return "stop"
        return made

    def section(self, path: str, values: object, on_failure: str, attempts: int) -> Target:
        """The agents of a section, one after the other or at once."""

        def build(agents: Mapping[str, tuple[str, object]], pattern: object, **options: Any) -> Target:
            steps = {
                name: self.made(
                    path,
                    step,
                    {"target": self.target(*each), "name": name, "attempts": attempts, "on_failure": on_failure},
                    NOTHING,
                )
                for name, each in agents.items()
            }
            made: Pattern = NOTHING
            if str(pattern).lower() == "sequential":
                made = sequential(*steps.values())
            elif str(pattern).lower() == "parallel":
                made = parallel(steps, policy=fail_fast() if on_failure == "stop" else collect())
            else:
                self.fault(path, f"pattern: must be 'sequential' or 'parallel', got {pattern!r}")
            return step(made, name=path.rpartition("/")[2], **options)

        made: Target = self.form(path, values, build, SECTION, NOTHING)
        return made

    def agents(self, path: str, key: str, value: object) -> dict[str, tuple[str, object]]:
        """The agents of a section by name, each with its place."""
        named = self.named(path, key, [each for _, each in self.listed(path, key, value)])
        return dict(zip(named, placed(f"{path}/{key}", list(named.values())), strict=True))

    def policy(self, path: str, key: str, value: object) -> GatherPolicy:
        """A gather policy by name, or a quorum."""
        if isinstance(value, Mapping):
            made: GatherPolicy = self.form(f"{path}/{key}", value, quorum, QUORUM, collect())
            return made
        if isinstance(value, str) and value in POLICIES:
            return POLICIES[value]()
        self.fault(path, f"policy: must be one of {', '.join(POLICIES)} or {{ quorum = n }}, got {value!r}")
        return collect()

    def condition(self, path: str, key: str, value: object) -> Callable[[Any], object]:
        """A predicate: a mapping, or the name of a function."""
        if isinstance(value, Mapping):
            return attempt(Condition, f"{path}/{key}", value, self.faults) or bool
        return self.function(path, key, value)

    def topic(self, path: str, key: str, value: object) -> object:
        """A topic with a subscriber."""
        if self._names is not None and isinstance(value, str) and not self._names.hears(value):
            self.fault(path, f"topic: {value!r} has no subscriber; {nearest(value, self._names.topics)}")
        return value


NOTHING: Pattern = sequential(str)
"""Stands for a pattern or a target that could not be read."""

RAW: FormKey[FormReader] = FormKey()
"""The builder checks the value."""
SECONDS: FormKey[FormReader] = FormKey(FormReader.seconds)
FUNCTION: FormKey[FormReader] = FormKey(FormReader.function)
TARGET = FormKey(PatternReader.target_at)
POLICY = FormKey(PatternReader.policy)
MUST_TARGET = TARGET._replace(required=True)

STEP: FormKeys = {
    "agent": FormKey(PatternReader.agent, to="target", required=True),
    "name": RAW,
    "timeout": SECONDS,
    "on_failure": RAW,
    "attempts": RAW,
    "priority": RAW,
    "fallback": FormKey(PatternReader.fallback),
    "when": FormKey(PatternReader.condition),
    "transform": FUNCTION,
}
STAGE: FormKeys = {**STEP, "parallel": RAW}
RULE: FormKeys = {
    "parent": MUST_TARGET,
    "children": FormKey(PatternReader.targets, required=True),
    "condition": FormKey(PatternReader.condition, to="when"),
}
SQUAD: FormKeys = {"workers": FormKey(PatternReader.targets, required=True)}
SECTION: FormKeys = {
    "agents": FormKey(PatternReader.agents, required=True),
    "pattern": RAW._replace(required=True),
    "timeout": SECONDS,
    "on_failure": RAW,
}
HANDLING: FormKeys = {"agent_failure": RAW}
QUORUM: FormKeys = {"quorum": RAW._replace(to="n", required=True)}
GATHERED: FormKeys = {"policy": POLICY, "within": SECONDS}

AGENT_FAILURES = ("stop", "continue_with_warning", "retry_once", "skip", "retry_then_skip")
POLICIES: Mapping[str, Callable[[], GatherPolicy]] = {"collect": collect, "fail_fast": fail_fast, "first": first}


def _command(**given: Any) -> Pattern:
    """`command`, whose type mypy does not know yet where the table below is made: the modules import each other."""
    return command(**given)


FORMS: Mapping[str, tuple[Callable[..., Any], FormKeys]] = {
    "steps": (lambda steps: sequential(*steps), {"steps": FormKey(PatternReader.steps, required=True)}),
    "stages": (lambda stages: pipeline(*stages), {"stages": FormKey(PatternReader.stages, required=True)}),
    "branches": (
        lambda branches, **options: parallel(branches, **options),
        {
            "branches": FormKey(PatternReader.branches, required=True),
            "aggregator": TARGET._replace(to="merge"),
            **GATHERED,
        },
    ),
    "root": (
        hierarchical,
        {
            "root": MUST_TARGET,
            "delegation_rules": FormKey(PatternReader.rules, to="rules"),
            "synthesize": TARGET,
            **GATHERED,
        },
    ),
    "commander": (
        _command,
        {
            "commander": MUST_TARGET,
            "squad_leaders": FormKey(PatternReader.squads, to="squads", required=True),
            **GATHERED,
        },
    ),
    "sections": (
        sequential,
        {
            "sections": FormKey(PatternReader.sections, required=True),
            "failure_handling": FormKey(PatternReader.failure_handling),
        },
    ),
    "gate": (quality_gate, {"gate": MUST_TARGET, "producer": MUST_TARGET, "max_rounds": RAW}),
    "reviewer": (refine, {"reviewer": MUST_TARGET, "producer": MUST_TARGET, "max_iterations": RAW}),
    "reviewers": (
        multi_stage_review,
        {"reviewers": FormKey(PatternReader.reviewers, required=True), "approval": TARGET, **GATHERED},
    ),
    "topic": (event_driven, {"topic": FormKey(PatternReader.topic, required=True), "deadline": SECONDS}),
}
"""The key that says which pattern a mapping is -> its builder and its keys."""


def unmarked(values: Mapping[str, object]) -> str:
    """Describes a mapping without one of these keys, for an error."""
    for key in values:
        near = nearest(str(key), [*FORMS, "agent", "can"])
        if near.startswith("did"):
            return f"got {key!r}: {near}"
    return f"got {', '.join(map(str, values)) or 'nothing'}"

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

Whoever is to do something is a member or a role by name, `{ can = "capability" }`, a function as "module:name", or the
mapping of another pattern. Times are seconds or texts such as "30s". A condition is "module:name" of a function, or
field, op and value (_files/condition.py); nothing in a file is evaluated as code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from supervisors.spi import SpecError, SpecFault, attempt, unknown_key
from teams._checks.nearest import nearest
from teams._dispatch.gather import GatherPolicy, collect, fail_fast, first, quorum
from teams._files.condition import Condition
from teams._files.keys import (
    CommandKeys,
    EventDrivenKeys,
    FailureHandlingKeys,
    GateKeys,
    HierarchicalKeys,
    Keys,
    ParallelKeys,
    PipelineKeys,
    QuorumKeys,
    RefineKeys,
    ReviewKeys,
    RuleKeys,
    SectionKeys,
    SectionsKeys,
    SequentialKeys,
    SquadKeys,
    StageKeys,
    StepKeys,
)
from teams._files.names import Names
from teams._members.location import function_at
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

M = TypeVar("M", bound=Keys)
T = TypeVar("T")


def parse_pattern(values: Mapping[str, object], *, path: str = "pattern") -> Pattern:
    """The pattern that nested mappings describe, for `crew.play`. Imports the modules they name. Whether a team has
    everybody it needs is `crew.check`'s to say.

    Raises SpecError with every fault, each with its place below `path`.
    """
    faults: list[SpecFault] = []
    pattern = PatternReader(None, faults).pattern(path, values)
    if pattern is None or faults:
        raise SpecError(faults)
    return pattern


class PatternReader:
    """Reads patterns; what is wrong with them goes to `faults`."""

    def __init__(self, names: Names | None, faults: list[SpecFault]) -> None:
        """`names` are those of the team; None: they are not known yet."""
        self._names = names
        self._faults = faults

    def pattern(self, path: str, values: object) -> Pattern | None:
        """The pattern; None, with faults, if it is none."""
        if not isinstance(values, Mapping):
            self._fault(path, f"must be a mapping with the keys of a pattern, got {values!r}")
            return None
        before = len(self._faults)
        markers = [key for key in _READERS if key in values]
        if len(markers) != 1:
            given = f"got {' and '.join(markers)}" if markers else _nothing(values)
            self._fault(path, f"a pattern needs one of {', '.join(_READERS)}; {given}")
            return None
        made = _READERS[markers[0]](self, path, values)
        return made if len(self._faults) == before else None

    def target(self, path: str, value: object) -> Target | None:
        """Whoever is to do something; None, with a fault, if it is nobody."""
        if isinstance(value, str):
            return self._somebody(path, value)
        if isinstance(value, Mapping) and "can" in value:
            return self._capable(path, value)
        if isinstance(value, Mapping):
            return self.pattern(path, value)
        self._fault(path, f'must be a name, {{ can = "capability" }} or a pattern, got {value!r}')
        return None

    def _somebody(self, path: str, name: str) -> Target | None:
        names = self._names
        if ":" in name and (names is None or name not in names.people):
            return function_at(path, "agent", name, self._faults)
        if not name or (names is not None and name not in names.people):
            why = "has no members" if names is not None and name in names.declared else "is nobody here"
            hint = nearest(name, names.people) if names is not None else "give a name"
            self._fault(path, f"{name!r} {why}; {hint}")
            return None
        return name

    def _capable(self, path: str, values: Mapping[str, object]) -> Target | None:
        name = values["can"]
        self._faults += (unknown_key(path, str(key), ["can"]) for key in values if key != "can")
        if not isinstance(name, str) or not name:
            self._fault(path, f"can: must be the name of a capability, got {name!r}")
            return None
        if self._names is not None and name not in self._names.capabilities:
            self._fault(path, f"can: nobody can {name!r}; {nearest(name, self._names.capabilities)}")
            return None
        return can(name)

    # One reader for each marker

    def _sequential(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(SequentialKeys, path, values)
        if keys is None:
            return None
        steps = [self._step(where, each) for where, each in _placed(f"{path}/steps", keys.steps)]
        return self._made(path, sequential, *steps)

    def _step(self, path: str, value: object) -> Target | None:
        if not isinstance(value, Mapping) or "agent" not in value:
            return self.target(path, value)
        keys = self._read(StepKeys, path, value)
        target = self.target(path, value["agent"])
        return None if keys is None else self._made(path, step, target, name=keys.name, **self._settings(path, keys))

    def _settings(self, path: str, keys: StepKeys) -> dict[str, Any]:
        """What a step and a stage may both say."""
        settings: dict[str, Any] = {
            "timeout": keys.timeout,
            "on_failure": keys.on_failure,
            "attempts": keys.attempts,
            "priority": keys.priority,
            "fallback": tuple(self.target(f"{path}/fallback", each) for each in keys.fallback),
        }
        if keys.when is not None:
            settings["when"] = self._condition(path, "when", keys.when)
        if keys.transform is not None:
            settings["transform"] = function_at(path, "transform", keys.transform, self._faults)
        return settings

    def _pipeline(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(PipelineKeys, path, values)
        if keys is None:
            return None
        stages = [self._stage(where, each) for where, each in _placed(f"{path}/stages", keys.stages)]
        return self._made(path, pipeline, *stages)

    def _stage(self, path: str, value: object) -> object:
        keys = self._read(StageKeys, path, value)
        if keys is None:
            return None
        target = self.target(path, keys.agent)
        name = keys.name if keys.name is not None else path.rpartition("/")[2]
        return self._made(path, stage, name, target, parallel=keys.parallel, **self._settings(path, keys))

    def _parallel(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(ParallelKeys, path, values)
        if keys is None:
            return None
        named = keys.branches if isinstance(keys.branches, dict) else _named(keys.branches)
        branches = {name: self._step(f"{path}/branches/{name}", each) for name, each in named.items()}
        merge = None if keys.aggregator is None else self.target(f"{path}/aggregator", keys.aggregator)
        policy = self._policy(path, keys.policy)
        return self._made(path, parallel, branches, merge=merge, policy=policy, within=keys.within)

    def _hierarchical(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(HierarchicalKeys, path, values)
        if keys is None:
            return None
        root = self.target(f"{path}/root", keys.root)
        rules = [self._rule(where, each) for where, each in _placed(f"{path}/delegation_rules", keys.delegation_rules)]
        last = None if keys.synthesize is None else self.target(f"{path}/synthesize", keys.synthesize)
        policy = self._policy(path, keys.policy)
        return self._made(path, hierarchical, root, rules=rules, synthesize=last, policy=policy, within=keys.within)

    def _rule(self, path: str, value: object) -> object:
        keys = self._read(RuleKeys, path, value)
        if keys is None:
            return None
        parent = self.target(f"{path}/parent", keys.parent)
        children = [self.target(where, each) for where, each in _placed(f"{path}/children", keys.children)]
        when = None if keys.condition is None else self._condition(path, "condition", keys.condition)
        return self._made(path, delegation, parent, children, when=when)

    def _command(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(CommandKeys, path, values)
        if keys is None:
            return None
        commander = self.target(f"{path}/commander", keys.commander)
        squads: dict[str, list[Target | None]] = {}
        for leader, each in keys.squad_leaders.items():
            where = f"{path}/squad_leaders/{leader}"
            self.target(where, leader)
            squad = self._read(SquadKeys, where, each)
            workers = _placed(f"{where}/workers", squad.workers if squad is not None else [])
            squads[leader] = [self.target(*worker) for worker in workers]
        policy = self._policy(path, keys.policy)
        return self._made(path, command, commander, squads, policy=policy, within=keys.within)

    def _sections(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(SectionsKeys, path, values)
        if keys is None:
            return None
        given = {} if keys.failure_handling is None else keys.failure_handling
        handling = self._read(FailureHandlingKeys, f"{path}/failure_handling", given) or FailureHandlingKeys()
        sections = [
            self._section(f"{path}/sections/{name}", name, each, handling.agent_failure)
            for name, each in keys.sections.items()
        ]
        return self._made(path, sequential, *sections)

    def _section(self, path: str, name: str, value: object, agent_failure: str) -> object:
        if isinstance(value, Mapping) and isinstance(value.get("pattern"), str):
            value = {**value, "pattern": str(value["pattern"]).lower()}
        keys = self._read(SectionKeys, path, value)
        if keys is None:
            return None
        attempts = 2 if agent_failure in ("retry_once", "retry_then_skip") else 1
        on_failure = {"retry_once": "stop", "retry_then_skip": "skip"}.get(agent_failure, agent_failure)
        steps = {
            agent: self._made(
                path, step, self.target(where, each), name=agent, attempts=attempts, on_failure=on_failure
            )
            for (agent, each), (where, _) in zip(
                _named(keys.agents).items(), _placed(f"{path}/agents", keys.agents), strict=True
            )
        }
        made: Pattern | None
        if keys.pattern == "sequential":
            made = self._made(path, sequential, *steps.values())
        else:
            policy = fail_fast() if on_failure == "stop" else collect()
            made = self._made(path, parallel, steps, policy=policy)
        return self._made(path, step, made, name=name, timeout=keys.timeout, on_failure=keys.on_failure)

    def _gate(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(GateKeys, path, values)
        if keys is None:
            return None
        producer, gate = self.target(f"{path}/producer", keys.producer), self.target(f"{path}/gate", keys.gate)
        return self._made(path, quality_gate, producer, gate, max_rounds=keys.max_rounds)

    def _refine(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(RefineKeys, path, values)
        if keys is None:
            return None
        producer = self.target(f"{path}/producer", keys.producer)
        reviewer = self.target(f"{path}/reviewer", keys.reviewer)
        return self._made(path, refine, producer, reviewer, max_iterations=keys.max_iterations)

    def _review(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(ReviewKeys, path, values)
        if keys is None:
            return None
        named = keys.reviewers if isinstance(keys.reviewers, dict) else _named(keys.reviewers)
        reviewers = {name: self.target(f"{path}/reviewers/{name}", each) for name, each in named.items()}
        approval = None if keys.approval is None else self.target(f"{path}/approval", keys.approval)
        policy = self._policy(path, keys.policy)
        return self._made(path, multi_stage_review, reviewers, approval=approval, policy=policy, within=keys.within)

    def _event_driven(self, path: str, values: Mapping[str, object]) -> Pattern | None:
        keys = self._read(EventDrivenKeys, path, values)
        if keys is None:
            return None
        if self._names is not None and not self._names.hears(keys.topic):
            self._fault(path, f"topic: nobody hears of {keys.topic!r}; {nearest(keys.topic, self._names.topics)}")
        return self._made(path, event_driven, keys.topic, deadline=keys.deadline)

    # What they share

    def _condition(self, path: str, key: str, value: object) -> Callable[[Any], bool] | None:
        if isinstance(value, Mapping):
            return attempt(Condition, f"{path}/{key}", value, self._faults)
        return function_at(path, key, value, self._faults)

    def _policy(self, path: str, value: object) -> GatherPolicy | None:
        if isinstance(value, Mapping):
            keys = self._read(QuorumKeys, f"{path}/policy", value)
            return quorum(keys.quorum) if keys is not None else None
        if isinstance(value, str) and value in _POLICIES:
            return _POLICIES[value]()
        self._fault(path, f"policy: must be one of {', '.join(_POLICIES)} or {{ quorum = n }}, got {value!r}")
        return None

    def _read(self, model: type[M], path: str, values: object) -> M | None:
        if not isinstance(values, Mapping):
            self._fault(path, f"must be a mapping with the keys {', '.join(model.model_fields)}, got {values!r}")
            return None
        return attempt(model, path, values, self._faults)

    def _made(self, path: str, make: Callable[..., T], *parts: object, **settings: object) -> T | None:
        """What the builder makes of the parts; None if one of them is missing, which has been told."""
        every = [*parts, *(each for part in (*parts, *settings.values()) for each in _inside(part))]
        if any(each is None for each in every):
            return None
        try:
            return make(*parts, **settings)
        except SpecError as error:
            self._faults += (SpecFault(path, fault.message) for fault in error.faults)
        except ValueError as error:
            self._fault(path, str(error))
        return None

    def _fault(self, path: str, message: str) -> None:
        self._faults.append(SpecFault(path, message))


_POLICIES: Mapping[str, Callable[[], GatherPolicy]] = {"collect": collect, "fail_fast": fail_fast, "first": first}
_READERS: Mapping[str, Callable[[PatternReader, str, Mapping[str, object]], Pattern | None]] = {
    "steps": PatternReader._sequential,
    "stages": PatternReader._pipeline,
    "branches": PatternReader._parallel,
    "root": PatternReader._hierarchical,
    "commander": PatternReader._command,
    "sections": PatternReader._sections,
    "gate": PatternReader._gate,
    "reviewer": PatternReader._refine,
    "reviewers": PatternReader._review,
    "topic": PatternReader._event_driven,
}
"""Which key says which pattern a mapping is."""


def _nothing(values: Mapping[str, object]) -> str:
    for key in values:
        near = nearest(str(key), [*_READERS, "agent", "can"])
        if near.startswith("did"):
            return f"got {key!r}: {near}"
    return f"got {', '.join(map(str, values)) or 'nothing'}"


def _inside(part: object) -> Iterator[object]:
    """The parts of a part that must not be missing either."""
    if isinstance(part, Mapping):
        for each in part.values():
            yield each
            yield from _inside(each)
        yield from part
    elif isinstance(part, Sequence) and not isinstance(part, str):
        yield from part


def _placed(path: str, listed: Sequence[object]) -> Iterator[tuple[str, object]]:
    """Each of a list with its place: by its own name where it has one."""
    for index, each in enumerate(listed):
        name = each.get("name") if isinstance(each, Mapping) else each
        yield f"{path}/{name if isinstance(name, str) and name else f'[{index}]'}", each


def _named(listed: Sequence[object]) -> dict[str, object]:
    """A list as branches, each called what it is."""
    named: dict[str, object] = {}
    for index, each in enumerate(listed):
        name = each.get("name") if isinstance(each, Mapping) else each
        named[name if isinstance(name, str) and name not in named else f"{index}"] = each
    return named

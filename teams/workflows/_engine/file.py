"""Engines in files: TOML, and YAML with the extra `yaml`.

    workflow = "customer_support"       # one workflow, with the keys of _graph/file.py; or `workflows`, a list of them

    [engine]                            # the options of `engine`; none is required
    store = "sqlite:///runs.db"
    default_timeout = "5m"

    [agents]                            # members by id, each a function or an actor class
    classifier = "support_agents:classify"

    [[members]]                         # members with options, as in the file of a team; `roles`, too
    id = "processor"
    work = "support_agents:process"

    [[schedules]]                       # what starts by the clock, with the options of `schedule`
    id = "nightly"
    workflow = "customer_support"
    cron = "30 2 * * *"

    [[routings]]                        # a workflow that gives its work to the pattern of the first rule that holds
    name = "desk"
    rules = [
        { condition = "input.urgent", pattern = "parallel", agents = ["classifier", "processor"] },
        { condition = "default", pattern = { steps = ["classifier", "processor"] } },
    ]

`teams` is a list of teams, each with the keys of the file of a team, and `patterns` holds patterns by name. Every fault
is found at once, each with its place and the nearest name there is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from supervisors.spi import SpecError, SpecFault, SupervisorSpec, nearest, read_document, unknown_key
from teams._files.form import Faults, FormKey, FormKeys, FormReader, TooManyFaults
from teams._files.names import Names, mappings
from teams._files.pattern import PatternReader
from teams._files.team import read_people, read_team
from teams._members.member import Member
from teams._members.role import Role
from teams._runs.pattern import Pattern
from teams.workflows._engine.config import OF_FILES, OF_SUPERVISORS, ConfigValues, EngineArguments, table_values
from teams.workflows._engine.engine import AGENTS, engine
from teams.workflows._engine.ref import EngineRef
from teams.workflows._graph.check import unknown_names
from teams.workflows._graph.file import WORKFLOW, WorkflowDefaults, read_workflow
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.routing import Routing, RoutingRule, routing, rule
from teams.workflows._time.schedule import WorkflowSchedule, schedule

OPTIONS = OF_FILES | OF_SUPERVISORS
"""The keys of `engine`."""
PARTS = ("engine", "agents", "members", "roles", "teams", "patterns", "workflows", "routings", "schedules")
"""The keys of a document besides those of one workflow."""


def load_engine(path: str | os.PathLike[str], over: ConfigValues | None = None) -> SupervisorSpec[EngineRef]:
    """The engine that a `.toml`, `.yaml` or `.yml` file describes. Imports the modules it names. `over` counts before
    what the file says.

    Raises:
        SpecError: the file cannot be read or parsed, or the engine has faults; all of them, each with its place
    """
    return engine_from(read_document(path, "engine"), over)


def engine_from(values: Mapping[str, object], over: ConfigValues | None = None) -> SupervisorSpec[EngineRef]:
    """The engine that nested mappings describe, with the keys of a file. Imports the modules they name. `over` counts
    before what they say.

    Raises:
        SpecError: every fault (of more than 100, the first 100), each with its place
    """
    faults = Faults()
    made = None
    with suppress(TooManyFaults):
        made = _EngineReader(values, faults, over or ConfigValues()).engine()
    if made is None or faults:
        raise SpecError(tuple(dict.fromkeys(faults)))
    return made


class _EngineReader(FormReader):
    """Reads one engine and collects what is wrong with it."""

    def __init__(self, values: Mapping[str, object], faults: Faults, over: ConfigValues) -> None:
        super().__init__(faults)
        self._values = values
        self._own = self._mapping("engine")
        id = self._own.get("id", "engine")
        self._id = id if isinstance(id, str) and id else "engine"
        own = table_values(self._id, self._own)
        self.faults += [*over.faults, *own.faults]
        self._config = {**own.values, **over.values}
        """The values that are set, by field."""
        self._faulty: list[Mapping[str, object]] = []
        """The workflows with faults, of which none is made."""

    def engine(self) -> SupervisorSpec[EngineRef] | None:
        """The engine; None where nothing can be made of the document."""
        known = (*PARTS, *WORKFLOW)
        self.faults += (unknown_key(self._id, str(key), known) for key in self._values if key not in known)
        self.faults += (unknown_key(self._id, str(key), OPTIONS) for key in self._own if key not in OPTIONS)
        before = len(self.faults)
        people = self._people()
        teams = self._teams()
        patterns = self._patterns()
        sound = len(self.faults) == before  # otherwise a workflow may name what has a fault
        flows: list[Workflow | Routing] = [*self._workflows(), *self._routings()]
        named = len(self.faults) == before  # otherwise a schedule may name what has a fault
        if not sound:
            self.faults += self._name_faults(flows)
        self.faults += self._names_in_faulty()
        schedules = self._schedules()
        parts = [*(flows if sound else ()), *people, *teams, *(schedules if named else ())]
        options = self._options()
        try:
            return engine(self._id, *parts, patterns=patterns if sound else None, **options)
        except SpecError as error:
            self.faults += error.faults
            return None

    def _names(self) -> Names:
        own = mappings(self._values.get("members"))
        own += [{"id": id} for id in self._mapping("agents")]
        return Names.of(own, mappings(self._values.get("roles")))

    def _teams_named(self) -> dict[str, frozenset[str]]:
        return {
            str(each.get("team")): Names.of(mappings(each.get("members")), mappings(each.get("roles"))).sides
            for each in mappings(self._values.get("teams"))
        }

    def _workflows_named(self) -> set[str]:
        listed = [self._values, *mappings(self._values.get("workflows")), *mappings(self._values.get("routings"))]
        return {str(each.get("workflow", each.get("name"))) for each in listed} | self._mapping("patterns").keys()

    def _names_in_faulty(self) -> Iterator[SpecFault]:
        """The faults of names in workflows that have other faults: so all are told at once. What stands in the file
        counts as there.
        """
        kinds = (
            ("agent", "no member or role", self._names().sides),
            ("undo", "no member or role", self._names().sides),
            ("team", "team: no team", self._teams_named().keys()),
            ("workflow", "workflow: no workflow", self._workflows_named()),
        )
        for flow in self._faulty:
            name = flow.get("workflow", flow.get("name"))
            for step in (*mappings(flow.get("steps")), *mappings(flow.get("tasks"))):
                for key, what, there in kinds:
                    found = step.get(key)
                    if isinstance(found, str) and ":" not in found and found not in there:
                        where = f"{self._id}/{name}/{step.get('id')}"
                        yield SpecFault(where, f"{what} {found!r}; {nearest(found, there)}")

    def _name_faults(self, flows: Iterable[Workflow | Routing]) -> Iterator[SpecFault]:
        """The faults of names in workflows where members, teams or patterns have faults: what stands in the file counts
        as there.
        """
        names, teams, known = self._names(), self._teams_named(), self._workflows_named()
        for flow in flows:
            if isinstance(flow, Workflow):
                yield from unknown_names(
                    flow,
                    members=names.sides,
                    capabilities=names.capabilities,
                    teams=teams,
                    workflows=known,
                    path=f"{self._id}/{flow.name}",
                )

    def _mapping(self, key: str) -> Mapping[str, Any]:
        found = self._values.get(key, {})
        if isinstance(found, Mapping):
            return found
        self.fault(key, f"must be a mapping, got {found!r}")
        return {}

    def _options(self) -> dict[str, Any]:
        options = {key: each for key, each in self._config.items() if key in EngineArguments.__optional_keys__}
        return options | {key: each for key, each in self._own.items() if key in OF_SUPERVISORS and key != "id"}

    def _people(self) -> list[Member | Role]:
        agents = self._mapping("agents")
        short = [{"id": id, "work": each} for id, each in agents.items()]
        listed = self._values.get("members", [])
        if isinstance(listed, list | tuple):
            listed = [*short, *listed]
        roles = self._values.get("roles", [])
        return read_people({"team": AGENTS, "members": listed, "roles": roles}, self.faults)

    def _teams(self) -> list[SupervisorSpec]:
        found = []
        for place, each in self.listed(self._id, "teams", self._values.get("teams", [])):
            if isinstance(each, Mapping):
                found.append(read_team(each, self.faults))
            else:
                self.fault(place, f"must be a mapping with the keys of a team, got {each!r}")
        return [each for each in found if each is not None]

    def _patterns(self) -> dict[str, Pattern]:
        reader = PatternReader(None, self.faults)
        return {
            str(name): reader.pattern(f"{self._id}/patterns/{name}", each)
            for name, each in self._mapping("patterns").items()
        }

    def _workflows(self) -> list[Workflow]:
        listed = self.listed(self._id, "workflows", self._values.get("workflows", []))
        single = {key: each for key, each in self._values.items() if key in WORKFLOW}
        if single:
            listed.append(("workflow", single))
        if not listed and "routings" not in self._values:
            self.faults.append(
                SpecFault(self._id, 'has no workflows: write workflow = "name" with steps, or a list workflows')
            )
        defaults = WorkflowDefaults(
            **{key: each for key, each in self._config.items() if key in WorkflowDefaults._fields}
        )
        flows = []
        for place, each in listed:
            before = len(self.faults)
            flow = read_workflow(place, each, self.faults, defaults)
            if flow is not None and len(self.faults) == before:
                flows.append(flow)
            elif isinstance(each, Mapping):
                self._faulty.append(each)
        return flows

    def _routings(self) -> list[Routing]:
        reader = _RoutingReader(None, self.faults)
        listed = self.listed(self._id, "routings", self._values.get("routings", []))
        made = [reader.form(place, each, _routing, ROUTING, None) for place, each in listed]
        return [each for each in made if each is not None]

    def _schedules(self) -> list[WorkflowSchedule]:
        made = []
        for place, each in self.listed(self._id, "schedules", self._values.get("schedules", [])):
            id = each.get("id") if isinstance(each, Mapping) else None
            where = f"{self._id}/schedules/{id}" if isinstance(id, str) and id else place
            made.append(self.form(where, each, schedule, SCHEDULE, None))
        return [each for each in made if each is not None]


class _RoutingReader(PatternReader):
    """Reads routings."""

    def routing_rules(self, path: str, key: str, value: object) -> list[RoutingRule] | None:
        """The rules of a routing; None: one of them has faults."""
        made = [self.form(where, each, rule, ROUTING_RULE, None) for where, each in self.listed(path, key, value)]
        return None if None in made else made

    def way(self, path: str, key: str, value: object) -> object:
        """The name of a kind of pattern, or the mapping of a pattern."""
        return self.pattern(f"{path}/{key}", value) if isinstance(value, Mapping) else value


def _routing(name: str, rules: list[RoutingRule] | None, **options: Any) -> Routing | None:
    return None if rules is None else routing(name, *rules, **options)


RAW: FormKey[FormReader] = FormKey()
SECONDS: FormKey[FormReader] = FormKey(FormReader.seconds)
SCHEDULE: FormKeys = {
    "id": RAW._replace(required=True),
    "workflow": RAW._replace(required=True),
    "cron": RAW,
    "every": SECONDS,
    "tz": RAW,
    "input": RAW,
    "overlap": RAW,
    "catch_up": RAW,
    "jitter": SECONDS,
}
ROUTING_RULE: FormKeys = {
    "condition": RAW._replace(to="when", required=True),
    "pattern": FormKey(_RoutingReader.way, required=True),
    "agents": FormKey(_RoutingReader.targets),
    "root": FormKey(_RoutingReader.target_at),
    "name": RAW,
}
ROUTING: FormKeys = {
    "name": RAW._replace(required=True),
    "rules": FormKey(_RoutingReader.routing_rules, required=True),
    "timeout": SECONDS,
}

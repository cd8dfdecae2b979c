"""One run of a tree of scripted actors under faults and a schedule, judged by the reference model and by every other
oracle. A value.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from actors.spi import Future
from actors.testing.spi import (
    FaultPlan,
    OracleFailure,
    Schedule,
    Simulation,
    SimulationError,
    StaleReplay,
    Strategy,
    TimerFirst,
    matches,
    pack,
    simulation,
    unpack,
)
from supervisors._engine.settings import Settings
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors._supervisor.props import props_for
from supervisors._supervisor.ref import SupervisorRef
from supervisors.errors import SpecError
from supervisors.testing._encoding import spec_as_json, spec_from_json
from supervisors.testing._errors import ReferenceDisagreement
from supervisors.testing._reference import Reference
from supervisors.testing._scripted_actor import Perform

VERSION = 4
"""Of the blobs; those of version 1 were not of plain values, in those of version 2 `update_specs` put a new child last,
and in those of version 3 a budget without a period had one of 60 s.
"""

Deed = Literal[
    "work",
    "nap",
    "crash",
    "finish",
    "healthy",
    "ask",
    "stop",
    "kill",
    "start_child",
    "start_again",
    "terminate_child",
    "restart_child",
    "delete_child",
    "which_children",
    "count_children",
    "get_child_spec",
    "update_specs",
    "update_settings",
    "adopt_settings",
]
"""The actions of the script: on a worker (the first eight), or of a supervisor, about one of its children."""


@dataclass(frozen=True, slots=True)
class ScriptedAction:
    """One action of the script: at this time, for the actor at this path (of a pattern, the first match)."""

    at: float
    path: str
    deed: Deed
    spec: Spec | None = None
    """The child to start, for `start_child` of a static supervisor. For `update_specs`: the child that takes the place
    of the one with its id, or comes first where the last one goes; for a dynamic supervisor the template. For
    `update_settings` of a supervisor, and for `adopt_settings`, by way of its own supervisor: one that has these
    settings.
    """


@dataclass(frozen=True, slots=True)
class Trial:
    """A tree, what happens to it, and in which order."""

    tree: SupervisorSpec
    script: tuple[ScriptedAction, ...] = ()
    plan: FaultPlan = field(default_factory=FaultPlan)
    schedule: Schedule = field(default_factory=Schedule)
    search: tuple[str, int] | None = None
    """A search for a schedule and its seed, instead of a schedule."""
    seed: int = 0
    until: float = 20.0
    """Virtual seconds with faults; as many without faults follow."""

    def run(self) -> Reference:
        """Runs it. Raises `ReferenceDisagreement` or another `OracleFailure`; returns the model, for what it judged."""
        late = any(isinstance(move, TimerFirst) for move in self.schedule.moves)
        reference = Reference(self.tree, prompt=not late)
        self._play(self._simulation(), reference)
        return reference

    def as_moves(self) -> Trial:
        """The same run, with what its search did written down as moves: they keep their meaning when other parts of
        the trial are left out.
        """
        if self.search is None:
            return self
        sim = self._simulation(record=True)
        with suppress(OracleFailure):
            self._play(sim, Reference(self.tree))
        return replace(self, schedule=sim.schedule, search=None)

    def _simulation(self, *, record: bool = False) -> Simulation:
        search = None if self.search is None else Strategy(*self.search)
        return simulation(self.plan, self.schedule, self.seed, search=search, strict=False, record=record)

    def _play(self, sim: Simulation, reference: Reference) -> None:
        with sim:
            watch(sim, reference)
            timers = [sim.loop.call_at(each.at, partial(_perform, sim, self.tree, each)) for each in self.script]
            # Not `sim.start`, which waits: a tree that fails to start, or that tries for ever, is one of the cases.
            sim.runtime.spawn_nowait(props_for(self.tree, sim.runtime, self.tree.id), None, self.tree.id)
            sim.run(max(self.until, sim.now))
            sim.heal()
            sim.advance(self.until)
            reference.finish(sim.now)
            for timer in timers:
                timer.cancel()
        reference.finish(sim.now)

    def encode(self) -> str:
        """A blob that `decode` makes this trial of. Raises `NotEncodable` when the tree holds functions or objects."""
        tree = spec_as_json(self.tree, self.tree.id)
        script = [
            [each.at, each.path, each.deed, None if each.spec is None else spec_as_json(each.spec, each.path)]
            for each in self.script
        ]
        plan, schedule = self.plan.as_json(), self.schedule.as_json()
        return pack(VERSION, tree, script, plan, schedule, self.search, self.seed, self.until)

    @classmethod
    def decode(cls, blob: str) -> Trial:
        """Reads a blob of `encode`. It imports the modules of the actor classes named in it and runs nothing.

        Raises:
            StaleReplay: it is damaged, of another version, or names something that is not there any more
        """
        values = unpack(VERSION, blob)
        try:
            tree, actions, plan, schedule, search, seed, until = _SHAPE.validate_python(values)
            script = tuple(ScriptedAction(at, path, deed, _given(deed, spec)) for at, path, deed, spec in actions)
            return cls(
                _root(tree), script, FaultPlan.from_json(plan), Schedule.from_json(schedule), search, seed, until
            )
        except (SpecError, SimulationError, ValidationError, TypeError) as error:
            raise StaleReplay(f"stale: the blob says something that cannot be understood any more: {error}") from error

    def described(self) -> str:
        """The whole trial as text for a person."""
        lines = [*outline(self.tree), "script:", *(f"  {each.at:g} s {each.path} {each.deed}" for each in self.script)]
        lines += ["faults:", *(f"  {fault!r}" for fault in self.plan.faults)]
        order = f"search {self.search}" if self.search else repr(self.schedule)
        return "\n".join([*lines, f"{order}, seed {self.seed}, {self.until:g} s"])


_Values = dict[str, Any]
_SHAPE = TypeAdapter(
    tuple[
        _Values,
        list[tuple[float, str, Deed, _Values | None]],
        list[_Values],
        list[_Values],
        tuple[str, int] | None,
        int,
        float,
    ]
)
"""The parts of a blob: the tree, the script, the faults, the moves, the search, the seed and the time."""


def _root(values: _Values) -> SupervisorSpec:
    spec = spec_from_json(values, str(values.get("id")))
    if not isinstance(spec, SupervisorSpec):
        raise StaleReplay(f"stale: the root of the tree is a worker: {spec.id}")
    return spec


def _given(deed: Deed, values: _Values | None) -> Spec | None:
    spec = None if values is None else spec_from_json(values, str(values.get("id")))
    wanted, what = (SupervisorSpec, "supervisor") if deed in _SETTING else (ChildSpec, "worker")
    if spec is not None and not isinstance(spec, wanted):
        raise StaleReplay(f"stale: {deed} takes a {what}, and {spec.id} is none")
    return spec


def watch(sim: Simulation, reference: Reference) -> None:
    """Has the model judge every step of the simulation, and whatever is left at the end of it."""
    judged = 0
    failure: ReferenceDisagreement | None = None

    def look() -> None:
        nonlocal judged, failure
        if failure is not None:
            raise failure  # the first one, however often a waiter inside the simulation tries to go on
        observations = sim.observations
        try:
            while judged < len(observations):
                judged += 1
                reference.see(observations[judged - 1])
        except ReferenceDisagreement as found:
            failure = found
            raise

    sim.loop.after_step.append(look)


def outline(spec: Spec, indent: str = "") -> list[str]:
    """A tree as indented lines: what differs from the defaults."""
    fields = type(spec).model_fields
    given = {
        name: value for name, value in spec if value != fields[name].default and name not in ("id", "start", "children")
    }
    shown = " ".join(f"{name}={value.id if isinstance(value, ChildSpec) else value}" for name, value in given.items())
    lines = [f"{indent}{spec.id}: {shown}"]
    if isinstance(spec, SupervisorSpec):
        below = spec.children if spec.template is None else (spec.template,)
        for each in below:
            lines += outline(each, indent + "  ")
    return lines


def _updated(tree: SupervisorSpec, path: str, spec: ChildSpec) -> tuple[Spec, ...]:
    """The children of the supervisor at this path, with this one among them."""
    found: Spec | None = tree
    for id in path.split("/")[1:]:
        children = found.children if isinstance(found, SupervisorSpec) else ()
        found = next((each for each in children if each.id == id), None)
    if not isinstance(found, SupervisorSpec) or found.is_dynamic:
        return (spec,)
    if all(each.id != spec.id for each in found.children):
        return (spec, *found.children[:-1])
    return tuple(spec if each.id == spec.id else each for each in found.children)


_SETTING: Sequence[Deed] = ("update_settings", "adopt_settings")


def settings_of(spec: SupervisorSpec) -> Settings:
    """The fields of a spec that change in place; not the callbacks, which a blob cannot hold."""
    settings = Settings(max_restarts=spec.max_restarts, period=spec.period)
    if spec.is_dynamic:
        return Settings(**settings, max_children=spec.max_children)
    return Settings(**settings, strategy=spec.strategy, auto_shutdown=spec.auto_shutdown)


def _with_settings(tree: SupervisorSpec, path: str, given: SupervisorSpec) -> tuple[Spec, ...]:
    """The children of the supervisor above this path, of which that one has these settings; none where it cannot."""
    *above, id = path.split("/")
    found: Spec | None = tree
    for step in above[1:]:
        children = found.children if isinstance(found, SupervisorSpec) else ()
        found = next((each for each in children if each.id == step), None)
    if not isinstance(found, SupervisorSpec) or found.is_dynamic:
        return ()
    changed = [_changed(each, given) if each.id == id else each for each in found.children]
    return () if any(each is None for each in changed) else tuple(each for each in changed if each is not None)


def _changed(spec: Spec, given: SupervisorSpec) -> Spec | None:
    if not isinstance(spec, SupervisorSpec) or spec.is_dynamic != given.is_dynamic:
        return None
    values = {name: getattr(spec, name) for name in type(spec).model_fields}
    try:
        return SupervisorSpec(**{**values, **settings_of(given)})
    except (SpecError, ValidationError):
        return None


def _perform(sim: Simulation, tree: SupervisorSpec, action: ScriptedAction) -> None:
    """Carries out the action, if its actor exists."""
    path = next((path for path in sorted(sim.runtime.cells) if matches(action.path, path)), action.path)
    ref = sim.runtime.find(path)
    place, _, id = path.rpartition("/")
    above = sim.runtime.find(place) if place else None
    match action.deed:
        case "work" | "nap" | "crash" | "finish" | "healthy" if ref is not None:
            ref.tell(Perform(action.deed))
        case "ask" if ref is not None:
            _ignore(ref.ask(Perform("nap"), block=False, timeout=1.0))
        case "stop" if ref is not None:
            ref.stop(block=False)
        case "kill" if ref is not None:
            ref.kill()
        case "start_child" if isinstance(ref, SupervisorRef):
            _ignore(ref.start_child(action.spec if action.spec is not None else ()))
        case "update_specs" if isinstance(ref, SupervisorRef) and isinstance(action.spec, ChildSpec):
            _ignore(ref.update_specs(*_updated(tree, action.path, action.spec)))
        case "update_settings" if isinstance(ref, SupervisorRef) and isinstance(action.spec, SupervisorSpec):
            _ignore(ref.update_settings(**settings_of(action.spec)))
        case "adopt_settings" if isinstance(above, SupervisorRef) and isinstance(action.spec, SupervisorSpec):
            if specs := _with_settings(tree, action.path, action.spec):
                _ignore(above.update_specs(*specs))
        case "which_children" | "count_children" if isinstance(ref, SupervisorRef):
            _ignore(getattr(ref, action.deed)())
        case "start_again" if isinstance(above, SupervisorRef):
            _ignore(above.start_child(ChildSpec(id=id, start="supervisors.testing:ScriptedActor")))
        case "terminate_child" | "restart_child" | "delete_child" | "get_child_spec" if isinstance(
            above, SupervisorRef
        ):
            _ignore(getattr(above, action.deed)(id))


def _ignore(future: Future[Any]) -> None:
    """Ignores the answer: the model judges it."""
    future.add_done_callback(lambda _: None)

"""The parts of the spec of an engine, for programs that look at it without starting it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from supervisors.spi import ChildSpec, SpecError, SupervisorRef, SupervisorSpec
from teams._journal.open_store import open_store
from teams.workflows._engine.engine import EngineSupervisor, tracing_faults
from teams.workflows._engine.settings import EngineSettings

R_co = TypeVar("R_co", bound=SupervisorRef, covariant=True)


def is_engine(spec: object) -> bool:
    """Whether it is the spec of an engine."""
    return isinstance(spec, SupervisorSpec) and spec.supervisor_class is EngineSupervisor


def settings_of(spec: SupervisorSpec) -> EngineSettings:
    """The settings of an engine."""
    settings = _args(spec, "desk")[0]
    assert isinstance(settings, EngineSettings)
    return settings


def address_of(spec: SupervisorSpec) -> str | None:
    """The address of the store of an engine; None: a function opens it."""
    opened = _args(spec, "store")[0]
    return str(opened.args[0]) if isinstance(opened, partial) and opened.func is open_store else None


def with_store(spec: SupervisorSpec[R_co], address: str) -> SupervisorSpec[R_co]:
    """The engine with another store."""
    return with_config(spec, {"store": address})


def with_config(spec: SupervisorSpec[R_co], values: Mapping[str, Any]) -> SupervisorSpec[R_co]:
    """The engine with these settings in place of its own, by the names of `EngineConfig`. Its workflows stay as they
    are. Raises SpecError.
    """
    if values.get("tracing") and (faults := [*tracing_faults(spec.id, True)]):
        raise SpecError(faults)
    opened = _args(spec, "store")[0]
    own = opened if isinstance(opened, partial) and opened.func is open_store else None
    if "store" in values or (own is not None and "durability" in values):
        keywords = {} if own is None else dict(own.keywords)
        keywords |= {key: values[key] for key in ("durability",) if key in values}
        opened = partial(open_store, values.get("store", own.args[0] if own is not None else ""), **keywords)
    before = settings_of(spec)
    changed = {name: values[name] for name in _SETTINGS if name in values}
    settings = replace(before, **changed) if changed else before
    args = {"store": (opened,), "desk": (settings,), "scheduler": (settings,)}
    children = tuple(
        each.model_copy(update={"args": args[each.id]}) if each.id in args else each for each in spec.children
    )
    return spec.model_copy(update={"children": children})


_SETTINGS = ("max_concurrent_workflows", "default_timeout", "tracing", "max_value_bytes")


def _args(spec: SupervisorSpec, id: str) -> tuple[object, ...]:
    found = next(each for each in spec.children if each.id == id)
    assert isinstance(found, ChildSpec)
    assert isinstance(found.args, tuple)
    return found.args

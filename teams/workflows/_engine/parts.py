"""What is inside the spec of an engine, for programs that look at it without starting it."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from supervisors.spi import ChildSpec, SupervisorRef, SupervisorSpec
from teams._journal.open_store import open_store
from teams.workflows._engine.engine import EngineSupervisor
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
    opened = _args(spec, "store")[0]
    durability = opened.keywords if isinstance(opened, partial) and opened.func is open_store else {}
    store = partial(open_store, address, **durability)
    children = tuple(
        each.model_copy(update={"args": (store,)}) if each.id == "store" else each for each in spec.children
    )
    return spec.model_copy(update={"children": children})


def _args(spec: SupervisorSpec, id: str) -> tuple[object, ...]:
    found = next(each for each in spec.children if each.id == id)
    assert isinstance(found, ChildSpec)
    assert isinstance(found.args, tuple)
    return found.args

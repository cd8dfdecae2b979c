"""Which requests would wait for the start under way. An actor that runs in that start may ask, in any thread.

Nothing here changes the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from supervisors._engine.children import ChildState
from supervisors._engine.engine import Engine
from supervisors._engine.reconcile import start_error, update_faults
from supervisors._specs.spec import Spec


def starting(engine: Engine) -> str | None:
    """The child that the operation under way is starting."""
    child = None if engine.operation is None else engine.operation.starting
    return None if child is None else child.id


def start_waits(engine: Engine, what: object) -> bool:
    """Whether a request to start this child waits for its turn: it waits already, or would be accepted."""
    if engine.spec.is_dynamic or not isinstance(what, Spec):
        return False
    child = engine.children.get(what.id)
    waits = child is not None and child.awaits_start
    return waits or start_error(engine.spec, engine.path, engine.children, what, ending=engine.is_ending) is None


def restart_waits(engine: Engine, id: str, running: bool = False) -> bool:
    """Whether a request to start this child again waits for its turn."""
    child = None if engine.spec.is_dynamic else engine.children.get(id)
    if child is None:
        return False
    if running and (child.restarters or engine.running(id) is not None):
        return True
    return child.awaits_start or child.state in (ChildState.STOPPED, ChildState.DECLINED)


def update_waits(engine: Engine, specs: Sequence[Spec]) -> bool:
    """Whether `update_specs` is answered after the operation under way, rather than at once."""
    return not engine.spec.is_dynamic and not update_faults(engine.spec, engine.path, specs)


def update_stops(engine: Engine, id: str, specs: Sequence[Spec]) -> bool:
    """Whether `update_specs` stops this child."""
    child = engine.children.get(id)
    if child is None or not update_waits(engine, specs):
        return False
    return not any(spec.id == id and child.spec.runs_like(spec) for spec in specs)

"""The content of the live view, as values: taken on the loop thread between two turns, drawn in another."""

from __future__ import annotations

from typing import NamedTuple

from actors import Runtime
from actors._core.cell import Cell
from actors._core.introspection import queued_for
from actors._core.life import State
from supervisors import ChildInfo, Supervisor, SupervisorRef, SupervisorSpec
from supervisors._supervisor.messages import WhichChildren
from teams.cli._text import kind_text

INSTANCES = 1000
"""How many children of one dynamic supervisor are shown, those that do not run first; the number of the others is."""


class TreeNode(NamedTuple):
    """An actor, and those below it."""

    id: str
    what: str
    """The class of a worker, the strategy of a supervisor."""
    state: str
    due: float | None
    """When a child that backs off is started again, by the runtime's clock."""
    incarnation: int
    queued: int
    children: tuple[TreeNode, ...] = ()
    others: int = 0
    """Children that run and are only counted."""
    others_queued: int = 0


class Snapshot(NamedTuple):
    """A tree at one moment."""

    at: float
    """The runtime's clock, in seconds."""
    root: TreeNode
    """Its id is its path."""
    actors: int
    dead_letters: int


def take(runtime: Runtime, root: Cell) -> Snapshot:
    """The tree below `root` as it stands. On the loop thread only: there, nothing changes meanwhile."""
    dead_letters = sum(runtime.events.dead_letters.values())
    return Snapshot(runtime.now(), _node(runtime, root, root.path), len(runtime.cells), dead_letters)


def _node(runtime: Runtime, cell: Cell, id: str, info: ChildInfo | None = None) -> TreeNode:
    spec = _spec_of(cell)
    what = spec.strategy if spec is not None else _kind_of(cell)
    state = _state_of(cell) if info is None else info.state.value
    due = None if info is None else info.until
    incarnation = cell.incarnation if info is None else info.incarnation
    if cell.suspended and cell.state is State.RUNNING:
        state = "suspended"
    if spec is not None and not spec.is_dynamic and isinstance(cell.actor, Supervisor):
        infos: tuple[ChildInfo, ...] = cell.actor.which_children(WhichChildren())
        children = tuple(_child(runtime, cell.path, each) for each in infos)
        return TreeNode(id, what, state, due, incarnation, _queued(cell), children)
    below = list((cell.children or {}).values())
    shown = below
    if len(below) > INSTANCES:
        shown = sorted(below, key=_runs)[:INSTANCES]
    nodes = tuple(_node(runtime, child, child.id) for child in shown)
    others = len(below) - len(shown)
    queued = sum(map(_queued, below)) - sum(map(_queued, shown)) if others else 0
    return TreeNode(id, what, state, due, incarnation, _queued(cell), nodes, others, queued)


def _child(runtime: Runtime, path: str, info: ChildInfo) -> TreeNode:
    found = runtime.cells.get(f"{path}/{info.id}")
    if found is not None:
        return _node(runtime, found, info.id, info)
    spec = info.spec
    what = spec.strategy if isinstance(spec, SupervisorSpec) else kind_text(getattr(spec, "start", None), ())
    return TreeNode(info.id, what, info.state.value, info.until, info.incarnation, 0)


def _spec_of(cell: Cell) -> SupervisorSpec | None:
    view = cell.ref.view() if isinstance(cell.ref, SupervisorRef) else None
    return view if isinstance(view, SupervisorSpec) else None


def _state_of(cell: Cell) -> str:
    return "backing_off" if cell.state is State.DOWN else cell.state.value


def _kind_of(cell: Cell) -> str:
    props = cell.props
    return kind_text(props.kind.actor_class, (*props.args, *props.kwargs.values()))


def _runs(cell: Cell) -> bool:
    return cell.state is State.RUNNING


def _queued(cell: Cell) -> int:
    return queued_for(cell)

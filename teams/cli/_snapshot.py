"""The content of the live view, as values: taken on the loop thread between two turns, drawn in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from actors import Runtime
from actors._core.cell import Cell
from actors._core.life import State
from supervisors import ChildInfo, Supervisor, SupervisorSpec
from supervisors._supervisor.messages import WhichChildren
from teams.cli._text import kind_text

INSTANCES = 8
"""How many children of one dynamic supervisor are shown; their number is said."""


class Row(NamedTuple):
    """One line of the tree."""

    lasts: tuple[bool, ...]
    """For each level from the root's children down to this one: whether no sibling follows."""
    id: str
    what: str
    """The class of a worker, the strategy of a supervisor; of a line for many, what they are."""
    state: str
    due: float | None
    """When a child that backs off is started again, by the runtime's clock."""
    incarnation: int
    queued: int


class Snapshot(NamedTuple):
    """A tree at one moment."""

    at: float
    """The runtime's clock, in seconds."""
    rows: tuple[Row, ...]
    actors: int
    dead_letters: int


def take(runtime: Runtime, root: Cell) -> Snapshot:
    """The tree below `root` as it stands. On the loop thread only: there, nothing changes meanwhile."""
    rows = tuple(_rows(runtime, root))
    dead_letters = sum(runtime.events.dead_letters.values())
    return Snapshot(runtime.now(), rows, len(runtime.cells), dead_letters)


def _rows(runtime: Runtime, root: Cell) -> Iterator[Row]:
    spec = _spec_of(root)
    what = spec.strategy if spec is not None else _kind_of(root)
    yield Row((), root.path, what, root.state.value, None, root.incarnation, _queued(root))
    yield from _below(runtime, root, ())


def _below(runtime: Runtime, cell: Cell, lasts: tuple[bool, ...]) -> Iterator[Row]:
    spec = _spec_of(cell)
    if spec is not None and not spec.is_dynamic:
        infos: tuple[ChildInfo, ...] = cell.actor.which_children(WhichChildren())
        for number, info in enumerate(infos, 1):
            here = (*lasts, number == len(infos))
            found = runtime.cells.get(f"{cell.path}/{info.id}")
            what = info.spec.strategy if isinstance(info.spec, SupervisorSpec) else _class_of(found, info)
            queued = _queued(found) if found is not None else 0
            yield Row(here, info.id, what, info.state.value, info.until, info.incarnation, queued)
            if found is not None:
                yield from _below(runtime, found, here)
        return
    children: Mapping[str, Cell] = cell.children or {}
    for number, child in enumerate(islice(list(children.values()), INSTANCES), 1):
        here = (*lasts, number == len(children))
        state = "backing_off" if child.state is State.DOWN else child.state.value
        what = _kind_of(child)
        yield Row(here, child.id, what, state, None, child.incarnation, _queued(child))
        yield from _below(runtime, child, here)
    if len(children) > INSTANCES:
        queued = sum(_queued(child) for child in islice(children.values(), INSTANCES, None))
        yield Row((*lasts, True), "…", f"and {len(children) - INSTANCES} more", "", None, 0, queued)


def _spec_of(cell: Cell) -> SupervisorSpec | None:
    view = cell.ref.view() if isinstance(cell.actor, Supervisor) else None
    return view if isinstance(view, SupervisorSpec) else None


def _class_of(cell: Cell | None, info: ChildInfo) -> str:
    return _kind_of(cell) if cell is not None else kind_text(getattr(info.spec, "start", None), ())


def _kind_of(cell: Cell) -> str:
    props = cell.props
    return kind_text(props.kind.actor_class, (*props.args, *props.kwargs.values()))


def _queued(cell: Cell) -> int:
    return len(cell.queue) + len(cell.urgent or ())

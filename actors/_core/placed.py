"""The kind of an actor that lives in another process: what this process has of it is a stand-in.

Its table sends every message on, and its hooks are those of the place: the host does the work.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from actors._core.actor_type import ActorType
from actors._core.handlers import SYSTEM, Dispatch, HandlerFunction
from actors._core.hooks import NOTHING
from actors._core.process import HostChoice, PlaceSpec, module_of

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.hooks import Rest
    from actors.reasons import ExitReason


class HostOfPlaces(Protocol):
    """The calls that a stand-in makes to its host."""

    async def begin_place(self, cell: Cell, start: PlacedStart, /) -> None:
        """Starts the place of the incarnation, and returns when the actor there is up. Raises what failed its start."""
        ...

    def waits_for(self, cell: Cell, /) -> str:
        """What the start of the incarnation waits for, in words."""
        ...

    async def end_place(self, cell: Cell, reason: ExitReason, /) -> None:
        """Ends the place in order, and returns when it is gone. Raises what the hook of the end has raised."""
        ...


class PlacedStart:
    """The values with which an incarnation in another process begins."""

    __slots__ = ("args", "carried", "kwargs")

    def __init__(self, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.carried: object = NOTHING


class PlacedActor:
    """Stands in its cell for an instance that lives in another process."""

    __slots__ = ("_cell", "_progress", "_start", "trap_exits")

    def __init__(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object], trap_exits: bool) -> None:
        self._cell = cell
        self._start = PlacedStart(args, kwargs)
        self._progress = False
        self.trap_exits = trap_exits

    def on_restore(self, carried: object) -> None:
        """Keeps the value for the process to come."""
        self._start.carried = carried

    def on_start(self) -> Coroutine[Any, Any, None]:
        """Starts the process, and the actor there."""
        return cast("HostOfPlaces", self._cell.host).begin_place(self._cell, self._start)

    def note_progress(self) -> None:
        """The life of the process was progress."""
        self._progress = True

    def made_progress(self) -> bool:
        """Whether the life of a supervisor in its process was progress."""
        return self._progress


async def _send_on(stand_in: PlacedActor, message: object) -> None:
    """Never runs: the host of the place sends the message, and closes this coroutine."""


class SendingTable(Dispatch):
    """Every message is sent on, pykka's proxies included; an order to stop, and what this process alone knows, is
    handled here, unless `everything` is sent.
    """

    def __init__(self, send_on: HandlerFunction = _send_on, *, everything: bool = False) -> None:
        here = {} if everything else {kind: each for kind, each in SYSTEM.items() if kind not in _SENT_ON}
        super().__init__(here, send_on)

    def __missing__(self, kind: type) -> HandlerFunction:
        self[kind] = self._fallback
        return self._fallback


_SENT_ON = (ProxyCall, ProxyGetAttr, ProxySetAttr)


class PlacedType(ActorType):
    """An actor class whose instances live in another process."""

    placed = True

    def __init__(self, kind: ActorType, spec: PlaceSpec, runs: object = None, modules: Sequence[str] = ()) -> None:
        """`runs`: the function that the actor runs, where it is that of one. `modules`: those of what a supervisor
        starts there.
        """
        self.actor_class = kind.actor_class
        self.inside = kind
        """The kind of the actor in its process."""
        self.spec = spec
        own = () if runs is None else (kind.actor_class.__module__,)
        found = (module_of(kind.actor_class if runs is None else runs), *modules)
        self.preload = (*own, *(found if spec.preload is None else spec.preload))
        """The modules that are imported before its process is forked."""
        self.in_main = "__main__" in found
        """Whether its class or function is one of the main module."""
        self.table = SendingTable()
        self.concurrency = max(spec.prefetch, kind.concurrency)
        self.ref_type = kind.ref_type
        self.continues = False
        self.answers = kind.answers
        self.carries = kind.carries
        self.resumes = kind.resumes
        self.idle_timeout = None
        self.manages_lifecycle = False  # of the life there only the start and the end are known here
        self.says_progress = kind.manages_lifecycle
        self.host = spec
        self.mailbox = kind.mailbox

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> PlacedActor:
        """Makes the stand-in."""
        trap_exits = not self.inside.foreign and bool(self.actor_class.trap_exits)
        return PlacedActor(cell, args, kwargs, trap_exits)

    def waits_for(self, cell: Cell) -> str:
        """What its start waits for over there."""
        return cast("HostOfPlaces", cell.host).waits_for(cell)

    def farewell(self, cell: Cell, reason: ExitReason) -> Rest:
        """The end of the place; its hooks run there."""
        return cast("HostOfPlaces", cell.host).end_place(cell, reason)


def placed_type(kind: ActorType, host: HostChoice, runs: object = None, modules: Sequence[str] = ()) -> ActorType:
    """The kind of such actors on this host: in processes of their own, if it is one. `runs`: the function that they
    run. `modules`: those of what a supervisor starts there.
    """
    return PlacedType(kind, host, runs, modules) if isinstance(host, PlaceSpec) else kind

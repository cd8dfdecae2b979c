"""The actor in its process: its cell, its runtime, its messages, and the names that the program keeps."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.observer import Observer
from actors._core.possessions import WatchedName
from actors._core.props import Props
from actors._core.ref import ActorRef
from actors._core.reply import CallbackReply
from actors._core.watchers import Watchers
from actors._peer.outside import OutsideCell
from actors._runtime.registry import Registry
from actors._runtime.runtime import Runtime
from actors.errors import NotInPlace

if TYPE_CHECKING:
    from actors._place.codec import RefKey
    from actors.reasons import ExitReason


class InnerActors(Protocol):
    """The inner actors, as their cells and the names need them."""

    def is_below(self, path: str) -> bool:
        """Whether this is the path of an actor below the placed one."""

    def settled(self, cell: Cell) -> None:
        """Another incarnation may follow."""

    def suspended(self, cell: Cell) -> None:
        """The actor is suspended, or takes messages again."""

    def publish_view(self, cell: Cell, view: object) -> None:
        """Shows a view in the program."""

    def numbers_below(self, path: str, but: Container[str]) -> dict[str, int]:
        """The last incarnations of the children of this actor in the last process."""


class InnerPeer(Protocol):
    """The peer, as the cell and the runtime of its actor know it."""

    @property
    def inner(self) -> InnerActors:
        """The inner actors."""

    def order(self, path: str, order: str, sender: Cell | None = None) -> None:
        """Gives an order to an actor of the program."""

    def show_view(self, view: object) -> None:
        """Sends a view. Raises `NotSendable`."""

    def look_up(self, what: str, name: str, kind: str | None = None, sender: Cell | None = None) -> Any:
        """Asks the program, for `sender` or for the placed actor, and blocks this thread until it answers. Raises what
        was raised there.
        """

    def cell_for(self, key: RefKey) -> Cell:
        """The cell of an actor of the program."""


class NumberedEnvelope(Envelope):
    """A message from the program, which knows it by this number."""

    __slots__ = ("number",)

    number: int


def link_reply(number: int, answer: Callable[[int, bool, Any], object]) -> CallbackReply:
    """Sends the answer to the program. It is done when it was answered: whether the asker still waits is known in the
    program only.
    """
    return CallbackReply(partial(answer, number, True), partial(answer, number, False))


class InnerCell(Cell):
    """The cell of the actor of this process."""

    __slots__ = ("_above", "_peer")

    def __init__(
        self, runtime: Runtime, peer: InnerPeer, props: Props, path: str, above: str | None, *, supervised: bool
    ) -> None:
        self._peer = peer
        self._above = above
        super().__init__(runtime, props, path, None, supervised=supervised)

    @property
    def above(self) -> str | None:
        return self._above

    def heed(self, reason: ExitReason) -> None:
        """The actor was told to stop, and its handler goes on: its code may ask for that."""
        if self.told_to_stop is None:
            self.told_to_stop = reason
            if self.possessions is not None:
                self.possessions.tell()

    def put_stop(self, envelope: Envelope) -> None:
        """It waits its turn in the mailbox, which the program has."""
        self._peer.order(self.path, "stop")

    def publish_view(self, view: object) -> None:
        self._peer.show_view(view)
        super().publish_view(view)

    def kept_by(self, make: Callable[[], Any]) -> Any:
        if self.props.kind.manages_lifecycle:
            return super().kept_by(make)  # what a supervisor keeps of itself
        raise NotInPlace(
            self.path, "kept()", "What it keeps would end with the process. Keep it in another actor, or use carry_over"
        )

    def watch(self) -> Watchers:
        if self.watchers is None:
            self.watchers = InnerWatchers(self, self._peer)
        return self.watchers

    def numbers_below(self, but: Container[str]) -> dict[str, int]:
        return self._peer.inner.numbers_below(self.path, but) | super().numbers_below(but)


class InnerWatchers(Watchers):
    """The monitors and links of an actor of this process. A link to one of the program is a link of the cells there."""

    __slots__ = ("_peer",)

    def __init__(self, cell: Cell, peer: InnerPeer) -> None:
        super().__init__(cell)
        self._peer = peer

    def add_link(self, other: Cell) -> None:
        if isinstance(other, OutsideCell):
            self._peer.order(other.path, "link", self._cell)
        else:
            super().add_link(other)

    def remove_link(self, other: Cell) -> None:
        if isinstance(other, OutsideCell):
            self._peer.order(other.path, "unlink", self._cell)
        else:
            super().remove_link(other)


class BelowCell(Cell):
    """The cell of an inner actor, which was started in this process. The program shows those below the placed actor."""

    __slots__ = ("_peer",)

    def __init__(
        self,
        peer: InnerPeer,
        runtime: Runtime,
        props: Props,
        path: str,
        parent: Cell | None,
        *,
        supervised: bool,
        placed: bool = False,
    ) -> None:
        self._peer = peer
        super().__init__(runtime, props, path, parent, supervised=supervised, placed=placed)

    @property
    def is_shown(self) -> bool:
        """Whether the program shows it."""
        return self._peer.inner.is_below(self.path)

    def watch(self) -> Watchers:
        if self.watchers is None:
            self.watchers = InnerWatchers(self, self._peer) if self.is_shown else Watchers(self)
        return self.watchers

    def settle_exit(self) -> None:
        super().settle_exit()
        if self.is_shown:
            self._peer.inner.settled(self)

    def suspend(self, suspended: bool) -> None:
        super().suspend(suspended)
        if self.is_shown:
            self._peer.inner.suspended(self)

    def publish_view(self, view: object) -> None:
        super().publish_view(view)
        if self.is_shown:
            self._peer.inner.publish_view(self, view)

    def numbers_below(self, but: Container[str]) -> dict[str, int]:
        return self._peer.inner.numbers_below(self.path, but) | super().numbers_below(but)


class PeerRuntime(Runtime):
    """The runtime of one actor, and of what it starts. Other actors and their names are known to the program."""

    peer: InnerPeer

    def __init__(self, peer: InnerPeer, observer: Observer, name: str, **options: Any) -> None:
        super().__init__(name, watchdog=None, log=False, **options)
        self.cell_type = partial(BelowCell, peer)
        self.peer = peer
        self.observer = observer
        self.registry = PeerRegistry(peer, self.control_call)

    def make_hosts(self) -> None:
        """Makes the hosts. After each message others have a turn: what it has told them is sent before the next one."""
        super().make_hosts()
        self.loop_host.slice = 1

    def find(self, path: str) -> ActorRef[Any] | None:
        cell = self.cells.get(path)
        if cell is None and self.peer.inner.is_below(path):
            return None
        if cell is None or isinstance(cell, OutsideCell):
            key = self.peer.look_up("find", path)
            cell = None if key is None else self.peer.cell_for(key)
        return None if cell is None else cell.ref


class PeerRegistry(Registry):
    """The names of the program, and those of actors that were started in this process without a parent."""

    def __init__(self, peer: InnerPeer, control_call: Callable[..., None]) -> None:
        super().__init__(control_call)
        self._peer = peer

    def _is_shown(self, cell: Cell) -> bool:
        """Whether the program knows the actor."""
        return isinstance(cell, InnerCell) or self._peer.inner.is_below(cell.path)

    def register(self, name: str, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("register", name, None, cell)
        else:
            super().register(name, cell)

    def unregister(self, name: str, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("unregister", name, None, cell)
        else:
            super().unregister(name, cell)

    def whereis(self, name: str) -> Cell | None:
        found = super().whereis(name)
        if found is None:
            key = self._peer.look_up("whereis", name)
            found = None if key is None else self._peer.cell_for(key)
        return found

    def join(self, group: str, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("join", group, None, cell)
        else:
            super().join(group, cell)

    def leave(self, group: str, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("leave", group, None, cell)
        else:
            super().leave(group, cell)

    def members(self, group: str) -> list[Cell]:
        outside = [self._peer.cell_for(key) for key in self._peer.look_up("members", group)]
        return [*outside, *super().members(group)]

    def watch(self, watched: WatchedName, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("watch", watched.name, watched.kind, cell)
        else:
            super().watch(watched, cell)

    def unwatch(self, watched: WatchedName, cell: Cell) -> None:
        if self._is_shown(cell):
            self._peer.look_up("unwatch", watched.name, watched.kind, cell)
        else:
            super().unwatch(watched, cell)

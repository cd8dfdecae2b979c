"""The possessions of one incarnation: timers, names, groups, subscriptions, tasks and resources. They end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors._core.current import own_incarnation
from actors._core.life import ABSENT, ON_ITS_WAY_OUT
from actors._core.owned import Owned
from actors.errors import IncarnationEnded

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.timers import Timer
    from actors.events import Subscription


class Possessions:
    """What an incarnation has taken. Only one that takes something has this object. Timers are kept on the loop thread,
    the rest on the host of the actor. A thread that was left behind may ask while the loop ends the incarnation, so
    each method notes first and looks then.
    """

    __slots__ = ("_cell", "_groups", "_names", "_subscriptions", "_told", "owned", "timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.timers: set[Timer] = set()
        self._names: list[str] = []
        self._groups: list[str] = []
        self._subscriptions: list[Subscription] = []
        self._told: dict[object, Callable[[], object]] | None = None
        """Called when the incarnation is told to end, by keys of their own."""
        self.owned: Owned | None = None
        """Its tasks and resources, if it has any."""

    def own(self, what: str) -> Owned:
        """The tasks and resources of the incarnation, to take another one: `what`. Raises `IncarnationEnded`."""
        cell = self._cell
        if is_over(cell) or (self.owned is not None and self.owned.closed):
            raise IncarnationEnded(cell.path, own_incarnation(cell), what)
        return self.owns()

    def owns(self) -> Owned:
        """The tasks and resources of the incarnation."""
        if self.owned is None:
            self.owned = Owned(self._cell)
        return self.owned

    def when_told(self, then: Callable[[], object]) -> Callable[[], object]:
        """Calls `then` on the loop thread when the incarnation is told to stop, crashes or is killed; at once if that
        has happened, and perhaps twice. Returns a function that takes it back. From any thread.
        """
        key, told = object(), self._told
        if told is None:
            told = self._told = {}
        told[key] = then
        if is_ending(self._cell):  # it may have been told in between, and `then` called already
            self._cell.runtime.on_loop(then)
        return lambda: told.pop(key, None)

    def tell(self) -> None:
        """The incarnation is told to end."""
        told, self._told = self._told, None
        for then in list((told or {}).values()):
            self._cell.runtime.attempt(self._cell.path, "a callback of its end", then)

    def take_name(self, name: str) -> None:
        """Registers a name. Raises `NameTaken` and `IncarnationEnded`."""
        cell = self._cell
        if name == cell.props.name:
            return  # it belongs to the place, and stays when the incarnation ends
        cell.runtime.registry.register(name, cell)
        self._names.append(name)
        if is_over(cell):
            cell.runtime.registry.unregister(name, cell)
            raise IncarnationEnded(cell.path, own_incarnation(cell), f"register({name!r})")

    def join_group(self, group: str) -> None:
        """Makes the actor a member of the group. Raises `IncarnationEnded`."""
        cell = self._cell
        cell.runtime.registry.join(group, cell)
        self._groups.append(group)
        if is_over(cell):
            cell.runtime.registry.leave(group, cell)
            raise IncarnationEnded(cell.path, own_incarnation(cell), f"join({group!r})")

    def keep_subscription(self, subscription: Subscription) -> None:
        """Keeps a subscription. Raises `IncarnationEnded`."""
        self._subscriptions.append(subscription)
        if is_over(self._cell):
            subscription.cancel()
            raise IncarnationEnded(self._cell.path, own_incarnation(self._cell), "subscribe()")

    def keep_timer(self, timer: Timer) -> None:
        """Keeps a timer."""
        self.timers.add(timer)

    def forget_timer(self, timer: Timer) -> None:
        """The timer has ended."""
        self.timers.discard(timer)

    def release(self) -> None:
        """The incarnation has ended: gives everything up."""
        for timer in list(self.timers):
            timer.end()
        registry = self._cell.runtime.registry
        for group in self._groups:
            registry.leave(group, self._cell)
        for name in self._names:
            registry.unregister(name, self._cell)
        for subscription in self._subscriptions:
            subscription.cancel()
        if self._told is not None:
            self.tell()
        if self.owned is not None:
            self.owned.drop()


def is_ending(cell: Cell) -> bool:
    """Whether the incarnation to which the running code belongs was told to stop, ends or has ended."""
    return cell.told_to_stop is not None or cell.phase in ON_ITS_WAY_OUT or is_over(cell)


def is_over(cell: Cell) -> bool:
    """Whether the incarnation to which the running code belongs has ended."""
    return cell.phase in ABSENT or own_incarnation(cell) != cell.incarnation


def for_incarnation(cell: Cell, step: Callable[[], object]) -> None:
    """Has the loop thread do something for the incarnation to which the running code belongs, if it is there."""
    incarnation = own_incarnation(cell)

    def do() -> None:
        if incarnation == cell.incarnation and cell.phase not in ABSENT:
            step()

    cell.runtime.on_loop(do)

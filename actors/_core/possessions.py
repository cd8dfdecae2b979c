"""The possessions of one incarnation: timers, names, groups and subscriptions. They end with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.timers import Timer
    from actors.events import Subscription


class Possessions:
    """What an incarnation has taken. Only one that takes something has this object. Timers are kept on the runtime's
    loop thread, the rest on the actor's host.
    """

    __slots__ = ("_cell", "_groups", "_names", "_subscriptions", "timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.timers: set[Timer] = set()
        self._names: list[str] = []
        self._groups: list[str] = []
        self._subscriptions: list[Subscription] = []

    def take_name(self, name: str) -> None:
        """Registers a name. Raises `NameTaken`."""
        self._cell.runtime.registry.register(name, self._cell)
        self._names.append(name)

    def join_group(self, group: str) -> None:
        """Makes the actor a member of the group."""
        self._cell.runtime.registry.join(group, self._cell)
        self._groups.append(group)

    def keep_subscription(self, subscription: Subscription) -> None:
        """Keeps a subscription."""
        self._subscriptions.append(subscription)

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

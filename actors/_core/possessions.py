"""The possessions of one incarnation: timers, names, groups and subscriptions. They end with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors._core.current import own_incarnation
from actors._core.life import ABSENT
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

    __slots__ = ("_cell", "_groups", "_healthy", "_names", "_subscriptions", "_tied", "timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.timers: set[Timer] = set()
        self._names: list[str] = []
        self._groups: list[str] = []
        self._subscriptions: list[Subscription] = []
        self._healthy = 0
        self._tied: dict[int, Callable[[], object]] = {}

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

    def tie(self, number: int, end: Callable[[], object], what: str) -> None:
        """Keeps a function that ends something which is of no use without this incarnation: it is called at the end.
        Raises `IncarnationEnded`, in the words of `what`, after it has called it.
        """
        self._tied[number] = end
        if is_over(self._cell):
            del self._tied[number]
            end()
            raise IncarnationEnded(self._cell.path, own_incarnation(self._cell), what)

    def untie(self, number: int) -> None:
        """What was tied has ended. From any thread."""
        self._tied.pop(number, None)

    def say_healthy(self) -> None:
        """Notes that the incarnation to which the running code belongs works. Raises `IncarnationEnded`."""
        incarnation = own_incarnation(self._cell)
        if is_over(self._cell):
            raise IncarnationEnded(self._cell.path, incarnation, "healthy()")
        # By its number: a thread that is left behind right now writes this into what the next incarnation has.
        self._healthy = incarnation

    @property
    def healthy(self) -> bool:
        """Whether the present incarnation has said that it works."""
        return self._healthy == self._cell.incarnation

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
        for end in list(self._tied.values()):
            end()


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

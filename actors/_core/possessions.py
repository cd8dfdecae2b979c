"""The possessions of one incarnation, such as timers, names, monitors, tasks and resources. They end with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Literal, NamedTuple

from actors._core.current import own_incarnation
from actors._core.life import ABSENT, ON_ITS_WAY_OUT
from actors._core.owned import Owned
from actors._user_code.text import shown
from actors.errors import IncarnationEnded

if TYPE_CHECKING:
    from actors._core.actor import Actor
    from actors._core.cell import Cell
    from actors._core.idle import IdleTimer
    from actors._core.reply import TakenReply
    from actors._core.timers import KeyedTimer, Timer
    from actors.events import Subscription
    from actors.reasons import ExitReason


class WatchedName(NamedTuple):
    """A name or group whose changes an actor wants to be told."""

    kind: Literal["name", "group"]
    name: str


def check_text(name: object, call: str, what: str = "name") -> None:
    """Raises TypeError, in the words of `call`, unless this name or group is a text."""
    if not isinstance(name, str):
        raise TypeError(f"{call} takes the {what} as a str, got {shown(name)}")


class Possessions:
    """What an incarnation has taken. Only one that takes something has this object. Timers are kept on the loop thread,
    the rest on the host of the actor. A thread that was left behind may ask while the loop ends the incarnation, so
    each method notes first and looks then.
    """

    __slots__ = (
        "_cell",
        "_groups",
        "_healthy",
        "_names",
        "_subscriptions",
        "_tied",
        "_told",
        "_watches",
        "exit_reason",
        "idle",
        "keyed",
        "monitors",
        "owned",
        "replies",
        "timers",
    )

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.timers: set[Timer] = set()
        self.keyed: dict[Hashable, KeyedTimer] = {}
        """The timers that have a key, by key, until their message was handled."""
        self.idle: IdleTimer | None = None
        """The idle timeout, if there is one."""
        self.monitors: set[int] = set()
        """The numbers of the monitors whose `Down` was not handled."""
        self.replies: dict[TakenReply, None] = {}
        """The replies that were taken over and are not answered, in the order in which they were taken."""
        self.exit_reason: ExitReason | None = None
        """The exit that the incarnation asked for while it started."""
        self._watches: dict[WatchedName, None] = {}
        self._names: dict[str, None] = {}
        self._groups: dict[str, None] = {}
        self._subscriptions: list[Subscription] = []
        self._healthy = 0
        self._tied: dict[int, Callable[[], object]] = {}
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

    def cancel_tasks(self) -> None:
        """The tasks of the incarnation end."""
        if self.owned is not None:
            self.owned.cancel_tasks()

    def take_name(self, name: str) -> None:
        """Registers a name. Raises `NameTaken` and `IncarnationEnded`."""
        cell = self._cell
        if name == cell.props.name:
            return  # it belongs to the place, and stays when the incarnation ends
        cell.runtime.registry.register(name, cell)
        self._names[name] = None
        if is_over(cell):
            cell.runtime.registry.unregister(name, cell)
            raise IncarnationEnded(cell.path, own_incarnation(cell), f"register({name!r})")

    def give_up_name(self, name: str) -> bool:
        """Releases a name that the incarnation has taken. Returns whether it had it."""
        if name not in self._names:
            return False
        del self._names[name]
        self._cell.runtime.registry.unregister(name, self._cell)
        return True

    def watch(self, watched: WatchedName) -> None:
        """Has the changes of a name or group told to the actor. Raises `IncarnationEnded`."""
        cell, registry = self._cell, self._cell.runtime.registry
        registry.watch(watched, cell)
        self._watches[watched] = None
        if is_over(cell):
            registry.unwatch(watched, cell)
            raise IncarnationEnded(cell.path, own_incarnation(cell), f"watch_{watched.kind}({watched.name!r})")

    def unwatch(self, watched: WatchedName) -> None:
        """The changes of a name or group are not told any more."""
        if watched in self._watches:
            del self._watches[watched]
            self._cell.runtime.registry.unwatch(watched, self._cell)

    def leave_later(self, reason: ExitReason) -> None:
        """The incarnation has asked for its end while it starts. The first reason counts."""
        if self.exit_reason is None:
            self.exit_reason = reason

    def join_group(self, group: str) -> None:
        """Makes the actor a member of the group. Raises `IncarnationEnded`."""
        cell = self._cell
        cell.runtime.registry.join(group, cell)
        self._groups[group] = None
        if is_over(cell):
            cell.runtime.registry.leave(group, cell)
            raise IncarnationEnded(cell.path, own_incarnation(cell), f"join({group!r})")

    def leave_group(self, group: str) -> None:
        """Takes the actor out of the group."""
        self._groups.pop(group, None)
        self._cell.runtime.registry.leave(group, self._cell)

    def keep_subscription(self, subscription: Subscription) -> None:
        """Keeps a subscription. Raises `IncarnationEnded`."""
        self._subscriptions.append(subscription)
        if is_over(self._cell):
            subscription.cancel()
            raise IncarnationEnded(self._cell.path, own_incarnation(self._cell), "subscribe()")

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
        if self.idle is not None:
            self.idle.end()
        for timer in list(self.timers):
            timer.end()
        for reply in list(self.replies):
            reply.abandon(self._cell.reason)
        registry = self._cell.runtime.registry
        for watched in self._watches:
            registry.unwatch(watched, self._cell)
        for group in self._groups:
            registry.leave(group, self._cell)
        for name in self._names:
            registry.unregister(name, self._cell)
        for subscription in self._subscriptions:
            subscription.cancel()
        for end in list(self._tied.values()):
            end()
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


def has_ended(actor: Actor) -> bool:
    """Whether the incarnation whose instance this is has ended, or that to which the running code belongs. A thread
    that the actor began by itself has no context: there the instance alone tells.
    """
    cell = actor._cell
    return actor._cell_incarnation != cell.incarnation or is_over(cell)


def present(actor: Actor, what: str) -> Cell:
    """The cell of an actor, if the incarnation whose instance this is has not ended. Raises `IncarnationEnded`, in the
    words of `what`.
    """
    cell = actor._cell
    if actor._cell_incarnation != cell.incarnation or cell.phase in ABSENT:
        raise IncarnationEnded(cell.path, actor._cell_incarnation, what)
    return cell


def for_incarnation(cell: Cell, step: Callable[[], object]) -> None:
    """Has the loop thread do something for the incarnation to which the running code belongs, if it is there."""
    incarnation = own_incarnation(cell)

    def do() -> None:
        if incarnation == cell.incarnation and cell.phase not in ABSENT:
            step()

    cell.runtime.on_loop(do)

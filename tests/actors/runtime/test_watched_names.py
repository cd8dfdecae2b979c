"""Names and groups that an actor watches, and a name that it gives back."""

from __future__ import annotations

import contextvars
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorRef, IncarnationEnded, Joined, Left, NameRegistered, NameReleased, NameTaken, bounded
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import Host, Player, crash, seen_by, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]


def test_a_name_that_is_given_back_is_free_at_once() -> None:
    with simulation() as sim:
        one, other = sim.spawn(Player), sim.spawn(Player)
        one.ask(lambda self: (self.register("n"), self.register("n")))
        assert one.ask(lambda self: (self.unregister("n"), self.unregister("n"))) == (True, False)
        other.ask(lambda self: self.register("n"))
        assert sim.runtime.whereis("n") is other
        assert one.ask(lambda self: self.unregister("n")) is False
        assert sim.runtime.whereis("n") is other


def test_the_name_of_a_spec_belongs_to_the_place_and_is_not_given_back() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, name="n"))).child("a")
        assert ref.ask(lambda self: self.unregister("n")) is False
        assert sim.runtime.whereis("n") is ref


@pytest.mark.parametrize("host", HOSTS)
def test_a_watcher_of_a_name_is_told_its_state_and_each_change(host: Host) -> None:
    with simulation() as sim:
        ref, one, other = sim.spawn(Player, host=host), sim.spawn(Player), sim.spawn(Player)
        ref.ask(lambda self: self.watch_name("n"))
        one.ask(lambda self: self.register("n"))
        one.ask(lambda self: self.unregister("n"))
        other.ask(lambda self: self.register("n"))
        other.kill()
        sim.settle()
        told: list[Any] = [NameReleased("n", None)]
        told += [kind("n", each) for each in (one, other) for kind in (NameRegistered, NameReleased)]
        assert seen_by(ref) == told
        late = sim.spawn(Player)
        one.ask(lambda self: self.register("n"))
        late.ask(lambda self: self.watch_name("n"))
        sim.settle()
        assert seen_by(late) == [NameRegistered("n", one)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_watcher_of_a_group_is_told_its_members_and_each_change(host: Host) -> None:
    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        one, two, three = (sim.spawn(Player) for _ in range(3))
        for each in (one, two):
            each.ask(lambda self: self.join("g"))
        ref.ask(lambda self: self.watch_group("g"))
        three.ask(lambda self: (self.join("g"), self.join("g"), self.join("another")))
        one.ask(lambda self: (self.leave("g"), self.leave("g")))
        two.kill()
        sim.settle()
        assert seen_by(ref) == [Joined("g", one), Joined("g", two), Joined("g", three), Left("g", one), Left("g", two)]


def test_the_name_of_a_spec_is_told_too() -> None:
    """Guards names that belong to a place: registered with it, kept through a restart, released with it."""
    with simulation() as sim:
        ref = sim.spawn(Player)
        ref.ask(lambda self: self.watch_name("n"))
        root = sim.start(supervisor("root", child("a", Player, name="n", backoff=None)))
        a = root.child("a")
        a.tell(crash(OSError()))
        sim.settle()
        root.stop()
        sim.settle()
        assert seen_by(ref) == [NameReleased("n", None), NameRegistered("n", a), NameReleased("n", a)]


def test_a_watch_ends_when_it_is_taken_back_and_with_its_incarnation() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None))).child("a")
        other = sim.spawn(Player)
        ref.ask(lambda self: (self.watch_name("n"), self.watch_name("n"), self.watch_group("g")))
        ref.ask(lambda self: (self.unwatch_name("n"), self.unwatch_name("n")))
        other.ask(lambda self: self.register("n"))
        sim.settle()
        assert seen_by(ref) == [NameReleased("n", None)]
        ref.tell(crash(OSError()))
        sim.settle()
        other.ask(lambda self: self.join("g"))
        sim.settle()
        assert (ref.incarnation, seen_by(ref)) == (2, [])
        assert sim.runtime.registry.size == 2
        ref.ask(lambda self: (self.watch_group("g"), self.unwatch_group("g")))
        other.ask(lambda self: self.leave("g"))
        sim.settle()
        assert seen_by(ref) == [Joined("g", other)]


def test_such_messages_pass_a_full_mailbox_and_are_no_progress() -> None:
    """Supervision rule 34: they travel in the system lane."""
    with simulation() as sim:
        ref, other = sim.spawn(Player, mailbox=bounded(1)), sim.spawn(Player)
        ref.ask(lambda self: self.watch_group("g"))
        ref.suspend()
        ref.tell("fills it")
        other.ask(lambda self: self.join("g"))
        sim.settle()
        ref.resume()
        sim.settle()
        assert seen_by(ref) == [Joined("g", other), "fills it"]


def test_a_message_that_waits_when_its_actor_ends_is_a_dead_letter() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Player), sim.spawn(Player)
        ref.ask(lambda self: self.watch_group("g"))
        ref.suspend()
        other.ask(lambda self: self.join("g"))
        sim.settle()
        ref.kill()
        sim.settle()
        assert sim.runtime.events.dead_letters == {"dropped": 1}


acts = st.lists(
    st.tuples(
        st.sampled_from(["register", "unregister", "join", "leave", "crash", "watch", "unwatch"]), st.integers(0, 2)
    ),
    max_size=25,
)


@given(acts, st.lists(st.sampled_from(HOSTS), min_size=4, max_size=4))
def test_a_watcher_that_adds_up_what_it_is_told_knows_the_registry(plan: list[Any], hosts: list[Host]) -> None:
    """In whatever order actors on loop and threads register, leave and end."""
    with simulation() as sim:
        specs = [child(str(number), Player, backoff=None, host=hosts[number]) for number in range(3)]
        root = sim.start(supervisor("root", *specs, max_restarts=None))
        refs = [root.child(str(number)) for number in range(3)]
        ref = sim.spawn(Player, host=hosts[3])

        def take(self: Any) -> None:
            with suppress(NameTaken):
                self.register("n")

        for what, number in plan:
            match what:
                case "register":
                    refs[number].tell(take)
                case "unregister":
                    refs[number].tell(lambda self: self.unregister("n"))
                case "join":
                    refs[number].tell(lambda self: self.join("g"))
                case "leave":
                    refs[number].tell(lambda self: self.leave("g"))
                case "crash":
                    refs[number].tell(crash(OSError()))
                case "watch":
                    ref.tell(lambda self: (self.watch_name("n"), self.watch_group("g")))
                case _:
                    ref.tell(lambda self: (self.unwatch_name("n"), self.unwatch_group("g"), self.seen.clear()))
        ref.tell(lambda self: (self.unwatch_name("n"), self.unwatch_group("g"), self.seen.clear()))
        sim.settle()
        ref.tell(lambda self: (self.seen.clear(), self.watch_name("n"), self.watch_group("g")))
        for each in refs:
            each.tell(lambda self: self.unregister("n") or self.join("g"))
            each.tell(crash(OSError()))
            each.tell(lambda self: self.join("g"))
            each.tell(take)
        sim.settle()
        owner: ActorRef[Any] | None = None
        members: list[ActorRef[Any]] = []
        for message in seen_by(ref):
            match message:
                case NameRegistered():
                    assert owner is None
                    owner = message.ref
                case NameReleased():
                    assert owner is message.ref
                    owner = None
                case Joined():
                    members.append(message.ref)
                case Left():
                    members.remove(message.ref)
        assert owner is sim.runtime.whereis("n")
        assert members == sim.runtime.members("g")


@in_loop
async def test_watches_leave_nothing_behind() -> None:
    """`stage` looks at the registry, which counts them."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda self: (self.watch_name("n"), self.watch_group("g")))
        assert w.runtime.registry.size == 2
        ref.kill()
        await w.settle()
        assert w.runtime.registry.size == 0


def test_a_registry_that_is_not_watched_tells_nothing() -> None:
    """The cost of those that do not use it: no step on the loop."""
    with simulation() as sim:
        ref = sim.spawn(Player)
        calls: list[object] = []
        registry, ask = sim.runtime.registry, sim.runtime.registry._control_call
        registry._control_call = lambda *args: (calls.append(args), ask(*args))  # type: ignore[func-returns-value,assignment]
        ref.ask(lambda self: (self.register("n"), self.join("g"), self.leave("g"), self.unregister("n")))
        assert calls == []
        ref.ask(lambda self: (self.watch_name("n"), self.join("g"), self.register("n")))
        assert len(calls) == 2


def test_joining_and_leaving_again_and_again_keeps_nothing() -> None:
    with simulation() as sim:
        ref = sim.spawn(Player)
        for _ in range(20):
            ref.ask(lambda self: (self.join("g"), self.leave("g"), self.register("n"), self.unregister("n")))
        possessions = ref._cell.possessions
        assert possessions is not None
        assert (len(possessions._groups), len(possessions._names)) == (0, 0)


def test_a_thread_that_was_left_behind_watches_nothing() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None))).child("a")
        old: list[Any] = []

        def keep_context(self: Any) -> None:
            old.append((contextvars.copy_context(), self))

        ref.ask(keep_context)
        ref.tell(crash(OSError()))
        sim.settle()
        context, actor = old[0]
        for watch in (actor.watch_name, actor.watch_group):
            with pytest.raises(IncarnationEnded):
                context.run(watch, "x")
        assert sim.runtime.registry.size == 0

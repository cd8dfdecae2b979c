"""Names and groups of one runtime."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor, NameTaken, Runtime
from supervisors import child, start, supervisor
from tests.actors.cast import Player, Starter, crash, stage
from tests.support import in_loop


@in_loop
async def test_a_name_belongs_to_one_actor_and_the_error_names_the_owner() -> None:
    """Guards uniqueness; the refused actor leaves nothing behind."""
    async with stage() as w:
        owner = await w.runtime.spawn(Player, name="n")
        with pytest.raises(NameTaken) as caught:
            await w.runtime.spawn(Player, name="n")
        assert (caught.value.name, caught.value.owner) == ("n", owner.path)
        assert w.runtime.whereis("n") is owner
        assert list(w.runtime.cells.values()) == [owner._cell]


@in_loop
async def test_a_name_of_its_own_can_be_registered_twice_by_the_same_actor_only() -> None:
    """Guards `register` in a handler: taken names raise there, and the crash is the actor's own."""
    async with stage() as w:
        one, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        await one.call(lambda self: (self.register("n"), self.register("n")))
        with pytest.raises(NameTaken):
            await other.call(lambda self: self.register("n"))
        assert w.runtime.whereis("n") is one
        assert not other.is_alive()


@in_loop
async def test_a_name_of_a_spec_survives_a_restart_and_one_taken_later_does_not() -> None:
    """Guards rule 26: the place keeps its name, the incarnation loses what it took."""
    async with stage() as w:
        tree = supervisor("root", child("a", Player, name="given", backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            await ref.call(lambda self: (self.register("own"), self.join("all")))
            ref.tell(crash(ValueError()))
            await w.settle()
            assert ref.incarnation == 2
            assert w.runtime.whereis("given") is ref
            assert w.runtime.whereis("own") is None
            assert w.runtime.members("all") == []


@in_loop
async def test_a_failed_start_releases_the_name() -> None:
    """Guards the next attempt."""
    async with stage() as w:
        with pytest.raises(Exception, match="did not start"):
            await w.runtime.spawn(Starter, args={"on_start": crash(ValueError())}, name="n")
        assert await w.runtime.spawn(Player, name="n") is w.runtime.whereis("n")


@in_loop
async def test_members_of_a_group_come_in_the_order_in_which_they_joined() -> None:
    """Guards the order, joining twice, and leaving."""
    async with stage() as w:
        refs = [await w.runtime.spawn(Player) for _ in range(3)]
        for ref in (refs[1], refs[0], refs[2], refs[1]):
            await ref.call(lambda self: self.join("g"))
        assert w.runtime.members("g") == [refs[1], refs[0], refs[2]]
        await refs[0].call(lambda self: self.leave("g"))
        await refs[0].call(lambda self: self.leave("g"))
        assert w.runtime.members("g") == [refs[1], refs[2]]


@in_loop
async def test_an_actor_that_ends_leaves_its_groups() -> None:
    """Guards the list of members against the dead."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda self: self.join("g"))
        ref.kill()
        await w.settle()
        assert w.runtime.members("g") == []
        assert w.runtime.registry.size == 0


@in_loop
async def test_names_of_two_runtimes_do_not_meet() -> None:
    """Guards that the registry belongs to the runtime."""
    async with stage() as one, Runtime(watchdog=None, log=False) as other:
        here, there = await one.runtime.spawn(Player, name="n"), await other.spawn(Player, name="n")
        assert one.runtime.whereis("n") is here
        assert other.whereis("n") is there


@in_loop
async def test_an_actor_that_registers_in_a_thread_has_the_name_at_once() -> None:
    async with stage() as w:
        found: list[Any] = []

        class Named(Actor):
            host = "thread"

            def on_start(self) -> None:
                self.register("n")
                found.append(self.runtime.whereis("n"))

        ref = await w.runtime.spawn(Named)
        assert found == [ref]

"""Monitors and links (supervision rules 31 and 32)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, ActorRef, Crashed, Down, Exit, Future, Killed, LinkedExit, NoProc, Normal, Shutdown
from supervisors import child, start, supervisor
from tests.actors.cast import Player, Starter, crash, forever, seen_by, stage
from tests.support import in_loop


class Trapper(Player):
    """Gets a message where others would end."""

    trap_exits = True


@in_loop
async def test_a_monitor_on_an_actor_that_is_gone_tells_noproc_at_once() -> None:
    """Guards a watcher that comes too late against waiting for ever."""
    async with stage() as w:
        watcher, gone = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        await gone.stop(block=False)
        number = await watcher.call(lambda self: self.monitor(gone))
        await w.settle()
        assert seen_by(watcher) == [Down(gone, NoProc(), number)]


@in_loop
async def test_two_monitors_are_two_messages_with_numbers_of_their_own() -> None:
    """Guards against merging: each `monitor` call gets its own `Down`."""
    async with stage() as w:
        watcher, watched = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        numbers = await watcher.call(lambda self: [self.monitor(watched), self.monitor(watched)])
        watched.kill()
        await w.settle()
        assert sorted(down.monitor for down in seen_by(watcher)) == sorted(set(numbers))


@in_loop
async def test_a_monitor_taken_back_is_silent() -> None:
    """Guards `demonitor`."""
    async with stage() as w:
        watcher, watched = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        await watcher.call(lambda self: self.demonitor(self.monitor(watched)))
        watched.kill()
        await w.settle()
        assert seen_by(watcher) == []


moves = st.lists(
    st.tuples(
        st.sampled_from(["monitor"] * 4 + ["demonitor", "crash", "kill", "stop", "settle", "watcher crashes"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(max_examples=80)
@given(moves)
@in_loop
async def test_every_monitor_tells_exactly_once_however_its_actor_ends(plan: list[tuple[str, int]]) -> None:
    """Guards rule 31 for any order of monitors, exits, restarts and monitors taken back."""
    async with stage() as w:
        specs = [child(str(number), Player, backoff=None) for number in range(3)]
        async with start(supervisor("root", *specs, max_restarts=None), runtime=w.runtime) as root:
            downs: list[Down] = []
            watcher = await w.runtime.spawn(Player, args={"seen": downs})
            due: Counter[int] = Counter()
            for what, which in plan:
                ref = root.child(str(which))
                match what:
                    case "monitor":
                        due[await watcher.call(lambda self, ref=ref: self.monitor(ref))] += 1
                    case "demonitor" if due:
                        number = max(due)
                        await watcher.call(lambda self, number=number: self.demonitor(number))
                        await w.settle()
                        if number not in {down.monitor for down in downs}:
                            del due[number]
                    case "crash":
                        ref.tell(crash(ValueError()))
                    case "kill":
                        ref.kill()
                    case "stop":
                        ref.stop(block=False)
                    case "settle":
                        await w.settle()
                    case _:
                        pass
            await w.settle()
        await w.settle()
        assert Counter(down.monitor for down in downs) == due


@in_loop
async def test_a_monitor_ends_with_the_incarnation_that_asked_for_it() -> None:
    """Guards the next incarnation against news it never asked for."""
    async with stage() as w:
        spec = supervisor("root", child("a", Player, backoff=None))
        async with start(spec, runtime=w.runtime) as root:
            watcher, watched = root.child("a"), await w.runtime.spawn(Player)
            await watcher.call(lambda self: self.monitor(watched))
            watcher.tell(crash(ValueError()))
            await w.settle()
            watched.kill()
            await w.settle()
            assert watcher.incarnation == 2
            assert seen_by(watcher) == []


@in_loop
async def test_watchers_hear_once_of_the_end_of_each_watched_incarnation() -> None:
    """Guards a restart: the end of the incarnation is told, the restart is not an end of the actor."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        down, ended = ref.monitor(), ref.ended()
        ref.tell(crash(ValueError("x")))
        assert (await down).reason == Crashed(ValueError("x"))
        await w.settle()
        assert not ended.done()
        assert ref.is_alive()


@in_loop
async def test_an_abnormal_exit_ends_the_linked_actor_in_either_direction() -> None:
    """Guards that a link works both ways."""
    async with stage() as w:
        for first in (0, 1):
            pair = [await w.runtime.spawn(Player), await w.runtime.spawn(Player)]
            await pair[0].call(lambda self, other=pair[1]: self.link(other))
            ended = pair[1 - first].ended()
            pair[first].tell(crash(ValueError("x")))
            reason = await ended
            assert isinstance(reason, Crashed)
            assert isinstance(reason.exception, LinkedExit)
            assert (reason.exception.path, reason.exception.reason) == (
                pair[first].path,
                Crashed(ValueError("x")),
            )


@pytest.mark.parametrize("how", [lambda self: self.stop(), "stop"])
@in_loop
async def test_an_expected_exit_leaves_the_linked_actor_alone(how: Any) -> None:
    """Guards orderly ends: only abnormal exits are shared."""
    async with stage() as w:
        one, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        one.link(other)
        if how == "stop":
            await one.stop(block=False)
        else:
            ended = one.ended()
            one.tell(how)
            await ended
        await w.settle()
        assert other.is_alive()
        assert other.status().links == 0


@pytest.mark.parametrize("end", ["crash", "kill", "stop"])
@in_loop
async def test_an_actor_that_traps_exits_gets_one_message_for_any_exit(end: str) -> None:
    """Guards trap-exit: expected exits are told too, and exactly once."""
    async with stage() as w:
        trapper, other = await w.runtime.spawn(Trapper), await w.runtime.spawn(Player)
        await trapper.call(lambda self: (self.link(other), self.link(other)))
        ended = other.ended()
        match end:
            case "crash":
                other.tell(crash(ValueError()))
            case "kill":
                other.kill()
            case _:
                other.stop(block=False)
        reason = await ended
        await w.settle()
        assert seen_by(trapper) == [Exit(other, reason)]


@in_loop
async def test_trapping_exits_can_be_switched_on_in_the_instance() -> None:
    """Guards `self.trap_exits = True`, in `__init__` or later."""
    async with stage() as w:
        one, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        await one.call(lambda self: setattr(self, "trap_exits", True))
        one.link(other)
        other.kill()
        await w.settle()
        assert [type(message) for message in seen_by(one)] == [Exit]


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_kill_cannot_be_trapped(host: str) -> None:
    """Guards the last resort: an actor that traps exits is killed like any other."""
    async with stage() as w:
        trapper = await w.runtime.spawn(Trapper, host=host)
        ended = trapper.ended()
        trapper.kill()
        assert isinstance(await ended, Killed)


@in_loop
async def test_a_link_to_an_actor_that_is_gone_is_an_abnormal_exit() -> None:
    """Guards the race of a link with an exit: it must not look as if it held."""
    async with stage() as w:
        gone, one, trapper = [await w.runtime.spawn(cls) for cls in (Player, Player, Trapper)]
        await gone.stop(block=False)
        ended = one.ended()
        one.link(gone)
        trapper.link(gone)
        reason = await ended
        await w.settle()
        assert isinstance(reason, Crashed)
        assert seen_by(trapper) == [Exit(gone, NoProc())]


@in_loop
async def test_a_link_taken_back_shares_nothing() -> None:
    """Guards `unlink`, from either end."""
    async with stage() as w:
        for by in (0, 1):
            pair = [await w.runtime.spawn(Player), await w.runtime.spawn(Player)]
            pair[0].link(pair[1])
            pair[by].unlink(pair[1 - by])
            pair[0].kill()
            await w.settle()
            assert pair[1].is_alive()


@in_loop
async def test_an_exit_runs_along_a_chain_of_links_and_a_ring_of_them_ends() -> None:
    """Guards against an exit that stops half way, or runs round for ever."""
    async with stage() as w:
        ring = [await w.runtime.spawn(Player) for _ in range(5)]
        for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
            one.link(other)
        ring[2].tell(crash(ValueError()))
        await w.settle()
        assert not any(each.is_alive() for each in ring)


@in_loop
async def test_a_link_to_itself_leaves_the_next_incarnation_alone() -> None:
    """It is told of the exit before another incarnation begins, which therefore comes up."""
    async with start(supervisor("root", child("a", Player, backoff=None)), log=False) as root:
        a = root.child("a")
        await a.call(lambda self: self.link(self.ref))
        a.tell(crash(ValueError()))
        assert await a.call(lambda self: self.incarnation) == 2
        assert [info.state for info in await root.which_children()] == ["running"]


@in_loop
async def test_a_linked_exit_reaches_an_actor_in_the_middle_of_a_wait() -> None:
    """Guards shared fate against a handler that waits: it is cut off, and its message a dead letter."""
    async with stage() as w:
        busy, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        busy.link(other)
        busy.tell(forever)
        ended = busy.ended()
        await w.settle()
        other.kill()
        assert isinstance(await ended, Crashed)
        assert len(w.dead_letters) == 1


@in_loop
async def test_names_and_groups_are_released_before_anyone_is_told_of_the_exit() -> None:
    """Guards rule 32: the handler of `Down` may take the name at once."""
    async with stage() as w:
        taken: list[Any] = []

        class Heir(Actor):
            def on_receive(self, message: Any) -> None:
                if isinstance(message, Down | Exit):
                    taken.append(
                        (
                            self.runtime.whereis("given"),
                            self.runtime.whereis("own"),
                            self.runtime.members("all"),
                        )
                    )
                    self.register("own")
                    self.join("all")
                else:
                    message(self)

        def settle_in(self: Actor) -> None:
            self.register("own")
            self.join("all")

        holder = await w.runtime.spawn(Starter, args={"on_start": settle_in}, name="given")
        heir = await w.runtime.spawn(Heir)
        await heir.call(lambda self: self.monitor(holder))
        holder.kill()
        await w.settle()
        assert taken == [(None, None, [])]
        assert w.runtime.whereis("own") is heir
        assert w.runtime.members("all") == [heir]


@in_loop
async def test_a_future_of_the_end_settles_after_the_names_are_released() -> None:
    """Guards rule 32 for those who wait from outside: for `monitor`, `ended` and `stop` alike."""
    async with stage() as w:
        waits: list[Callable[[ActorRef[Any]], Future[Any]]] = [
            lambda ref: ref.monitor(),
            lambda ref: ref.ended(),
            lambda ref: ref.stop(block=False),
        ]
        seen: list[Any] = []
        for wait in waits:
            ref = await w.runtime.spawn(Player, name="n")
            wait(ref).add_done_callback(lambda _: seen.append(w.runtime.whereis("n")))
            ref.kill()
            await w.settle()
        assert seen == [None] * 3


@in_loop
async def test_a_callback_that_raises_does_not_keep_the_news_from_the_others() -> None:
    """Guards the other watchers against one that fails."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ref.monitor().add_done_callback(lambda _: 1 / 0)
        down, ended = ref.monitor(), ref.ended()
        ref.kill()
        assert isinstance((await down).reason, Killed)
        assert isinstance(await ended, Killed)


@in_loop
async def test_the_reason_in_a_monitor_is_the_reason_of_the_exit() -> None:
    """Guards what watchers decide by."""
    async with stage() as w:
        ends: list[tuple[Any, Any]] = [
            (lambda ref: ref.tell(lambda self: self.stop()), Normal()),
            (lambda ref: ref.tell(crash(ValueError("x"))), Crashed(ValueError("x"))),
            (lambda ref: ref.kill(), Killed("kill() was called")),
            (lambda ref: ref.stop(block=False), Shutdown("stop() was called")),
        ]
        for end, reason in ends:
            ref = await w.runtime.spawn(Player)
            down = ref.monitor()
            end(ref)
            assert (await down).reason == reason

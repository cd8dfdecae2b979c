"""Children on threads and children that are plain pykka actors, under every strategy."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pykka
import pytest

from actors import IgnoreStart
from supervisors import ChildSpec, ChildStartError, child, constant, start, supervisor
from tests.supervisors.cast import Play, boom, empty_stage, failing, leave, running, states, worker
from tests.support import World, in_loop


class Classic(pykka.ThreadingActor):
    """An actor of pykka's own kind, that knows nothing of supervisors."""

    def __init__(self, play: Play, id: str) -> None:
        super().__init__()
        self.play = play
        self.id = id

    def on_start(self) -> None:
        self.play.begun.append(self.id)
        act = self.play.starts.get(self.id)
        if act is not None:
            act(self)
        self.play.log.append(f"+{self.id}")

    def on_stop(self) -> None:
        self.play.log.append(f"-{self.id}")

    def on_failure(self, *_: object) -> None:
        self.play.log.append(f"!{self.id}")

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else message


def on_loop(play: Play, id: str, **options: Any) -> ChildSpec:
    """A worker on the loop."""
    return worker(play, id, **options)


def on_thread(play: Play, id: str, **options: Any) -> ChildSpec:
    """The same worker in a thread."""
    return worker(play, id, host="thread", **options)


def classic(play: Play, id: str, **options: Any) -> ChildSpec:
    """A pykka actor."""
    return child(id, Classic, args=(play, id), backoff=None, **options)


KINDS = pytest.mark.parametrize("kind", [on_loop, on_thread, classic])


async def quiet(w: World, root: Any) -> None:
    """Returns when no child is on its way, threads included."""
    while True:
        await w.settle()
        found = set((await states(root)).values()) if root.is_alive() else set()
        if not found & {"starting", "restarting", "stopping"}:
            return
        await asyncio.sleep(0)


@KINDS
@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", "!b +b"),
        ("one_for_all", "!b -d -c -a +a +b +c +d"),
        ("rest_for_one", "!b -d -c +b +c +d"),
    ],
)
@in_loop
async def test_rule_6_holds_on_every_host(kind: Any, strategy: Any, log: str) -> None:
    """Rule 6: a thread is restarted, stopped and waited for like anything else."""
    play = Play()
    async with running(supervisor("root", *[kind(play, id) for id in "abcd"], strategy=strategy)) as (w, root):
        play.take()
        b = root.child("b")
        down = b.monitor()
        b.tell(boom)
        await down
        await quiet(w, root)
        assert play.take() == log


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_6_holds_for_a_mixture_of_hosts(strategy: Any) -> None:
    """Rule 6: order does not depend on where a member runs."""
    play = Play()
    children = [on_loop(play, "a"), on_thread(play, "b"), classic(play, "c"), on_loop(play, "d")]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        for id in "abcd":
            play.take()
            ref = root.child(id)
            down = ref.monitor()
            ref.tell(boom)
            await down
            await quiet(w, root)
            log = play.take().split()
            starts = [entry[1] for entry in log if entry[0] == "+"]
            stops = [entry[1] for entry in log if entry[0] == "-"]
            group = {"one_for_one": id, "one_for_all": "abcd", "rest_for_one": "abcd"["abcd".index(id) :]}[strategy]
            assert starts == list(group)
            assert stops == [each for each in reversed(group) if each != id]


@KINDS
@in_loop
async def test_rule_1_and_17_hold_on_every_host(kind: Any) -> None:
    """Rules 1 and 17: start order, and stop in reverse."""
    play = Play()
    async with running(supervisor("root", *[kind(play, id) for id in "abc"])) as (_, root):
        root.stop(block=False)
        await root.ended()
        assert play.take() == "+a +b +c -c -b -a"


@KINDS
@in_loop
async def test_rule_2_holds_on_every_host(kind: Any) -> None:
    """Rule 2: a start that raises in a thread undoes the others."""
    play = Play()
    play.starts["c"] = boom
    async with empty_stage() as w:
        with pytest.raises(ChildStartError) as caught:
            await start(supervisor("root", *[kind(play, id) for id in "abc"]), runtime=w.runtime).__aenter__()
        assert isinstance(caught.value.__cause__, ValueError)
        assert play.take() == "+a +b -b -a"
        assert not w.runtime.cells


@KINDS
@in_loop
async def test_rule_3_holds_on_every_host(kind: Any) -> None:
    """Rule 3: a start that declines in a thread is not a failure."""
    play = Play()

    def decline(_: Any) -> None:
        raise IgnoreStart

    play.starts["a"] = decline
    async with running(supervisor("root", kind(play, "a"), kind(play, "b"))) as (_, root):
        assert await states(root) == {"a": "declined", "b": "running"}


@KINDS
@in_loop
async def test_rule_14_holds_on_every_host(kind: Any) -> None:
    """Rule 14: attempts that fail in a thread are tried again."""
    play = Play()
    async with running(supervisor("root", kind(play, "a"))) as (w, root):
        play.starts["a"] = failing(2)
        a = root.child("a")
        a.tell(boom)
        a.tell("waits")
        while a.incarnation < 4:
            await quiet(w, root)
        assert await a.call("answers") == "answers"
        assert play.begun == ["a"] * 4


@KINDS
@in_loop
async def test_rule_16_and_12_hold_on_every_host(kind: Any) -> None:
    """Rules 12 and 16: a thread that backs off is called off like anything else."""
    play = Play()
    spec = kind(play, "a").model_copy(update={"backoff": constant(50)})
    async with running(supervisor("root", spec)) as (w, root):
        down = root.child("a").monitor()
        root.child("a").tell(boom)
        await down
        await quiet(w, root)
        assert await states(root) == {"a": "backing_off"}
        await root.terminate_child("a")
        assert await states(root) == {"a": "stopped"}
        assert w.clock.pending == 0


@KINDS
@in_loop
async def test_the_table_of_exits_holds_on_every_host(kind: Any) -> None:
    """A transient child that stops itself stays down; a temporary one is dropped."""
    play = Play()
    children = [kind(play, "t", restart="transient"), kind(play, "x", restart="temporary"), kind(play, "p")]
    async with running(supervisor("root", *children)) as (w, root):
        for id in "txp":
            down = root.child(id).monitor()
            root.child(id).tell(leave)
            await down
        await quiet(w, root)
        assert await states(root) == {"t": "stopped", "p": "running"}
        assert root.child("p").incarnation == 2


@in_loop
async def test_rule_17_a_thread_that_blocks_in_its_stop_is_left_after_its_grace() -> None:
    """Rules 17 and 18: the siblings still stop, in order."""
    play = Play()
    free = threading.Event()
    entered = threading.Event()

    def block(_: Any) -> None:
        entered.set()
        free.wait()

    play.stops["b"] = block
    children = [worker(play, "a"), worker(play, "b", host="thread", shutdown=2), worker(play, "c")]
    try:
        async with running(supervisor("root", *children)) as (w, root):
            play.take()
            ended = root.ended()
            root.stop(block=False)
            await w.settle()
            await asyncio.to_thread(entered.wait)
            await w.advance(2)
            await w.advance(1)
            await ended
            assert play.take() == "-c -b -a"
            assert w.runtime.abandoned == 1
            free.set()
            for thread in threading.enumerate():
                if thread.name.startswith("letitcrash:"):
                    await asyncio.to_thread(thread.join, 10)
    finally:
        free.set()


@in_loop
async def test_rule_4_a_thread_that_hangs_in_its_start_fails_it_in_time() -> None:
    """Rule 4: even though the thread itself cannot be ended."""
    play = Play()
    free = threading.Event()
    entered = threading.Event()

    def block(_: Any) -> None:
        entered.set()
        free.wait()

    play.starts["a"] = block
    try:
        async with empty_stage() as w:
            tree = supervisor("root", worker(play, "a", host="thread", start_timeout=3))
            coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
            await w.settle()
            await asyncio.to_thread(entered.wait)
            await w.advance(3)
            await w.advance(1)
            with pytest.raises(ChildStartError, match="still starting"):
                await coming
            free.set()
            for thread in threading.enumerate():
                if thread.name.startswith("letitcrash:"):
                    await asyncio.to_thread(thread.join, 10)
    finally:
        free.set()


@in_loop
async def test_a_pykka_actor_keeps_its_ref_and_its_queue_over_a_restart() -> None:
    """Rule 26: what waited in pykka's inbox is handled by the next incarnation, and an ask is answered."""
    play = Play()
    async with running(supervisor("root", classic(play, "a"))) as (_, root):
        a = root.child("a")
        a.tell(boom)
        assert await a.call("after") == "after"
        assert root.child("a") is a
        assert a.incarnation == 2
        assert len(pykka.ActorRegistry.get_by_class(Classic)) == 1
    assert pykka.ActorRegistry.get_by_class(Classic) == []

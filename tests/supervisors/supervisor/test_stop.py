"""Rules 17 to 20 on the real runtime: how a tree goes down."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from actors import (
    Abandoned,
    Actor,
    ActorDeadError,
    ActorRef,
    Crashed,
    Exited,
    Killed,
    LifecycleEvent,
    Shutdown,
    Started,
)
from supervisors import ShuttingDown, SupervisorRef, constant, dynamic_supervisor, start, supervisor
from tests.supervisors.cast import (
    PATIENCE,
    Play,
    boom,
    deaf,
    empty_stage,
    hang,
    left_of,
    running,
    states,
    tell,
    worker,
)
from tests.support import World, in_loop


def by_message(root: ActorRef[Any]) -> None:
    """As in pykka: behind what waits in the mailbox."""
    root.stop(block=False)


def at_once(root: ActorRef[Any]) -> None:
    """Ahead of what waits in the mailbox."""
    root.stop(block=False, drain=False)


WAYS = pytest.mark.parametrize("stop", [by_message, at_once])


def exits(w: World) -> list[tuple[str, object]]:
    """Path and reason of every exit, in order."""
    return [(event.path, event.reason) for event in w.seen(Exited)]


@WAYS
@in_loop
async def test_rule_17_children_stop_one_by_one_in_reverse_start_order(stop: Any) -> None:
    """Rule 17: the next is told only when the last is gone; nested trees go as one child."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    async with running(supervisor("root", worker(play, "a"), inner, worker(play, "b"))) as (w, root):
        play.take()
        play.stops["y"] = play.held
        ended = root.ended()
        stop(root)
        await w.settle()
        assert play.take() == "-b -y"
        play.gate.set()
        assert await ended == Shutdown("stop() was called")
        assert play.take() == "-x -a"
        assert [path for path, _ in exits(w)] == ["root/b", "root/s/y", "root/s/x", "root/s", "root/a", "root"]


@in_loop
async def test_rule_17_a_child_that_ignores_its_stop_is_killed_after_its_grace() -> None:
    """Rule 17: tell, wait, kill, and wait until it is gone, for each in turn."""
    play = Play()
    play.stops = {"a": hang, "b": hang}
    children = [worker(play, "a", shutdown=3), worker(play, "b", shutdown=2)]
    async with running(supervisor("root", *children)) as (w, root):
        play.take()
        ended = root.ended()
        root.stop(block=False)
        await w.advance(1.9)
        assert play.take() == "-b"
        await w.advance(0.1)
        assert play.take() == "-a"
        await w.advance(2.9)
        assert not ended.done()
        await w.advance(0.1)
        assert isinstance(await ended, Shutdown)
        assert [reason for _, reason in exits(w)][:2] == [Killed("did not stop in time")] * 2


@in_loop
async def test_rule_17_brutal_kill_does_not_ask() -> None:
    """Rule 17: no hook runs, not even the one for the end."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", shutdown="brutal_kill"))) as (w, root):
        play.take()
        root.stop(block=False)
        await root.ended()
        assert play.take() == ""
        assert exits(w)[0] == ("root/a", Killed("brutal_kill"))


@in_loop
async def test_rule_17_infinity_waits_as_long_as_it_takes() -> None:
    """Rule 17: no child is killed, however late it is."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a", shutdown="infinity"))) as (w, root):
        ended = root.ended()
        root.stop(block=False)
        for _ in range(5):
            await w.advance(10_000)
        assert not ended.done()
        play.gate.set()
        await ended
        assert exits(w)[0][1] == Shutdown()


@in_loop
async def test_rule_17_the_default_is_5_s_for_a_worker_infinity_for_a_supervisor() -> None:
    """Rule 17: a subtree may take the sum of what is in it."""
    play = Play()
    play.stops = {"x": hang, "y": hang}
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    async with running(supervisor("root", inner)) as (w, root):
        play.take()
        root.stop(block=False)
        await w.advance(4.9)
        assert play.take() == "-y"
        await w.advance(0.1)
        assert play.take() == "-x"
        await w.advance(5)
        assert not root.is_alive()


@in_loop
async def test_rule_17_a_supervisor_past_its_grace_is_killed_with_its_subtree() -> None:
    """Rules 17 and 20: the grace of the subtree ends those of its members."""
    play = Play()
    play.stops["y"] = hang
    inner = supervisor("s", worker(play, "x"), worker(play, "y", shutdown=100), shutdown=2)
    async with running(supervisor("root", worker(play, "a"), inner)) as (w, root):
        play.take()
        root.stop(block=False)
        await w.advance(2)
        assert not root.is_alive()
        assert play.take() == "-y -a"


@pytest.mark.parametrize("act", [boom, deaf, hang], ids=["raises", "is deaf", "hangs"])
@in_loop
async def test_rule_17_a_bad_on_stop_does_not_abort_the_shutdown_of_siblings(act: Any) -> None:
    """Rule 17: whatever one does in its end, the others get theirs, and the end is the one that was asked for."""
    play = Play()
    play.stops["b"] = act
    children = [worker(play, id, shutdown=2) for id in "abc"]
    async with running(supervisor("root", *children)) as (w, root):
        play.take()
        ended = root.ended()
        root.stop(block=False)
        await w.advance(2)
        await w.advance(1)
        assert isinstance(await ended, Shutdown)
        assert play.take() == "-c -b -a"


@in_loop
async def test_rule_17_system_exit_in_an_on_stop_is_a_crash_of_that_actor_alone() -> None:
    """Rule 17: the shutdown goes on, and so does the process."""
    play = Play()

    def act(_: object) -> None:
        raise SystemExit(1)

    play.stops["b"] = act
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        play.take()
        root.stop(block=False)
        assert isinstance(await root.ended(), Shutdown)
        assert play.take() == "-b -a"
        assert exits(w)[0][1] == Crashed(SystemExit(1))


@in_loop
async def test_rule_17_a_child_stopped_in_its_start_is_killed_if_its_stop_hangs() -> None:
    """Rule 17: the end of its start does not take the grace back."""
    play = Play()
    play.starts["b"] = play.held
    play.stops["b"] = hang
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.start_child(worker(play, "b", shutdown=3))
        await w.settle()
        ended = root.ended()
        at_once(root)
        await w.settle()
        play.gate.set()
        await w.settle()
        assert not ended.done()
        await w.advance(3)
        assert ended.done()
        with pytest.raises(ShuttingDown):
            await asked


@in_loop
async def test_rule_17_the_limit_of_a_start_does_not_run_on_into_an_endless_stop() -> None:
    """Rule 17: a child with `infinity` that was told to stop while it started is not killed by its start timer."""
    play = Play()
    play.starts["b"] = play.held
    release = asyncio.Event()
    play.stops["b"] = lambda _: release.wait()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.start_child(worker(play, "b", shutdown="infinity", start_timeout=9))
        await w.settle()
        ended = root.ended()
        at_once(root)
        await w.settle()
        play.gate.set()
        await w.advance(1000)
        assert not ended.done()
        release.set()
        await ended
        assert dict(exits(w))["root/b"] == Shutdown()
        with pytest.raises(ShuttingDown):
            await asked


@in_loop
async def test_rule_18_a_supervisor_reports_its_end_after_every_descendant_ended() -> None:
    """Rule 18: not even a child that has to be killed is left over."""
    play = Play()
    play.stops = {"x": deaf, "a": deaf}
    inner = supervisor("s", worker(play, "x", shutdown=1))
    async with running(supervisor("root", worker(play, "a", shutdown=1), inner)) as (w, root):
        alive: list[list[str]] = []
        root.ended().add_done_callback(lambda _: alive.append([path for path in w.runtime.cells if path != "root"]))
        root.stop(block=False)
        for _ in range(10):
            await w.advance(1)
        assert alive == [[]]


class Stubborn(Actor):
    """Blocks its thread until it is released."""

    host = "thread"

    def __init__(self, free: threading.Event) -> None:
        self.free = free

    def on_receive(self, _: object) -> None:
        self.free.wait()


@in_loop
async def test_rule_18_a_thread_that_ignores_everything_is_left_with_an_event() -> None:
    """Rule 18: it cannot be killed in Python; the tree ends all the same, and there is an event."""
    play = Play()
    free = threading.Event()
    spec = worker(play, "t", shutdown=2).model_copy(update={"start": Stubborn, "args": (free,)})
    try:
        async with running(supervisor("root", worker(play, "a"), spec)) as (w, root):
            root.child("t").tell("block")
            while root.child("t").status().handling is None:
                await asyncio.sleep(0)
            ended = root.ended()
            root.stop(block=False)
            await w.advance(2)
            await w.advance(1)
            assert isinstance(await ended, Shutdown)
            assert [(event.path, event.what) for event in w.seen(Abandoned)] == [("root/t", "thread")]
            free.set()
            await threads_end()
    finally:
        free.set()


async def threads_end() -> None:
    """Returns when the threads of actors that were let go have ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("letitcrash:"):
            await asyncio.to_thread(thread.join, PATIENCE)


@in_loop
async def test_rule_19_the_order_to_stop_is_not_stuck_behind_a_long_queue() -> None:
    """Rule 19: it travels ahead of ten thousand messages, which go to the dead letters."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        a = root.child("a")
        for number in range(10_000):
            a.tell(number)
        await asyncio.gather(root.terminate_child("a"))
        await w.settle()
        assert len(play.seen) < 10_000
        assert len(play.seen) + len(w.dead_letters) == 10_000


@in_loop
async def test_rule_19_a_supervisor_with_a_queue_of_requests_stops_at_once() -> None:
    """Rule 19: with drain=False the order overtakes them, and each of them gets an answer all the same."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        asked = [root.start_child(worker(play, str(number))) for number in range(100)]
        at_once(root)
        await root.ended()
        results = await asyncio.gather(*map(_outcome, asked))
        assert len(play.begun) < 101
        assert {type(each) for each in results} <= {ShuttingDown, ActorDeadError, ActorRef}


async def _outcome(asked: Any) -> object:
    try:
        return await asked
    except Exception as error:  # noqa: BLE001 - the test looks at what it was
        return error


@in_loop
async def test_rule_20_the_descendants_of_a_killed_supervisor_are_killed_too() -> None:
    """Rule 20: no hook of theirs runs, and nothing is left."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    async with running(supervisor("root", worker(play, "a", name="a"), inner)) as (w, root):
        play.take()
        root.kill()
        assert await root.ended() == Killed("kill() was called")
        assert play.take() == ""
        assert not w.runtime.cells
        assert {path: type(reason) for path, reason in exits(w)} == dict.fromkeys(
            ["root", "root/a", "root/s", "root/s/x", "root/s/y"], Killed
        )
        assert w.runtime.whereis("a") is None


@in_loop
async def test_rule_20_a_killed_supervisor_ends_after_its_children_in_threads() -> None:
    """Rules 18 and 20: a busy thread is waited for, or left behind after its grace."""
    play = Play()
    free = threading.Event()
    busy = worker(play, "t").model_copy(update={"start": Stubborn, "args": (free,)})
    idle = worker(play, "i", host="thread")
    async with running(supervisor("root", busy, idle, worker(play, "a"))) as (w, root):
        root.child("t").tell("block")
        while root.child("t").status().handling is None:
            await asyncio.sleep(0)
        ended = root.ended()
        root.kill()
        await w.settle()
        assert not ended.done()
        free.set()
        assert await ended == Killed("kill() was called")
        assert not w.runtime.cells


@in_loop
async def test_rule_20_what_lives_below_a_killed_supervisor_is_killed_once() -> None:
    """Rule 20: a hook that ends when it is cancelled is not left behind as well, a second later."""
    play = Play()
    play.stops["b"] = hang
    async with running(supervisor("root", worker(play, "a"), worker(play, "b", shutdown="infinity"))) as (w, root):
        at_once(root)
        await w.settle()
        root.kill()
        await w.advance(5)
        assert not root.is_alive()
        assert w.seen(Abandoned) == []
        assert w.runtime.abandoned == 0


@in_loop
async def test_rule_20_a_killed_supervisor_takes_its_waits_along() -> None:
    """Rule 20: a backoff, a pending start and a stop under way end with it; no timer is left."""
    play = Play()
    inner = supervisor("s", worker(play, "x", backoff=constant(50)), worker(play, "y", backoff=constant(70)))
    async with running(supervisor("root", inner)) as (w, root):
        await tell(w, root, "s/x", "s/y")
        root.kill()
        await root.ended()
        assert w.clock.pending == 0


@in_loop
async def test_rule_20_a_restarted_supervisor_ignores_timers_of_the_killed_one() -> None:
    """Rule 20: an old backoff that falls due must not shorten a new one."""
    play = Play()
    inner = supervisor("s", worker(play, "x", backoff=constant(50)), backoff=None)
    async with running(supervisor("root", inner)) as (w, root):
        await tell(w, root, "s/x")
        await w.advance(45)
        root.child("s").kill()
        await w.settle()
        assert await states(root.supervisor("s")) == {"x": "running"}
        await tell(w, root, "s/x")
        await w.advance(49)
        assert await states(root.supervisor("s")) == {"x": "backing_off"}
        await w.advance(1)
        assert await states(root.supervisor("s")) == {"x": "running"}


@in_loop
async def test_rule_20_waiting_requests_are_answered_when_a_supervisor_is_killed() -> None:
    """Rule 23: no caller waits for a supervisor that has terminated."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        starting = root.start_child(worker(play, "b"))
        await w.settle()
        root.kill()
        await root.ended()
        await w.settle()
        assert starting.done()
        assert isinstance(await _outcome(starting), ShuttingDown | ActorDeadError)


@in_loop
async def test_rule_20_a_supervisor_killed_during_its_own_start_fails_that_start() -> None:
    """Rules 2 and 20: its callers get an error, and the children that it had started have terminated."""
    play = Play()
    play.starts["b"] = play.held
    async with empty_stage() as w:
        tree = supervisor("root", worker(play, "a"), worker(play, "b"))
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.settle()
        root = w.runtime.find("root")
        assert root is not None
        root.kill()
        assert isinstance(await _outcome(coming), Exception)
        assert not w.runtime.cells


# The order to stop comes at a bad time


@WAYS
@in_loop
async def test_a_stop_order_that_arrives_while_the_supervisor_is_still_starting(stop: Any) -> None:
    """It stops the children that have started and ends; no caller waits for ever."""
    play = Play()
    play.starts["b"] = play.held
    async with empty_stage() as w:
        tree = supervisor("root", worker(play, "a"), worker(play, "b", shutdown=2), worker(play, "c"))
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.settle()
        root = w.runtime.find("root")
        assert root is not None
        stop(root)
        await w.advance(2)
        if stop is by_message:
            # As in pykka, a stop among the messages is handled when messages are: the start comes first.
            play.gate.set()
        await w.advance(2)
        await root.ended()
        assert isinstance(await _outcome(coming), Exception | SupervisorRef)
        assert play.begun[:2] == ["a", "b"]
        assert "-a" in play.log


@WAYS
@in_loop
async def test_a_stop_order_that_arrives_while_a_group_restarts(stop: Any) -> None:
    """The restart is given up where it is."""
    play = Play()
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        play.take()
        play.starts["b"] = play.held
        await tell(w, root, "b")
        assert play.take() == "!b -c -a +a"
        ended = root.ended()
        stop(root)
        await w.settle()
        play.gate.set()
        await ended
        assert play.take() == "+b -b -a"


@WAYS
@in_loop
async def test_a_stop_order_that_arrives_while_it_is_stopping_already(stop: Any) -> None:
    """The second order changes nothing, and does not keep the first from being carried out."""
    play = Play()
    play.stops["b"] = play.held
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        play.take()
        ended = root.ended()
        by_message(root)
        await w.settle()
        stop(root)
        at_once(root)
        stop(root)
        await w.settle()
        play.gate.set()
        await ended
        assert play.take() == "-b -a"


@WAYS
@in_loop
async def test_a_stop_order_that_arrives_while_it_gives_up(stop: Any) -> None:
    """The reason that came first stands."""
    play = Play()
    play.stops["b"] = play.held
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"), max_restarts=0)) as (w, root):
        ended = root.ended()
        await tell(w, root, "a")
        stop(root)
        await w.settle()
        play.gate.set()
        assert not (await ended).expected


@in_loop
async def test_a_kill_that_arrives_while_it_is_stopping_ends_it_at_once() -> None:
    """An orderly stop that lasts too long can be cut short."""
    play = Play()
    play.stops["b"] = hang
    async with running(supervisor("root", worker(play, "a"), worker(play, "b", shutdown="infinity"))) as (w, root):
        play.take()
        by_message(root)
        await w.settle()
        root.kill()
        assert isinstance(await root.ended(), Killed)
        assert play.take() == "-b"
        assert not w.runtime.cells


@WAYS
@in_loop
async def test_a_permanent_supervisor_that_is_stopped_by_its_ref_is_restarted(stop: Any) -> None:
    """A ref's stop is an exit of reason `shutdown` like that of any child."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), backoff=None)
    async with running(supervisor("root", inner)) as (w, root):
        play.take()
        stop(root.child("s"))
        await w.settle()
        assert play.take() == "-x +x"
        assert root.child("s").incarnation == 2
        assert await states(root.supervisor("s")) == {"x": "running"}


@in_loop
async def test_ten_thousand_children_stop_in_order() -> None:
    """Each after the last one is gone, with none forgotten."""
    play = Play()
    count = 10_000
    spec = worker(play, "0")
    async with running(supervisor("root", *[spec.renamed(str(number)) for number in range(count)])) as (w, root):
        assert play.log == [f"+{number}" for number in range(count)]
        play.log.clear()
        root.stop(block=False)
        await root.ended()
        assert play.log == [f"-{number}" for number in reversed(range(count))]
        assert left_of(w) == {}


@in_loop
async def test_nothing_is_left_after_a_stop_whatever_the_tree_was_doing() -> None:
    """Cells, names, timers, tasks, threads: all gone the moment the end is told."""
    play = Play()
    tree = supervisor(
        "root",
        worker(play, "a", name="a"),
        worker(play, "thread", host="thread", name="thread"),
        supervisor("s", worker(play, "waiting", backoff=constant(99)), strategy="one_for_all"),
        dynamic_supervisor("d", worker(play, "t")),
        worker(play, "hanging", start_timeout=50),
    )
    async with running(tree) as (w, root):
        dynamic = root.supervisor("d")
        for _ in range(3):
            await dynamic.start_child([])
        await dynamic.terminate_child("2")
        await tell(w, root, "s/waiting")
        play.starts["hanging"] = hang
        await tell(w, root, "hanging")
        root.child("a").tell(lambda actor: actor.tell_every(1, "tick"))
        await w.settle()
        root.stop(block=False)
        ended = root.ended()
        for _ in range(6):
            await w.advance(1)
        await ended
        await threads_end()
        assert left_of(w) == {}


@in_loop
async def test_names_are_released_before_anyone_hears_of_the_exit() -> None:
    """Rule 32: an actor that is notified may take the name at once."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", name="one"))) as (w, root):
        found: list[object] = []
        a = root.child("a")
        a.monitor().add_done_callback(lambda _: found.append(w.runtime.whereis("one")))
        await root.terminate_child("a")
        assert found == [None]


@in_loop
async def test_no_incarnation_starts_after_the_order_to_stop() -> None:
    """From the order on, there are exits and nothing else."""
    play = Play()
    children = [worker(play, id, backoff=constant(1)) for id in "abc"]
    async with running(supervisor("root", *children)) as (w, root):
        await tell(w, root, "a", "b")
        root.stop(block=False)
        await w.settle()
        before = len(w.events)
        await w.advance(100)
        later: list[LifecycleEvent] = w.events[before:]
        assert not [event for event in later if isinstance(event, Started)]

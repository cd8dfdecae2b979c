"""The table of exits, rule 5 and rule 13, on the real runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import ActorRef, DeadLetter
from supervisors import ChildState, NotFound, constant, supervisor
from tests.supervisors.cast import Play, boom, hang, leave, running, second_time, states, worker
from tests.support import in_loop


def crashes(ref: ActorRef[Any]) -> None:
    """An abnormal exit: an unhandled exception."""
    ref.tell(boom)


def exits(ref: ActorRef[Any]) -> None:
    """An abnormal exit: SystemExit does not end the process here."""

    def act(_: Any) -> None:
        raise SystemExit(0)

    ref.tell(act)


def is_killed(ref: ActorRef[Any]) -> None:
    """An abnormal exit: it had no say."""
    ref.kill()


def ends(ref: ActorRef[Any]) -> None:
    """`normal`: the actor asked to stop."""
    ref.tell(leave)


def is_told(ref: ActorRef[Any]) -> None:
    """`shutdown`: another actor or caller asked it to."""
    ref.stop(block=False)


def is_told_at_once(ref: ActorRef[Any]) -> None:
    """`shutdown`, ahead of what waits."""
    ref.stop(block=False, drain=False)


TABLE = [
    ("permanent", crashes, "running"),
    ("permanent", exits, "running"),
    ("permanent", is_killed, "running"),
    ("permanent", ends, "running"),
    ("permanent", is_told, "running"),
    ("permanent", is_told_at_once, "running"),
    ("transient", crashes, "running"),
    ("transient", exits, "running"),
    ("transient", is_killed, "running"),
    ("transient", ends, "stopped"),
    ("transient", is_told, "stopped"),
    ("transient", is_told_at_once, "stopped"),
    ("temporary", crashes, "dropped"),
    ("temporary", exits, "dropped"),
    ("temporary", is_killed, "dropped"),
    ("temporary", ends, "dropped"),
    ("temporary", is_told, "dropped"),
    ("temporary", is_told_at_once, "dropped"),
]


@pytest.mark.parametrize(("restart", "way", "after"), TABLE, ids=lambda value: getattr(value, "__name__", value))
@in_loop
async def test_the_table_of_exits(restart: str, way: Callable[[ActorRef[Any]], None], after: str) -> None:
    """Which exit restarts which child, which keeps the spec, and which drops it."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", restart=restart, name="a"))) as (w, root):
        before = root.child("a")
        way(before)
        await w.settle()
        found = (await states(root)).get("a", "dropped")
        assert found == after
        if after == "running":
            assert root.child("a") is before
            assert before.incarnation == 2
            assert w.runtime.whereis("a") is before
        else:
            assert not before.is_alive()
            assert w.runtime.whereis("a") is None
            with pytest.raises(NotFound):
                root.child("a")


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize(
    ("restart", "way"),
    [("transient", ends), ("transient", is_told), ("temporary", crashes), ("temporary", is_killed)],
    ids=lambda value: getattr(value, "__name__", value),
)
@in_loop
async def test_rule_5_an_exit_without_a_restart_never_touches_the_siblings(
    strategy: Any, restart: Any, way: Callable[[ActorRef[Any]], None]
) -> None:
    """Rule 5: not even under one_for_all, and not even when it was a crash."""
    play = Play()
    children = [worker(play, "a"), worker(play, "b", restart=restart), worker(play, "c")]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        way(root.child("b"))
        await w.settle()
        assert [root.child(id).incarnation for id in "ac"] == [1, 1]
        assert play.begun == ["a", "b", "c"]


@in_loop
async def test_a_crash_while_the_supervisor_is_stopping_restarts_nothing() -> None:
    """An exit during a stop is the stop's own."""
    play = Play()
    play.stops["b"] = play.held
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        root.stop(block=False)
        await w.settle()
        root.child("a").tell(boom)
        await w.settle()
        play.gate.set()
        await root.ended()
        assert play.take() == "+a +b -b !a"


@in_loop
async def test_rule_13_a_child_shows_each_state_of_its_life() -> None:
    """Rule 13: always exactly one, and `until` says when a child that backs off is due."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a", backoff=constant(5), start_timeout=9))) as (w, root):
        seen = [await states(root)]
        play.starts["a"] = hang
        root.child("a").tell(boom)
        await w.settle()
        seen.append(await states(root))
        (info,) = await root.which_children()
        assert info.state is ChildState.BACKING_OFF
        assert info.until == w.runtime.now() + 5
        assert info.ref is root.child("a")
        await w.advance(5)
        seen.append(await states(root))
        del play.starts["a"]
        await w.advance(9)
        await w.advance(5)
        seen.append(await states(root))
        gone = root.terminate_child("a")
        await w.settle()
        seen.append(await states(root))
        play.gate.set()
        await gone
        seen.append(await states(root))
        (info,) = await root.which_children()
        assert (info.until, info.ref) == (None, None)
        play.starts["a"] = hang
        again = root.restart_child("a")
        await w.settle()
        seen.append(await states(root))
        gone = root.terminate_child("a")
        await w.advance(5)
        await gone
        assert await _fails(again)
        assert [each["a"] for each in seen] == [
            "running",
            "backing_off",
            "restarting",
            "running",
            "stopping",
            "stopped",
            "starting",
        ]


async def _fails(asked: Any) -> bool:
    try:
        await asked
    except Exception:  # noqa: BLE001 - which one is not the question here
        return True
    return False


@in_loop
async def test_rule_26_the_queue_survives_a_backoff_and_a_failed_restart() -> None:
    """Rule 26: what waits is handled by whichever incarnation comes up in the end, in order."""
    play = Play()
    play.starts["a"] = second_time(lambda actor: boom(actor) if actor.incarnation == 2 else None)
    async with running(supervisor("root", worker(play, "a", backoff=constant(5)))) as (w, root):
        a = root.child("a")
        a.tell(boom)
        a.tell("one")
        await w.advance(1)
        a.tell("two")
        await w.advance(4)
        a.tell("three")
        await w.advance(5)
        assert play.seen == [("a", 3, "one"), ("a", 3, "two"), ("a", 3, "three")]
        assert [reason for reason, _ in w.dead_letters] == ["crashed"]


@in_loop
async def test_a_child_that_is_dropped_leaves_its_queue_to_the_dead_letters() -> None:
    """No message is lost in silence if no next incarnation follows."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", restart="temporary"))) as (w, root):
        a = root.child("a")
        a.tell(boom)
        a.tell("one")
        await w.settle()
        assert [(event.reason, event.message) for event in w.seen(DeadLetter)][1:] == [("closed", "one")]

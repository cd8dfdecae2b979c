"""One child of a supervisor, and pausing, as messages to the supervisor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import Actor
from actors.testing import simulation
from supervisors import NotFound, ShuttingDown, child, constant, dynamic_supervisor, supervisor


class Slow(Actor):
    """Takes ten seconds to stop."""

    async def on_stop(self) -> None:  # type: ignore[override]
        await asyncio.sleep(10.0)


def test_one_child_is_shown_as_among_all_of_them() -> None:
    """Guards which_child: in every state, of both kinds of supervisor."""
    with simulation() as sim:
        tree = supervisor(
            "root",
            child("a", Actor),
            child("b", Actor, backoff=constant(50.0)),
            child("c", Actor, restart="transient"),
            dynamic_supervisor("many", child("one", Actor)),
        )
        root: Any = sim.start(tree)
        many = root.supervisor("many")
        many.start_child().get()
        root.child("b").kill()
        root.child("c").stop(block=False)
        sim.advance(1.0)
        assert [root.which_child(each.id).get() for each in root.which_children().get()] == [
            *root.which_children().get()
        ]
        assert [each.state for each in root.which_children().get()] == ["running", "backing_off", "stopped", "running"]
        assert many.which_child("1").get() == many.which_children().get()[0]
        with pytest.raises(NotFound):
            root.which_child("ghost").get()


def test_a_supervisor_that_is_ending_says_nothing_of_its_children() -> None:
    """Guards those who ask what became of a child: while all are stopped, that one is not there says nothing."""
    with simulation() as sim:
        root: Any = sim.start(supervisor("root", supervisor("below", child("a", Slow), child("b", Slow))))
        below = root.supervisor("below")
        root.terminate_child("below")
        sim.advance(7.0)
        with pytest.raises(ShuttingDown):
            below.which_child("b").get()


def test_a_pause_reaches_a_supervisor_that_is_being_restarted() -> None:
    """Guards the pause: it is a message, and waits for the next incarnation like any other."""
    with simulation() as sim:
        root: Any = sim.start(supervisor("root", supervisor("below", child("a", Actor), backoff=constant(5.0))))
        root.child("below").kill()
        sim.advance(1.0)
        paused = root.pause_work()
        sim.advance(10.0)
        assert paused.get() is True
        assert root.child("below/a").status().suspended
        assert root.resume_work().get() is True
        assert not root.child("below/a").status().suspended

"""Threads that were left behind: a handler that passed its time limit goes on, and its incarnation is over."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest

from actors import Actor, IncarnationEnded
from actors.testing import simulation
from supervisors import child, constant, supervisor


class Late(Actor):
    """Asks for something of its own after its time limit has passed."""

    host = "thread"

    def __init__(self, heard: list[Any], peer: str) -> None:
        self.heard, self.peer = heard, peer

    def on_receive(self, message: object) -> None:
        if message != "late":
            self.heard.append(message)
            return
        time.sleep(5.0)  # noqa: TID251 - in virtual time
        other = self.runtime.find(self.peer)
        assert other is not None
        for ask in (
            lambda: self.register("late"),
            lambda: self.join("late"),
            lambda: self.subscribe(),
            lambda: self.tell_after(0.1, "tick"),
            lambda: self.monitor(other),
            lambda: self.link(other),
        ):
            try:
                ask()
            except IncarnationEnded as error:
                self.heard.append(error.what)


class Peer(Actor):
    """Is watched by nothing in the end."""

    def on_receive(self, message: object) -> None:
        raise RuntimeError(message)


@pytest.mark.parametrize("restart", ["temporary", "permanent"])
def test_what_a_thread_left_behind_asks_for_is_refused(restart: Literal["temporary", "permanent"]) -> None:
    """Neither the place without an incarnation nor the next incarnation gets what the last one asks for."""
    with simulation() as sim:
        heard: list[Any] = []
        late = child("late", Late, args=(heard, "root/peer"), handler_timeout=1.0, restart=restart, backoff=None)
        root = sim.start(supervisor("root", late, child("peer", Peer, backoff=None)))
        ref, peer = root.child("late"), root.child("peer")
        ref.tell("late")
        sim.advance(10.0)
        assert heard == ["register('late')", "join('late')", "subscribe()"]
        assert sim.runtime.whereis("late") is None
        assert sim.runtime.members("late") == []
        if restart == "permanent":
            peer.tell("crash")  # a link would end the next incarnation, a monitor would tell it
            sim.advance(1.0)
            assert ref.status().incarnation == 2
            assert heard == ["register('late')", "join('late')", "subscribe()"]


def test_a_name_of_the_spec_is_not_given_up_with_an_incarnation() -> None:
    """An incarnation that registers it once more does not own it."""

    class Named(Actor):
        def on_start(self) -> None:
            self.register("n")

        def on_receive(self, message: object) -> None:
            raise RuntimeError(message)

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Named, name="n", backoff=constant(10.0))))
        root.child("a").tell("crash")
        sim.advance(1.0)
        assert root.child("a").status().state == "down"
        assert sim.runtime.whereis("n") == root.child("a")

"""Hosts: what the actors of teams are made for."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor
from actors.testing import simulation
from supervisors import SpecError, child, process, supervisor
from teams import SharedState, member, team
from teams.protocols import Candidate, Courier, MeshMember, Peer, Person, Topics
from teams.recipes import electorate
from teams.resilience import Resources

ON_THE_LOOP: list[Any] = [Candidate, Courier, MeshMember, Peer, Person, Resources, SharedState, Topics]


@pytest.mark.parametrize("kind", ON_THE_LOOP)
def test_what_is_made_for_the_loop_is_refused_in_a_thread(kind: Any) -> None:
    """Guards their state, which has no locks: handlers and answers of others come on one thread."""
    with pytest.raises(SpecError, match=rf"host: {kind.__name__} runs on the loop only, got 'thread'"):
        child("it", kind, host="thread")
    assert child("it", kind, host="loop").start is kind


def test_all_that_are_on_the_wrong_host_are_told_at_once() -> None:
    """Guards an electorate, whose options are for every candidate."""
    with pytest.raises(SpecError, match="runs on the loop only"):
        electorate("vote", "ann", "bob", host="thread")
    with pytest.raises(SpecError) as refused:
        supervisor("root", child("a", Courier, host="thread", significant=True))
    assert len(refused.value.faults) == 2


class Speller(Actor):
    """Says where it is, and spells a word."""

    def on_receive(self, message: str) -> list[str]:
        return [self.path, *message]


def test_a_member_that_is_an_actor_class_may_have_a_process() -> None:
    with simulation() as sim:
        crew = sim.start(team("crew", member("speller", Speller, host=process())))
        assert crew.assign("ab", "speller").get() == ["crew/members/speller", "a", "b"]
        assert len(sim.runtime.running_places()) == 1

"""A message that is stashed twice is handled once."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor
from actors.testing import simulation
from tests.actors.cast import stage
from tests.support import in_loop


class Twice(Actor):
    """Stashes each message twice until it is ready."""

    seen: tuple[Any, ...] = ()
    ready = False

    def on_receive(self, message: Any) -> Any:
        if message == "ready":
            self.ready = True
            self.unstash()
        elif self.ready:
            self.seen += (message,)
        else:
            self.stash()
            if message == "back":
                self.unstash()
                self.ready = True
            self.stash()


@in_loop
async def test_a_message_that_is_stashed_twice_is_handled_once() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Twice)
        for message in ("a", "b", "ready"):
            ref.tell(message)
        await w.settle()
        assert ref.state()["seen"] == ("a", "b")
        assert ref.status().stashed == 0


@pytest.mark.parametrize("message", ["once", "back"])
def test_a_second_stash_does_nothing_in_a_simulation_either(message: str) -> None:
    """Guards the journal: also where the message went back to the queue between the two."""
    with simulation() as sim:
        ref = sim.spawn(Twice)
        ref.tell(message)
        ref.tell("ready")
        sim.settle()
        assert ref.state()["seen"] == (message,)

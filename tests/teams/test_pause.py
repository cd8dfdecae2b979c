"""Pausing a tree that has a team in it."""

from __future__ import annotations

from typing import Any

from actors import Actor
from supervisors import child, start, supervisor
from teams import member, team


class Echo(Actor):
    """Answers with what it gets."""

    def on_receive(self, message: object) -> object:
        return message


def test_a_team_below_pauses_in_its_own_way() -> None:
    """Guards the hook: the coordinator of a team holds work back, and is not itself suspended."""

    async def double(number: int) -> int:
        return 2 * number

    with start(supervisor("root", child("a", Echo), team("crew", member("double", double))), log=False) as root:
        crew: Any = root.child("crew")
        assert root.pause_work().get(timeout=10) is True
        assert crew.pause_work().get(timeout=10) is False
        assert crew.roster().get(timeout=10)[0].id == "double"
        answer = crew.assign(21, to="double")
        assert root.resume_work().get(timeout=10) is True
        assert answer.get(timeout=10) == 42

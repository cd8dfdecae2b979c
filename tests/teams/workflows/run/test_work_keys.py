"""`Context.key`: the name under which a piece of work has its effect, whatever attempt and whatever process does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import sleep
from actors.testing import simulation
from supervisors import SupervisorSpec, constant
from teams import Context, Member, member, role, team
from teams._journal.store import Store
from teams.workflows import Node, do, engine, in_team, workflow
from teams.workflows.testing import Disk, Processes, Reboot
from tests.teams.workflows.cast import played

Seen = list[tuple[str, str]]
NAMES = st.text(st.characters(blacklist_characters="~/:", blacklist_categories=["Cs"]), min_size=1, max_size=8)


def noting(seen: Seen, failures: int, seconds: float = 0.0) -> Callable[[Any, Context], Any]:
    """Work that notes its ids, and fails so often at first."""

    async def work(value: Any, context: Context) -> object:
        seen.append((context.work_id, context.key))
        await sleep(seconds)
        if len(seen) <= failures:
            raise ValueError("not yet")
        return value

    return work


@pytest.mark.parametrize("inside", [False, True], ids=["member", "team"])
def test_every_attempt_at_a_step_has_one_key(inside: bool) -> None:
    seen: Seen = []
    hand = member("hand", noting(seen, 2), role="hand", backoff=constant(0.1))
    step: Node = do("pay", "hand", retry=3)
    parts: list[Member | SupervisorSpec] = [hand]
    if inside:
        parts = [team("crew", role("hand"), hand)]
        step = in_team("pay", "crew", [{"role": "hand", "action": "book"}], retry=3)
    with played(*parts, workflow("flow", step)) as scene:
        run = scene.start("flow", 1)
        run.get()
    name = "pay/book" if inside else "pay"
    assert [key for _, key in seen] == [f"{run.id}:{name}"] * 3
    assert len({work for work, _ in seen}) == 3  # each attempt is work of its own


def test_items_iterations_and_undoing_have_keys_of_their_own() -> None:
    seen: Seen = []
    hand = member("hand", noting(seen, 0))
    steps = [do("map", "hand", input=1, each=[1, 2]), do("loop", "hand", input=1, max_iterations=2, until="$self == 2")]
    with played(hand, workflow("flow", *steps)) as scene:
        run = scene.start("flow")
        with pytest.raises(Exception, match="failed"):
            run.get()
    assert sorted(key for _, key in seen) == [f"{run.id}:{each}" for each in ("loop", "loop#2", "map[0]", "map[1]")]


def test_a_step_begun_again_in_another_process_has_the_same_key() -> None:
    seen: Seen = []
    flow = workflow("flow", do("pay", "hand"))

    def spec(path: str, opened: Callable[[], Store]) -> SupervisorSpec:
        return engine(path, member("hand", noting(seen, 0, seconds=5.0)), flow, store=opened)

    with simulation(strict=False) as sim:
        processes = Processes(sim, Disk(sim, Reboot(at=4.0), exclusive=True), spec)
        processes.run(1.0)
        ref = processes.ref(0)
        assert ref is not None
        started = ref.start_workflow("flow", 1)
        processes.run(60.0)
        assert processes.reboots == 1
        run = started.get(timeout=0)
    assert [key for _, key in seen] == [f"{run.id}:pay"] * 2


@given(NAMES, st.lists(NAMES, min_size=1, max_size=3), st.integers(2, 99))
def test_the_key_of_any_step_is_its_name_without_attempts(run: str, parts: list[str], attempt: int) -> None:
    plain = "/".join(parts)
    for place in range(len(parts)):
        tried = "/".join(f"{each}~{attempt}" if at == place else each for at, each in enumerate(parts))
        assert Context("team", "member", f"{run}:{tried}").key == f"{run}:{plain}"
    assert Context("team", "member", plain).key == plain

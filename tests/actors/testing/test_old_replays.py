"""A replay blob of an earlier version shows what it showed, or says that it is stale."""

from __future__ import annotations

from typing import Literal

import pytest

from actors.testing import Raise, Replay, Simulation, StaleReplay
from actors.testing._report.replay import VERSION, pack
from actors.testing._search.simulate import run_blob
from supervisors import child, supervisor
from tests.actors.testing.cast import Counter, Sleepy

ON_THE_LOOP = (
    "eNpti0EOgjAQRa_SzJpEaGkt7ox6CsKi1CGQWIa0oxvj3W1J3Ln7_-W9vqlE_4bJPR8MJwGX6NIMlYDN8VxAJOKDK2TdgcyLl4Ap7-Yz7HWgFxb3"
    "ioEY_9eJcfslKv9zShh5ofUWI8VieF1Lc3TeaKOd6uTkbY2duuuxtbYbWxi-9asxcQ=="
)
ON_A_THREAD = (
    "eNpti8EOgjAQRH-l2TOJlgZRbwb5CsJhi0sgsSzZrlyM_25L4s3LZOZlXmcL071hxNdT4WqgEYwTFAZW1CkDYdYDZrLsoExN50AxdfvpdzvwRvl7"
    "p8BK_-2otP4Ul_YtRhKdeWlFWPLjfMTqMp5qwhrLwVuqHuSd9UMKtI6g_wIGozJv"
)
"""The same as on the loop; there the coroutine ran on the simulation's own loop."""


def body(host: Literal["loop", "thread"]) -> object:
    """What both blobs were made of."""

    def test(sim: Simulation, *_: object) -> None:
        root = sim.start(supervisor("root", child("a", Sleepy, host=host, backoff=None), child("b", Counter)))
        a, b = root.child("a"), root.child("b")
        a.tell(1)
        a.tell(2)
        b.tell(3)
        sim.run(until=5)
        assert a.incarnation == 1

    return test


def test_an_old_blob_shows_the_very_run() -> None:
    """To the last step, where nothing of it has changed."""
    with pytest.raises(AssertionError) as caught:
        run_blob(ON_THE_LOOP, body("loop"))  # type: ignore[arg-type]
    assert not any("in another run" in note for note in caught.value.__notes__)


def test_an_old_blob_of_another_run_shows_the_failure_and_says_so() -> None:
    """Async code on a thread takes other steps than it did; the failure is the same."""
    with pytest.raises(AssertionError) as caught:
        run_blob(ON_A_THREAD, body("thread"))  # type: ignore[arg-type]
    assert "the replay blob showed AssertionError in another run" in caught.value.__notes__[-1]


def test_an_old_blob_whose_failure_is_gone_is_stale() -> None:
    """It says what it showed."""

    def mended(sim: Simulation, *_: object) -> None:
        sim.start(supervisor("root", child("a", Counter)))

    with pytest.raises(StaleReplay, match="stale: this blob showed AssertionError"):
        run_blob(ON_THE_LOOP, mended)


@pytest.mark.parametrize("changed", [{"place": "nowhere"}, {"exception": "Gone"}, {"more": 1}])
def test_a_blob_with_a_fault_that_is_not_known_is_stale(changed: dict[str, object]) -> None:
    """As one of a later version may have."""
    plan = [{"fault": "Raise", "path": "a", "place": "task", "exception": "SystemExit", "nth": 1, "times": 1} | changed]
    with pytest.raises(StaleReplay, match="stale"):
        Replay.decode(pack(VERSION, plan, [], 0, "LoopEnded", ""))


def test_a_blob_holds_a_fault_that_raises() -> None:
    """In the version that it always had: an earlier reader says that the fault is unknown."""
    plan = [{"fault": "Raise", "path": "a", "place": "task", "exception": "SystemExit", "nth": 1, "times": 1}]
    read = Replay.decode(pack(VERSION, plan, [], 0, "LoopEnded", ""))
    assert read.plan.faults == (Raise("a", "task", "SystemExit"),)

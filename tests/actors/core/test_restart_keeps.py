"""What a restart keeps (supervision rules 26 to 29)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Actor, Crashed, Quarantined, Redelivered, StartFailed
from actors._core.envelope import BareEnvelope
from supervisors import child, start, supervisor
from tests.actors.cast import Host, Player, crash, stage
from tests.support import World, in_loop


class Keeper(Player):
    """Carries its count over; what the two hooks do is given to it."""

    told: list[Any]

    def __init__(self, told: list[Any], faults: set[str]) -> None:
        super().__init__()
        self.told, self.faults, self.count = told, faults, 0

    async def carry_over(self, reason: Any) -> int:
        await asyncio.sleep(0)
        self.told.append("carry_over")
        if "carry_over" in self.faults:
            raise OSError("carry_over")
        return self.count

    async def on_restore(self, carried: int) -> None:
        await asyncio.sleep(0)
        self.told.append(("on_restore", carried))
        if "on_restore" in self.faults:
            raise OSError("on_restore")
        self.count = carried

    def on_start(self) -> None:
        self.told.append(("on_start", self.count))

    def on_failure(self, *_: Any) -> None:
        self.told.append("on_failure")

    def on_stop(self) -> None:
        self.told.append("on_stop")


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.integers(), st.just("crash"), st.just("kill"), st.just("settle")), max_size=20),
    st.sampled_from(["loop", "loop", "thread"]),
)
@in_loop
async def test_ref_path_name_and_queue_survive_and_the_queue_is_handled_in_order(plan: list[Any], host: Host) -> None:
    """Guards rule 26 for any number of crashes and kills: nothing that waited is lost, doubled or out of order."""
    async with stage() as w:
        seen: list[Any] = []
        tree = supervisor(
            "root",
            child("a", Player, args={"seen": seen}, name="n", host=host, backoff=None),
            max_restarts=None,
        )
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            for step in plan:
                match step:
                    case "crash":
                        ref.tell(crash(ValueError()))
                    case "kill":
                        ref.kill()
                    case "settle":
                        await w.settle()
                    case _:
                        ref.tell(step)
            await w.settle()
            await ref.call("end")
            assert seen == [*(step for step in plan if isinstance(step, int)), "end"]
            assert root.child("a") is ref
            assert w.runtime.whereis("n") is ref
            assert (ref.path, ref.is_alive()) == ("root/a", True)


@in_loop
async def test_state_starts_afresh_unless_the_class_says_otherwise() -> None:
    """Guards rule 29: no attribute of a broken incarnation survives by accident."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        await ref.call("before")
        ref.tell(crash(ValueError()))
        await w.settle()
        assert ref.state() == {"seen": []}


async def keeper(w: World, told: list[Any], faults: set[str], plan: Any) -> Any:
    tree = supervisor(
        "root", child("a", Keeper, args={"told": told, "faults": faults}, backoff=None), max_restarts=None
    )
    async with start(tree, runtime=w.runtime) as root:
        ref = root.child("a")
        ref.tell(lambda self: setattr(self, "count", 7))
        await w.settle()
        told.clear()
        await plan(ref)
        await w.settle()
        result = ref.state().get("count"), list(told)
    return result


@in_loop
async def test_a_class_may_carry_state_over_a_crash_and_begin_from_it() -> None:
    """Guards rule 29: saved after the crash, restored before `on_start`."""

    async def crashes(ref: Any) -> None:
        ref.tell(crash(ValueError()))

    async with stage() as w:
        assert await keeper(w, [], set(), crashes) == (
            7,
            ["carry_over", "on_failure", ("on_restore", 7), ("on_start", 7)],
        )


@in_loop
async def test_what_is_carried_over_survives_an_ordered_stop_too() -> None:
    """Guards permanent children that stop in an orderly way."""

    async def stops(ref: Any) -> None:
        ref.stop(block=False)

    async with stage() as w:
        assert await keeper(w, [], set(), stops) == (
            7,
            ["carry_over", "on_stop", ("on_restore", 7), ("on_start", 7)],
        )


@in_loop
async def test_a_kill_carries_nothing_over() -> None:
    """Guards kill: no hook runs, so the next incarnation begins with nothing."""

    async def kills(ref: Any) -> None:
        ref.kill()

    async with stage() as w:
        assert await keeper(w, [], set(), kills) == (0, [("on_start", 0)])


@in_loop
async def test_a_carry_over_that_raises_carries_nothing_and_keeps_the_reason() -> None:
    """Guards the restart: it begins afresh, and the crash that is told is the one that happened first."""

    async def crashes(ref: Any) -> None:
        down = ref.monitor()
        ref.tell(crash(ValueError("first")))
        assert (await down).reason == Crashed(ValueError("first"))

    async with stage() as w:
        assert await keeper(w, [], {"carry_over"}, crashes) == (0, ["carry_over", ("on_start", 0)])


@in_loop
async def test_an_on_restore_that_raises_fails_the_start_and_carries_nothing_on() -> None:
    """Guards against state that breaks every incarnation that begins from it."""

    async def crashes(ref: Any) -> None:
        ref.tell(crash(ValueError()))

    async with stage() as w:
        state, told = await keeper(w, [], {"on_restore"}, crashes)
        assert (state, told) == (0, ["carry_over", "on_failure", ("on_restore", 7), ("on_start", 0)])
        assert [event.reason for event in w.seen(StartFailed)] == [Crashed(OSError("on_restore"))]


@settings(max_examples=30)
@given(redeliver=st.integers(0, 4), heals_after=st.integers(0, 6))
@in_loop
async def test_a_crashing_message_is_redelivered_so_often_and_then_quarantined(
    redeliver: int, heals_after: int
) -> None:
    """Guards rule 27: a poison message cannot kill the actor for ever, and one that heals is handled once."""
    async with stage() as w:
        log: list[Any] = []

        class Fragile(Actor):
            def on_receive(self, message: Any) -> None:
                log.append(message)
                if message == "poison" and log.count("poison") <= heals_after:
                    raise ValueError(message)

        spec = child("a", Fragile, redeliver=redeliver, backoff=None)
        async with start(supervisor("root", spec, max_restarts=None), runtime=w.runtime) as root:
            ref = root.child("a")
            ref.tell("poison")
            ref.tell("next")
            await w.settle()
            attempts = min(redeliver, heals_after) + 1
            assert log == ["poison"] * attempts + ["next"]
            healed = heals_after <= redeliver
            assert len(w.seen(Redelivered)) == attempts - 1
            if redeliver:
                assert [event.crashes for event in w.seen(Quarantined)] == ([] if healed else [redeliver + 1])
                assert w.dead_letters == []
            else:
                assert w.dead_letters == ([] if healed else [("crashed", "poison")])


@in_loop
async def test_a_question_is_not_redelivered_after_a_crash() -> None:
    """Guards rule 28: its asker has the exception already, an answer would come too late."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, redeliver=3, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        message = crash(ValueError("x"))
        with pytest.raises(ValueError, match="x"):
            await ref.call(message)
        await w.settle()
        assert ref.incarnation == 2
        assert w.dead_letters == [("crashed", message)]
        assert w.seen(Redelivered) == []


@in_loop
async def test_incarnations_are_counted_from_one_and_so_are_restarts_and_crashes() -> None:
    """Guards the numbers people look at."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        assert (ref.incarnation, ref.statistics().restarts, ref.statistics().crashes) == (1, 0, 0)
        ref.tell(crash(ValueError()))
        await w.settle()
        ref.kill()
        await w.settle()
        assert (ref.incarnation, ref.statistics().restarts, ref.statistics().crashes) == (3, 2, 1)


@in_loop
async def test_messages_to_an_actor_that_is_down_wait_for_its_next_incarnation() -> None:
    """Guards the delay of a backoff: senders notice nothing but the wait."""
    async with (
        stage(default_timeout=None) as w,
        start(supervisor("root", child("a", Player)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        ref.kill()
        await w.settle()
        answer = ref.ask("patience", block=False)
        await w.settle()
        assert (ref.status().state, ref.is_alive(), answer.done()) == ("down", True, False)
        await w.advance(60)
        assert await answer == "patience"


class Voter(Player):
    """Keeps whom it voted for; forgets how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def on_receive(self, message: Any) -> Any:
        if message in ("votes", "asked"):
            return self.kept(list) if message == "votes" else self.asked
        self.asked += 1
        if isinstance(message, int):
            votes: list[object] = self.kept(list)
            votes.append(message)
        return super().on_receive(message)


@settings(max_examples=40)
@given(
    st.lists(st.one_of(st.integers(), st.just("crash"), st.just("kill")), max_size=12),
    st.sampled_from(["loop", "thread"]),
)
@in_loop
async def test_what_an_actor_keeps_outlives_crashes_and_kills_unlike_attributes(plan: list[Any], host: Host) -> None:
    """Guards `kept`: a promise given to others holds in the next incarnation, however the last one ended."""
    tree = supervisor("root", child("voter", Voter, host=host, backoff=None), max_restarts=None)
    async with start(tree, log=False) as root:
        voter = root.child("voter")
        for each in plan:
            if each == "kill":
                voter.kill()
            elif each == "crash":
                await asyncio.gather(voter.call(crash(OSError())), return_exceptions=True)
            else:
                await voter.call(each)
        assert await voter.call("votes") == [each for each in plan if isinstance(each, int)]
        if plan and plan[-1] == "crash":
            assert await voter.call("asked") == 0


@in_loop
async def test_what_an_actor_keeps_goes_with_it_for_good() -> None:
    """Guards `kept`: it belongs to a place in the tree, and whoever comes to that place later begins with nothing."""
    async with start(supervisor("root", child("voter", Voter, restart="temporary")), log=False) as root:
        assert await root.child("voter").call(1) == 1
        await root.terminate_child("voter")
        voter = await root.start_child(child("voter", Voter))
        assert await voter.call("votes") == []


def test_a_bare_message_put_back_keeps_its_count_of_crashes() -> None:
    """Otherwise a message that overruns its time limit on a thread is handed on once more than `redeliver` says."""
    envelope = BareEnvelope()
    envelope.message, envelope.sender = "x", None
    envelope.crashes, envelope.quiet = 2, True
    again = envelope.again()
    assert (again.message, again.crashes, again.quiet, hasattr(again, "settled")) == ("x", 2, True, False)

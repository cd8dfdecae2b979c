"""Rule 30 on the real runtime: every restart can be asked for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from supervisors import constant, supervisor
from supervisors._supervisor.ledger import LENGTH
from tests.supervisors.cast import Play, boom, failing, leave, running, tell, worker
from tests.support import in_loop


class Order:
    """A message that crashes the actor that handles it."""

    def __call__(self, _: Any) -> None:
        raise LookupError("what was ordered is not there")


@in_loop
async def test_rule_30_a_restart_is_in_the_ledger_with_all_that_is_promised() -> None:
    """Rule 30: child, incarnation, cause class, message type, attempt, delay, outcome, time."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=constant(5)))) as (w, root):
        await w.advance(100)
        await tell(w, root, "a", message=Order())
        (entry,) = await root.ledger()
        assert (entry.child, entry.incarnation, entry.cause) == ("a", 1, "LookupError")
        assert entry.message_type == "Order"
        assert (entry.attempt, entry.delay, entry.at, entry.outcome) == (1, 5, 100, "pending")
        assert "not there" in entry.reason
        await w.advance(5)
        (entry,) = await root.ledger()
        assert (entry.outcome, entry.settled_at) == ("restarted", 105)


@in_loop
async def test_rule_30_a_restart_after_an_expected_exit_is_in_the_ledger_too() -> None:
    """Rule 30: *every* restart; a permanent child that ends normally is restarted."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        await tell(w, root, "a", message=leave)
        root.child("a").stop(block=False, drain=False)
        await w.settle()
        entries = await root.ledger()
        assert [(e.incarnation, e.cause, e.outcome) for e in entries] == [
            (1, "normal", "restarted"),
            (2, "shutdown", "restarted"),
        ]


@in_loop
async def test_rule_30_the_bystanders_of_a_group_restart_are_in_the_ledger_too() -> None:
    """Rule 30: *every* restart; that they were told to stop is their cause."""
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), strategy="one_for_all")
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        entries = await root.ledger()
        assert {(e.child, e.incarnation, e.cause, e.outcome) for e in entries} == {
            ("a", 1, "ValueError", "restarted"),
            ("b", 1, "shutdown", "restarted"),
        }


@in_loop
async def test_rule_30_a_kill_is_a_cause_like_any_other() -> None:
    """Rule 30: the kind of the exit stands in for an exception's class."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        root.child("a").kill()
        await w.settle()
        (entry,) = await root.ledger()
        assert (entry.cause, entry.message_type, entry.outcome) == ("killed", None, "restarted")


@in_loop
async def test_rule_30_failed_attempts_each_have_an_entry() -> None:
    """Rule 30: with a growing attempt, and the last one came up."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        play.starts["a"] = failing(2)
        await tell(w, root, "a")
        entries = await root.ledger()
        assert [(e.incarnation, e.attempt, e.outcome) for e in entries] == [
            (1, 1, "failed"),
            (2, 2, "failed"),
            (3, 3, "restarted"),
        ]


@in_loop
async def test_rule_30_a_restart_that_was_called_off_is_cancelled() -> None:
    """Rule 30: the outcome is never left open."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=constant(5)))) as (w, root):
        await tell(w, root, "a")
        await root.terminate_child("a")
        (entry,) = await root.ledger()
        assert entry.outcome == "cancelled"


@in_loop
async def test_rule_30_a_spent_budget_of_its_own_is_an_outcome() -> None:
    """Rules 9 and 30: the entry says that the child was given up."""
    play = Play()
    spec = worker(play, "a", max_restarts=1, on_limit="drop")
    async with running(supervisor("root", spec)) as (w, root):
        await tell(w, root, "a")
        await tell(w, root, "a")
        assert [entry.outcome for entry in await root.ledger()] == ["restarted", "gave_up"]


@in_loop
async def test_rule_30_what_is_not_restarted_is_no_restart() -> None:
    """Rule 30: ends for good and terminated children leave no line behind."""
    play = Play()
    children = [worker(play, "t", restart="transient"), worker(play, "x", restart="temporary"), worker(play, "a")]
    async with running(supervisor("root", *children)) as (w, root):
        await tell(w, root, "t", "x", message=leave)
        await root.terminate_child("a")
        assert await root.ledger() == ()


@in_loop
async def test_rule_30_the_ledger_is_bounded_and_keeps_the_latest() -> None:
    """Rule 30: however many restarts there were."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=None)) as (w, root):
        a = root.child("a")
        for _ in range(LENGTH + 10):
            a.tell(boom)
        await w.settle()
        entries = await root.ledger()
        assert len(entries) == LENGTH
        assert entries[-1].incarnation == LENGTH + 10


@in_loop
async def test_rule_30_the_ledger_does_not_keep_messages_alive() -> None:
    """Rule 30: it remembers types and words, not the exception, whose frames hold the message."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        await tell(w, root, "a", message=Order())
        (entry,) = await root.ledger()
        values = [getattr(entry, field.name) for field in fields(entry)]
        assert {type(value) for value in values} <= {str, int, float, type(None)}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_30_the_ledger_has_one_entry_for_each_replaced_incarnation(strategy: Any) -> None:
    """Rule 30: it adds up: entries restarted = incarnations - 1, for every child."""
    play = Play()
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy=strategy, max_restarts=None)) as (w, root):
        for id in "abcba":
            await tell(w, root, id)
        entries = await root.ledger()
        for id in "abc":
            mine = [e.incarnation for e in entries if e.child == id and e.outcome == "restarted"]
            assert mine == list(range(1, root.child(id).incarnation))

"""Pausing what works in a tree."""

from __future__ import annotations

from typing import Any

from actors import Actor, Future
from supervisors import Restarted, SupervisorRef, child, dynamic_supervisor, start, supervisor


class Echo(Actor):
    """Answers with what it gets, and crashes over "boom"."""

    def on_receive(self, message: object) -> object:
        if message == "boom":
            raise ValueError(message)
        return message


def tree() -> Any:
    """Workers on both hosts and below supervisors of both kinds."""
    return supervisor(
        "root",
        child("a", Echo, backoff=None),
        child("t", Echo, host="thread"),
        supervisor("below", child("b", Echo)),
        dynamic_supervisor("many", child("one", Echo)),
    )


def workers(root: SupervisorRef) -> list[Any]:
    many = root.supervisor("many").start_child().get(timeout=10)
    return [root.child("a"), root.child("t"), root.child("below/b"), many]


def test_paused_workers_take_nothing_until_they_are_resumed() -> None:
    """Guards pause_work: every worker of the tree, wherever it is, and nothing that waits is lost."""
    with start(tree(), log=False) as root:
        every = workers(root)
        assert root.pause_work().get(timeout=10) is True
        assert [each.status().suspended for each in every] == [True] * 4
        answers = [each.ask(number, block=False) for number, each in enumerate(every)]
        assert root.count_children().get(timeout=10).active == 4
        assert root.resume_work().get(timeout=10) is True
        assert [each.get(timeout=10) for each in answers] == [0, 1, 2, 3]


def test_pausing_twice_is_no_news() -> None:
    """Guards the answer of both operations."""
    with start(tree(), log=False) as root:
        assert root.resume_work().get(timeout=10) is False
        assert root.pause_work().get(timeout=10) is True
        assert root.pause_work().get(timeout=10) is False


def test_a_worker_that_is_restarted_while_paused_stays_paused() -> None:
    """Guards the pause against the end of an incarnation meanwhile."""
    with start(tree(), log=False) as root:
        ref = root.child("a")
        root.pause_work().get(timeout=10)
        came = Future[bool]()
        ref._cell.runtime.events.subscribe(lambda event: came.set(ref.status().suspended), Restarted)
        ref.kill()
        assert came.get(timeout=10) is True
        answer = ref.ask("later", block=False)
        root.resume_work().get(timeout=10)
        assert answer.get(timeout=10) == "later"

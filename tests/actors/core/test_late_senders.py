"""What comes to an actor after its end, and what a thread returns after its time limit, has one fate."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actors import Actor, ActorDeadError, DeadLetter, HandlerTimeout, LifecycleEvent, MessageHandled, prioritized
from supervisors import SupervisorGaveUp, child, start, supervisor
from tests.actors.cast import PATIENCE, Player


@pytest.mark.parametrize("late", [2, 3])
def test_every_sender_that_comes_too_late_is_refused(late: int) -> None:
    """Each has passed the check of the ref before the end, and enqueues after it."""
    gates = [threading.Event() for _ in range(late)]
    asked, refused = [threading.Event() for _ in range(late)], [threading.Event() for _ in range(late)]

    def priority(number: int) -> float:
        asked[number].set()
        gates[number].wait(PATIENCE)
        return 0.0

    letters: list[Any] = []
    tree = supervisor("root", child("w", Player, mailbox=prioritized(priority), restart="temporary"))
    with start(tree, log=False, watchdog=None) as root:
        root.runtime.events.subscribe(letters.append, DeadLetter)
        ref = root.child("w")

        def ask(number: int) -> None:
            try:
                ref.ask(number, timeout=None)
            except ActorDeadError:
                refused[number].set()

        threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(late)]
        for each in threads:
            each.start()
        assert all(each.wait(PATIENCE) for each in asked)
        root.terminate_child("w").get(timeout=PATIENCE)
        for gate, told in zip(gates, refused, strict=True):
            gate.set()
            assert told.wait(PATIENCE)
    assert sorted(letter.message for letter in letters) == list(range(late))


class Slow(Actor):
    """Returns after its time limit, within the grace of a kill."""

    host = "thread"

    def __init__(self, over: threading.Event) -> None:
        self.over = over

    def on_receive(self, message: Any) -> Any:
        self.over.wait(PATIENCE)
        return message


def test_a_thread_that_returns_after_its_limit_has_failed() -> None:
    """Its asker has the time-out, its message one fate, and the crash spends the budget."""
    over = threading.Event()
    seen: list[LifecycleEvent] = []
    worker = child("w", Slow, args=(over,), handler_timeout=0.01, backoff=None)
    with pytest.raises(SupervisorGaveUp):  # noqa: SIM117
        with start(supervisor("root", worker, max_restarts=0), log=False, watchdog=None, kill_grace=60.0) as root:

            def note(event: Any) -> None:
                seen.append(event)

            root.runtime.events.subscribe(note, DeadLetter, MessageHandled)
            ref = root.child("w")
            future = ref.ask("question", block=False)
            while ref.status().state != "stopping" and ref.is_alive():
                threading.Event().wait(0.001)
            over.set()
            with pytest.raises(HandlerTimeout):
                future.get(timeout=PATIENCE)
            root.wait(PATIENCE)
    fates = [(type(event).__name__, event.message) for event in seen if event.path == "root/w"]  # type: ignore[attr-defined]
    assert fates == [("DeadLetter", "question")]

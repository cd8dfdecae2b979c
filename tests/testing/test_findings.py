"""What campaigns of generated trials have found (`python -m benchmarks.soak`), each as the trial that shows it."""

from __future__ import annotations

from actors.testing import Demote, Schedule
from supervisors import child, supervisor
from supervisors.testing import Line, Puppet, Trial


def test_an_order_to_stop_that_comes_before_the_start_began_keeps_its_grace() -> None:
    """Guards rule 17: the start that began after the order took the timer of its grace, and a child that never stops
    was waited for without end.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=None),
        child("b", Puppet, args={"starts": ("up", "slow"), "stop": "never"}, shutdown=1.0),
        strategy="one_for_all",
    )
    script = (Line(1.0, "root/a", "crash"), Line(1.0, "root/a", "crash"))
    Trial(tree, script, schedule=Schedule(Demote("root/b", 1))).run()


def test_a_request_to_stop_that_never_got_its_turn_is_no_lost_message() -> None:
    """Guards the oracle of conservation: the actor was gone before it took the request, and another with its path has
    come since.
    """
    tree = supervisor(
        "root",
        supervisor("a", child("b", Puppet, backoff=None, args={"stop": "never"}), backoff=None, max_restarts=0),
    )
    script = (Line(1.0, "root/a/b", "nap"), Line(1.0, "root/a/b", "stop"), Line(1.0, "root/a/b", "kill"))
    Trial(tree, script).run()


def test_a_child_that_is_told_to_stop_while_it_starts_is_not_up_meanwhile() -> None:
    """Guards rule 8: a second of stopping counted as up, took a restart out of the window, and the third crash in a
    row was forgiven.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=None),
        child(
            "b",
            Puppet,
            args={"starts": ("up", "slow"), "stop": "never"},
            shutdown=1.0,
            backoff=None,
            max_restarts=1,
            period=0.5,
            on_limit="escalate",
        ),
        strategy="rest_for_one",
    )
    script = (Line(1.0, "root/b", "crash"), Line(1.125, "root/a", "crash"), Line(2.25, "root/b", "crash"))
    Trial(tree, script).run()

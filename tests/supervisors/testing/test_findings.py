"""What campaigns of generated trials have found (`python -m benchmarks.soak`), each as the trial that shows it."""

from __future__ import annotations

from actors.testing import ClockJump, Demote, FaultPlan, Schedule
from supervisors import budget, child, constant, exponential, supervisor
from supervisors.testing import Line, Puppet, Trial


def test_an_order_to_stop_before_the_start_began_keeps_its_grace() -> None:
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


def test_a_child_that_ended_before_its_stop_was_ordered_ends_by_the_table() -> None:
    """Guards rules 5 and 7: the supervisor had not heard yet that it was up, took its exit for a failed start, and
    restarted a transient child that had ended as expected.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=None),
        child("b", Puppet, args={"starts": ("slow",)}, restart="transient"),
        strategy="one_for_all",
    )
    script = (Line(0.25, "root/a", "kill"), Line(0.25, "root/b", "finish"))
    Trial(tree, script, schedule=Schedule(Demote("root", 2))).run()


def test_a_failed_group_attempt_spares_what_a_request_has_started() -> None:
    """Guards rule 15: it stops again what the restart has started; `restart_child` had started one of them."""
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=None),
        child("b", Puppet, backoff=None, args={"starts": ("up", "slow")}),
        child("c", Puppet, backoff=None, args={"starts": ("up", "fail")}),
        strategy="one_for_all",
    )
    script = (
        Line(1.0, "root/b", "kill"),
        Line(1.125, "root/a", "terminate_child"),
        Line(1.1875, "root/a", "restart_child"),
    )
    Trial(tree, script).run()


def test_a_child_that_a_request_tells_to_stop_while_it_declines_is_at_rest() -> None:
    """Guards the model: rule 13 does not say whether such a child shows as declined or as stopped."""
    tree = supervisor("root", child("a", Puppet, backoff=None, args={"starts": ("up", "decline")}))
    script = (
        Line(1.0, "root/a", "kill"),
        Line(1.0, "root/a", "terminate_child"),
        Line(2.0, "root", "which_children"),
    )
    Trial(tree, script, schedule=Schedule(Demote("root/a", 1))).run()


def test_a_significant_child_that_is_being_stopped_is_not_gone_yet() -> None:
    """Guards the model of rule 21: of two that end together, the one that `terminate_child` ends does not count,
    and it was there when the other one ended.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, restart="transient", significant=True, args={"stop": "slow"}),
        child("b", Puppet, restart="temporary", significant=True),
        auto_shutdown="all_significant",
    )
    script = (Line(1.0, "root/a", "terminate_child"), Line(1.125, "root/b", "finish"))
    Trial(tree, script).run()


def test_a_supervisor_in_the_place_of_a_worker_is_watched_as_one() -> None:
    """Guards the kit: `update_specs` puts another class into the same cell, and what it hears is seen from then on."""
    tree = supervisor(
        "root", supervisor("a", child("b", Puppet), restart="temporary"), child("c", Puppet, restart="temporary")
    )
    worker = child("a", Puppet, restart="temporary")
    script = (
        Line(1.0, "root/a", "stop"),
        Line(2.0, "root", "start_child", worker),
        Line(3.0, "root", "update_specs", child("c", Puppet, restart="temporary")),
    )
    Trial(tree, script).run()


def test_a_requested_start_does_not_hold_back_the_start_of_the_supervisor() -> None:
    """Guards rule 1: a supervisor is up when its own children are; one that was asked for meanwhile, and that is tried
    again and again, kept it from saying so.
    """
    tree = supervisor("root", child("a", Puppet, args={"starts": ("slow",)}))
    new = child("b", Puppet, args={"starts": ("fail", "fail")}, retry_start=True, backoff=constant(1.0))
    Trial(tree, (Line(0.125, "root", "start_child", new),)).run()


def test_a_requested_start_that_waits_a_second_time_is_started_once() -> None:
    """Guards rule 17: it had been started out of turn while the group waited, had failed, stood in the line twice, and
    was started twice when the group had to wait again.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=constant(0.5)),
        child("b", Puppet, args={"starts": ("up", "slow"), "stop": "slow"}),
        strategy="rest_for_one",
    )
    new = child("c", Puppet, args={"starts": ("fail",)}, retry_start=True, backoff=constant(0.25))
    script = (
        Line(1.0, "root/a", "crash"),
        Line(1.125, "root", "start_child", new),
        Line(1.375, "root/a", "crash"),
    )
    Trial(tree, script).run()


def test_a_group_may_wait_for_a_first_start_before_it_that_is_tried_again() -> None:
    """Guards the model, which rule 12 leaves open: `restart_child` has failed and is tried again, and a child after it
    falls meanwhile.
    """
    tree = supervisor(
        "root",
        child(
            "a",
            Puppet,
            restart="transient",
            backoff=constant(0.5),
            retry_start=True,
            args={"starts": ("up", "fail")},
        ),
        child("b", Puppet, backoff=None),
        strategy="rest_for_one",
    )
    script = (Line(1.0, "root/a", "stop"), Line(2.0, "root/a", "restart_child"), Line(2.0, "root/b", "crash"))
    Trial(tree, script).run()


def test_a_child_requested_twice_while_a_group_waits_is_started_once() -> None:
    """Guards rule 17: what stood in line for its first start stood there still when it was asked for again."""
    tree = supervisor("root", child("a", Puppet, backoff=constant(4.0)), strategy="rest_for_one")
    script = (
        Line(1.0, "root/a", "crash"),
        Line(2.0, "root", "start_child", child("b", Puppet)),
        Line(3.0, "root/b", "terminate_child"),
        Line(4.0, "root/b", "restart_child"),
    )
    Trial(tree, script).run()


def test_a_first_start_that_is_tried_again_may_wait_for_a_group_after_it() -> None:
    """Guards the model, which rule 12 leaves open: both wait, the first start is due before the group."""
    tree = supervisor(
        "root",
        child("a", Puppet, args={"starts": ("fail",)}, retry_start=True, backoff=constant(1.0)),
        strategy="rest_for_one",
    )
    script = (
        Line(0.25, "root", "start_child", child("b", Puppet, backoff=constant(4.0))),
        Line(0.5, "root/b", "crash"),
    )
    Trial(tree, script).run()


def test_specs_that_are_refused_change_nothing() -> None:
    """Guards the model of rule 22: `update_specs` was refused, and the mailbox of the child went on as it was."""
    tree = supervisor("root", child("a", Puppet, backoff=None, mailbox="drop"))
    refused = child("a", Puppet, restart="transient", significant=True)
    script = (
        Line(1.0, "root", "update_specs", refused),
        Line(2.0, "root/a", "crash"),
        Line(2.0, "root/a", "crash"),
    )
    assert not Trial(tree, script).run().silent


def test_a_failing_first_start_may_hold_back_the_group_that_stops_it() -> None:
    """Guards the model of rule 12: it said that the group waits for the one that was killed alone, which the rules
    leave open.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=exponential(0.25, cap=2.0, factor=3.0, reset_after=0.5)),
        child(
            "b",
            Puppet,
            restart="transient",
            args={"starts": ("slow", "decline", "slow")},
            backoff=exponential(1.0, cap=2.0, factor=1.0, jitter="none", reset_after=0.5),
            start_timeout=0.75,
        ),
        strategy="one_for_all",
        restart="temporary",
        period=1.0,
    )
    script = (Line(2.25, "root/a", "kill"), Line(2.25, "root", "which_children"))
    Trial(tree, script, FaultPlan(ClockJump(at=0.5, seconds=5.0)), seed=541420).run()


def test_a_worker_in_the_place_of_a_supervisor_is_judged_as_a_worker() -> None:
    """Guards the model: after `update_specs` it no longer knew what was started, and took a worker for the supervisor
    that had been there.
    """
    tree = supervisor(
        "root",
        supervisor(
            "b",
            child("a", Puppet, restart="temporary", backoff=None, args={"starts": ("fail",), "stop": "fail"}),
            backoff=None,
            retry_start=True,
            strategy="one_for_all",
            own_budget=budget(2, period=60.0, on_limit="drop"),
        ),
        restart="transient",
        backoff=None,
        strategy="one_for_all",
        auto_shutdown="all_significant",
    )
    other = child("d", Puppet, restart="transient", significant=True, start_timeout=0.75)
    worker = child("b", Puppet, backoff=None, shutdown=0.5, args={"stop": "never"})
    script = (Line(0.5, "root", "update_specs", other), Line(2.75, "root", "start_child", worker))
    Trial(tree, script, seed=167, until=1.5).run()


def test_a_group_restart_may_wait_for_a_start_that_was_asked_for() -> None:
    """Guards the model of rule 6: it wanted the group stopped while a child outside of it, that somebody had asked for,
    was coming up. One thing after another, as in OTP, keeps the rules too.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, restart="transient", backoff=None, args={"starts": ("decline", "slow", "up")}),
        child("c", Puppet, backoff=None),
        backoff=None,
        strategy="rest_for_one",
        period=2.0,
    )
    script = (
        Line(4.5, "root", "start_child", child("d", Puppet, restart="temporary")),
        Line(5.75, "root/c", "crash"),
        Line(5.75, "root/a", "restart_child"),
    )
    Trial(tree, script, seed=194286).run()


def test_an_entry_as_old_as_the_period_may_count_or_not_by_rounding() -> None:
    """Guards the model of rule 8: it added up in fractions what the supervisor adds up in floating point, and wanted an
    age of exactly one second inside the window, where the supervisor had a hair more. Times without rounding are
    judged to the edge as before.
    """
    tree = supervisor(
        "root",
        child(
            "a",
            Puppet,
            restart="transient",
            backoff=constant(2.0, jitter="full"),
            retry_start=True,
            args={"starts": ("fail", "fail", "fail"), "stop": "never"},
            redeliver=1,
        ),
        supervisor(
            "c",
            child("a", Puppet, backoff=None, args={"starts": ("slow",), "stop": "slow"}),
            supervisor(
                "b",
                child(
                    "a",
                    Puppet,
                    restart="transient",
                    backoff=None,
                    args={"starts": ("fail", "fail", "fail"), "stop": "never"},
                    redeliver=1,
                ),
                restart="transient",
                backoff=None,
                strategy="rest_for_one",
            ),
            restart="transient",
            shutdown="brutal_kill",
            backoff=None,
            retry_start=True,
            period=1.0,
        ),
        restart="temporary",
        backoff=None,
        strategy="rest_for_one",
        period=1.0,
    )
    Trial(tree, (Line(0.25, "root/a", "crash"),), seed=567273).run()


def test_a_waiting_first_start_does_not_wait_for_later_requests() -> None:
    """Guards rules 1 and 12: a child asked for with `start_child` failed its first start while the supervisor waited to
    try one of its own again, and the supervisor's own start then waited for that child's delay, too.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=constant(2.0), retry_start=True, args={"starts": ("fail", "slow")}),
        backoff=None,
    )
    asked = child("d", Puppet, backoff=constant(4.0), retry_start=True, args={"starts": ("fail", "decline")})
    Trial(tree, (Line(1.0, "root", "start_child", asked),)).run()


def test_the_adopted_grace_holds_for_every_stop_of_the_child() -> None:
    """Guards rule 23: `update_specs` gave the supervisor another grace, and the running child went on with the old one,
    by which `ref.stop()` and the end of the runtime measure.
    """
    tree = supervisor("root", child("a", Puppet, backoff=None, shutdown=0.5, args={"stop": "never"}))
    longer = child("a", Puppet, backoff=None, shutdown=20.0, args={"stop": "never"})
    Trial(tree, (Line(1.0, "root", "update_specs", longer),), until=1.5).run()


def test_a_child_that_is_replaced_stops_by_the_grace_it_was_started_with() -> None:
    """Guards rule 17: `update_specs` with another program and another grace stopped the old program by the grace of the
    new one.
    """
    tree = supervisor("root", child("a", Puppet, backoff=None, shutdown=0.5, args={"stop": "never"}))
    other = child("a", Puppet, backoff=None, shutdown=20.0, args={"stop": "never", "starts": ("up",)})
    Trial(tree, (Line(3.0, "root", "update_specs", other),), until=2.0).run()


def test_an_update_may_be_answered_after_what_was_asked_for_meanwhile() -> None:
    """Guards the model of rule 23: it wanted the answer to `update_specs` while a child that somebody had asked for
    meanwhile was coming up. One thing after another keeps the rules too.
    """
    tree = supervisor("root", child("c", Puppet, backoff=None, args={"stop": "slow"}))
    script = (
        Line(1.0, "root", "update_specs", child("c", Puppet, args={"starts": ("up", "slow")})),
        Line(1.25, "root", "start_child", child("d", Puppet, args={"starts": ("slow", "slow")})),
    )
    assert not Trial(tree, script).run().silent


def test_no_group_waits_for_a_first_start_that_was_asked_for_meanwhile() -> None:
    """Guards rules 1 and 12: a child asked for with `start_child` failed its first start while the supervisor waited to
    try one of its own again, and where a restart takes siblings along its own start then waited for that child, too.
    """
    tree = supervisor(
        "root",
        child("b", Puppet, backoff=constant(1.0), retry_start=True, args={"starts": ("fail",)}),
        strategy="rest_for_one",
    )
    asked = child("d", Puppet, backoff=constant(4.0), retry_start=True, args={"starts": ("fail",)})
    Trial(tree, (Line(0.5, "root", "start_child", asked),)).run()


def test_the_last_of_two_updates_says_what_a_child_is() -> None:
    """Guards the model: where it had given in at the first of them, it took the worker that the second one put in the
    place of a supervisor for that supervisor.
    """
    tree = supervisor(
        "root",
        supervisor("a", child("a", Puppet, backoff=None, args={"starts": ("slow",)}), backoff=None),
        child("b", Puppet, backoff=None, args={"starts": ("slow",)}),
    )
    script = (
        Line(0.75, "root", "update_specs", child("e", Puppet, backoff=None)),
        Line(2.0, "root", "update_specs", child("a", Puppet, backoff=None)),
    )
    Trial(tree, script).run()


def test_a_group_restart_need_not_wait_for_what_was_asked_for_and_never_up() -> None:
    """Guards the model of rule 12: it counted a child that somebody had asked for, and whose first start is tried
    again, among the members of the group that failed.
    """
    tree = supervisor("root", child("a", Puppet, backoff=None), strategy="rest_for_one")
    asked = child("b", Puppet, backoff=constant(1.0), retry_start=True, args={"starts": ("fail",)})
    Trial(tree, (Line(0.5, "root", "start_child", asked), Line(0.75, "root/a", "crash"))).run()


def test_a_child_that_waits_for_a_requested_start_is_neither_up_nor_gone() -> None:
    """Guards the model of rule 8: the time until `restart_child` had its turn took a restart out of the window."""
    tree = supervisor(
        "root",
        supervisor(
            "d",
            child("a", Puppet, backoff=None),
            child("b", Puppet, restart="transient", backoff=None, redeliver=1, args={"stop": "never"}),
            strategy="rest_for_one",
            backoff=None,
            max_restarts=1,
            period=1.0,
        ),
        restart="temporary",
    )
    script = (
        Line(1.25, "root/d/a", "crash"),
        Line(1.75, "root/d/b", "crash"),
        Line(2.75, "root/d/a", "terminate_child"),
        Line(3.0, "root/d/a", "restart_child"),
    )
    Trial(tree, script).run()


def test_what_comes_before_a_group_does_not_wait_with_it() -> None:
    """Guards rule 12: `update_specs` stopped a healthy child to give it another program while a child after it backed
    off, and it stayed down until that delay was over: rest_for_one leaves alone what was started before.
    """
    tree = supervisor(
        "root", child("a", Puppet), child("b", Puppet, backoff=constant(16.0)), strategy="rest_for_one", backoff=None
    )
    other = child("a", Puppet, args={"starts": ("up",)})
    Trial(tree, (Line(1.0, "root/b", "crash"), Line(2.0, "root", "update_specs", other)), until=30.0).run()


def test_what_crashes_without_a_backoff_waits_with_its_group_all_the_same() -> None:
    """Guards rule 12: the crash came while a first start after it waited to be tried again. What an update starts
    before a group is not the group's.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=None),
        child("b", Puppet, backoff=constant(2.0), retry_start=True, args={"starts": ("fail",)}),
        strategy="rest_for_one",
    )
    Trial(tree, (Line(1.0, "root/a", "crash"),)).run()


def test_a_group_restart_may_wait_for_a_start_of_the_group_it_merges_into() -> None:
    """Guards the model of rules 6 and 7: a child was coming up, one after it crashed, and the model wanted those after
    that one stopped meanwhile. One thing after another keeps the rules too.
    """
    tree = supervisor(
        "root",
        child("a", Puppet, backoff=constant(1.0), args={"starts": ("up", "slow")}),
        strategy="rest_for_one",
    )
    script = (
        Line(1.0, "root/a", "crash"),
        Line(1.25, "root", "start_child", child("c", Puppet)),
        Line(1.5, "root", "start_child", child("d", Puppet)),
        Line(2.25, "root/c", "crash"),
    )
    Trial(tree, script).run()


def test_a_declined_child_terminated_while_it_waits_for_a_start_is_at_rest() -> None:
    """Guards the model of rule 13, which does not say whether such a child shows as declined or as stopped."""
    tree = supervisor("root", child("a", Puppet, args={"starts": ("decline",)}), strategy="rest_for_one")
    script = (
        Line(1.25, "root", "start_child", child("d", Puppet, args={"starts": ("slow", "slow")})),
        Line(1.25, "root/a", "restart_child"),
        Line(1.5, "root/a", "terminate_child"),
        Line(2.0, "root", "which_children"),
    )
    Trial(tree, script).run()


def test_a_clock_may_jump_between_the_order_to_start_and_its_time_limit() -> None:
    """Guards the model of rule 4: it counted the time of a start from the order, also where a jump of the clock came
    between the order and the first step of the actor, with which the time begins.
    """
    Trial.decode(
        "eNqtVU2P2jAQ_SvIxxVKIXxJe6t666l3hCzjGPDi2JE92e0K8d_rGYeQZNlo1fYCZub5zczzs9kup5MLC5WS7HnCQl0p_6qD82w6YXsh"
        "z-5wiAlbGxMD8qRN4ZWNke19E0URL_wxxMCFFVoCLQIIDykGdWUUbmQHoQ3C6wo_g3FvbHe9XnsFL0xbDVqYuM6zGdYWVVwvaf2iAZTH"
        "2tZZhSxeBQVcHFK4afesbYEgo60SNFEAhSyzbIXlNGVF2g_-nVO7MQa-VoROPy9MGhFCX6CQgQqg7THjVV1VCp5_0Re73nZy0KVyNVDB"
        "DVb8stCpsz3mIk67IjVNzF6AOr5jPg4N_OA8RxF69O2RfMIsG82aAVkktUErC-zvx37cwAdPDA6611bxL-V3LY13DsYHvGsYpSMJhTEo"
        "4XabZEaKb6SSFWhTbDMW6GbFaHaf8tKLcOog5i2iHZXftPrijXLo4HSJxrSk5kvxmzcqIE8-xYG50aUmVVSQwkQpej5bz-iO_Wfz94dP"
        "0sbLWmob67cS3GXa9HUe6pjehEbp_WNEPjyMRokP1fJhtf6pLu61KHtUDQWn8-oC8z7Pm_PnXr5NF2P9LLLx4RedfotHgOW9YzlWaDVo"
        "6JMDQeglOq425Jofxsnzz7qk57sScMLg0xP5FQGr5B8lnS3QN_Nsdk0UpXvFvwD2nd7pzu7O2zxfo0nhlN73202hAG8hyJfcvtis13n8"
        "D8uja3d_ACSEGGs="
    ).run()


def test_a_restart_that_was_refused_does_not_count_against_the_siblings() -> None:
    """Guards the model of rule 9: a child that is dropped at the limit draws nothing from the window of the others."""
    Trial.decode(
        "eNqlU11vwjAM_Csoz1UpHTCJv7CXvVcImdQFb2kTOSkCIf774vA9oU0bb7Xv7Ltz22qcDfbKO9RqNlC-d8gb8pZVNlBL0J-2aSLQ9cbEhl6T"
        "qRm72KmeHErdh3yqBV8K5gNwiNVeaQPe34v5PKAP1K1m771zGNThcBvlNwEtWAtklnZ7lAAHmsLuSnTWkJZaMX6gDjLhmCzfsWy3YDw7VTVb"
        "p6KROFKjoQ1y7I5SfeEEhs4TduE_GeeXBHBMsD3Ly2yRNjIEXCXjtsNFY3kBxqg_nSdhMZqhlq7BnvLL1oYHluU4cZ6skMq8-HYrbJ1l4J36"
        "OVlVveTlJDuqDGGYXq9m8Ov4IMmij2qSv95QTp9YipUYQtmrBnqTpN8orhZzENZn_8N0ly41xDgIc5zL1kAtpjwSuZpnp3uW09G0iD9ZWeTF"
        "_AtQBBM-"
    ).run()


def test_a_dropped_child_that_ends_its_supervisor_may_come_again_with_it() -> None:
    """Guards the model of rule 18: the place of the child is in the spec, so its cell waits for the next incarnation of
    the supervisor.
    """
    below = supervisor(
        "b",
        child("a", Puppet, restart="transient", backoff=None, args={"stop": "slow"}),
        child("b", Puppet, restart="temporary", backoff=None, significant=True),
        restart="transient",
        backoff=None,
        auto_shutdown="all_significant",
    )
    Trial(supervisor("root", below), (Line(5.75, "root/b/b", "crash"),)).run()


def test_an_update_forgets_the_failures_of_a_child_that_waits() -> None:
    """The update may be the repair: its restarts without progress count from 0 again (rule 8)."""
    Trial.decode(
        "eNqVUstuwjAQ_BXkM0pDBJTyFdyjKDLJBlyMbdnrQoXy7911AgXRVuohir2P2ZlZl_Pp5CKCg0asJyJEB_5DBevFdCK2sjnY"
        "rqOEiVpToNkr3XowFCm_m1L0sf4ilFGopKZznhUL7pWOLkWW0_ldIYLn3hYa6z1oiZAgPATAWnZDepmn8oMyLRdrZUAmZgFh"
        "ROvpplJ2OySkx0Sg0TKER00hQwiozG69ic4Bir6vbu3eWmSEozzXxIJxuL0YSI2wAuHorJf-U9DgsswzlsatL2l8R7LDnk5s"
        "GGFTweu1gvPRtaS0ZueCuDf-5qH0u5D4t6oZhNyoXARGp4HNJ6A0Tip9_x-i5Ck7Jao-GWJdckHbE-n9Y0u_L6kjMc_LGd_E"
        "dTlwdtaASXCJUoOWy2ZPO_rRTqa6j9jak0mFPqLU9UENk_-51mtHjeoINmLSNysWfcU7Gb-B_2q-XL2R9IKeWvUFzqLw4Q=="
    ).run()


def test_a_supervisor_in_the_place_of_a_worker_ends_the_ref_of_the_worker() -> None:
    """Guards the model of rule 26: a worker took the id of a supervisor, and the spec brings the supervisor back."""
    Trial.decode(
        "eNqlU8FuwjAM_ZUqR1R1paMgcd1OO-1eoSqkKWSkSZS4DFTx74sTtsGkQaed6r4828_PSTVLk4E4wxlZJsT1htu9cNqSNCFryna6bf2B"
        "6qX0ANsK2ViuPFL9MymgyKd24zwwkEYwCIEDaiFi0BvJMZH0BsktFRK_Tup3_F6gqxPioE2QhOen05WcgQglQFDp4zwrURlFcpHlPn4T"
        "ANxirtKKY1XLHYeathE-D7MTqkESPxhPU6FcUMBAI22a5dhVBBI9l8F58B8sVU74rDDCGR0Ik9S5ayNdBj5NqM3ytTeGQ5hltOOx-_pn"
        "d94Zbak9xu6WAt8c8QA5dattjYOfVtfyO3qoz0VQ43RkrtUabk__W400qaoyW-B-sMgD_TKr_rwzY27RzeUX39ufjdp-vC_3ll9cLv-O"
        "_X9bvje2mkfZ0ZRoC7PUbX2Ae18hZ_Biehn6PUnNdi99F16IobBFcDIJZiHhMZZznGnVoILSq481Or3HR0eeeaeBX-ZfboSjfVNMiddu"
        "Xs7KRZoUeZavPgBFL1bx"
    ).run()


def test_the_first_child_of_a_restart_may_be_of_another_class() -> None:
    """Guards the model of rule 26: its number counts on, though its supervisor has not begun to start its children."""
    Trial.decode(
        "eNqdU9tuwyAM_ZWI5yhNu2bS-hV7jypEiNt5JYAMbKuq_vuApGt2q7Q9RCjm2D7n2LTrsjgxZ0GyTcFcsEAv6AyxsmCdkAez28ULHZSKAfmE"
        "qifQMdL-liSCN9w9Bd-b1wRkQinucK9xh1Jo_-_C35Kwz-XT3QF1_umPWgwoU2gQb3xWdhVDBM4L8gnoYbCGBB0T1HkSHvbH3BMHq4AbDXxn"
        "KJ0JkeAqYiLiSi9Xv8EsSyXoQeELUIwsc6-RwYlJJZz7LNNVPlJEvd88BmvBs_P5XP6hYzcKR9WZt7GHsEKiP16B1iiUWSnBM8jM0RIa-oQy"
        "ms_M6slYdr5l4Gy8m8JTgH8o3X7IkF-HcplGXCU2w5Exk8dXWiS0Q4g8It-2XVd1OeIWuWiwfSzKk5-O_eisoL3LpHuUmX2awM3dS4s2MXDT"
        "okX7FA6YGYGTIq9O0jR7Fh0FLxQ_YNT0d7cuGdzjACakzLparprkTntfrZoP2YtufCC5TWK_TZDpG9XcNc2yfiiLVV3V23fJFU5p"
    ).run()


def test_a_lower_max_children_than_those_it_began_with_stops_no_child() -> None:
    """Rule 25: a running dynamic supervisor takes it, and starts no further child."""
    Trial.decode(
        "eNqtUUFuwyAQ_Iq1Z8tNnbSHvKJ3ZFkE4xQFA4KlqhX571nAVd1KrVKpBwTMziyzAzvU1RWCkwKOFYTopH9TwXqoKzhxcbHjSAUTtSZAvCo9eGkI"
        "YXeL1JBIp1RTRqHiusgxOi3TsVuShc21I-pFmawbZsMnJZJ64u_9xkFLUEDPUZ7nbENN1KG3Rvaj9WlPIpSEEocYn45zl1_MYqp5GZB7zHdqYj33"
        "M-Q3C3oFoXkIXxMIDZJMmfPxJTonEZYlj1P6emsRvtn-8Mu1BgqCsbZpn-rCfcipRTcQuw8SU-MAP39YeWVDvCPGxxVax03z7P8h2U2Qfw-MEmPr"
        "Kv_yvKdI2l2z626Had0y"
    ).run()


def test_a_delay_is_not_below_initial_when_the_child_had_no_backoff() -> None:
    """Guards rule 11: decorrelated jitter took the restart at once, before the update, for a delay of 0 s, and drew
    less than `initial`.
    """
    without = child("a", Puppet, backoff=None)
    update = child("a", Puppet, backoff=exponential(1.0, cap=4.0, jitter="decorrelated"), args={"stop": "slow"})
    script = (
        Line(1.0, "root/a", "crash"),
        Line(2.0, "root", "update_specs", update),
        Line(4.0, "root/a", "kill"),
    )
    for seed in range(10):
        Trial(supervisor("root", without), script, seed=seed).run()


def test_a_failure_after_the_order_to_stop_may_count_as_an_attempt() -> None:
    """Guards the model of rule 11: the next start had no backoff, and it held that the failure had not counted."""
    Trial.decode(
        "eNq1UctuAjEM_BWU84ouBXrg2lNvlXpcrVDIeiEiJJHjtEIr_r12FvpAbQ-teoo1Ho9nnGZRTQaVIhi1mqiUI-CzTQFVNVEbbfah77nhs3MM"
        "mJ11HYJnpHkfKqjwNW4TA4PqrCEpTqevVGwnU1omEBJpFK4i1D5Z8CT4BR2UcTqlz9bSlHjM-u3qMccIpGTNX-1s_m_tKDtilKMDOZ9KLryUnee3"
        "A-Osh6syR9WeirMQix1h_5TDjGclPK4vaQgz_CJc-6aJIdD1b8EhBtR4HM-GmmB7LFzmrPuA68AB2GfT1NPbZTWK3JRPN6jTjgvxzUua2QdCsb-3"
        "zn3T31z3hTCoXmdXfN2L9oN_Kj6ZGjXtLhFGcV-AOVdkDyBnmEvUpq3Oh1zUy9kdL5xP6_YVLxL5lw=="
    ).run()


def test_what_is_below_a_supervisor_that_comes_anew_counts_from_one() -> None:
    """Guards the model of rule 26: a worker had been put in the place of a supervisor below, and its number was kept
    though the cell above it was closed.
    """
    Trial.decode(
        "eNqtU8Fu2zAM_ZVA5yBLjaQF-hW7B4HA2nLMVZE0ieoaBP73kpLTxQEWbOgOFiTy8ZF8pHeb5eKsUjCtel6olIOJb5h8VMuFeoH21fc9O1y2lg3tg"
        "LaLxrFl98WgYhU8xENiw1l12FK5JIJI1UY5WCOBKgcB17MHtNNrP47jLOlZoUNCsHxvVmvJD-Hz_gOJTJT85meGQhJNMqShr_ap5mIU2GDA0nAS4C"
        "u6TkwWnYHSaiITphgpAosbxHOEd80cl0aaAuZHKbC1kNJcuLQiRqM7PH_PIXBq6eqvFa6JX6ZupjyKzDH4CPFUS41A5nASh2B076P2zqhxP6_8KwT"
        "Re7qPXS52u_Wq2S4r-BvUMXYM19JsUtdt_3lH7gx9oq9T3_y3qbfesTCO1DgX3Dtt8YglrIs-VPLOWHwr1A93NI2G4klffBSz-fc9uURowqPxmYoC"
        "D81WxsJSP_2WuordRkgDX6RlgWxWt4ietZxBHm8HBp0PpFkrqWQ-svmmQiav05Cp879cWTFrdcKDwx5bEfNTyyuy259HcjMpegE-rstErzeMF6ssG"
        "HPzMkrB01en2myf-OCw_QeYKIxv"
    ).run()

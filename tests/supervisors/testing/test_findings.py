"""What campaigns of generated trials have found (`python -m benchmarks.soak`), each as the trial that shows it."""

from __future__ import annotations

from actors.testing import ClockJump, Demote, FaultPlan, Schedule
from supervisors import budget, child, constant, exponential, supervisor
from supervisors.testing import ScriptedAction, ScriptedActor, Trial


def test_an_order_to_stop_before_the_start_began_keeps_its_grace() -> None:
    """Guards rule 17: the start that began after the order took the timer of its grace, and a child that never stops
    was waited for without end.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=None),
        child("b", ScriptedActor, args={"starts": ("up", "slow"), "stop": "never"}, shutdown=1.0),
        strategy="one_for_all",
    )
    script = (ScriptedAction(1.0, "root/a", "crash"), ScriptedAction(1.0, "root/a", "crash"))
    Trial(tree, script, schedule=Schedule(Demote("root/b", 1))).run()


def test_a_request_to_stop_that_never_got_its_turn_is_no_lost_message() -> None:
    """Guards the oracle of conservation: the actor was gone before it took the request, and another with its path has
    come since.
    """
    tree = supervisor(
        "root",
        supervisor("a", child("b", ScriptedActor, backoff=None, args={"stop": "never"}), backoff=None, max_restarts=0),
    )
    script = (
        ScriptedAction(1.0, "root/a/b", "nap"),
        ScriptedAction(1.0, "root/a/b", "stop"),
        ScriptedAction(1.0, "root/a/b", "kill"),
    )
    Trial(tree, script).run()


def test_a_child_that_is_told_to_stop_while_it_starts_is_not_up_meanwhile() -> None:
    """Guards rule 8: a second of stopping counted as up, took a restart out of the window, and the third crash in a
    row was forgiven.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=None),
        child(
            "b",
            ScriptedActor,
            args={"starts": ("up", "slow"), "stop": "never"},
            shutdown=1.0,
            backoff=None,
            max_restarts=1,
            period=0.5,
            on_limit="escalate",
        ),
        strategy="rest_for_one",
    )
    script = (
        ScriptedAction(1.0, "root/b", "crash"),
        ScriptedAction(1.125, "root/a", "crash"),
        ScriptedAction(2.25, "root/b", "crash"),
    )
    Trial(tree, script).run()


def test_a_child_that_ended_before_its_stop_was_ordered_ends_by_the_table() -> None:
    """Guards rules 5 and 7: the supervisor had not heard yet that it was up, took its exit for a failed start, and
    restarted a transient child that had ended as expected.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=None),
        child("b", ScriptedActor, args={"starts": ("slow",)}, restart="transient"),
        strategy="one_for_all",
    )
    script = (ScriptedAction(0.25, "root/a", "kill"), ScriptedAction(0.25, "root/b", "finish"))
    Trial(tree, script, schedule=Schedule(Demote("root", 2))).run()


def test_a_failed_group_attempt_spares_what_a_request_has_started() -> None:
    """Guards rule 15: it stops again what the restart has started; `restart_child` had started one of them."""
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=None),
        child("b", ScriptedActor, backoff=None, args={"starts": ("up", "slow")}),
        child("c", ScriptedActor, backoff=None, args={"starts": ("up", "fail")}),
        strategy="one_for_all",
    )
    script = (
        ScriptedAction(1.0, "root/b", "kill"),
        ScriptedAction(1.125, "root/a", "terminate_child"),
        ScriptedAction(1.1875, "root/a", "restart_child"),
    )
    Trial(tree, script).run()


def test_a_child_that_a_request_tells_to_stop_while_it_declines_is_at_rest() -> None:
    """Guards the model: rule 13 does not say whether such a child shows as declined or as stopped."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, args={"starts": ("up", "decline")}))
    script = (
        ScriptedAction(1.0, "root/a", "kill"),
        ScriptedAction(1.0, "root/a", "terminate_child"),
        ScriptedAction(2.0, "root", "which_children"),
    )
    Trial(tree, script, schedule=Schedule(Demote("root/a", 1))).run()


def test_a_significant_child_that_is_being_stopped_is_not_gone_yet() -> None:
    """Guards the model of rule 21: of two that end together, the one that `terminate_child` ends does not count,
    and it was there when the other one ended.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, restart="transient", significant=True, args={"stop": "slow"}),
        child("b", ScriptedActor, restart="temporary", significant=True),
        auto_shutdown="all_significant",
    )
    script = (ScriptedAction(1.0, "root/a", "terminate_child"), ScriptedAction(1.125, "root/b", "finish"))
    Trial(tree, script).run()


def test_a_supervisor_in_the_place_of_a_worker_is_watched_as_one() -> None:
    """Guards the kit: `update_specs` puts another class into the same cell, and what it hears is seen from then on."""
    tree = supervisor(
        "root",
        supervisor("a", child("b", ScriptedActor), restart="temporary"),
        child("c", ScriptedActor, restart="temporary"),
    )
    worker = child("a", ScriptedActor, restart="temporary")
    script = (
        ScriptedAction(1.0, "root/a", "stop"),
        ScriptedAction(2.0, "root", "start_child", worker),
        ScriptedAction(3.0, "root", "update_specs", child("c", ScriptedActor, restart="temporary")),
    )
    Trial(tree, script).run()


def test_a_requested_start_does_not_hold_back_the_start_of_the_supervisor() -> None:
    """Guards rule 1: a supervisor is up when its own children are; one that was asked for meanwhile, and that is tried
    again and again, kept it from saying so.
    """
    tree = supervisor("root", child("a", ScriptedActor, args={"starts": ("slow",)}))
    new = child("b", ScriptedActor, args={"starts": ("fail", "fail")}, retry_start=True, backoff=constant(1.0))
    Trial(tree, (ScriptedAction(0.125, "root", "start_child", new),)).run()


def test_a_requested_start_that_waits_a_second_time_is_started_once() -> None:
    """Guards rule 17: it had been started out of turn while the group waited, had failed, stood in the line twice, and
    was started twice when the group had to wait again.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=constant(0.5)),
        child("b", ScriptedActor, args={"starts": ("up", "slow"), "stop": "slow"}),
        strategy="rest_for_one",
    )
    new = child("c", ScriptedActor, args={"starts": ("fail",)}, retry_start=True, backoff=constant(0.25))
    script = (
        ScriptedAction(1.0, "root/a", "crash"),
        ScriptedAction(1.125, "root", "start_child", new),
        ScriptedAction(1.375, "root/a", "crash"),
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
            ScriptedActor,
            restart="transient",
            backoff=constant(0.5),
            retry_start=True,
            args={"starts": ("up", "fail")},
        ),
        child("b", ScriptedActor, backoff=None),
        strategy="rest_for_one",
    )
    script = (
        ScriptedAction(1.0, "root/a", "stop"),
        ScriptedAction(2.0, "root/a", "restart_child"),
        ScriptedAction(2.0, "root/b", "crash"),
    )
    Trial(tree, script).run()


def test_a_child_requested_twice_while_a_group_waits_is_started_once() -> None:
    """Guards rule 17: a child that waited for its first start waited still when it was asked for again."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=constant(4.0)), strategy="rest_for_one")
    script = (
        ScriptedAction(1.0, "root/a", "crash"),
        ScriptedAction(2.0, "root", "start_child", child("b", ScriptedActor)),
        ScriptedAction(3.0, "root/b", "terminate_child"),
        ScriptedAction(4.0, "root/b", "restart_child"),
    )
    Trial(tree, script).run()


def test_a_first_start_that_is_tried_again_may_wait_for_a_group_after_it() -> None:
    """Guards the model, which rule 12 leaves open: both wait, the first start is due before the group."""
    tree = supervisor(
        "root",
        child("a", ScriptedActor, args={"starts": ("fail",)}, retry_start=True, backoff=constant(1.0)),
        strategy="rest_for_one",
    )
    script = (
        ScriptedAction(0.25, "root", "start_child", child("b", ScriptedActor, backoff=constant(4.0))),
        ScriptedAction(0.5, "root/b", "crash"),
    )
    Trial(tree, script).run()


def test_specs_that_are_refused_change_nothing() -> None:
    """Guards the model of rule 22: `update_specs` was refused, and the mailbox of the child went on as it was."""
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, mailbox="drop"))
    refused = child("a", ScriptedActor, restart="transient", significant=True)
    script = (
        ScriptedAction(1.0, "root", "update_specs", refused),
        ScriptedAction(2.0, "root/a", "crash"),
        ScriptedAction(2.0, "root/a", "crash"),
    )
    assert not Trial(tree, script).run().silent


def test_a_failing_first_start_may_hold_back_the_group_that_stops_it() -> None:
    """Guards the model of rule 12: it said that the group waits for the one that was killed alone, which the rules
    leave open.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=exponential(0.25, cap=2.0, factor=3.0, reset_after=0.5)),
        child(
            "b",
            ScriptedActor,
            restart="transient",
            args={"starts": ("slow", "decline", "slow")},
            backoff=exponential(1.0, cap=2.0, factor=1.0, jitter="none", reset_after=0.5),
            start_timeout=0.75,
        ),
        strategy="one_for_all",
        restart="temporary",
        period=1.0,
    )
    script = (ScriptedAction(2.25, "root/a", "kill"), ScriptedAction(2.25, "root", "which_children"))
    Trial(tree, script, FaultPlan(ClockJump(at=0.5, seconds=5.0)), seed=541420).run()


def test_a_worker_in_the_place_of_a_supervisor_is_judged_as_a_worker() -> None:
    """Guards the model: after `update_specs` it no longer knew what was started, and took a worker for the supervisor
    that had been there.
    """
    tree = supervisor(
        "root",
        supervisor(
            "b",
            child("a", ScriptedActor, restart="temporary", backoff=None, args={"starts": ("fail",), "stop": "fail"}),
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
    other = child("d", ScriptedActor, restart="transient", significant=True, start_timeout=0.75)
    worker = child("b", ScriptedActor, backoff=None, shutdown=0.5, args={"stop": "never"})
    script = (ScriptedAction(0.5, "root", "update_specs", other), ScriptedAction(2.75, "root", "start_child", worker))
    Trial(tree, script, seed=167, until=1.5).run()


def test_a_group_restart_may_wait_for_a_start_that_was_asked_for() -> None:
    """Guards the model of rule 6: it wanted the group stopped while a child outside of it, that somebody had asked for,
    was coming up. One thing after another, as in OTP, keeps the rules too.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, restart="transient", backoff=None, args={"starts": ("decline", "slow", "up")}),
        child("c", ScriptedActor, backoff=None),
        backoff=None,
        strategy="rest_for_one",
        period=2.0,
    )
    script = (
        ScriptedAction(4.5, "root", "start_child", child("d", ScriptedActor, restart="temporary")),
        ScriptedAction(5.75, "root/c", "crash"),
        ScriptedAction(5.75, "root/a", "restart_child"),
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
            ScriptedActor,
            restart="transient",
            backoff=constant(2.0, jitter="full"),
            retry_start=True,
            args={"starts": ("fail", "fail", "fail"), "stop": "never"},
            redeliver=1,
        ),
        supervisor(
            "c",
            child("a", ScriptedActor, backoff=None, args={"starts": ("slow",), "stop": "slow"}),
            supervisor(
                "b",
                child(
                    "a",
                    ScriptedActor,
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
    Trial(tree, (ScriptedAction(0.25, "root/a", "crash"),), seed=567273).run()


def test_a_waiting_first_start_does_not_wait_for_later_requests() -> None:
    """Guards rules 1 and 12: a child asked for with `start_child` failed its first start while the supervisor waited to
    try one of its own again, and the supervisor's own start then waited for that child's delay, too.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=constant(2.0), retry_start=True, args={"starts": ("fail", "slow")}),
        backoff=None,
    )
    asked = child("d", ScriptedActor, backoff=constant(4.0), retry_start=True, args={"starts": ("fail", "decline")})
    Trial(tree, (ScriptedAction(1.0, "root", "start_child", asked),)).run()


def test_the_adopted_grace_holds_for_every_stop_of_the_child() -> None:
    """Guards rule 23: `update_specs` gave the supervisor another grace, and the running child went on with the old one,
    by which `ref.stop()` and the end of the runtime measure.
    """
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, shutdown=0.5, args={"stop": "never"}))
    longer = child("a", ScriptedActor, backoff=None, shutdown=20.0, args={"stop": "never"})
    Trial(tree, (ScriptedAction(1.0, "root", "update_specs", longer),), until=1.5).run()


def test_a_child_that_is_replaced_stops_by_the_grace_it_was_started_with() -> None:
    """Guards rule 17: `update_specs` with another program and another grace stopped the old program by the grace of the
    new one.
    """
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, shutdown=0.5, args={"stop": "never"}))
    other = child("a", ScriptedActor, backoff=None, shutdown=20.0, args={"stop": "never", "starts": ("up",)})
    Trial(tree, (ScriptedAction(3.0, "root", "update_specs", other),), until=2.0).run()


def test_an_update_may_be_answered_after_what_was_asked_for_meanwhile() -> None:
    """Guards the model of rule 23: it wanted the answer to `update_specs` while a child that somebody had asked for
    meanwhile was coming up. One thing after another keeps the rules too.
    """
    tree = supervisor("root", child("c", ScriptedActor, backoff=None, args={"stop": "slow"}))
    script = (
        ScriptedAction(1.0, "root", "update_specs", child("c", ScriptedActor, args={"starts": ("up", "slow")})),
        ScriptedAction(1.25, "root", "start_child", child("d", ScriptedActor, args={"starts": ("slow", "slow")})),
    )
    assert not Trial(tree, script).run().silent


def test_no_group_waits_for_a_first_start_that_was_asked_for_meanwhile() -> None:
    """Guards rules 1 and 12: a child asked for with `start_child` failed its first start while the supervisor waited to
    try one of its own again, and where a restart takes siblings along its own start then waited for that child, too.
    """
    tree = supervisor(
        "root",
        child("b", ScriptedActor, backoff=constant(1.0), retry_start=True, args={"starts": ("fail",)}),
        strategy="rest_for_one",
    )
    asked = child("d", ScriptedActor, backoff=constant(4.0), retry_start=True, args={"starts": ("fail",)})
    Trial(tree, (ScriptedAction(0.5, "root", "start_child", asked),)).run()


def test_the_last_of_two_updates_says_what_a_child_is() -> None:
    """Guards the model: where it had given in at the first of them, it took the worker that the second one put in the
    place of a supervisor for that supervisor.
    """
    tree = supervisor(
        "root",
        supervisor("a", child("a", ScriptedActor, backoff=None, args={"starts": ("slow",)}), backoff=None),
        child("b", ScriptedActor, backoff=None, args={"starts": ("slow",)}),
    )
    script = (
        ScriptedAction(0.75, "root", "update_specs", child("e", ScriptedActor, backoff=None)),
        ScriptedAction(2.0, "root", "update_specs", child("a", ScriptedActor, backoff=None)),
    )
    Trial(tree, script).run()


def test_a_group_restart_need_not_wait_for_what_was_asked_for_and_never_up() -> None:
    """Guards the model of rule 12: it counted a child that somebody had asked for, and whose first start is tried
    again, among the members of the group that failed.
    """
    tree = supervisor("root", child("a", ScriptedActor, backoff=None), strategy="rest_for_one")
    asked = child("b", ScriptedActor, backoff=constant(1.0), retry_start=True, args={"starts": ("fail",)})
    Trial(tree, (ScriptedAction(0.5, "root", "start_child", asked), ScriptedAction(0.75, "root/a", "crash"))).run()


def test_a_child_that_waits_for_a_requested_start_is_neither_up_nor_gone() -> None:
    """Guards the model of rule 8: the time until `restart_child` had its turn took a restart out of the window."""
    tree = supervisor(
        "root",
        supervisor(
            "d",
            child("a", ScriptedActor, backoff=None),
            child("b", ScriptedActor, restart="transient", backoff=None, redeliver=1, args={"stop": "never"}),
            strategy="rest_for_one",
            backoff=None,
            max_restarts=1,
            period=1.0,
        ),
        restart="temporary",
    )
    script = (
        ScriptedAction(1.25, "root/d/a", "crash"),
        ScriptedAction(1.75, "root/d/b", "crash"),
        ScriptedAction(2.75, "root/d/a", "terminate_child"),
        ScriptedAction(3.0, "root/d/a", "restart_child"),
    )
    Trial(tree, script).run()


def test_what_comes_before_a_group_does_not_wait_with_it() -> None:
    """Guards rule 12: `update_specs` stopped a healthy child to give it another program while a child after it backed
    off, and it stayed down until that delay was over: rest_for_one leaves alone what was started before.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor),
        child("b", ScriptedActor, backoff=constant(16.0)),
        strategy="rest_for_one",
        backoff=None,
    )
    other = child("a", ScriptedActor, args={"starts": ("up",)})
    Trial(
        tree, (ScriptedAction(1.0, "root/b", "crash"), ScriptedAction(2.0, "root", "update_specs", other)), until=30.0
    ).run()


def test_what_crashes_without_a_backoff_waits_with_its_group_all_the_same() -> None:
    """Guards rule 12: the crash came while a first start after it waited to be tried again. What an update starts
    before a group is not the group's.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=None),
        child("b", ScriptedActor, backoff=constant(2.0), retry_start=True, args={"starts": ("fail",)}),
        strategy="rest_for_one",
    )
    Trial(tree, (ScriptedAction(1.0, "root/a", "crash"),)).run()


def test_a_group_restart_may_wait_for_a_start_of_the_group_it_merges_into() -> None:
    """Guards the model of rules 6 and 7: a child was coming up, one after it crashed, and the model wanted those after
    that one stopped meanwhile. One thing after another keeps the rules too.
    """
    tree = supervisor(
        "root",
        child("a", ScriptedActor, backoff=constant(1.0), args={"starts": ("up", "slow")}),
        strategy="rest_for_one",
    )
    script = (
        ScriptedAction(1.0, "root/a", "crash"),
        ScriptedAction(1.25, "root", "start_child", child("c", ScriptedActor)),
        ScriptedAction(1.5, "root", "start_child", child("d", ScriptedActor)),
        ScriptedAction(2.25, "root/c", "crash"),
    )
    Trial(tree, script).run()


def test_a_declined_child_terminated_while_it_waits_for_a_start_is_at_rest() -> None:
    """Guards the model of rule 13, which does not say whether such a child shows as declined or as stopped."""
    tree = supervisor("root", child("a", ScriptedActor, args={"starts": ("decline",)}), strategy="rest_for_one")
    script = (
        ScriptedAction(1.25, "root", "start_child", child("d", ScriptedActor, args={"starts": ("slow", "slow")})),
        ScriptedAction(1.25, "root/a", "restart_child"),
        ScriptedAction(1.5, "root/a", "terminate_child"),
        ScriptedAction(2.0, "root", "which_children"),
    )
    Trial(tree, script).run()


def test_a_clock_may_jump_between_the_order_to_start_and_its_time_limit() -> None:
    """Guards the model of rule 4: it counted the time of a start from the order, also where a jump of the clock came
    between the order and the first step of the actor, with which the time begins.
    """
    Trial.decode(
        "eNq1VU1v2zAM_SuBjkXgJc4X0Fux2647BoGgyEqiRZYMiW5XBPnvEynHsd3U6KG7GDJJPT4-UtJ2OZ1cWKiUZM8TFupK-VcdnGfTCdsLeXaH"
        "Q3TY2phokCdtCq9stGzvm8iK8cIfQzRcWKEl0CKA8JBsUFdG4UZ2ENpgeF3hNxj3xnbX67WX8MK01aCFies8m2FuUcX1ktZ_NIDymNs6qxDF"
        "q6CAi0MyN3TP2hYYZLRVgioKoBBllq0wnSavSPvBv3OiG23ga0XR6ffCpBEh9AUKGagA2h4zHqTXFaiCCwnOP_9ufl_wj11vQBx0qVwNlH-D"
        "BL6seyK6R1-M065INRCyF6CO7-iPGgA_OM9Rkx5826FPkGUjYVMvi6A2aGWBfZsKj_l8mJjBGPRYFt_IZteieudgvPy7wlFYElgYgwJvt6kJ"
        "CPGDNLQCZxpZxwRdrxj17pNfehFOnYh5G9FWzm_SffH4ORz3dOLGpCXypfjLGxUQJ59iwdzoUpMqKkhhohS9KVzP6ED-35PS1yIpHQ96qW2k"
        "0ypyV23Tl30oa7pPGuH3jyPyYW8aYT5ky4fZ-k1e3HOR96gaCE7t6wbmfZw35889f-suxvgssvHiFx2-xaOA5Z2xHEu0GhD6pCEYeokDWBsa"
        "op_GyfOvuqSrvxJwQuPTE40vBqzSOCnpbIFjNM9m1wRRuld8PtgL3fGd3Z17fb7GmYVTehtuB4cMvA1BvDT8i816ncf3L49DvPsH_EkwLw=="
    ).run()


def test_a_restart_that_was_refused_does_not_count_against_the_siblings() -> None:
    """Guards the model of rule 9: a child that is dropped at the limit draws nothing from the window of the others."""
    Trial.decode(
        "eNqtk01vwjAMhv8KyhmV0gGTuO28444VQiZ1wVuaRE5AIMR_Xxy-J7Rp2m61_dp-XretR_3eXgWPWk17Kqw98oaCY9XvqQXoD9e2qWDXxqSE"
        "XpFpGG3K1H9sytmHemqkvpBaiMAxRXulDYRwvywUEUMku5y-aSYfsXnRMTEcDreOftqjpdYBmYXbHjeBB01xdxV6Z0hLrBjfUUfp8EyO71TO"
        "zhnPwKph51UCSS0NGtogp-wwxxdNZLCB0MY_WJ1djMDRyPZMISPKPJgh4jLzO4vz1vEcjFG_ulKuJYeGOrr6-w9sdi4-IJdTpTHkRFQV5ZfL"
        "YecdA-_U9wbr-qmoxv3jlgEM8svWDGGVHsRg4qjHxfON5PTdZXdZIZK9amFt8upXSqMFDuLqzD_I57E5IeAgylEhUyN1mP2I5XrWP521mgwn"
        "ZfrzqrIoZ59-GRtp"
    ).run()


def test_a_dropped_child_that_ends_its_supervisor_may_come_again_with_it() -> None:
    """Guards the model of rule 18: the place of the child is in the spec, so its cell waits for the next incarnation of
    the supervisor.
    """
    below = supervisor(
        "b",
        child("a", ScriptedActor, restart="transient", backoff=None, args={"stop": "slow"}),
        child("b", ScriptedActor, restart="temporary", backoff=None, significant=True),
        restart="transient",
        backoff=None,
        auto_shutdown="all_significant",
    )
    Trial(supervisor("root", below), (ScriptedAction(5.75, "root/b/b", "crash"),)).run()


def test_an_update_forgets_the_failures_of_a_child_that_waits() -> None:
    """The update may be the repair: its restarts without progress count from 0 again (rule 8)."""
    Trial.decode(
        "eNqdUstuwjAQ_JXIZ5RCBJRy6zf0GEWRcTbgYmzL3hQqlH_vehMoiLaHHqLY-5jdmXE5n2RnET0osc5E7DyEDx1dEJNMbKTau7alhO2MoYDa"
        "adMEsBQpv5s4el9_Ftpq1NLQeZoXi9QrPV2KfErnd40IIfU2oFwIYCQCQwSIgLVsh_RyyuV7bZtUbLQFyZtFhBGtp5vm7GZIyIC8gDIyxntO"
        "MUeIqO12_aaC9jTyVSFR7fvqihKcwwR0kKealklwCaUYdhvRBcLBuyDDp6D5ZTnNE8PU-sRbtMQ-7uiUdCNsKni-VKR85xsiXCcBo7jV_yql"
        "DNvINBqtBj7XVc4CO28geUBAPE5qc_sfoiRtEkxUPeviPIth3JH4_mHW7161RObRo_FpXDyCk3cWLMPxSqzwOps9WPWjnGnVXYeNO1ouDB1K"
        "U-_1MPl_7l4aa9QHcB0yzVmx6KtkzfgNNFbz5eqFFCjo4VVfekj2Uw=="
    ).run()


def test_a_supervisor_in_the_place_of_a_worker_ends_the_ref_of_the_worker() -> None:
    """Guards the model of rule 26: a worker took the id of a supervisor, and the spec brings the supervisor back."""
    Trial.decode(
        "eNqlU9FuwiAU_ZWGx6XpqrOa-LZsT3vdY9M0SKkyKRC4dZqm_z4uuE2XTM32VHo493Lu4VDO0mQgznBGlglxveF2J5y2JE3IirKtblu_oXop"
        "PcA2QjaWK4-U_ywKKPKpXTsPDKQRDMLCAbUQMeiN5FhIeoPklgqJXyf1O35P0GpEHLQJknB_HM_kDEQoAYJKv86zApVRJE-z3K_fBAC3WKu0"
        "4tjVcsehpm2Ej8NshWqQxPfG01RoFxQw0EibZDmeKgKJHtvgPPgPlionfFUY4YgOhEnq3LmRLgNfJtR6-cqsMMCbx3AAjnSz8VHE6qcI3hlt"
        "qT1EEZYCXx9wAzl1q22N84_V-RQd3dfHJih1cmOt1Roum_BbjzQpyyJb4DVhk3v65Vn9GZ1bwnQxA9PvEMxuCkGMzbUMTE8zcMX-P2XA-1vO"
        "o_roTXSHWeo2foHXXyFn8Jp6GY59kpptX_ouvBdDYYPg3V3wDAkPsZ3jTKsGhRR-iNij0zt8guSZdxr4af3pxXB0cYIlMX3zYlYs0mSaZ3n1"
        "AUXZXGM="
    ).run()


def test_the_first_child_of_a_restart_may_be_of_another_class() -> None:
    """Guards the model of rule 26: its number counts on, though its supervisor has not begun to start its children."""
    Trial.decode(
        "eNqdU8tuwjAQ_JXI5ygEWiqVW7-hxwhZjr3AFse21k4LQvx7bYdH-kIqhyjKejw7M7tpHsviwLwDyRYF870DekdviZUFa4Xc2tUqHphe61iQ"
        "G9SKwMRK89cl0QfL_aYPyn4kIBNac49rgyuUwoS7iX9cQpXp09kWTf5QeyM6lKnUiR0f0c5iicAHQSEBA3TOkqB9gvpAIsB6n3ti5zRwa4Cv"
        "LKV3QiS4jpiIuMrL7DeUZasECjS-A8XKNPcaFByY1ML7rzZ9FaJENOvFqyR0AdSLDNH98Xgs_9G4Hfyjbu1uaCWckBj2V6CzGmU2TPAGMkt1"
        "hJa-oKzho8wUWceOt3IcTXlRBOrhfsPLixv5fUTn2cTFYiMcWXtK_KqOhPEIUU6U3TSPVV0OuEkm7Z2KpDzF6tmvAQta-6xdocwm0iBubmJa"
        "u5MCf1q7mKLGDrMi8FLkRUqeRj9JS30Qmm8xero7tPNFHrAD2yeCuprO5imk5qmazS_uJ-3w1-RuycQyQU7PYOphPp_Wz2Uxq6t6-QnoN1aU"
    ).run()


def test_a_lower_max_children_than_those_it_began_with_stops_no_child() -> None:
    """Rule 25: a running dynamic supervisor takes it, and starts no further child."""
    Trial.decode(
        "eNqtUcFOxCAQ_ZWGc1PXrnrYm9_gsWkaltJ1shTIMN3YbPrvDlBjNdFsjAcCvHlvePNoHsriKoLXShwKESav8QLBoSgLcZTq7IaBC3YyhgH1"
        "CqZHbRlpbhZBH0nHWAMLBNJkOU3e6Hhsl2hhc22ZegabdP1s5Qgqqkf51m0c1AwFQkn6NCcbMHKHzlndDQ7jHkWkGWUOMz4dpy6_mKVYQx1I"
        "IqU7N3EocRbpzYxehTIyhK8JhIpYBvZ0eFEInnT_rIiDWZY0VW6PzpH45v7DtjRGcB5NU1f1Y5m5dym8yffM7oKm2D-In_8tv7Ih3pDm_Qqt"
        "U8ex9v8Q8CbPP-fGwTXryr_0tOdk6l21a98BhibipA=="
    ).run()


def test_a_delay_is_not_below_initial_when_the_child_had_no_backoff() -> None:
    """Guards rule 11: decorrelated jitter took the restart at once, before the update, for a delay of 0 s, and drew
    less than `initial`.
    """
    without = child("a", ScriptedActor, backoff=None)
    update = child("a", ScriptedActor, backoff=exponential(1.0, cap=4.0, jitter="decorrelated"), args={"stop": "slow"})
    script = (
        ScriptedAction(1.0, "root/a", "crash"),
        ScriptedAction(2.0, "root", "update_specs", update),
        ScriptedAction(4.0, "root/a", "kill"),
    )
    for seed in range(10):
        Trial(supervisor("root", without), script, seed=seed).run()


def test_a_failure_after_the_order_to_stop_may_count_as_an_attempt() -> None:
    """Guards the model of rule 11: the next start had no backoff, and it held that the failure had not counted."""
    Trial.decode(
        "eNq1Uk1vwjAM_Sso54rBgB24TTtx5lhVVUhdiAhJ5Libqor_PjuFfaBth0071Xp-fn7PabksJoNKEYxaT1TqIuCzTQFVMVE7bY6hbbnhO-cY"
        "MAfrGgTPSPk-lFHha9wnBgbVWENSnM9fqdhGprRMICTSKFxFqH2y4EnwKzoo43RKn62lKfGY9fv11qCNBM2jIXYs2_7qavfv20f1EaMuOpBj"
        "quTCS159-TZgnPVwU3ZRVedsMMTsStg_xTHjkQn7-hqKsIPfZ6zepDEEun1COMWAGvvxiKgJ9n3mMqduA9aBc7DdspxN71fFKHKX_wSDOh24"
        "EPu8pJx_IOQUR-vcN_3dbV8Ig2p157KvJ9He-G32ydSo6XCNMIr7DCy4InsCucZCopZVcbnncraaP_DCxXRWvQIVLwHR"
    ).run()


def test_what_is_below_a_supervisor_that_comes_anew_counts_from_one() -> None:
    """Guards the model of rule 26: a worker had been put in the place of a supervisor below, and its number was kept
    though the cell above it was closed.
    """
    Trial.decode(
        "eNqtU8Fu2zAM_ZVA5yBLjaQFets37BgEAivLMVdFUiW6WxD430dKThcHWDCsO1iQyMdH8pHebZaLs8rRGvW8UHmINr1jDkktF-oFzGvoOnb4"
        "wTk2mB5dm6xny-6TQcUqeEiHzIazatFQuWSCRNVGQ3RWAtUQBVzPDtBNr_04jrOkZ4UeCcHxvVmtJT_Ej_t3JLJJ8tu3AQpJstmShq7ap5qL"
        "UWC9BUf9SYCv6FsxOfQWSquZbJxipAgsbhDPEX5q5rg00hQwP0qBxkHOc-HyihiN_vD8zSSMZNuvhlhPae6vha75X6ampnSK7DGGBOlUK05A"
        "9nASh2B0F5IO3qpxP2_gMwQpBLqPXS52u_Wq2S4r-AvUabYM19JsVtdt_3lV7sx-oq_D3_y34ZvgWRhPapwLHrx2eMQS1qYQK3lrHb4X6oc7"
        "miZL6aQvPkqD_ed1uQRqwqMNAxUhHpqtTIcVf_qteNXcJMg9X6RzgWxWt4iOJZ1BHm_nBm2IpFkyKWg-ufnCwkBB536gNvzwZdOc0xkPHjs0"
        "oumHpFdkt7-S5GZSDAJ8XJfBXi8a71fZM-bmnZSCp68Ot9k-8cFh-1_P9pHh"
    ).run()


def test_a_dropped_child_that_had_changed_its_class_counts_from_one() -> None:
    """Guards the model of rule 26: a budget had ended a worker in the place of a supervisor, and the model let the
    supervisor of the next life count on.
    """
    Trial.decode(
        "eNrNU8tu2zAQ_BWBZ0F-JEFr3_oNPQoGQZGUvTVNEuQyiWHo38ul1EJpYzdIcujBgDGcnd2dHbX3dXVh0WvJthWLyevwCNEFVlesE_Lo-j4_2GRM"
        "BuQBjAraZqS9ViQSOh4PCZV7IiIT9swj7C30IIXF_0G4oEUz7GMGLkyBRPozDK-pgCr9qCLoiCIQl6E-eRdEOBM-H2RbYUiawIl6YdKIGF_uFBvM"
        "WmD32-8ygEetvknMqw7D7r0thw_f8roz4zIjhskbTYUseSL3AgzbDW8wT2kDjzpkZPV-f-Zb3hzY-SJp3BO7NVtH9SfxzCen4zTe3PggbAQ9pmwe"
        "wi4kFIYfwRj2GRd_bZZlEQ4C9f5MHGc1713gIveclUr2B48kCjEXzInBOWS39ruqUVdtu2y-PNSjyEIuukU3ljhKAtma-7SrOYfek1dZktPVInvz"
        "_a4Gbha7ejrwiP4VwgsDCwjCkI8NDSUFpWLdkKs_ALGkkSktXQja5CnV5I1GLvrxeYpLAYl90MLgoXyFR7DFVP3ss0W2tCqzldNuq7tmOfwzac5y"
        "Ayco2ioUK1lODTj1e9TP-XZ-FXKEk3YJiyur9QOlo717cVmxEON-JdnlskSafqMj95vN1826piV3PwFmrwIU"
    ).run()


def test_the_new_backoff_says_whether_what_it_replaces_was_stable() -> None:
    """Guards the model of rule 23: it measured the run that an update ends by the longer of two limits, and expected
    the child to be dropped for a failure too many.
    """
    tree = supervisor("root", child("a", ScriptedActor, backoff=None, args={"stop": "slow"}), max_restarts=1)
    backoff = constant(0.5, reset_after=0.5)
    other = child("a", ScriptedActor, backoff=backoff, on_limit="drop", args={"starts": ("up", "up", "fail", "up")})
    script = (ScriptedAction(1.0, "root/a", "crash"), ScriptedAction(2.0, "root", "update_specs", other))
    Trial(tree, script, until=4.0).run()

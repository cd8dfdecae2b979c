"""The engine, rule by rule. In the logs `+w` is a start of w, `-w` a stop, `xw` its drop."""

from __future__ import annotations

import gc
import sys
from typing import Any, get_args

import pytest

from actors import RestartLimitExceeded, Shutdown
from supervisors import (
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    BackingOff,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    ChildStartError,
    ChildState,
    GaveUp,
    MaxChildren,
    NotFound,
    Reconciliation,
    Restarted,
    RestartFailed,
    ShuttingDown,
    SpecError,
    child,
    constant,
    dynamic_supervisor,
    supervisor,
    tasks,
)
from supervisors._engine.effects import Effect, ExitSelf, FailureDecision, Refuse, Start, StartFailedSelf
from supervisors._specs.spec import TaskCall
from supervisors._supervisor.actor import _CARRIED_OUT
from tests.supervisors.engine.fake_edge import BOOM, Edge, Killed, Normal, Other, Worker


def worker(id: str, **options: Any) -> ChildSpec:
    """A worker that restarts at once unless told otherwise."""
    return child(id, Worker, **{"backoff": None, **options})


def edge_of(*ids: str | ChildSpec, automatic: bool = True, **options: Any) -> Edge:
    """A started supervisor of these children; its log begins after the start if that was automatic."""
    children = [worker(each) if isinstance(each, str) else each for each in ids]
    edge = Edge(supervisor("root", *children, **options), automatic=automatic).start()
    if automatic:
        edge.take_log()
    return edge


# Start


def test_rule_1_children_start_one_after_another_in_order() -> None:
    """The next child starts only when the last has finished starting."""
    edge = edge_of("a", "b", automatic=False)
    assert edge.take_log() == ["+a"]
    assert edge.states() == {"a": "starting", "b": "starting"}
    edge.come_up("a")
    assert edge.take_log() == ["+b"]
    edge.come_up("b")
    assert edge.take_log() == ["ready"]


def test_rule_1_start_child_answers_only_when_the_child_is_up() -> None:
    """Its answer is the ref."""
    edge = edge_of("a")
    edge.automatic = False
    assert edge.start_child(worker("b")) is None
    edge.come_up("b")
    assert edge.answers["start"] == "ref of b"


def test_rule_1_two_children_asked_for_start_one_after_another() -> None:
    """What holds for the specs of a supervisor holds for those added to it."""
    edge = edge_of()
    edge.automatic = False
    edge.start_child(worker("a"), 1)
    edge.start_child(worker("b"), 2)
    assert edge.take_log() == ["+a"]
    edge.come_up("a")
    assert edge.take_log() == ["+b"]


def test_rule_2_a_failed_start_fails_the_supervisor_and_stops_the_others() -> None:
    """Nothing is left behind, and the error names the child and its cause."""
    edge = edge_of("a", "b", "c", automatic=False)
    edge.come_up("a")
    edge.come_up("b")
    edge.fail("c")
    assert edge.take_log() == ["+a", "+b", "+c", "xc", "-b"]
    edge.gone("b")
    edge.gone("a")
    assert edge.take_log() == ["xb", "-a", "xa", "end"]
    assert isinstance(edge.ended, StartFailedSelf)
    assert edge.ended.error.path == "/root/c"
    assert edge.ended.error.reason == BOOM


def test_rule_2_retry_start_backs_off_a_start_and_the_next_child_waits() -> None:
    """One unreachable database at boot need not fail the application."""
    database = worker("db", retry_start=True, backoff=constant(5))
    edge = edge_of(database, "b", automatic=False)
    edge.fail("db")
    assert edge.states() == {"db": "backing_off", "b": "starting"}
    edge.sleep(4.9)
    assert edge.take_log() == ["+db"]
    edge.sleep(0.1)
    edge.come_up("db")
    assert edge.take_log() == ["+db", "+b"]


def test_rule_2_retried_first_starts_count_in_the_budget() -> None:
    """When it is spent, the supervisor's own start has failed."""
    database = worker("db", retry_start=True, backoff=constant(1))
    edge = edge_of(database, automatic=False, max_restarts=1)
    edge.fail("db")
    edge.sleep(1)
    edge.fail("db")
    assert isinstance(edge.ended, StartFailedSelf)
    assert isinstance(edge.ended.error.reason, RestartLimitExceeded)


def test_rule_3_a_child_that_declines_is_kept_but_dropped_if_temporary() -> None:
    """IgnoreStart is not a failure."""
    edge = edge_of("a", worker("t", restart="temporary"), "b", automatic=False)
    edge.decline("a")
    edge.decline("t")
    edge.come_up("b")
    assert edge.states() == {"a": "declined", "b": "running"}
    assert edge.take_log() == ["+a", "+t", "xt", "+b", "ready"]


# When a child exits


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("reason", [Normal(), Shutdown(), Shutdown("done")], ids=str)
def test_rule_5_an_exit_without_a_restart_never_touches_the_siblings(strategy: str, reason: Normal) -> None:
    """Not even under one_for_all."""
    edge = edge_of("a", worker("t", restart="transient"), worker("x", restart="temporary"), strategy=strategy)
    edge.crash("t", reason)
    edge.crash("x", BOOM)
    assert edge.take_log() == ["xx"]
    assert edge.states() == {"a": "running", "t": "stopped"}


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", "+b"),
        ("one_for_all", "-d -c -a +a +b +c +d"),
        ("rest_for_one", "-d -c +b +c +d"),
    ],
)
def test_rule_6_what_each_strategy_restarts(strategy: str, log: str) -> None:
    """Stops in reverse start order, starts in start order."""
    edge = edge_of("a", "b", "c", "d", strategy=strategy)
    edge.crash("b")
    assert edge.take_log() == log.split()


def test_rule_6_group_members_stop_one_by_one() -> None:
    """The next is told to stop only when the last is gone."""
    edge = edge_of("a", "b", "c", strategy="one_for_all")
    edge.automatic = False
    edge.crash("a")
    assert edge.take_log() == ["-c"]
    edge.gone("c")
    assert edge.take_log() == ["-b"]
    edge.gone("b")
    assert edge.take_log() == ["+a"]


def test_rule_6_a_temporary_bystander_of_a_group_restart_is_dropped() -> None:
    """And not started again."""
    edge = edge_of("a", worker("t", restart="temporary"), "c", strategy="one_for_all")
    edge.crash("a")
    assert edge.take_log() == ["-c", "-t", "xt", "+a", "+c"]


def test_rule_6_children_of_a_template_stop_in_parallel() -> None:
    """All are told at once."""
    edge = Edge(dynamic_supervisor("root", worker("t"))).start()
    for number in range(3):
        edge.start_child({}, number)
    edge.automatic = False
    edge.take_log()
    edge.shutdown()
    assert edge.take_log() == ["-1", "-2", "-3"]


def test_a_group_restart_leaves_children_at_rest_alone() -> None:
    """It brings back what was up: not the stopped, not the declined."""
    edge = edge_of("a", "b", worker("t", restart="transient"), strategy="one_for_all")
    edge.terminate("b")
    edge.crash("t", Normal())
    edge.take_log()
    edge.crash("a")
    assert edge.take_log() == ["+a"]


def test_rule_7_an_exit_during_a_group_restart_merges_into_it() -> None:
    """Still to be stopped: not counted, not stopped twice, started once."""
    edge = edge_of("a", "b", "c", strategy="one_for_all", max_restarts=1)
    edge.automatic = False
    edge.crash("a")
    edge.crash("b")
    edge.gone("c")
    assert edge.take_log() == ["-c", "+a"]
    edge.automatic = True
    edge.settle()
    assert edge.take_log() == ["+b", "+c"]
    assert edge.ended is None


def test_rule_7_a_crash_of_a_member_that_was_just_started_is_a_fresh_cause() -> None:
    """It is counted, and what the attempt had brought up stops in reverse."""
    edge = edge_of("a", "b", "c", strategy="one_for_all", max_restarts=2, period=60)
    edge.automatic = False
    edge.crash("c")
    edge.gone("b")
    edge.gone("a")
    edge.come_up("a")
    edge.take_log()
    edge.crash("a")
    assert edge.take_log() == ["-b"]
    edge.gone("b")
    assert edge.take_log() == ["+a"]
    edge.come_up("a")
    edge.come_up("b")
    edge.come_up("c")
    edge.crash("a")
    edge.automatic = True
    edge.settle()
    assert isinstance(edge.ended, ExitSelf)


def test_rule_7_an_earlier_sibling_extends_a_rest_for_one_restart() -> None:
    """It lies outside of the group, so it is a fresh cause, and there is still one restart."""
    edge = edge_of("a", "b", "c", strategy="rest_for_one")
    edge.automatic = False
    edge.crash("b")
    edge.crash("a")
    assert edge.take_log() == ["-c"]
    edge.gone("c")
    edge.automatic = True
    edge.settle()
    assert edge.take_log() == ["+a", "+b", "+c"]


# Budgets and backoff


def test_rule_8_a_group_restart_counts_once() -> None:
    """Not once for each member."""
    edge = edge_of("a", "b", "c", strategy="one_for_all", max_restarts=2, period=60)
    edge.crash("a")
    edge.crash("b")
    assert edge.ended is None
    edge.crash("c")
    assert isinstance(edge.ended, ExitSelf)


def test_rule_8_zero_makes_the_first_crash_fatal_and_none_is_for_ever() -> None:
    """Both said on purpose."""
    edge = edge_of("a", max_restarts=0)
    edge.crash("a")
    assert isinstance(edge.ended, ExitSelf)
    edge = edge_of("a", max_restarts=None)
    for _ in range(100):
        edge.crash("a")
    assert edge.ended is None


def test_rule_8_waiting_does_not_move_the_window() -> None:
    """A delay longer than period / max_restarts must not hide a crash loop."""
    edge = edge_of(worker("a", backoff=constant(100)), max_restarts=3, period=10)
    for _ in range(4):
        edge.crash("a")
        edge.sleep(100)
    assert isinstance(edge.ended, ExitSelf)


def test_rule_8_a_restart_leaves_the_window_once_its_child_ran_a_period() -> None:
    """Then the next one is allowed."""
    edge = edge_of("a", max_restarts=1, period=10)
    for _ in range(5):
        edge.crash("a")
        edge.sleep(10.001)
    assert edge.ended is None


def test_rule_8_the_restarts_of_a_dropped_child_age_by_the_clock() -> None:
    """Or a deleted child would count against its siblings for ever."""
    edge = edge_of("a", worker("b", backoff=constant(5)), max_restarts=1, period=10)
    edge.crash("b")
    edge.terminate("b")
    edge.delete("b")
    edge.sleep(10.001)
    edge.crash("a")
    assert edge.ended is None


def test_rule_9_a_budget_of_its_own_does_not_count_in_the_supervisor() -> None:
    """One flaky child cannot spend what its siblings need."""
    edge = edge_of(worker("flaky", max_restarts=10), "b", max_restarts=0)
    for _ in range(10):
        edge.crash("flaky")
    assert edge.ended is None


def test_rule_9_a_spent_own_budget_drops_the_child_or_escalates() -> None:
    """As the spec says; siblings are untouched by a drop."""
    edge = edge_of(worker("flaky", max_restarts=0, on_limit="drop"), "b", strategy="one_for_all")
    edge.crash("flaky")
    assert edge.take_log() == ["xflaky"]
    assert edge.states() == {"b": "running"}
    (note,) = edge.events(GaveUp)
    assert isinstance(note, GaveUp)
    assert note.scope == "child"
    edge = edge_of(worker("flaky", max_restarts=0, on_limit="escalate"), "b")
    edge.crash("flaky")
    assert isinstance(edge.ended, ExitSelf)
    assert edge.ended.reason == RestartLimitExceeded("/root", "flaky", 0, None, BOOM)


def test_rule_10_giving_up_stops_in_reverse_and_exits_abnormally() -> None:
    """The reason says who, where, how often and why."""
    edge = edge_of("a", "b", "c", max_restarts=0, period=7)
    edge.crash("b")
    assert edge.take_log() == ["xb", "-c", "xc", "-a", "xa", "end"]
    assert isinstance(edge.ended, ExitSelf)
    assert edge.ended.reason == RestartLimitExceeded("/root", "b", 0, 7, BOOM)
    assert not edge.ended.reason.expected


def test_rule_11_attempts_grow_until_the_child_was_up_for_reset_after() -> None:
    """A short life does not start the count again."""
    spec = worker("a", backoff={"kind": "linear", "initial": 1.0, "jitter": "none", "reset_after": 5.0})
    edge = edge_of(spec, max_restarts=None)
    delays = []
    for life in (4, 4, 4, 5, 0):
        edge.sleep(life)
        edge.crash("a")
        note = edge.notes[-1]
        assert isinstance(note, BackingOff)
        delays.append(note.delay)
        edge.sleep(note.delay)
    assert delays == [1, 2, 3, 1, 2]


def test_rule_11_without_backoff_the_restart_is_immediate() -> None:
    """OTP's way."""
    edge = edge_of("a")
    edge.automatic = False
    edge.crash("a")
    assert edge.take_log() == ["+a"]
    assert edge.timers == {}


def test_rule_12_a_group_waits_for_the_longest_delay_of_those_that_failed() -> None:
    """From each one's own exit; bystanders have none."""
    edge = edge_of(
        worker("a", backoff=constant(5)),
        worker("b", backoff=constant(20)),
        worker("c", backoff=constant(99)),
        strategy="one_for_all",
    )
    edge.automatic = False
    edge.crash("a")
    edge.now = 2.0
    edge.crash("b")
    edge.gone("c")
    assert edge.states() == {"a": "backing_off", "b": "backing_off", "c": "restarting"}
    assert {info.until for info in edge.engine.which_children()} == {22.0, None}
    edge.sleep(19.9)
    assert edge.take_log() == ["-c"]
    edge.sleep(0.2)
    assert edge.take_log() == ["+a"]


def test_rule_12_a_member_that_exits_during_the_wait_joins_it() -> None:
    """The wait is prolonged to its delay."""
    edge = edge_of(worker("a", backoff=constant(30)), worker("b", backoff=constant(5)), strategy="rest_for_one")
    edge.crash("b")
    edge.sleep(1)
    edge.crash("a")
    edge.sleep(29.9)
    assert edge.take_log() == []
    edge.sleep(0.2)
    assert edge.take_log() == ["+a", "+b"]


def test_rule_12_the_api_is_served_during_the_wait() -> None:
    """A new child does not wait for the backoff of another."""
    edge = edge_of(worker("a", backoff=constant(30)), "b", strategy="one_for_all")
    edge.crash("a")
    assert edge.start_child(worker("n")) == "ref of n"
    assert edge.terminate("b") is None
    edge.take_log()
    edge.sleep(30)
    assert edge.take_log() == ["+a"]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_rule_12_a_shutdown_cancels_the_wait_at_once(strategy: str) -> None:
    """No timer is left, nothing is started any more."""
    edge = edge_of(worker("a", backoff=constant(30)), "b", strategy=strategy)
    edge.crash("a")
    edge.shutdown(Shutdown("deploy"))
    assert edge.timers == {}
    assert edge.ended == ExitSelf(Shutdown("deploy"))


def test_rule_13_a_child_shows_one_state_at_every_stage() -> None:
    """A delayed child is `backing_off(until)`, never "no ref"."""
    edge = edge_of(worker("a", backoff=constant(3)), automatic=False)
    seen = [edge.state("a")]
    edge.come_up("a")
    seen.append(edge.state("a"))
    edge.crash("a")
    seen.append(edge.state("a"))
    assert edge.engine.which_children()[0].until == 3.0
    edge.sleep(3)
    seen.append(edge.state("a"))
    edge.come_up("a")
    edge.terminate("a")
    seen.append(edge.state("a"))
    edge.gone("a")
    seen.append(edge.state("a"))
    edge.restart("a")
    edge.decline("a")
    seen.append(edge.state("a"))
    assert seen == [
        ChildState.STARTING,
        ChildState.RUNNING,
        ChildState.BACKING_OFF,
        ChildState.RESTARTING,
        ChildState.STOPPING,
        ChildState.STOPPED,
        ChildState.DECLINED,
    ]


# A restart that fails


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_rule_14_the_next_attempt_is_a_message_even_without_a_delay(strategy: str) -> None:
    """A shutdown is served between attempts: the supervisor never loops inside a restart."""
    edge = edge_of("a", strategy=strategy)
    edge.automatic = False
    edge.crash("a")
    edge.fail("a")
    assert edge.take_log() == ["+a"]
    assert list(edge.timers.values()) == [0.0]
    assert len(edge.events(RestartFailed)) == 1
    edge.sleep(0)
    edge.come_up("a")
    assert len(edge.events(Restarted)) == 1


def test_rule_8_every_failed_attempt_counts_once() -> None:
    """A crash and two failed attempts are three."""
    edge = edge_of("a", max_restarts=2)
    edge.automatic = False
    edge.crash("a")
    edge.fail("a")
    edge.sleep(0)
    assert edge.ended is None
    edge.fail("a")
    assert isinstance(edge.ended, ExitSelf)


@pytest.mark.parametrize(
    ("strategy", "log"),
    [("one_for_one", "+b"), ("rest_for_one", "+c +d"), ("one_for_all", "-b -a +a +b +c +d")],
)
def test_rule_15_where_a_failed_restart_goes_on(strategy: str, log: str) -> None:
    """rest_for_one retries from the child that failed to start; one_for_all stops and starts all anew."""
    edge = edge_of("a", "b", "c", "d", strategy=strategy)
    edge.automatic = False
    edge.crash("b")
    while "c" not in edge.starting and edge.stopping:
        edge.gone(next(iter(edge.stopping)))
    while "c" not in edge.starting and strategy != "one_for_one":
        edge.come_up(next(iter(edge.starting)))
    edge.fail("b" if strategy == "one_for_one" else "c")
    edge.log = edge.log[-1:] if edge.stopping else []
    edge.automatic = True
    edge.settle()
    edge.sleep(0)
    assert edge.take_log() == log.split()


def test_one_for_one_restarts_go_on_beside_each_other() -> None:
    """A child that is slow to start does not hold up another."""
    edge = edge_of("a", "b")
    edge.automatic = False
    edge.crash("a")
    edge.crash("b")
    assert edge.take_log() == ["+a", "+b"]


def test_rule_16_requests_while_a_child_waits_for_its_next_attempt() -> None:
    """Each has its typed answer, and terminate_child cancels the attempt."""
    edge = edge_of(worker("a", backoff=constant(9)))
    edge.crash("a")
    assert isinstance(edge.start_child(worker("a")), AlreadyPresent)
    assert isinstance(edge.restart("a"), ChildRestarting)
    assert isinstance(edge.delete("a"), ChildRestarting)
    edge.terminate("a", "t")
    assert "t" in edge.answers
    assert edge.timers == {}
    assert edge.state("a") is ChildState.STOPPED


# Stop


def test_rule_17_children_stop_one_by_one_in_reverse() -> None:
    """And a crash of another meanwhile does not disturb that."""
    edge = edge_of("a", "b", "c")
    edge.automatic = False
    edge.shutdown()
    assert edge.take_log() == ["-c"]
    edge.crash("a")
    edge.gone("c")
    assert edge.take_log() == ["xa", "xc", "-b"]
    edge.gone("b")
    assert edge.ended == ExitSelf(Shutdown())


def test_rule_18_a_starting_child_is_stopped_before_the_supervisor_ends() -> None:
    """A shutdown during a start leaves no orphan."""
    edge = edge_of("a", "b", automatic=False)
    edge.come_up("a")
    edge.shutdown()
    assert edge.take_log() == ["+a", "+b", "-b"]
    edge.gone("b")
    edge.gone("a")
    assert edge.ended == ExitSelf(Shutdown())


def test_a_shutdown_refuses_the_requests_that_wait() -> None:
    """No caller waits for ever for a supervisor that has terminated."""
    edge = edge_of("a")
    edge.automatic = False
    edge.start_child(worker("b"), 1)
    edge.terminate("a", 2)
    edge.shutdown()
    edge.start_child(worker("c"), 3)
    assert {type(edge.errors[each]) for each in (1, 2, 3)} == {ShuttingDown}


# Automatic shutdown


def significant(id: str, restart: str = "transient") -> ChildSpec:
    """A child whose end may end the supervisor."""
    return worker(id, restart=restart, significant=True, backoff=constant(5))


@pytest.mark.parametrize(
    ("restart", "reason", "ends"),
    [
        ("transient", Normal(), True),
        ("transient", BOOM, False),
        ("temporary", Normal(), True),
        ("temporary", BOOM, True),
    ],
)
def test_rule_21_which_end_of_a_significant_child_counts(restart: str, reason: Normal, ends: bool) -> None:
    """A transient one counts when it ends normally, a temporary one however it ends."""
    edge = edge_of(significant("a", restart), "b", auto_shutdown="any_significant")
    edge.crash("a", reason)
    assert (edge.ended is not None) is ends
    assert len(edge.events(AutoShutdown)) == ends


def test_rule_21_all_significant_waits_for_a_last_child_that_backs_off() -> None:
    """A child waiting for a restart counts as alive."""
    edge = edge_of(significant("a"), significant("b"), "c", auto_shutdown="all_significant")
    edge.crash("a", BOOM)
    edge.crash("b", Normal())
    assert edge.ended is None
    edge.sleep(5)
    edge.crash("a", Normal())
    assert edge.ended == ExitSelf(Shutdown("auto_shutdown"))


def test_rule_21_terminate_child_and_a_siblings_restart_do_not_count() -> None:
    """Only an exit of its own accord."""
    edge = edge_of(
        significant("a"),
        significant("t", "temporary"),
        "c",
        strategy="one_for_all",
        auto_shutdown="any_significant",
    )
    edge.crash("c")
    edge.terminate("a")
    assert edge.ended is None


# The API


def test_rule_23_requests_on_a_running_child() -> None:
    """Typed errors, with the ref where there is one."""
    edge = edge_of("a")
    error = edge.start_child(worker("a"))
    assert isinstance(error, AlreadyStarted)
    assert str(error.ref) == "ref of a"
    assert isinstance(edge.restart("a"), ChildRunning)
    assert isinstance(edge.delete("a"), ChildRunning)


def test_rule_23_terminate_is_idempotent_and_an_unknown_id_is_not_found() -> None:
    """A second call finds it done."""
    edge = edge_of("a")
    for request in (1, 2):
        edge.terminate("a", request)
        assert edge.answers[request] is None
    for ask in (edge.terminate, edge.restart, edge.delete):
        assert isinstance(ask("ghost"), NotFound)
    with pytest.raises(NotFound):
        edge.engine.get_child_spec("ghost")


def test_rule_23_a_stopped_child_restarts_in_a_new_cell_and_can_be_deleted() -> None:
    """Its old cell was closed: those who watched it have been told."""
    edge = edge_of("a", "b")
    edge.terminate("a")
    assert "a" not in edge.cells
    assert edge.restart("a") == "ref of a"
    edge.terminate("a")
    edge.delete("a", "d")
    assert edge.answers["d"] is None
    assert edge.states() == {"b": "running"}


def test_rule_23_a_failing_start_child_leaves_nothing_and_costs_no_budget() -> None:
    """The caller learns of it; that is enough."""
    edge = edge_of("a", max_restarts=0)
    edge.automatic = False
    edge.start_child(worker("b"))
    edge.fail("b")
    error = edge.errors["start"]
    assert isinstance(error, ChildStartError)
    assert error.path == "/root/b"
    assert edge.states() == {"a": "running"}
    assert edge.ended is None


def test_rule_23_a_failing_restart_child_keeps_the_spec() -> None:
    """The child is stopped as before."""
    edge = edge_of("a")
    edge.terminate("a")
    edge.automatic = False
    edge.restart("a")
    edge.fail("a")
    assert isinstance(edge.errors["restart"], ChildStartError)
    assert edge.states() == {"a": "stopped"}


def test_start_child_with_retry_start_answers_when_the_child_is_up_at_last() -> None:
    """Its first start is under backoff, as the spec asked."""
    edge = edge_of("a")
    edge.automatic = False
    edge.start_child(worker("b", retry_start=True, backoff=constant(2)))
    edge.fail("b")
    assert edge.state("b") is ChildState.BACKING_OFF
    edge.sleep(2)
    edge.come_up("b")
    assert edge.answers["start"] == "ref of b"


def test_rule_22_a_running_supervisor_refuses_what_its_spec_would() -> None:
    """A significant child under never."""
    edge = edge_of("a")
    assert isinstance(edge.start_child(significant("s")), SpecError)
    assert isinstance(edge.start_child({}), SpecError)
    assert isinstance(edge.update([worker("x"), worker("x")]), SpecError)


def test_rule_23_update_specs_touches_only_what_changed() -> None:
    """Removed ones stop in reverse, changed programs restart, new ones start in order, policy is adopted."""
    edge = edge_of("a", "b", "c", "d", "e")
    changed = child("b", Other, backoff=None)
    answer = edge.update([worker("n"), worker("a", restart="transient"), changed, worker("d"), worker("m")])
    assert answer == Reconciliation(removed=("c", "e"), restarted=("b",), adopted=("a",), added=("n", "m"))
    assert edge.take_log() == ["-e", "xe", "-c", "xc", "-b", "+n", "+b", "+m"]
    assert list(edge.states()) == ["n", "a", "b", "d", "m"]
    assert edge.engine.get_child_spec("a").restart == "transient"


def test_update_specs_brings_a_child_that_backs_off_back_at_once() -> None:
    """The update may be the very repair it waits for."""
    edge = edge_of(worker("a", backoff=constant(1000)))
    edge.crash("a")
    edge.update([child("a", Other, backoff=None)])
    assert edge.state("a") is ChildState.RUNNING
    assert edge.timers == {}


def test_rule_25_max_children_counts_those_that_restart() -> None:
    """Or a crash loop would make room for more of the same."""
    edge = Edge(dynamic_supervisor("root", worker("t", backoff=constant(9)), max_children=1)).start()
    assert edge.start_child({"x": 1}) == "ref of 1"
    edge.crash("1")
    assert isinstance(edge.start_child({}), MaxChildren)
    edge.terminate("1", 1)
    edge.terminate("1", 2)
    assert edge.answers[1] is None
    assert edge.answers[2] is None
    assert edge.start_child({}) == "ref of 2"


def test_rule_25_a_child_of_a_template_that_ends_is_dropped() -> None:
    """A dynamic supervisor keeps no spec of what does not run."""
    edge = Edge(dynamic_supervisor("root", worker("t", restart="transient"))).start()
    edge.start_child({})
    edge.crash("1", Normal())
    assert edge.engine.count_children().specs == 0


def test_tasks_run_functions_and_are_not_restarted() -> None:
    """A task supervisor is dynamic, its children temporary."""
    edge = Edge(tasks("root")).start()
    assert edge.start_child(TaskCall(print, ("x",))) == "ref of 1"
    edge.crash("1")
    assert edge.take_log() == ["ready", "+1", "x1"]


@pytest.mark.parametrize("said", ["restart", "stop"])
def test_an_on_failure_callback_may_overrule_the_table(said: FailureDecision) -> None:
    """With "stop" the spec is kept and the child stopped."""
    edge = edge_of("a", worker("t", restart="temporary"))
    edge.crash("a", decision=said)
    edge.crash("t", decision=said)
    expected = {"restart": {"a": "running", "t": "running"}, "stop": {"a": "stopped"}}
    assert edge.states() == expected[said]


def test_a_second_notice_of_the_same_exit_restarts_nothing() -> None:
    """The double restart from two notices of one exit."""
    edge = edge_of("a")
    number = edge.up["a"]
    edge.crash("a")
    edge.take_log()
    edge.engine.exited("a", number, BOOM, edge.now)
    edge.run()
    edge.engine.start_failed("a", number, BOOM, edge.now)
    edge.run()
    assert edge.take_log() == []
    assert edge.states() == {"a": "running"}


def test_a_late_notice_of_a_deleted_child_is_not_taken_for_its_successor() -> None:
    """An id may be used again; incarnation numbers may not."""
    edge = edge_of("a")
    old = edge.up["a"]
    edge.terminate("a")
    edge.delete("a")
    edge.start_child(worker("a"))
    edge.engine.exited("a", old, Killed(), edge.now)
    edge.run()
    assert edge.states() == {"a": "running"}


def test_one_exit_among_many_costs_the_same_as_among_few() -> None:
    """No list of siblings is looked through: counted in steps of the interpreter, not in time."""

    def steps(siblings: int) -> int:
        edge = Edge(dynamic_supervisor("root", worker("t"), max_restarts=None)).start()
        for number in range(siblings):
            edge.start_child({}, number)
        count = 0

        def tracer(frame: object, event: str, argument: object) -> Any:
            nonlocal count
            count += 1
            return tracer

        number = edge.up.pop("1")
        before = sys.gettrace()
        gc.disable()  # its callbacks, of other libraries, would be counted
        sys.settrace(tracer)
        try:
            edge.engine.exited("1", number, BOOM, 0.0)
        finally:
            sys.settrace(before)
            gc.enable()
        return count

    assert steps(2) == steps(300)


# Two things at once


def test_terminate_child_takes_a_member_out_of_its_group_restart() -> None:
    """It was told to stop for good: the restart must not bring it back."""
    edge = edge_of("a", "b", strategy="one_for_all")
    edge.automatic = False
    edge.crash("a")
    edge.terminate("b")
    edge.automatic = True
    edge.settle()
    assert edge.take_log() == ["-b", "+a"]
    assert edge.states() == {"a": "running", "b": "stopped"}


def test_a_group_restart_does_not_start_a_child_that_is_being_terminated() -> None:
    """The same two, the other way round."""
    edge = edge_of("a", "b", strategy="one_for_all")
    edge.automatic = False
    edge.terminate("b")
    edge.crash("a")
    edge.automatic = True
    edge.settle()
    assert edge.states() == {"a": "running", "b": "stopped"}


def test_the_next_child_starts_only_when_a_terminated_starting_one_is_gone() -> None:
    """Rule 1: one after another, also when one of them is called off."""
    edge = edge_of("a", "b", automatic=False)
    edge.terminate("a")
    assert edge.take_log() == ["+a", "-a"]
    edge.gone("a")
    assert edge.take_log() == ["+b"]


def test_a_child_removed_in_its_backoff_leaves_the_window_by_the_clock() -> None:
    """Rule 8, for a child that goes straight from its wait."""
    edge = edge_of("a", worker("b", backoff=constant(500)), max_restarts=1, period=10)
    edge.crash("b")
    edge.update([worker("a")])
    edge.sleep(10.001)
    edge.crash("a")
    assert edge.ended is None


def test_an_engine_that_is_abandoned_only_refuses() -> None:
    """What was decided before and is not carried out is dropped: no child starts after the end of its supervisor."""
    edge = edge_of("a")
    edge.engine.exited("a", edge.up["a"], BOOM, edge.now)
    edge.engine.restart_child("a", "again", edge.now, True)
    assert any(isinstance(effect, Start) for effect in edge.engine.effects)
    edge.engine.terminate_child("a", "stop", edge.now)
    edge.engine.abandon()
    assert [type(effect) for effect in edge.engine.effects] == [Refuse]


def test_the_edge_carries_out_every_effect() -> None:
    """An effect without a method would be found out when a supervisor needs it."""
    assert set(_CARRIED_OUT) == set(get_args(Effect))

"""What `check` finds in a tree that can be built: the arithmetic, and the settings that surprise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, Started
from supervisors import (
    Report,
    Supervisor,
    SupervisorSpec,
    budget,
    check,
    child,
    constant,
    dynamic_supervisor,
    exponential,
    partition_supervisor,
    start,
    supervisor,
    tasks,
)
from supervisors._check.arithmetic import longest_wait, stop_time
from tests.support import in_loop, world


class Worker(Actor):
    """Does nothing."""


def messages(tree: SupervisorSpec, severity: str, path: str) -> str:
    """What is said about one place, in one text."""
    found = check(tree, imports=False).findings
    return "\n".join(each.message for each in found if (each.severity, each.path) == (severity, path))


def said(tree: SupervisorSpec) -> str:
    """Everything that is said about a tree."""
    return "\n".join(map(str, check(tree, imports=False).findings))


# Restarts


def restarts(tree: SupervisorSpec) -> dict[str, int | None]:
    return check(tree, imports=False).restarts


@given(st.lists(st.integers(0, 20), min_size=1, max_size=5))
def test_most_restarts_are_the_product_of_the_budgets_less_the_first_start(limits: list[int]) -> None:
    """Guards the formula: (m1 + 1)(m2 + 1)...(mn + 1) - 1 down a chain of supervisors."""
    tree: SupervisorSpec | None = None
    for depth, limit in enumerate(limits):
        below = child("leaf", Worker) if tree is None else tree
        tree = supervisor(f"s{depth}", below, max_restarts=limit)
    assert tree is not None
    assert list(restarts(tree).values()) == [math.prod(limit + 1 for limit in limits) - 1]


class Hopeless(Actor):
    """Crashes as soon as it is up."""

    def on_continue(self) -> None:
        raise ValueError("again")


@pytest.mark.parametrize("limits", [(0,), (3,), (2, 1), (1, 2, 3)])
def test_a_tree_that_runs_comes_to_just_as_many_restarts(limits: tuple[int, ...]) -> None:
    """Guards the formula against the supervisors themselves: a leaf that always crashes is started as often."""
    tree: SupervisorSpec | None = None
    for depth, limit in enumerate(limits):
        below = child("leaf", Hopeless, backoff=None) if tree is None else tree
        tree = supervisor(f"s{depth}", below, max_restarts=limit, backoff=None)
    assert tree is not None
    spec = tree

    @in_loop
    async def run() -> None:
        async with world() as w:
            async with start(spec, w.runtime, on_give_up="ignore") as root:
                await root.ended()
            lives = sum(event.actor_class is Hopeless for event in w.seen(Started))
        assert list(restarts(spec).values()) == [lives - 1]

    run()


def test_restarts_are_without_limit_where_any_budget_above_is() -> None:
    """Guards None: it is not a number to multiply with."""
    tree = supervisor("root", supervisor("a", child("w", Worker)), max_restarts=None)
    assert restarts(tree) == {"root/a/w": None}


def test_a_budget_of_its_own_stands_in_place_of_the_supervisors() -> None:
    """Guards rule 9: the child draws on its own budget, and no other child draws on that of the supervisor."""
    tree = supervisor("root", child("own", Worker, max_restarts=2), child("shared", Worker), max_restarts=7)
    assert restarts(tree) == {"root/own": 2, "root/shared": 7}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", {"a": 2, "b": 5, "c": 0}),
        ("rest_for_one", {"a": 2, "b": 7, "c": 0}),
        ("one_for_all", {"a": 7, "b": 7, "c": 0}),
    ],
)
def test_a_group_adds_the_budgets_of_members_that_restart_the_child(strategy: str, expected: dict[str, int]) -> None:
    """Guards the sum: `a` has 2 of its own, `b` shares 5, and `c` is temporary and never comes back."""
    tree = supervisor(
        "root",
        child("a", Worker, max_restarts=2),
        child("b", Worker),
        child("c", Worker, restart="temporary"),
        strategy=strategy,  # type: ignore[arg-type]
        max_restarts=5,
    )
    assert restarts(tree) == {f"root/{id}": number for id, number in expected.items()}


def test_a_supervisors_own_budget_limits_how_often_its_subtree_restarts() -> None:
    """Guards the product where a supervisor has a budget as a child: (3 + 1)(1 + 1) - 1."""
    tree = supervisor("root", supervisor("a", child("w", Worker), max_restarts=3, own_budget=budget(1)), max_restarts=9)
    assert restarts(tree) == {"root/a/w": 7}


def test_instances_of_a_template_live_in_one_life_of_their_supervisor() -> None:
    """Guards dynamic supervisors: their own restart does not bring the instances back."""
    tree = supervisor("root", dynamic_supervisor("pool", child("w", Worker), max_restarts=4), max_restarts=9)
    assert restarts(tree) == {"root/pool/w": 4}


def test_partitions_live_through_the_restarts_of_their_supervisor() -> None:
    """Guards partitioned supervisors, whose children are part of their spec: (2 + 1)(1 + 1) - 1."""
    pool = partition_supervisor("pool", child("w", Worker), partitions=3, max_restarts=2)
    assert restarts(supervisor("root", pool, max_restarts=1)) == {"root/pool/w": 5}


# Stopping


def test_stop_times_add_up_in_order_and_the_longest_counts_in_parallel() -> None:
    """Guards the longest shutdown: 2 + (3 + 4) in order, and 5 for any number of instances; 1 s to kill each."""
    tree = supervisor(
        "root",
        child("a", Worker, shutdown=2),
        supervisor("b", child("c", Worker, shutdown=3), child("d", Worker, shutdown=4)),
        dynamic_supervisor("e", child("f", Worker, shutdown=5)),
    )
    assert check(tree, imports=False).shutdown == (2 + 1) + (3 + 1 + 4 + 1) + (5 + 1)
    assert stop_time(tree, kill_grace=0) == 14


def test_each_partition_takes_its_own_time() -> None:
    """Guards that the template stands for as many children as there are partitions."""
    tree = partition_supervisor("root", child("w", Worker, shutdown=2), partitions=3)
    assert stop_time(tree, kill_grace=0) == 6


def test_a_supervisor_with_a_time_of_its_own_is_killed_after_it() -> None:
    """Guards the cut: what is below cannot take longer than its supervisor."""
    tree = supervisor("root", supervisor("a", child("w", Worker, shutdown="infinity"), shutdown=3))
    assert check(tree, imports=False).shutdown == 4
    assert check(tree, imports=False).endless == ()


def test_a_shutdown_without_limit_is_named() -> None:
    """Guards that infinity is told with the worker that may take it."""
    tree = supervisor("root", child("a", Worker, shutdown="infinity"), child("b", Worker))
    report = check(tree, imports=False)
    assert report.shutdown == math.inf
    assert report.endless == ("root/a",)


@given(st.integers(0, 50_000))
def test_the_longest_wait_is_never_below_what_the_backoff_draws(restarts: int) -> None:
    """Guards the closed form against the sum it stands for, and against a loop over a huge budget."""
    spec = child("w", Worker, backoff=exponential(0.1, cap=5, jitter="none"))
    assert spec.backoff is not None
    exact = math.fsum(spec.backoff.base(attempt) for attempt in range(1, min(restarts, 200) + 1))
    assert longest_wait(spec, restarts) == pytest.approx(exact + 5 * max(0, restarts - 200))


def test_a_budget_is_meaningless_where_stopping_outlasts_the_period() -> None:
    """Guards the warning: 3 restarts of a group that takes 6 s each do not fit into a period of 10 s."""
    slow = [child(id, Worker, shutdown=5) for id in ("a", "b")]
    tree = supervisor("root", *slow, strategy="one_for_all", max_restarts=3, period=10)
    assert "3 times 18 s" in messages(tree, "warning", "root")
    assert not said(supervisor("root", *slow, strategy="one_for_all", max_restarts=3, period=60))
    assert not said(supervisor("root", *slow, max_restarts=3, period=10))


def test_a_supervisors_shutdown_must_leave_its_children_theirs() -> None:
    """Guards the warning: those still there after it are killed."""
    tree = supervisor("root", supervisor("a", child("w", Worker), child("x", Worker), shutdown=5))
    assert "less than the 12 s" in messages(tree, "warning", "root/a")


def test_a_supervisor_is_not_to_be_killed_at_once() -> None:
    """Guards the warning about brutal_kill on a supervisor."""
    tree = supervisor("root", supervisor("a", child("w", Worker), shutdown="brutal_kill"))
    assert "no time to stop" in messages(tree, "warning", "root/a")


# Settings that do nothing, or something else


def test_the_defaults_give_nothing_to_remark() -> None:
    """Guards against a lint that cries at everything."""
    tree = supervisor(
        "root",
        child("a", Worker),
        supervisor("b", child("c", Worker), child("d", Worker), strategy="one_for_all"),
        dynamic_supervisor("e", child("f", Worker)),
        tasks("g"),
    )
    assert said(tree) == ""


def test_a_backoff_under_max_restarts_0_never_matters() -> None:
    """Guards the warning, and that the default backoff does not bring it."""
    tree = supervisor("root", child("a", Worker, backoff=constant(1)), child("b", Worker), max_restarts=0)
    assert "backoff has no effect" in messages(tree, "warning", "root/a")
    assert messages(tree, "warning", "root/b") == ""


def test_restarting_for_ever_without_delay_is_a_hot_loop() -> None:
    """Guards the warning about max_restarts=None with backoff=None."""
    tree = supervisor("root", child("a", Worker, backoff=None), max_restarts=None)
    assert "without any delay" in messages(tree, "warning", "root/a")


def test_a_backoff_beyond_the_period_says_how_long_a_crash_loop_lasts() -> None:
    """Guards the note: waiting does not count in the period (rule 8)."""
    tree = supervisor("root", child("a", Worker, backoff=constant(100)), max_restarts=3, period=10)
    assert "can take 300 s" in messages(tree, "note", "root/a")


def test_a_temporary_child_has_no_use_for_what_belongs_to_restarts() -> None:
    """Guards the warnings about backoff, an own budget and redelivery."""
    tree = supervisor("root", child("a", Worker, restart="temporary", backoff=constant(1), max_restarts=2, redeliver=1))
    text = messages(tree, "warning", "root/a")
    assert "backoff and its own budget without effect" in text
    assert "redeliver=1" in text


def test_redelivery_is_dropped_with_the_mailbox() -> None:
    """Guards the combination of rules 26 and 27 that cancels itself out."""
    tree = supervisor("root", child("a", Worker, redeliver=2, mailbox="drop"))
    assert "never redelivers" in messages(tree, "warning", "root/a")


def test_a_start_timeout_above_its_supervisors_is_cut_short() -> None:
    """Guards the warning, for a number and for None."""
    tree = supervisor(
        "root", child("a", Worker, start_timeout=60), child("b", Worker, start_timeout=None), start_timeout=30
    )
    assert "start_timeout=60 is longer than its supervisor's" in messages(tree, "warning", "root/a")
    assert "start_timeout=None is longer than its supervisor's" in messages(tree, "warning", "root/b")


def test_retry_start_lasts_as_long_as_its_supervisors_start() -> None:
    """Guards the warning, and that a supervisor without a limit has none."""
    retrying = child("a", Worker, retry_start=True)
    assert "at most 30 s" in messages(supervisor("root", retrying, start_timeout=30), "warning", "root/a")
    assert said(supervisor("root", child("a", Worker, retry_start=True, start_timeout=5), start_timeout=None)) == ""


def test_a_shutdown_shorter_than_a_handler_may_take_is_noted() -> None:
    """Guards the note about handler_timeout and shutdown."""
    tree = supervisor("root", child("a", Worker, handler_timeout=10, shutdown=2))
    assert "still within its time limit" in messages(tree, "note", "root/a")


def test_a_temporary_supervisor_that_gives_up_does_not_come_back() -> None:
    """Guards the warning."""
    tree = supervisor("root", supervisor("a", child("w", Worker), restart="temporary"))
    assert "is not restarted" in messages(tree, "warning", "root/a")


def test_auto_shutdown_and_restart_must_go_together() -> None:
    """Guards both: a permanent supervisor comes back after it ended itself, a transient one does not."""
    done = child("w", Worker, restart="transient", significant=True)
    permanent = supervisor("root", supervisor("a", done, auto_shutdown="any_significant"))
    assert "is restarted after each" in messages(permanent, "warning", "root/a")
    transient = supervisor("root", supervisor("a", done, auto_shutdown="any_significant", restart="transient"))
    assert "is not restarted" in messages(transient, "note", "root/a")


def test_auto_shutdown_without_a_significant_child_never_happens() -> None:
    """Guards the warning, and the note about permanent children beside a significant one."""
    tree = supervisor("root", child("w", Worker), auto_shutdown="all_significant")
    assert "has no effect" in messages(tree, "warning", "root")
    done = child("done", Worker, restart="transient", significant=True)
    tree = supervisor("root", child("w", Worker), done, auto_shutdown="all_significant")
    assert "never counts" in messages(tree, "note", "root/w")
    assert messages(tree, "warning", "root") == ""


class Ready(Supervisor):
    """Comes with its children."""

    own_children = True


def test_findings_skip_the_children_of_a_class_but_not_what_is_below_them() -> None:
    """Guards against useless findings: the class decides how they are restarted."""
    below = supervisor("below", child("w", Worker, backoff=None), max_restarts=None)
    done = child("done", Worker, restart="transient", significant=True)
    options: dict[str, Any] = {"auto_shutdown": "any_significant", "max_restarts": None}
    plain = supervisor("root", below, child("a", Worker, backoff=None), done, **options)
    assert {each.path for each in check(plain).findings} == {"root/below", "root/a", "root/below/w"}
    ready = supervisor("root", below, child("a", Worker, backoff=None), done, supervisor_class=Ready, **options)
    assert {each.path for each in check(ready).findings} == {"root/below/w"}


def test_what_the_root_has_as_a_child_has_no_effect() -> None:
    """Guards the note and the warning about a root, which is not restarted."""
    tree = supervisor("root", child("w", Worker), restart="transient", significant=True)
    assert "restart has no effect" in messages(tree, "note", "root")
    assert "it has no supervisor" in messages(tree, "warning", "root")


def test_a_registered_name_belongs_to_one_child_of_the_whole_tree() -> None:
    """Guards the error: the second one can never start."""
    tree = supervisor("root", child("a", Worker, name="n"), supervisor("b", child("c", Worker, name="n")))
    assert "belongs to root/a" in messages(tree, "error", "root/b/c")
    partitions = partition_supervisor("root", child("w", Worker, name="n"), partitions=2)
    assert "belongs to root/0" in messages(partitions, "error", "root/1")


def test_a_name_on_a_template_fits_one_instance() -> None:
    """Guards the warning, and that a template for one child may have a name."""
    pool = dynamic_supervisor("pool", child("w", Worker, name="n"))
    assert "second instance" in messages(supervisor("root", pool), "warning", "root/pool/w")
    one = dynamic_supervisor("pool", child("w", Worker, name="n"), max_children=1)
    assert said(supervisor("root", one)) == ""


def test_a_start_that_cannot_be_found_is_an_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards that `check` looks for every class, and that without imports it is pure."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "check_broken_module.py").write_text("raise OSError('boom')\n")
    tree = supervisor("root", child("a", "check_broken_module:Worker"), child("b", "no.such:Worker"))
    report: Report = check(tree)
    assert [each.path for each in report.errors] == ["root/a", "root/b"]
    assert "boom" in report.errors[0].message
    assert check(tree, imports=False).findings == ()


def test_errors_come_before_warnings_and_notes() -> None:
    """Guards the order in which a person reads them."""
    tree = supervisor(
        "root",
        child("a", Worker, handler_timeout=10, shutdown=2),
        child("b", Worker, redeliver=2, mailbox="drop"),
        child("c", Worker, name="n"),
        child("d", Worker, name="n"),
    )
    assert [each.severity for each in check(tree).findings] == ["error", "warning", "note"]

"""Specs and their builders (rules 22 and 24)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, MailboxSpec
from supervisors import (
    ChildSpec,
    Exponential,
    SpecError,
    Supervisor,
    SupervisorSpec,
    budget,
    child,
    constant,
    dynamic_supervisor,
    parse_tree,
    partition_supervisor,
    supervisor,
    tasks,
)
from supervisors._specs.spec import TaskCall
from supervisors._specs.tree import unresolved


class Worker(pykka.ThreadingActor):
    """A class that may be a child."""


async def job() -> None:
    """A function that may be a task."""


def faults(call: Any) -> list[str]:
    """What is wrong with the spec that the call builds."""
    with pytest.raises(SpecError) as caught:
        call()
    return [str(fault) for fault in caught.value.faults]


def test_a_child_has_the_defaults_of_the_rules() -> None:
    """Rules 8, 11 and 17 name defaults."""
    spec = child("w", Worker)
    assert (spec.restart, spec.shutdown, spec.start_timeout) == ("permanent", 5, 30)
    assert spec.backoff == Exponential(initial=0.1, cap=30, jitter="full")
    assert spec.own_restarts is None
    tree = supervisor("s", spec)
    assert (tree.strategy, tree.max_restarts, tree.period, tree.shutdown) == (
        "one_for_one",
        15,
        None,
        "infinity",
    )


def test_all_faults_of_a_construction_are_reported_at_once() -> None:
    """Rule 24: fixing one fault at a time is a waste of the user's day."""
    options: dict[str, Any] = {"restrat": 1, "restart": "allways", "redeliver": -1, "period": 5.0}
    found = faults(lambda: child("w", dict, **options))
    assert len(found) == 5
    assert "w: restrat: unknown key; did you mean 'restart'?" in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("restart", "always"),
        ("restart", None),
        ("shutdown", 0),
        ("shutdown", -1),
        ("shutdown", True),
        ("shutdown", "soon"),
        ("shutdown", float("nan")),
        ("shutdown", float("inf")),
        ("start_timeout", 0),
        ("start_timeout", True),
        ("start_timeout", float("nan")),
        ("handler_timeout", -1),
        ("redeliver", -1),
        ("redeliver", True),
        ("redeliver", 1.5),
        ("significant", 1),
        ("retry_start", "yes"),
        ("name", ""),
        ("host", "moon"),
        ("args", "text"),
        ("args", 3),
        ("args", {1: 2}),
        ("mailbox", "lose"),
        ("mailbox", {"capacity": 0}),
        ("backoff", {"initial": 1}),
        ("backoff", {"kind": "exponential", "initial": 9, "cap": 1}),
        ("backoff", 3),
        ("max_restarts", -1),
        ("max_restarts", True),
    ],
)
def test_a_bad_value_is_refused_with_its_key(key: str, value: object) -> None:
    """Rule 24: OTP and Python would take many of these."""
    options: dict[str, Any] = {key: value}
    (found,) = faults(lambda: child("w", Worker, **options))
    assert found.startswith(f"w: {key}")


@pytest.mark.parametrize("id", ["", "a/b", " a", "a\n", 3, None])
def test_an_id_is_one_step_of_a_path(id: Any) -> None:
    """A slash or an empty id would make another child's path."""
    assert any("id:" in fault for fault in faults(lambda: child(id, Worker)))


@pytest.mark.parametrize("start", [dict, object(), "no colon", "a:", ":b", None, 3])
def test_what_no_child_can_run_is_refused(start: Any) -> None:
    """It would fail only when the tree starts."""
    (found,) = faults(lambda: child("w", start))
    assert found.startswith("w: start:")


def test_impossible_combinations_are_refused_with_both_names() -> None:
    """Rule 22."""
    (found,) = faults(lambda: child("w", Worker, significant=True))
    assert "significant" in found
    assert "permanent" in found
    transient = child("w", Worker, restart="transient", significant=True)
    (found,) = faults(lambda: supervisor("s", transient))
    assert found.startswith("s/w:")
    assert "auto_shutdown='never'" in found
    options: dict[str, Any] = {"auto_shutdown": "any_significant"}
    (found,) = faults(lambda: dynamic_supervisor("s", child("w", Worker), **options))
    assert "auto_shutdown" in found
    assert "simple_one_for_one" in found


class OnLoop(Actor):
    """Keeps what it has consistent by never waiting on the loop."""

    only_host = "loop"


class Moved(OnLoop):
    """A mistake of its author."""

    host = "thread"


def test_an_actor_on_the_wrong_host_is_refused_with_all_other_faults() -> None:
    """Guards what has no locks because it is on the loop: in a thread it would break now and then."""
    found = faults(lambda: child("w", OnLoop, host="thread", significant=True))
    assert len(found) == 2
    assert "w: host: OnLoop runs on the loop only, got 'thread'" in found
    assert faults(lambda: child("w", Moved)) == ["w: host: Moved runs on the loop only, got 'thread'"]
    assert child("w", OnLoop, host="loop").start is OnLoop
    assert child("w", Moved, host="loop").start is Moved


def test_a_class_from_a_module_is_refused_on_the_wrong_host_at_its_import() -> None:
    """Guards trees in files: before the import the class is unknown."""
    tree = supervisor("root", child("w", f"{__name__}:OnLoop", host="thread"))
    (found,) = unresolved(tree)
    assert str(found) == "root/w: host: OnLoop runs on the loop only, got 'thread'"
    spec = tree.children[0]
    assert isinstance(spec, ChildSpec)
    with pytest.raises(SpecError, match="runs on the loop only"):
        spec.resolve("root/w")


def test_duplicate_ids_are_refused() -> None:
    """Rule 24."""
    (found,) = faults(lambda: supervisor("s", child("w", Worker), child("w", Worker)))
    assert found.startswith("s/w: id:")


def test_a_period_without_a_budget_of_its_own_is_a_fault() -> None:
    """Rule 9: it would have no effect, and its author believes that it has."""
    (found,) = faults(lambda: child("w", Worker, period=5))
    assert "period" in found
    assert "max_restarts" in found


def test_an_own_budget_escalates_unless_told_to_drop() -> None:
    """Rule 9: the choice is the spec's; nothing goes missing by default."""
    own = child("w", Worker, max_restarts=2).own_restarts
    assert own == budget(2, period=None, on_limit="escalate")
    assert supervisor("s", own_budget=budget(1, on_limit="drop")).own_restarts == budget(1, on_limit="drop")


def test_the_mailbox_has_short_forms() -> None:
    """Rule 26: `mailbox="drop"` asks for OTP's way."""
    assert child("w", Worker).mailbox.on_restart == "keep"
    assert child("w", Worker, mailbox="drop").mailbox.on_restart == "drop"
    mailbox = MailboxSpec(capacity=3)
    assert child("w", Worker, mailbox=mailbox).mailbox is mailbox


def test_a_spec_does_not_change_with_the_arguments_it_was_given() -> None:
    """Frozen means frozen: a caller's dictionary is copied."""
    args = {"a": 1}
    spec = child("w", Worker, args=args)
    args["a"] = 2
    assert spec.args == {"a": 1}


def test_a_template_takes_extra_arguments_of_its_own_kind() -> None:
    """Rule 6: children of one template are started with extra arguments."""
    by_name = child("w", Worker, args={"a": 1, "b": 1})
    assert by_name.instance({"b": 2}).args == {"a": 1, "b": 2}
    in_order = child("w", Worker, args=[1])
    assert in_order.instance([2]).args == (1, 2)
    assert in_order.instance(()).renamed("7").id == "7"
    assert child("w", Worker).instance({"a": 1}).args == {"a": 1}
    with pytest.raises(SpecError, match="both"):
        in_order.instance({"a": 1})
    with pytest.raises(SpecError, match="TaskCall"):
        in_order.instance(TaskCall(job))


def test_a_task_supervisor_runs_functions() -> None:
    """Only its template has no class: each task brings its function."""
    spec = tasks("t", task_shutdown=2, max_children=4)
    assert isinstance(spec.template, ChildSpec)
    assert (spec.template.restart, spec.template.shutdown, spec.max_children) == ("temporary", 2, 4)
    task = spec.template.instance(TaskCall(job, {"x": 1}))
    assert (task.start, task.args) == (job, {"x": 1})
    assert task.resolve("t/1") is job
    with pytest.raises(SpecError, match="TaskCall"):
        spec.template.instance({"x": 1})


def test_faults_of_a_task_supervisor_bring_no_others_along() -> None:
    """One mistake, one message."""
    options: dict[str, Any] = {"task_restart": "x"}
    assert len(faults(lambda: tasks("t", **options))) == 1


def test_a_partition_supervisor_has_a_child_for_each_partition() -> None:
    """The ids are the numbers of the partitions."""
    spec = partition_supervisor("p", child("w", Worker), partitions=3)
    assert [each.id for each in spec.children] == ["0", "1", "2"]
    bad: Any = True
    assert faults(lambda: partition_supervisor("p", child("w", Worker), partitions=bad))


def test_only_a_changed_program_needs_a_restart() -> None:
    """`update_specs` adopts a change of policy as it is."""
    spec = child("w", Worker, args=[1])
    assert spec.runs_like(child("w", Worker, args=(1,), restart="transient", backoff=constant(1)))
    assert not spec.runs_like(child("w", Worker, args=[2]))
    assert not spec.runs_like(child("w", Worker, args=[1], host="thread"))
    assert not spec.runs_like(supervisor("w"))
    assert supervisor("s", spec).runs_like(supervisor("s", spec, restart="transient"))
    assert not supervisor("s", spec).runs_like(supervisor("s"))


def test_a_supervisor_is_restarted_for_what_it_runs_not_its_settings() -> None:
    """Guards rule 23: the settings change in place, as does the template of a dynamic supervisor."""

    class Other(Supervisor):
        pass

    a = child("a", Worker)
    was = supervisor("s", a)
    assert was.runs_like(supervisor("s", a, strategy="one_for_all", max_restarts=1, period=5, auto_shutdown="never"))
    assert was.runs_like(supervisor("s", a, on_failure=print, on_give_up=print))
    assert not was.runs_like(supervisor("s", a, supervisor_class=Other))
    assert not was.runs_like(supervisor("s", a, name="s"))
    assert not was.runs_like(supervisor("s", a, child("b", Worker)))
    assert not was.runs_like(dynamic_supervisor("s", a))
    pool = dynamic_supervisor("s", a)
    assert pool.runs_like(dynamic_supervisor("s", child("b", Worker), max_children=1))
    assert not pool.runs_like(tasks("s"))
    parts = partition_supervisor("s", a, partitions=2)
    assert parts.runs_like(partition_supervisor("s", a, partitions=2, strategy="one_for_all"))
    assert not parts.runs_like(partition_supervisor("s", a, partitions=3))
    assert not parts.runs_like(partition_supervisor("s", child("a", Worker, args=(1,)), partitions=2))


TREE: dict[str, Any] = {
    "id": "root",
    "strategy": "one_for_one",
    "max_restarts": 15,
    "children": [
        {
            "id": "greeter",
            "start": "greeter:Greeter",
            "args": {"greeting": "hi"},
            "backoff": {"kind": "exponential", "initial": 0.1, "cap": 30},
        },
        {
            "id": "workers",
            "strategy": "rest_for_one",
            "own_budget": {"max_restarts": 2, "on_limit": "drop"},
            "children": [
                {"id": "w1", "start": "app:Worker"},
                {"id": "w2", "start": "app:Worker", "host": "thread"},
            ],
        },
        {"id": "pool", "template": {"start": "app:Worker"}, "max_children": 9},
        {"id": "shards", "template": {"start": "app:Worker"}, "partitions": 2},
        {"id": "jobs", "kind": "tasks"},
    ],
}


def test_a_file_says_the_same_as_the_builders() -> None:
    """api.md: one meaning in two notations."""
    written = supervisor(
        "root",
        child("greeter", "greeter:Greeter", args={"greeting": "hi"}, backoff=Exponential(initial=0.1, cap=30)),
        supervisor(
            "workers",
            child("w1", "app:Worker"),
            child("w2", "app:Worker", host="thread"),
            strategy="rest_for_one",
            own_budget=budget(2, on_limit="drop"),
        ),
        dynamic_supervisor("pool", child("template", "app:Worker"), max_children=9),
        partition_supervisor("shards", child("template", "app:Worker"), partitions=2),
        tasks("jobs"),
    )
    assert parse_tree(TREE) == written


def test_all_faults_of_a_whole_tree_are_reported_at_once_with_full_paths() -> None:
    """Rule 24, for nested mappings."""
    tree: dict[str, Any] = {
        "id": "root",
        "stratgy": "x",
        "children": [
            {"id": "a", "start": "app:A", "restart": "x"},
            {"id": "a", "start": "app:A"},
            {"id": "s", "children": [{"id": "q"}, {"id": "z", "start": "x"}, 7]},
            {"id": "d", "template": {"start": "app:A", "redeliver": -1}},
        ],
    }
    found = faults(lambda: parse_tree(tree))
    assert [fault.split(": ")[0] for fault in found] == [
        "root/a",
        "root/s/q",
        "root/s/z",
        "root/s/[2]",
        "root/d/template",
        "root/a",
        "root",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["id", "start", "children", "template", "kind", "restart", "x"]), inner)
        ),
    )
)
def test_any_mapping_is_either_a_tree_or_a_spec_error(value: object) -> None:
    """A file is written by hand: whatever it says, the answer is a list of faults and never a traceback."""
    try:
        made = parse_tree({"id": "root", "children": value})
    except SpecError as error:
        found: object = error.faults
    else:
        found = isinstance(made, SupervisorSpec)
    assert found


def test_a_class_is_found_when_it_is_asked_for_and_not_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a spec imports nothing; a failing import is a fault with a short traceback."""
    (tmp_path / "broken_app.py").write_text("def oops():\n    raise KeyError('lost')\n\noops()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = child("w", "broken_app:Worker")
    assert "broken_app" not in sys.modules
    (found,) = faults(lambda: spec.resolve("root/w"))
    assert "root/w: start: importing 'broken_app' failed with KeyError: 'lost'" in found
    assert "broken_app.py:2 in oops" in found
    assert "importlib" not in found
    assert child("w", "pykka:ThreadingActor").resolve("root/w") is pykka.ThreadingActor


def test_everything_that_cannot_be_found_is_reported_at_once() -> None:
    """`letitcrash check` shows all of it."""
    tree = parse_tree(
        {
            "id": "root",
            "children": [
                {"id": "a", "start": "no_such_module:A"},
                {"id": "b", "start": "os:path"},
                {"id": "c", "start": "pykka:Nope"},
                {"id": "d", "template": {"start": "os:sep"}},
                {"id": "e", "kind": "tasks"},
                {"id": "f", "start": "pykka:ThreadingActor"},
            ],
        }
    )
    assert [fault.path for fault in unresolved(tree)] == ["root/a", "root/b", "root/c", "root/d/template"]

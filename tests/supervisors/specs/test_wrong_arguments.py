"""A wrong argument of any builder is a `SpecError` in our words: the option, its place and the value (rule 24)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, MailboxSpec
from actors.spi import shown
from supervisors import (
    ChildSpec,
    OwnBudget,
    SpecError,
    Supervisor,
    SupervisorSpec,
    budget,
    child,
    constant,
    dynamic_supervisor,
    exponential,
    linear,
    parse_tree,
    partition_supervisor,
    supervisor,
    tasks,
)

NOT_OURS = ("Input should", "pydantic", "valid dictionary", "Field required", "Value error", "Extra inputs", "ctx")
"""Words of pydantic's."""


class A(Actor):
    """An actor."""


class Strange:
    """Nothing that any option takes."""

    def __repr__(self) -> str:
        return "<strange>"


class Unshowable:
    """Raises wherever it is shown or compared."""

    def __repr__(self) -> str:
        raise ValueError("no")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise ValueError("no")

    __hash__ = None  # type: ignore[assignment]


def function() -> None:
    """A function."""


VALUES: Sequence[Any] = (
    *(None, True, False, 0, -1, 1, 7, 10**30, 0.0, -2.5, 0.5, 1e308, math.nan, math.inf, 1j),
    *("", "permanent", "keep", "loop", "drop", "never", "infinity", "one_for_one", "full", "zzz", "a/b", "a:b", " x"),
    *(b"x", [], ["x"], (), (1,), {}, {1: 2}, {"kind": "zzz"}, {"zzz": 1}, set(), range(3)),
    *(A, int, Supervisor, function, Strange(), Unshowable(), A.__init__, object(), Ellipsis),
    *(child("c", A), supervisor("s"), exponential(), budget(1), MailboxSpec()),
)
"""Values of all kinds; for each option most of them are wrong."""

Test = Callable[[Any], bool]


def number(value: Any) -> bool:
    """A number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def seconds(value: Any) -> bool:
    """A time that is over some day."""
    return number(value) and 0 < value < math.inf


def count(least: int, most: int = 2**63 - 1) -> Test:
    """An integer in these bounds."""
    return lambda value: type(value) is int and least <= value <= most


def one_of(*words: str) -> Test:
    """One of these words."""
    return lambda value: isinstance(value, str) and value in words


def none_or(test: Test) -> Test:
    """None is right, too."""
    return lambda value: value is None or test(value)


def shutdown(value: Any) -> bool:
    """Seconds of grace, or one of two words."""
    return seconds(value) or one_of("infinity", "brutal_kill")(value)


def text(value: Any) -> bool:
    """A printable string that is not empty."""
    return isinstance(value, str) and value.isprintable() and value != ""


def start(value: Any) -> bool:
    """An actor class, a function, or the place of one."""
    is_function = callable(value) and not isinstance(value, type)
    return value is A or value is Supervisor or is_function or one_of("a:b")(value)


def backoff(value: Any) -> bool:
    """A backoff or, as in a file, a mapping, whose faults are its own."""
    return isinstance(value, Mapping | type(exponential()))


COMMON: Mapping[str, Test] = {
    "restart": one_of("permanent", "transient", "temporary"),
    "shutdown": shutdown,
    "backoff": none_or(backoff),
    "significant": lambda value: isinstance(value, bool),
    "name": none_or(text),
    "start_timeout": none_or(seconds),
    "retry_start": lambda value: isinstance(value, bool),
}
CHILD: Mapping[str, Test] = {
    **COMMON,
    "args": lambda value: isinstance(value, Mapping | Sequence) and not isinstance(value, str | bytes),
    "host": none_or(one_of("loop", "thread")),
    "mailbox": lambda value: one_of("keep", "drop")(value) or isinstance(value, MailboxSpec | Mapping),
    "redeliver": count(0),
    "handler_timeout": none_or(seconds),
    "max_restarts": none_or(count(0)),
    "period": lambda value: value is None or seconds(value),
    "on_limit": none_or(one_of("drop", "escalate")),
}
SHARED: Mapping[str, Test] = {
    **COMMON,
    "max_restarts": none_or(count(0)),
    "period": none_or(seconds),
    "own_budget": none_or(lambda value: isinstance(value, OwnBudget | Mapping)),
    "keep_children": lambda value: isinstance(value, bool),
    "supervisor_class": none_or(lambda value: value is Supervisor),
    "on_failure": none_or(callable),
    "on_give_up": none_or(callable),
}
STATIC: Mapping[str, Test] = {
    **SHARED,
    "strategy": one_of("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"),
    "auto_shutdown": one_of("never", "any_significant", "all_significant"),
}
DYNAMIC: Mapping[str, Test] = {**SHARED, "max_children": none_or(count(1))}
TASKS: Mapping[str, Test] = {**DYNAMIC, **{f"task_{name}": COMMON[name] for name in ("restart", "shutdown", "backoff")}}
JITTER = one_of("none", "full", "equal", "decorrelated")
DELAYS: Mapping[str, Test] = {"jitter": JITTER, "reset_after": none_or(seconds)}


@dataclass(frozen=True)
class Builder:
    """A builder with its options, and the tests of their right values."""

    place: str
    build: Callable[..., object]
    options: Mapping[str, Test]


def is_spec(value: Any) -> bool:
    """A spec."""
    return isinstance(value, ChildSpec | SupervisorSpec)


BUILDERS = {
    "child": Builder("x", lambda **given: child("x", A, **given), CHILD),
    "start": Builder(
        "x",
        lambda start: child("x", start),
        {"start": start},
    ),
    "supervisor": Builder("x", lambda **given: supervisor("x", **given), STATIC),
    "dynamic_supervisor": Builder("x", lambda **given: dynamic_supervisor("x", child("c", A), **given), DYNAMIC),
    "template": Builder("x", lambda template: dynamic_supervisor("x", template), {"template": is_spec}),
    "partition_supervisor": Builder(
        "x", lambda **given: partition_supervisor("x", child("c", A), **{"partitions": 2, **given}), STATIC
    ),
    "partitions": Builder(
        "x", lambda **given: partition_supervisor("x", child("c", A), **given), {"partitions": count(1, 100_000)}
    ),
    "tasks": Builder("x", lambda **given: tasks("x", **given), TASKS),
    "budget": Builder(
        "budget()",
        lambda **given: budget(**{"max_restarts": 1, **given}),
        {"max_restarts": count(0), "period": none_or(seconds), "on_limit": one_of("drop", "escalate")},
    ),
    "constant": Builder("constant()", lambda **given: constant(**{"delay": 1.0, **given}), {**DELAYS}),
    "linear": Builder("linear()", linear, {**DELAYS, "initial": seconds, "step": none_or(seconds), "cap": seconds}),
    "exponential": Builder(
        "exponential()",
        exponential,
        {**DELAYS, "initial": seconds, "cap": seconds, "factor": lambda value: number(value) and 1 <= value < math.inf},
    ),
}


@given(st.data())
def test_rule_24_a_wrong_argument_is_told_in_our_words(data: st.DataObject) -> None:
    """The fault names the place, the option and the value, and says what to write."""
    builder = BUILDERS[data.draw(st.sampled_from(sorted(BUILDERS)))]
    option = data.draw(st.sampled_from(sorted(builder.options)))
    value = data.draw(st.sampled_from([each for each in VALUES if not builder.options[option](each)]))
    with pytest.raises(SpecError) as caught:
        builder.build(**{option: value})
    told = [fault for fault in caught.value.faults if fault.message.removeprefix("task_").startswith(option)]
    if option.startswith("task_"):
        told = [each for each in caught.value.faults if each.path == "x/task"]
    assert told, caught.value.faults
    assert any(fault.path.startswith(builder.place) and shown(value, 60) in fault.message for fault in told)
    assert not [word for word in NOT_OURS if word in str(caught.value)]


@given(st.sampled_from([each for each in VALUES if not is_spec(each)]), st.integers(0, 2))
def test_rule_24_what_is_no_spec_is_told_with_its_place_in_the_list(value: Any, before: int) -> None:
    """And with what to write instead."""
    sound = [child(f"c{number}", A) for number in range(before)]
    with pytest.raises(SpecError) as caught:
        supervisor("r", *sound, value)
    (fault,) = caught.value.faults
    assert fault.path == "r"
    assert fault.message.startswith(f"children[{before}]: must be a spec, got {shown(value, 60)}. ")


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (A, "Write child('a', A)"),
        ([child("a", A)], "write * before the list"),
        ("tests.zoo:A", "Write child('id', 'tests.zoo:A')"),
        ({"id": "a"}, "Use parse_tree()"),
        (3, "Specs are what child(), supervisor() and their like return"),
    ],
)
def test_rule_24_a_class_in_place_of_a_spec_is_told_what_to_write(value: Any, advice: str) -> None:
    """N13: `supervisor("r", A)`."""
    builders: list[Callable[..., object]] = [supervisor, dynamic_supervisor]
    for build in builders:
        with pytest.raises(SpecError, match=r"must be a spec, got") as caught:
            build("r", value)
        assert advice in str(caught.value)


@given(st.sampled_from([each for each in VALUES if not (isinstance(each, str) and each not in ("", "a/b", " x"))]))
def test_rule_24_a_wrong_id_is_told_in_our_words(id: Any) -> None:
    """By every builder, and only once."""
    template = child("c", A)
    for build in (
        lambda: child(id, A),
        lambda: supervisor(id),
        lambda: dynamic_supervisor(id, template),
        lambda: partition_supervisor(id, template, partitions=1),
        lambda: tasks(id),
    ):
        with pytest.raises(SpecError) as caught:
            build()
        (fault,) = caught.value.faults
        assert fault.message.startswith("id: must ")


def test_rule_24_wrong_children_do_not_hide_other_faults() -> None:
    """All faults come at once, each for its cause alone."""
    with pytest.raises(SpecError) as caught:
        supervisor("r", A, child("a", A), child("a", A), strategy="any", period=0)  # type: ignore[arg-type]
    assert {fault.message.partition(":")[0] for fault in caught.value.faults} == {
        "children[0]",
        "strategy",
        "period",
        "id",
    }


@given(st.data())
def test_rule_24_a_wrong_value_in_a_file_is_told_in_our_words(data: st.DataObject) -> None:
    """What a file can hold, at the place in its tree."""
    option = data.draw(st.sampled_from(sorted(CHILD)))
    plain = [each for each in VALUES if isinstance(each, str | int | float | list) and not CHILD[option](each)]
    value = data.draw(st.sampled_from(plain))
    with pytest.raises(SpecError) as caught:
        parse_tree({"id": "root", "children": [{"id": "x", "start": "a:b", option: value}]})
    assert any(each.path == "root/x" and each.message.startswith(f"{option}") for each in caught.value.faults)
    assert not [word for word in NOT_OURS if word in str(caught.value)]

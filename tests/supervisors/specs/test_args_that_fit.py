"""Arguments that a class does not take: found before anything starts, and before a good child is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pykka
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, StateMachine
from supervisors import (
    SpecError,
    check,
    child,
    dynamic_supervisor,
    load_tree,
    partition_supervisor,
    supervisor,
    tasks,
)
from supervisors._specs.resolve import misfit
from tests.supervisors.cast import Play, Worker, running, states, tell, worker
from tests.support import in_loop


class Poller(Actor):
    """Takes an address, and optionally more."""

    def __init__(self, address: str, *, every: float = 1.0, retries: int = 3) -> None:
        super().__init__()
        self.said = (address, every, retries)


class OfPykka(pykka.ThreadingActor):
    """The same of pykka's own kind."""

    def __init__(self, address: str) -> None:
        super().__init__()


class Anything(Actor):
    """Looks at its arguments itself."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__()


class States(Enum):
    """Of the machine below."""

    ONE = 1


class Machine(StateMachine):
    """A machine, whose base has a `__new__` that takes anything."""

    initial = States.ONE

    def __init__(self, address: str) -> None:
        super().__init__()


class Lying(Actor):
    """A signature that cannot be read."""

    def __init__(self, address: str) -> None:
        super().__init__()

    __init__.__signature__ = property(lambda _: 1 / 0)  # type: ignore[attr-defined]


Args = Sequence[object] | Mapping[str, object]


@pytest.mark.parametrize(
    ("start", "args", "problem"),
    [
        (Poller, (), "args: missing a required argument: 'address'; Poller takes address, every=..., retries=..."),
        (Poller, ("a", "b"), "args: too many positional arguments; Poller takes address, every=..., retries=..."),
        (Poller, {"adress": "a"}, "args: missing a required argument: 'address'; Poller takes address, every=..."),
        (Poller, {"address": "a", "evry": 1}, "args: got an unexpected keyword argument 'evry'; Poller takes"),
        (OfPykka, (), "args: missing a required argument: 'address'; OfPykka takes address"),
        (Machine, (), "args: missing a required argument: 'address'; Machine takes address"),
        (Actor, (1,), "args: too many positional arguments; Actor takes no arguments"),
        (Poller, ("a",), None),
        (Poller, {"address": "a", "every": 2}, None),
        (OfPykka, ("a",), None),
        (Machine, {"address": "a"}, None),
        (Anything, (1, 2), None),
        (Anything, {"x": 1}, None),
        (Lying, ("a", "b"), None),
    ],
)
def test_check_says_which_arguments_a_class_does_not_take(start: type, args: Args, problem: str | None) -> None:
    """With the place, and what it takes. What cannot be known is left to the start."""
    errors = check(supervisor("root", child("a", start, args=args))).errors
    if problem is None:
        assert not errors
    else:
        (error,) = errors
        assert error.path == "root/a"
        assert error.message.startswith(problem)


@given(st.lists(st.integers(), max_size=4), st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4))
def test_what_fits_is_what_a_call_takes(positional: list[int], keywords: dict[str, int]) -> None:
    """Guards the check against Python itself: a call raises TypeError exactly when it says so."""

    class One:
        def __init__(self, a: int, b: int = 0, /, *, c: int = 0) -> None: ...

    class Two:
        def __init__(self, a: int, *rest: int, b: int) -> None: ...

    class Three:
        def __new__(cls, *args: Any, **options: Any) -> Three:
            return super().__new__(cls)

        def __init__(self, a: int, b: int) -> None: ...

    class Four:
        def __new__(cls, a: int = 0) -> Four:
            return super().__new__(cls)

    kinds: list[Callable[..., object]] = [One, Two, Three, Four]
    for made in kinds:
        for args in (positional, keywords):
            assert (misfit(made, args) is None) is takes(made, args)


def takes(made: Callable[..., object], args: list[int] | dict[str, int]) -> bool:
    """Whether Python takes them."""
    try:
        made(**args) if isinstance(args, dict) else made(*args)
    except TypeError:
        return False
    return True


def test_all_faults_of_a_tree_come_at_once() -> None:
    """On every level, beside those of places that do not exist."""
    tree = supervisor(
        "root",
        child("a", Poller),
        supervisor("b", child("c", "no.such:Place"), child("d", Poller, args=["x", "y"])),
        partition_supervisor("e", child("f", Poller), partitions=3),
    )
    assert [each.path for each in check(tree).errors] == ["root/a", "root/b/c", "root/b/d", "root/e/f"]
    assert not check(tree, imports=False).errors


def test_each_of_many_alike_has_its_fault() -> None:
    """One class is looked at once for arguments of one shape; other names are another shape."""
    args: list[Args] = [("a",), ("b",), (), (), {"address": "a"}, {"every": 1}, {"every": 2}]
    tree = supervisor("root", *(child(str(number), Poller, args=each) for number, each in enumerate(args)))
    assert [each.path for each in check(tree).errors] == ["root/2", "root/3", "root/5", "root/6"]


def test_a_template_may_lack_arguments_that_its_instances_bring() -> None:
    """But none of its own may be wrong."""
    assert not check(dynamic_supervisor("root", child("a", Poller, args={"every": 2}))).errors
    assert not check(tasks("root")).errors
    (error,) = check(dynamic_supervisor("root", child("a", Poller, args={"evry": 2}))).errors
    assert "unexpected keyword argument 'evry'" in error.message


def test_the_arguments_in_a_file_are_checked_with_their_place(tmp_path: Path) -> None:
    """Guards `letitcrash check`, which took them for sound."""
    path = tmp_path / "tree.toml"
    name = f"{__name__}:Poller"
    path.write_text(f'id = "shop"\n[[children]]\nid = "a"\nstart = "{name}"\nargs = {{ adress = "x" }}\n')
    (error,) = check(load_tree(path)).errors
    assert (error.severity, error.path) == ("error", "shop/a")


# A running supervisor


@in_loop
async def test_rule_23_an_update_that_cannot_start_keeps_the_good_child() -> None:
    """Rule 23: arguments, classes and hosts are looked at before anything is stopped, all at once."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        play.take()
        bad = [child("a", Worker, args=()), child("b", "no.such:Place"), child("c", Poller, args=["x", "y"])]
        with pytest.raises(SpecError) as caught:
            await root.update_specs(*bad)
        assert [fault.path for fault in caught.value.faults] == ["root/a", "root/b", "root/c"]
        assert play.take() == ""
        assert await states(root) == {"a": "running", "b": "running"}
        assert root.child("a").incarnation == 1
        await tell(w, root, "a")


@in_loop
async def test_rule_23_what_an_update_does_not_start_is_not_looked_at() -> None:
    """Rule 23: a module that has been broken since keeps no one from changing a policy."""
    play = Play()
    sound = worker(play, "a")
    async with running(supervisor("root", sound)) as (_, root):
        unsound = sound.model_copy(update={"redeliver": 2})
        assert (await root.update_specs(unsound)).adopted == ("a",)


@in_loop
async def test_rule_23_a_template_is_looked_at_before_it_is_taken() -> None:
    """Rule 23: the children to come would all fail."""
    async with running(dynamic_supervisor("root", child("a", Poller))) as (_, root):
        with pytest.raises(SpecError, match="unexpected keyword argument 'evry'"):
            await root.update_specs(child("a", Poller, args={"evry": 1}))
        assert (await root.update_specs(child("a", Poller, args={"every": 1}))).adopted == ("a",)
        await root.start_child({"address": "x"})

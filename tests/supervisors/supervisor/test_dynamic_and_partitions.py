"""Rule 25 on the real runtime: dynamic and partitioned supervisors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors import (
    ChildSpec,
    ChildStartError,
    MaxChildren,
    NotFound,
    SpecError,
    child,
    constant,
    dynamic_supervisor,
    parse_tree,
    partition_supervisor,
    supervisor,
)
from tests.supervisors.cast import Play, Worker, boom, leave, running, states, tell, worker
from tests.support import in_loop


@in_loop
async def test_rule_25_max_children_is_a_limit() -> None:
    """Rule 25: the next one is refused with the limit, and nothing else happens to it."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"), max_children=2)) as (_, root):
        await root.start_child()
        await root.start_child()
        with pytest.raises(MaxChildren) as caught:
            await root.start_child()
        assert caught.value.limit == 2
        assert play.begun == ["1", "2"]


@in_loop
async def test_rule_25_children_that_restart_count() -> None:
    """Rule 25: a child that backs off keeps its place; one that is gone gives it free."""
    play = Play()
    template = worker(play, "t", backoff=constant(9), restart="transient")
    async with running(dynamic_supervisor("root", template, max_children=1)) as (w, root):
        await root.start_child()
        await tell(w, root, "1")
        assert await states(root) == {"1": "backing_off"}
        with pytest.raises(MaxChildren):
            await root.start_child()
        await w.advance(9)
        with pytest.raises(MaxChildren):
            await root.start_child()
        await tell(w, root, "1", message=leave)
        assert (await root.start_child()).path == "root/2"


@in_loop
async def test_rule_25_children_that_still_start_count() -> None:
    """Rule 25: two requests at once do not both get the last place."""
    play = Play()
    play.starts["1"] = play.held
    async with running(dynamic_supervisor("root", worker(play, "t"), max_children=1)) as (w, root):
        first, second = root.start_child(), root.start_child()
        await w.settle()
        assert second.done()
        with pytest.raises(MaxChildren):
            await second
        play.gate.set()
        assert (await first).path == "root/1"


@in_loop
async def test_rule_25_a_start_that_failed_gives_its_place_free() -> None:
    """Rule 25: and so does a child that declined or was terminated."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"), max_children=1)) as (_, root):
        play.starts["1"] = boom
        with pytest.raises(ChildStartError):
            await root.start_child()
        second = await root.start_child()
        await root.terminate_child("2")
        assert not second.is_alive()
        assert await root.start_child() is root.child("3")


@in_loop
async def test_children_of_a_template_start_in_parallel() -> None:
    """One that hangs in its start does not hold the next one up."""
    play = Play()
    play.starts["1"] = play.held
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (w, root):
        first = root.start_child()
        second = await root.start_child()
        assert second.path == "root/2"
        assert not first.done()
        play.gate.set()
        await w.settle()
        assert first.done()


@in_loop
async def test_extra_arguments_are_laid_over_those_of_the_template() -> None:
    """Mappings merge, sequences follow, and one of each is a fault."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (_, root):
        ref = await root.start_child(["x", "y"])
        assert await ref.call(lambda actor: actor.more) == ("x", "y")
        with pytest.raises(SpecError, match="both be mappings or both be sequences"):
            await root.start_child({"play": play})
    async with running(dynamic_supervisor("root", child("t", Worker, args={"play": None}))) as (_, root):
        ref = await root.start_child({"play": play})
        assert await ref.call(lambda actor: actor.play) is play


@in_loop
async def test_terminating_a_child_of_a_template_removes_it_and_is_idempotent() -> None:
    """Rule 23: idempotent; an id that never was is not found."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (_, root):
        await root.start_child()
        await root.terminate_child("1")
        await root.terminate_child("1")
        assert await states(root) == {}
        with pytest.raises(NotFound):
            await root.terminate_child("2")
        with pytest.raises(NotFound):
            await root.restart_child("1")


@in_loop
async def test_a_name_in_a_template_fits_one_child_only() -> None:
    """The second one cannot have it, and the first keeps it."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t", name="one"))) as (w, root):
        first = await root.start_child()
        with pytest.raises(ChildStartError):
            await root.start_child()
        assert w.runtime.whereis("one") is first


@in_loop
async def test_a_template_may_be_a_tree() -> None:
    """Each child is a supervisor of its own, and takes no arguments."""
    play = Play()
    template = supervisor("t", worker(play, "x"), worker(play, "y"))
    async with running(dynamic_supervisor("root", template)) as (_, root):
        await root.start_child()
        await root.start_child()
        assert root.child("2/y").path == "root/2/y"
        with pytest.raises(SpecError, match="takes no arguments"):
            await root.start_child([1])


@in_loop
async def test_a_dynamic_supervisor_keeps_nothing_of_a_thousand_ended_children() -> None:
    """Nothing of those that are gone is kept."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t", restart="temporary"))) as (w, root):
        refs = await asyncio.gather(*map(_started, [root.start_child() for _ in range(1000)]))
        for ref in refs:
            ref.tell(leave)
        await w.settle()
        assert (await root.count_children()).specs == 0
        assert list(w.runtime.cells) == ["root"]


async def _started(asked: Any) -> Any:
    return await asked


# Partitions


@in_loop
async def test_a_partition_supervisor_restarts_its_one_child_for_each_partition() -> None:
    """The ids are numbers in a row; each is an ordinary child."""
    play = Play()
    async with running(partition_supervisor("root", worker(play, "t"), partitions=3)) as (w, root):
        assert list(await states(root)) == ["0", "1", "2"]
        await tell(w, root, "1")
        assert [root.child(id).incarnation for id in "012"] == [1, 2, 1]


@in_loop
async def test_equal_keys_go_to_the_same_partition_whatever_others_do() -> None:
    """The choice depends on the key and the number of partitions alone: not on who runs at the moment."""
    play = Play()
    template = worker(play, "t", backoff=constant(9))
    async with running(partition_supervisor("root", template, partitions=4)) as (w, root):
        keys = [*range(-8, 8), "ada", "bob", ("x", 1), 2.5, None, True]
        before = {key: root.partition(key).path for key in keys}
        assert set(before.values()) == {f"root/{number}" for number in range(4)}
        assert root.partition(5).path == "root/1"
        await tell(w, root, "1")
        assert {key: root.partition(key).path for key in keys} == before
        await root.terminate_child("2")
        for key, path in before.items():
            if path == "root/2":
                with pytest.raises(NotFound):
                    root.partition(key)
            else:
                assert root.partition(key).path == path


@given(key=st.one_of(st.integers(), st.text(), st.tuples(st.text(), st.integers())), count=st.integers(1, 5))
def test_every_key_has_a_partition(key: object, count: int) -> None:
    """No key is refused, and twice the same key is the same partition."""

    @in_loop
    async def play_it() -> None:
        async with running(partition_supervisor("root", worker(Play(), "t"), partitions=count)) as (_, root):
            assert root.partition(key) is root.partition(key)

    play_it()


@in_loop
async def test_a_supervisor_without_partitions_has_none() -> None:
    """Asked of another kind of supervisor, the answer is a typed error."""
    play = Play()
    async with running(supervisor("root", worker(play, "0"))) as (_, root):
        with pytest.raises(NotFound):
            root.partition("x")


@in_loop
async def test_partitions_keep_to_the_strategy() -> None:
    """A partitioned supervisor is a static one: groups restart, order holds."""
    play = Play()
    tree = partition_supervisor("root", worker(play, "t"), partitions=3, strategy="rest_for_one")
    async with running(tree) as (w, root):
        play.take()
        await tell(w, root, "1")
        assert play.take() == "!1 -2 +1 +2"
        assert isinstance(await root.get_child_spec("1"), ChildSpec)


# Children that a dynamic supervisor begins with


def begins(play: Play, *initial: Any, **options: Any) -> Any:
    """A dynamic supervisor of workers that begins with these."""
    return dynamic_supervisor("root", worker(play, "t"), initial=initial, **options)


@in_loop
async def test_rule_25_a_dynamic_supervisor_begins_with_its_initial_children() -> None:
    """In order, with the ids "1", "2" and so on; one that is added later follows."""
    play = Play()
    async with running(begins(play, [], ["x"])) as (_, root):
        assert play.take() == "+1 +2"
        assert await states(root) == {"1": "running", "2": "running"}
        ref = await root.start_child([])
        assert ref.path == "root/3"


@in_loop
async def test_rule_25_an_initial_child_that_does_not_start_fails_the_start() -> None:
    """Rule 2: those that run stop, and nothing is left."""
    play = Play()
    play.starts["2"] = boom
    with pytest.raises(ChildStartError, match="root/2"):
        async with running(begins(play, [], [])):
            raise AssertionError
    assert play.take() == "+1 -1"


@in_loop
async def test_rule_25_a_restart_begins_with_the_initial_children_again() -> None:
    """With the same refs (rule 26), and with no child that was added later."""
    play = Play()
    tree = supervisor(
        "root",
        dynamic_supervisor("pool", worker(play, "t", restart="temporary"), initial=[[], []], backoff=None),
    )
    async with running(tree) as (w, root):
        pool = root.supervisor("pool")
        first = pool.child("1")
        await pool.start_child([])
        await pool.terminate_child("2")
        pool.kill()
        await w.settle()
        assert await states(root.supervisor("pool")) == {"1": "running", "2": "running"}
        assert root.supervisor("pool").child("1") == first
        assert first.incarnation == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"initial": [[], []], "max_children": 1}, "initial: 2 children are more than max_children=1"),
        ({"initial": [{"x": 1}]}, "the template's and the extra arguments must both be"),
        ({"initial": ["text"]}, "initial: must be a mapping"),
        ({"initial": 3}, "initial: must be a list"),
    ],
)
def test_initial_children_that_cannot_be_are_refused_at_once(values: Any, message: str) -> None:
    """Before anything starts, in code and in files."""
    with pytest.raises(SpecError, match=message):
        dynamic_supervisor("root", child("t", Worker, args=[1]), **values)
    with pytest.raises(SpecError, match=message):
        parse_tree({"id": "root", "template": {"start": "m:C", "args": [1]}, **values})


def test_other_supervisors_begin_with_no_children_of_a_template() -> None:
    """`initial` is of a dynamic supervisor."""
    with pytest.raises(SpecError, match="only a dynamic supervisor"):
        parse_tree({"id": "root", "kind": "tasks", "initial": [[1]]})
    tree = parse_tree({"id": "root", "template": {"start": "m:C"}, "initial": [[1], {"a": 2}]})
    assert tree.initial == ((1,), {"a": 2})

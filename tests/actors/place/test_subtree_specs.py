"""Specs of supervisors in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from supervisors import (
    SpecError,
    Supervisor,
    SupervisorSpec,
    check,
    child,
    parse_tree,
    process,
    supervisor,
    tasks,
)
from tests.actors.place.cast import Performer, pid
from tests.actors.place.subtrees import (
    called,
    crawl,
    inner,
    tree,
)
from tests.support import in_loop


def faults(make: Callable[[], object]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        make()
    return [f"{fault.path} {fault.message}" for fault in caught.value.faults]


class InProcess(Performer):
    host = process()


def test_all_faults_of_a_placed_subtree_come_at_once() -> None:
    class Hidden(Performer):
        pass

    found = faults(
        lambda: crawl(
            inner("hidden", Hidden),
            inner("twice", host=process()),
            inner("class", InProcess),
            supervisor("sub", inner("deep"), host=process()),
            on_failure=lambda _: None,
            on_give_up=called,
        )
    )
    places = ["crawl", "crawl/hidden", "crawl/twice", "crawl/class", "crawl/sub"]
    assert [line.split()[0] for line in found] == places
    words = "\n".join(found)
    assert "on_failure: a lambda" in words
    assert "Hidden is defined in a function" in words
    assert "Leave one of the two hosts out" in words


def test_a_host_of_a_supervisor_is_a_process_in_code_and_files() -> None:
    spec = parse_tree(
        {
            "id": "root",
            "children": [
                {
                    "id": "crawl",
                    "host": {"kind": "process", "memory": "512 MiB"},
                    "children": [{"id": "a", "start": "tests.actors.place.cast:Performer"}],
                }
            ],
        }
    )
    (found,) = spec.children
    assert isinstance(found, SupervisorSpec)
    assert found.host == process(memory="512 MiB")
    assert crawl(host="process").host == process()
    assert "must be 'process', a process() or a ray()" in faults(lambda: crawl(host="thread"))[0]
    assert "memory: must be a size" in faults(lambda: crawl(host={"kind": "process", "memory": "x"}))[0]
    assert "Leave one of the two hosts out" in faults(lambda: crawl(tasks("pool", host=process())))[0]


def test_check_finds_in_a_placed_subtree_what_only_an_import_tells() -> None:
    spec = supervisor(
        "root",
        crawl(
            child("a", "tests.actors.place.test_subtree_specs:InProcess"),
            child("b", Performer, args=(lambda: 1,)),
        ),
    )
    found = {finding.path: finding.message for finding in check(spec).errors}
    assert "Leave one of the two hosts out" in found["root/crawl/a"]
    assert "args: cannot be pickled" in found["root/crawl/b"]


def test_a_supervisor_of_another_class_may_have_a_process() -> None:
    assert crawl(supervisor_class=Tidy).host == process()


class Tidy(Supervisor):
    """A supervisor of the user's."""


@in_loop
async def test_a_supervisor_class_of_the_user_runs_inside() -> None:
    async with tree(crawl(inner("a"), supervisor_class=Tidy)) as (_, root):
        assert root.child("crawl").actor_class is Tidy
        assert await root.child("crawl/a").call(pid) != os.getpid()

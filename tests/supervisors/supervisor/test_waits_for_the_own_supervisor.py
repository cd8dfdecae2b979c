"""What a child may wait for at its own supervisor, and what would never come: an error at once, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actors import Actor, DeadlockError
from actors.testing import simulation
from supervisors import AlreadyStarted, child, dynamic_supervisor, supervisor, tasks
from tests.actors.cast import AsyncPlayer, Host, Player, Starter

HOSTS: list[Host] = ["loop", "thread"]


class Idle(Actor):
    """Does nothing."""


def parent_of(self: Any) -> Any:
    return self.runtime.find(self.path.rpartition("/")[0])


def waiting(host: Host, wait: Callable[[Any], Any], found: list[Any]) -> Callable[[Any], Any]:
    """A message or hook that waits for what `wait` makes, and notes what comes of it and when."""

    async def on_loop(self: Any) -> None:
        try:
            found.append((await wait(self), self.runtime.now()))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found.append((error, self.runtime.now()))

    def in_thread(self: Any) -> None:
        try:
            found.append((wait(self).get(), self.runtime.now()))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            found.append((error, self.runtime.now()))

    return on_loop if host == "loop" else in_thread


def player(host: Host) -> Any:
    return child("a", AsyncPlayer if host == "loop" else Player, host=host)


AFTER_THE_START: dict[str, Callable[[Any], Any]] = {
    "start_child": lambda root: root.start_child(child("b", Idle)),
    "update_specs": lambda root: root.update_specs(root._cell.props.args[0].children[0], child("b", Idle)),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", AFTER_THE_START)
def test_a_first_on_start_that_waits_for_a_later_start_fails_at_once(kind: str, host: Host) -> None:
    found: list[Any] = []
    act = waiting(host, lambda self: AFTER_THE_START[kind](parent_of(self)), found)
    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Starter, args={"on_start": act}, host=host)))
        assert [(type(error), at) for error, at in found] == [(DeadlockError, 0.0)]
        assert found[0][0].chain == ("root/a", "root", "root/a")
        sim.settle()
        assert root.child("b").is_alive()  # the request itself was sent, and is served


@pytest.mark.parametrize("host", HOSTS)
def test_the_start_of_a_grandchild_that_waits_for_the_root_fails_at_once(host: Host) -> None:
    found: list[Any] = []
    act = waiting(host, lambda self: self.runtime.find("root").start_child(child("b", Idle)), found)
    with simulation() as sim:
        sim.start(supervisor("root", supervisor("mid", child("a", Starter, args={"on_start": act}, host=host))))
        assert [(type(error), at) for error, at in found] == [(DeadlockError, 0.0)]


@pytest.mark.parametrize("host", HOSTS)
def test_restart_child_of_a_stopped_sibling_in_a_group_start_fails_at_once(host: Host) -> None:
    found: list[Any] = []
    starts: list[int] = []

    def act(self: Any) -> Any:
        starts.append(1)
        return waiting(host, lambda self: parent_of(self).restart_child("b"), found)(self) if len(starts) > 1 else None

    with simulation() as sim:
        tree = supervisor(
            "root",
            child("a", Starter, args={"on_start": act}, host=host),
            child("b", Idle),
            child("c", Player),
            strategy="one_for_all",
        )
        root = sim.start(tree)
        root.terminate_child("b").get()
        began = sim.runtime.now()
        root.child("c").kill()
        sim.advance(20)
        assert [type(error) for error, _ in found] == [DeadlockError]
        assert found[0][1] - began < 5


def terminate(owner: Any, id: str, _: Any) -> Any:
    return owner.terminate_child(id)


@pytest.mark.parametrize("host", HOSTS)
def test_terminating_oneself_or_what_is_above_fails_at_once(host: Host) -> None:
    for id in ("a", "mid"):
        found: list[Any] = []
        with simulation() as sim:
            root = sim.start(supervisor("root", supervisor("mid", player(host))))
            owner = root if id == "mid" else root.supervisor("mid")
            root.child("mid/a").tell(waiting(host, partial(terminate, owner, id), found))
            sim.settle()
            assert [(type(error), at) for error, at in found] == [(DeadlockError, 0.0)]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", ["removed", "replaced"])
def test_an_update_that_stops_the_one_that_waits_for_it_fails_at_once(kind: str, host: Host) -> None:
    found: list[Any] = []
    specs = [child("b", Idle)] if kind == "removed" else [child("a", Idle)]
    with simulation() as sim:
        root = sim.start(supervisor("root", player(host)))
        root.child("a").tell(waiting(host, lambda self: parent_of(self).update_specs(*specs), found))
        sim.settle()
        assert [(type(error), at) for error, at in found] == [(DeadlockError, 0.0)]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", ["simple_one_for_one", "one_for_one"])
def test_a_start_that_calls_the_one_that_waits_for_it_fails_at_once(kind: str, host: Host) -> None:
    found: list[Any] = []
    with simulation() as sim:
        asker = sim.spawn(AsyncPlayer)
        act = waiting(host, lambda _: asker.ask("x", block=False), found)
        spec = child("w", Starter, args={"on_start": act}, host=host, restart="temporary")
        what: Any
        if kind == "one_for_one":
            root, what = sim.start(supervisor("root", child("a", Idle))), spec
        else:
            root, what = sim.start(dynamic_supervisor("root", spec)), ()

        async def start(_: Any) -> Any:
            return await root.start_child(what)

        assert asker.ask(start).is_alive()
        assert [(type(error), at) for error, at in found] == [(DeadlockError, 0.0)]


def test_a_task_that_calls_the_one_that_waits_for_its_result_fails_at_once() -> None:
    with simulation() as sim:
        asker = sim.spawn(AsyncPlayer)
        root = sim.start(tasks("root"))

        async def task() -> Any:
            return await asker.ask("x", block=False)

        async def run(_: Any) -> Any:
            return await root.run(task)

        with pytest.raises(Exception, match="wait would never end"):
            asker.ask(run)
        assert sim.runtime.now() == 0.0


# Waits that end

SERVED: dict[str, Callable[[Any], Any]] = {
    "start_child": lambda root: root.start_child(child("n", Idle)),
    "terminate_child": lambda root: root.terminate_child("b"),
    "restart_child": lambda root: root.restart_child("stopped"),
    "delete_child": lambda root: root.delete_child("stopped"),
    "which_children": lambda root: root.which_children(),
    "which_child": lambda root: root.which_child("a"),
    "count_children": lambda root: root.count_children(),
    "get_child_spec": lambda root: root.get_child_spec("a"),
    "update_settings": lambda root: root.update_settings(max_restarts=7),
    "update_specs": lambda root: root.update_specs(*root._cell.props.args[0].children, child("n", Idle)),
    "ledger": lambda root: root.ledger(),
    "pause_work": lambda root: root.pause_work(),
    "resume_work": lambda root: root.resume_work(),
}
AT_ONCE = [kind for kind in SERVED if kind not in ("start_child", "restart_child", "delete_child", "update_specs")]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", SERVED)
def test_a_handler_may_wait_for_its_own_supervisor(kind: str, host: Host) -> None:
    found: list[Any] = []
    with simulation() as sim:
        root = sim.start(supervisor("root", player(host), child("b", Idle), child("stopped", Idle)))
        root.terminate_child("stopped").get()
        root.child("a").tell(waiting(host, lambda self: SERVED[kind](parent_of(self)), found))
        sim.settle()
        assert len(found) == 1
        assert not isinstance(found[0][0], Exception)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("kind", AT_ONCE)
def test_a_first_on_start_may_wait_for_what_is_answered_at_once(kind: str, host: Host) -> None:
    found: list[Any] = []
    act = waiting(host, lambda self: SERVED[kind](parent_of(self)), found)
    with simulation() as sim:
        sim.start(supervisor("root", child("b", Idle), child("a", Starter, args={"on_start": act}, host=host)))
        assert len(found) == 1
        assert not isinstance(found[0][0], Exception)


@pytest.mark.parametrize("host", HOSTS)
def test_an_on_start_may_wait_for_a_request_that_is_refused(host: Host) -> None:
    found: list[Any] = []
    act = waiting(host, lambda self: parent_of(self).start_child(child("b", Idle)), found)
    with simulation() as sim:
        sim.start(supervisor("root", child("b", Idle), child("a", Starter, args={"on_start": act}, host=host)))
        assert [type(error) for error, _ in found] == [AlreadyStarted]


@pytest.mark.parametrize("host", HOSTS)
def test_an_on_start_of_a_restart_alone_may_wait_for_start_child(host: Host) -> None:
    found: list[Any] = []
    starts: list[int] = []

    def act(self: Any) -> Any:
        starts.append(1)
        wait = waiting(host, lambda self: parent_of(self).start_child(child("b", Idle)), found)
        return wait(self) if len(starts) > 1 else None

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Starter, args={"on_start": act}, host=host)))
        root.child("a").kill()
        sim.advance(20)
        assert [ref.path for ref, _ in found] == ["root/b"]


@pytest.mark.parametrize("host", HOSTS)
def test_an_on_start_under_a_dynamic_supervisor_may_wait_for_start_child(host: Host) -> None:
    found: list[Any] = []
    with simulation() as sim:
        starts: list[int] = []

        def first(self: Any) -> Any:
            if starts:
                return None
            starts.append(1)
            return waiting(host, lambda self: parent_of(self).start_child(), found)(self)

        template = child("w", Starter, args={"on_start": first}, host=host)
        root = sim.start(dynamic_supervisor("root", template))
        root.start_child().get()
        assert [ref.path for ref, _ in found] == ["root/2"]


def test_one_that_has_started_may_call_the_one_that_started_it() -> None:
    """Its starter may not have heard yet that it is up."""
    found: list[Any] = []

    class Eager(Actor):
        async def on_continue(self) -> None:
            found.append(await asker.ask("x", block=False))

    with simulation() as sim:
        asker = sim.spawn(AsyncPlayer)
        root = sim.start(dynamic_supervisor("root", child("w", Eager)))

        async def start(_: Any) -> Any:
            return await root.start_child()

        asker.ask(start)
        sim.settle()
        assert found == ["x"]

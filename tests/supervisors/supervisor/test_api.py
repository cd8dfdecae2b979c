"""Rules 23 and 24 on the real runtime: the API of a supervisor, asked as its users ask it."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

import pytest

from actors import ActorDeadError, UnhandledMessage
from supervisors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildRunning,
    ChildState,
    NotFound,
    ShuttingDown,
    SpecError,
    SupervisionError,
    SupervisorRef,
    child,
    constant,
    dynamic_supervisor,
    start,
    supervisor,
)
from tests.supervisors.cast import Play, Worker, boom, hang, running, states, tell, worker
from tests.support import in_loop


@in_loop
async def test_rule_23_start_child_adds_to_the_end_of_the_order() -> None:
    """Rule 23: a child that was added stops first."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        assert await root.start_child(worker(play, "b")) is root.child("b")
        root.stop(block=False)
        await root.ended()
        assert play.take() == "+a +b -b -a"


@in_loop
async def test_rule_23_start_child_of_a_supervisor_starts_its_tree() -> None:
    """Rule 23: trees nest at run time as well."""
    play = Play()
    async with running(supervisor("root")) as (_, root):
        inner = await root.start_child(supervisor("s", worker(play, "x")))
        assert isinstance(inner, SupervisorRef)
        assert inner is root.supervisor("s")
        assert inner.child("x") is root.child("s/x")


@in_loop
async def test_rule_23_start_child_twice_is_already_started_with_the_ref() -> None:
    """Rule 23: the second caller gets the child that runs."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        with pytest.raises(AlreadyStarted) as caught:
            await root.start_child(worker(play, "a"))
        assert caught.value.ref is root.child("a")


@in_loop
async def test_rule_23_a_stopped_child_is_already_present_until_it_is_deleted() -> None:
    """Rule 23: its spec is still there."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        await root.terminate_child("a")
        with pytest.raises(AlreadyPresent):
            await root.start_child(worker(play, "a"))
        await root.delete_child("a")
        assert await root.start_child(worker(play, "a")) is root.child("a")


@in_loop
async def test_rule_23_terminate_child_is_idempotent() -> None:
    """Rule 23: twice in turn and twice at once."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        both = [root.terminate_child("a"), root.terminate_child("a")]
        await w.settle()
        assert not any(each.done() for each in both)
        play.gate.set()
        assert await asyncio.gather(*both) == [None, None]
        await root.terminate_child("a")
        assert play.take() == "+a -a"


@in_loop
async def test_rule_23_terminate_child_waits_and_late_messages_are_dead_letters() -> None:
    """Rule 23: stopped for good; who asks it from then on hears so."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        a = root.child("a")
        a.tell(lambda _: None)
        gone = root.terminate_child("a")
        a.tell("late")
        await gone
        with pytest.raises(ActorDeadError):
            a.tell("later")
        assert w.dead_letters in ([("closed", "late")], [])
        assert len(play.seen) + len(w.dead_letters) == 1


@in_loop
async def test_rule_23_restart_child_and_delete_child_refuse_a_running_child() -> None:
    """Rule 23: it has to be terminated first."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        with pytest.raises(ChildRunning):
            await root.restart_child("a")
        with pytest.raises(ChildRunning):
            await root.delete_child("a")
        await root.terminate_child("a")
        again = await root.restart_child("a")
        assert again is root.child("a")
        assert again.incarnation == 2


@in_loop
async def test_rule_23_a_child_that_does_not_exist_is_not_found() -> None:
    """Rule 23: by every operation."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        for operation in (root.terminate_child, root.restart_child, root.delete_child, root.get_child_spec):
            with pytest.raises(NotFound):
                await operation("b")
        with pytest.raises(NotFound):
            root.child("b")
        with pytest.raises(NotFound):
            root.supervisor("a")


@pytest.mark.parametrize("id", [None, 7, ["a"], {}, pytest.param(object(), id="object"), b"a"], ids=repr)
@in_loop
async def test_rule_23_an_id_that_is_not_a_string_is_not_found_without_harm(id: Any) -> None:
    """Rule 23: bad input gets a typed error; it must not crash the supervisor and everything below it."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        for operation in (root.terminate_child, root.restart_child, root.delete_child, root.get_child_spec):
            with pytest.raises(NotFound):
                await operation(id)
        await w.settle()
        assert root.child("a").incarnation == 1
        assert root.is_alive()


@pytest.mark.parametrize(
    "what", [None, 7, "a", pytest.param(object(), id="object"), Worker, {"id": "b"}, {1: 2}], ids=repr
)
@pytest.mark.parametrize("dynamic", [False, True])
@in_loop
async def test_rule_23_start_child_with_nonsense_is_a_spec_error_without_harm(what: Any, dynamic: bool) -> None:
    """Rules 23 and 24: it names what it was given; everything goes on."""
    play = Play()
    template = child("t", Worker, args={"play": play}, restart="temporary", backoff=None)
    tree = dynamic_supervisor("root", template) if dynamic else supervisor("root", worker(play, "a"))
    async with running(tree) as (_, root):
        with pytest.raises(SupervisionError):
            await root.start_child(what)
        assert root.is_alive()
        assert root.incarnation == 1


@pytest.mark.parametrize("specs", [(None,), ("a",), (7, 8), (Worker,), ({"id": "a"},)], ids=repr)
@in_loop
async def test_rule_23_update_specs_with_nonsense_is_a_spec_error_without_harm(specs: Any) -> None:
    """Rules 23 and 24: nothing is touched."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        with pytest.raises(SpecError):
            await root.update_specs(*specs)
        assert await states(root) == {"a": "running"}
        assert root.child("a").incarnation == 1


@in_loop
async def test_rule_23_which_children_shows_all_in_start_order() -> None:
    """Rule 23: id, state, incarnation, restarts, kind, spec and ref."""
    play = Play()
    inner = supervisor("s")
    async with running(supervisor("root", worker(play, "a"), inner, worker(play, "b"))) as (w, root):
        await root.terminate_child("b")
        await tell(w, root, "a")
        first, second, third = await root.which_children()
        assert (first.id, first.state, first.incarnation, first.restarts) == ("a", ChildState.RUNNING, 2, 1)
        assert first.ref is root.child("a")
        assert (second.id, second.is_supervisor, second.spec) == ("s", True, inner)
        assert (third.id, third.state, third.ref) == ("b", ChildState.STOPPED, None)


@in_loop
async def test_rule_23_count_children_counts_as_otp_does() -> None:
    """Rule 23: specs, active, supervisors and workers."""
    play = Play()
    flaky = worker(play, "c", backoff=constant(5))
    tree = supervisor("root", worker(play, "a"), supervisor("s"), worker(play, "b"), flaky)
    async with running(tree) as (w, root):
        await root.terminate_child("b")
        await tell(w, root, "c")
        counts = await root.count_children()
        assert (counts.specs, counts.active, counts.supervisors, counts.workers) == (4, 2, 1, 3)
        assert counts.states[ChildState.BACKING_OFF] == 1


@in_loop
async def test_rule_23_get_child_spec_gives_the_spec_that_was_given() -> None:
    """Rule 23: the very value."""
    play = Play()
    spec = worker(play, "a", shutdown=7)
    async with running(supervisor("root", spec)) as (_, root):
        assert await root.get_child_spec("a") == spec


@in_loop
async def test_rule_23_every_error_of_the_api_survives_pickling() -> None:
    """Rule 23: typed errors with their fields."""
    for error in (NotFound("root", "a"), AlreadyPresent("root", "a"), ChildRunning("root", "a"), ShuttingDown("root")):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (type(error), str(error))


@in_loop
async def test_rule_23_requests_are_refused_while_the_supervisor_shuts_down() -> None:
    """Rule 23: with an error of their own, and what it holds is still shown."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        root.stop(block=False)
        await w.settle()
        for asked in (
            root.start_child(worker(play, "b")),
            root.terminate_child("a"),
            root.restart_child("a"),
            root.delete_child("a"),
            root.update_specs(worker(play, "b")),
        ):
            with pytest.raises(ShuttingDown):
                await asked
        assert await states(root) == {"a": "stopping"}
        play.gate.set()


@in_loop
async def test_rule_23_a_supervisor_that_is_gone_answers_with_actor_dead_error() -> None:
    """Rule 23: at once, by every operation."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        root.stop(block=False)
        await root.ended()
        for asked in (root.start_child(worker(play, "b")), root.terminate_child("a"), root.which_children()):
            with pytest.raises(ActorDeadError):
                await asked


def test_rule_23_the_api_has_a_blocking_form_from_any_thread() -> None:
    """Rule 23: `.get()` in a thread is what `await` is in a coroutine."""
    play = Play()
    with start(supervisor("root", worker(play, "a")), log=False) as root:
        found: list[object] = []

        def work() -> None:
            found.append(root.start_child(worker(play, "b")).get(timeout=10))
            root.terminate_child("a").get(timeout=10)
            with pytest.raises(NotFound):
                root.delete_child("nope").get(timeout=10)
            found.append([info.id for info in root.which_children().get(timeout=10)])

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found == [root.child("b"), ["a", "b"]]


@in_loop
async def test_rule_23_a_child_may_use_the_api_of_its_own_supervisor() -> None:
    """Rule 23: the supervisor never waits for a child inside a handler, so this does not deadlock."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):

        async def adds(_: Any) -> object:
            return (await root.start_child(worker(play, "b"))).path

        assert await root.child("a").call(adds) == "root/b"
        root.child("a").tell(lambda actor: root.terminate_child("a"))
        await w.settle()
        assert await states(root) == {"a": "stopped", "b": "running"}


@in_loop
async def test_rule_23_a_message_that_is_not_a_request_is_unhandled_without_harm() -> None:
    """Bad input: an error for the asker, a dead letter for the rest."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        root.tell("hello")
        with pytest.raises(UnhandledMessage):
            await root.call("hello")
        assert [reason for reason, _ in w.dead_letters] == ["unhandled", "unhandled"]
        assert await states(root) == {"a": "running"}


@in_loop
async def test_rule_23_a_request_is_carried_out_though_its_caller_gave_up() -> None:
    """A caller that gives up on its answer does not hurt the supervisor when the answer comes."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        waiting = asyncio.ensure_future(_await(root.start_child(worker(play, "b"))))
        await w.settle()
        waiting.cancel()
        play.gate.set()
        await w.settle()
        assert await states(root) == {"a": "running", "b": "running"}


async def _await(asked: Any) -> object:
    return await asked


@in_loop
async def test_rule_24_a_class_that_is_not_found_fails_its_own_child_alone() -> None:
    """Rule 24: an import is first tried at the start, and its failure is the child's."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        for location in ("no_such_module_at_all:Thing", "os:sep", "pykka:Nope"):
            with pytest.raises(SupervisionError, match="root/b"):
                await root.start_child(child("b", location))
        assert await states(root) == {"a": "running"}


@in_loop
async def test_rule_24_specs_are_checked_when_they_are_built_all_faults_at_once() -> None:
    """Rule 24: without any running process; unknown keys are faults, which OTP ignores."""
    with pytest.raises(SpecError) as caught:
        child("a", Worker, restrat="permanent", shutdown=-1, host="moon")  # type: ignore[call-arg, arg-type]
    assert {fault.path for fault in caught.value.faults} == {"a"}
    text = str(caught.value)
    assert all(word in text for word in ("restrat", "shutdown", "host", "3 faults"))
    with pytest.raises(SpecError, match="unique"):
        supervisor("root", child("a", Worker), child("a", Worker))


@in_loop
async def test_terminate_child_of_a_child_that_is_starting_fails_its_start() -> None:
    """The caller that waits for the start gets an error."""
    play = Play()
    play.starts["b"] = hang
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        starting = root.start_child(worker(play, "b", shutdown=1))
        await w.settle()
        gone = root.terminate_child("b")
        await w.advance(1)
        await gone
        with pytest.raises(SupervisionError):
            await starting


@in_loop
async def test_children_of_one_supervisor_crash_and_start_beside_each_other() -> None:
    """one_for_one: a child that hangs in its restart does not hold up the restart of another."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        play.starts["a"] = play.held
        await tell(w, root, "a")
        await tell(w, root, "b", message=boom)
        assert await states(root) == {"a": "restarting", "b": "running"}
        play.gate.set()
        await w.settle()
        assert root.child("a").incarnation == 2

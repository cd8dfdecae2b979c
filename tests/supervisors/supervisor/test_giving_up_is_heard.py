"""A root that gives up is heard where its tree is embedded: as loud as a task that fails in `asyncio.TaskGroup`."""

from __future__ import annotations

import asyncio
import logging
import pickle
from typing import Any

import pytest

from actors import ActorDeadError, Killed, RestartLimitExceeded, Runtime, Shutdown
from supervisors import (
    NotFound,
    SpecError,
    SupervisorEnded,
    SupervisorGaveUp,
    SupervisorRef,
    SupervisorSpec,
    child,
    start,
    supervisor,
)
from tests.supervisors.cast import PATIENCE, Play, Worker, boom, leave, worker
from tests.support import in_loop

SILENT: dict[str, Any] = {"log": False, "watchdog": None}


def fragile(play: Play, *more: Any, **options: Any) -> SupervisorSpec:
    """A tree whose first crash is the last."""
    return supervisor("root", worker(play, "a"), *more, **{"max_restarts": 0, **options})


async def forever() -> None:
    """A body that would never be left."""
    await asyncio.get_running_loop().create_future()


# async with


@in_loop
async def test_async_with_cancels_its_body_when_the_root_gives_up() -> None:
    """N1: the block is left at once, with an error that tells everything."""
    reached = False
    with pytest.raises(SupervisorGaveUp) as caught:
        async with asyncio.timeout(PATIENCE), start(fragile(Play()), **SILENT) as root:
            root.child("a").tell(boom)
            await forever()
            reached = True
    gave_up = caught.value
    assert not reached
    assert (gave_up.supervisor, gave_up.child, gave_up.max_restarts, gave_up.period) == ("root", "a", 0, None)
    assert isinstance(gave_up.__cause__, ValueError)
    assert gave_up.causes[0] == gave_up.reason
    assert [(entry.child, entry.cause, entry.outcome) for entry in gave_up.ledger] == [("a", "ValueError", "gave_up")]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@in_loop
async def test_a_nested_give_up_names_every_supervisor_and_the_first_cause() -> None:
    """The root gave up because a supervisor below it did."""
    tree = supervisor("root", supervisor("inner", worker(Play(), "a"), max_restarts=0), max_restarts=0)
    with pytest.raises(SupervisorGaveUp) as caught:
        async with asyncio.timeout(PATIENCE), start(tree, **SILENT) as root:
            root.child("inner/a").tell(boom)
            await forever()
    text = str(caught.value)
    assert "root gave up" in text
    assert "root: child 'inner'" in text
    assert "root/inner: child 'a'" in text
    assert "last cause: crashed(ValueError: boom)" in text
    assert [type(each).__name__ for each in caught.value.causes] == [*["RestartLimitExceeded"] * 2, "Crashed"]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == text
    assert copy.ledger == caught.value.ledger


@in_loop
async def test_a_cancellation_from_outside_stays_a_cancellation() -> None:
    """As `asyncio.timeout` does: the one who cancels is answered, also when the root gave up meanwhile."""
    entered = asyncio.Event()

    async def service() -> None:
        async with start(fragile(Play()), **SILENT) as root:
            entered.set()
            try:
                await forever()
            finally:
                root.child("a").tell(boom)
                await root.ended()

    task = asyncio.create_task(service())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@in_loop
async def test_a_body_that_swallows_the_cancellation_is_told_on_leaving() -> None:
    """It cannot make the end of its tree unheard of."""
    with pytest.raises(SupervisorGaveUp):
        async with start(fragile(Play()), **SILENT) as root:
            root.child("a").tell(boom)
            try:
                await forever()
            except asyncio.CancelledError:
                pass


@in_loop
async def test_a_root_that_gives_up_as_its_block_is_left_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is done, and nothing is cancelled afterwards."""
    monkeypatch.setattr("actors._hosts.loop.PASS", 1e9)  # `run_now` does nothing when the pass has taken too long
    with pytest.raises(SupervisorGaveUp):
        async with start(fragile(Play()), **SILENT) as root:
            root.child("a").tell(boom)
            ended = root.ended()
            while not ended.done():
                root.runtime.loop_host.run_now()
    await asyncio.sleep(0)


@in_loop
async def test_what_the_body_raised_is_the_context_of_the_give_up() -> None:
    """Nothing is lost: the error of the body is chained, and named in a note."""
    with pytest.raises(SupervisorGaveUp) as caught:
        async with start(fragile(Play()), **SILENT) as root:
            root.child("a").tell(boom)
            try:
                await forever()
            except asyncio.CancelledError:
                raise LookupError("mine") from None
    assert isinstance(caught.value.__context__, LookupError)
    assert "LookupError" in caught.value.__notes__[0]


@pytest.mark.parametrize("exit", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exit_of_the_body_is_not_replaced_by_the_give_up(exit: type[BaseException]) -> None:
    """A Ctrl-C ends the program, whatever else went wrong."""
    with pytest.raises(exit), start(fragile(Play()), **SILENT) as root:
        root.child("a").tell(boom)
        root.wait(timeout=PATIENCE)
        raise exit


@in_loop
async def test_a_root_that_is_killed_interrupts_its_block_too() -> None:
    """Any abnormal end is heard, not only that of a budget."""
    with pytest.raises(SupervisorEnded, match="root has ended: killed") as caught:
        async with asyncio.timeout(PATIENCE), start(fragile(Play()), **SILENT) as root:
            root.kill()
            await forever()
    assert not isinstance(caught.value, SupervisorGaveUp)
    assert isinstance(caught.value.reason, Killed)


@pytest.mark.parametrize("end", ["auto_shutdown", "stop", "left"])
@in_loop
async def test_an_orderly_end_of_the_root_interrupts_nothing(end: str) -> None:
    """The work is done, or the tree was told to stop."""
    play = Play()
    tree = supervisor(
        "root",
        worker(play, "a", restart="temporary", significant=True),
        auto_shutdown="any_significant",
    )
    reached = False
    async with start(tree, **SILENT) as root:
        if end == "auto_shutdown":
            root.child("a").tell(leave)
        elif end == "stop":
            root.stop(block=False)
        if end != "left":
            assert isinstance(await root.ended(), Shutdown)
        await asyncio.sleep(0)
        reached = True
    assert reached


@in_loop
async def test_ignore_leaves_the_block_as_it_was() -> None:
    """`on_give_up="ignore"`: a program that watches the root is not interrupted."""
    async with start(fragile(Play()), on_give_up="ignore", **SILENT) as root:
        root.child("a").tell(boom)
        assert isinstance(await root.ended(), RestartLimitExceeded)
        await asyncio.sleep(0)


def test_another_value_for_on_give_up_is_refused() -> None:
    """Before anything starts."""
    with pytest.raises(SpecError, match=r"start\(\): on_give_up: must be 'raise' or 'ignore', got 'explode'"):
        start(fragile(Play()), on_give_up="explode")  # type: ignore[arg-type]


@in_loop
async def test_a_tree_in_a_runtime_of_another_thread_interrupts_its_block_too() -> None:
    """The loop of the body and the loop of the tree need not be the same."""

    def up() -> Runtime:
        return Runtime(**SILENT).__enter__()

    runtime = await asyncio.to_thread(up)
    try:
        with pytest.raises(SupervisorGaveUp):
            async with asyncio.timeout(PATIENCE), start(fragile(Play()), runtime=runtime) as root:
                root.child("a").tell(boom)
                await forever()
    finally:
        await asyncio.to_thread(runtime.__exit__, None, None, None)


# with, in a thread


def test_a_scripts_block_raises_on_leaving() -> None:
    """A thread cannot be interrupted: the error comes when the block is left."""
    with pytest.raises(SupervisorGaveUp) as caught, start(fragile(Play()), **SILENT) as root:
        root.child("a").tell(boom)
        reason = root.wait(timeout=PATIENCE)
    assert caught.value.reason == reason
    assert isinstance(caught.value.__cause__, ValueError)
    assert [entry.outcome for entry in caught.value.ledger] == ["gave_up"]


def test_every_call_to_a_root_that_gave_up_says_that_it_gave_up() -> None:
    """Not that a child of that name is not among those it has."""
    with start(fragile(Play(), worker(Play(), "b")), on_give_up="ignore", **SILENT) as root:
        bystander = root.child("b")
        root.child("a").tell(boom)
        root.wait(timeout=PATIENCE)
        why = "root: child 'a' needed more than 0 restarts"
        with pytest.raises(SupervisorGaveUp, match=why):
            root.child("a")
        with pytest.raises(SupervisorGaveUp, match=why):
            root.supervisor("a")
        for call in (root.which_children, lambda: root.start_child(child("c", Worker)), root.ledger):
            with pytest.raises(ActorDeadError, match=why):
                call().get(timeout=PATIENCE)
        with pytest.raises(ActorDeadError, match=why):
            root.ask("anything")
        with pytest.raises(ActorDeadError, match=rf"root/b has terminated \(shutdown\(root ended: .*{why}"):
            bystander.ask("anything")


def test_a_script_that_raises_what_a_dead_root_says_is_left_with_that() -> None:
    """The same account twice would tell nothing more."""
    with pytest.raises(SupervisorGaveUp) as caught, start(fragile(Play()), **SILENT) as root:
        root.child("a").tell(boom)
        root.wait(timeout=PATIENCE)
        root.child("a")
    assert not hasattr(caught.value, "__notes__")


def test_a_child_that_was_never_there_is_still_not_found() -> None:
    """A root that lives says what it has."""
    with start(fragile(Play()), **SILENT) as root, pytest.raises(NotFound):
        root.child("ghost")


def test_a_root_that_stopped_in_order_says_so() -> None:
    """`child` of a root that has ended: not `NotFound`, which says to ask the root."""
    with start(fragile(Play()), **SILENT) as root:
        assert isinstance(root, SupervisorRef)
    with pytest.raises(SupervisorEnded, match="root has ended: shutdown"):
        root.child("a")


def test_the_log_has_the_traceback_of_what_made_the_root_give_up(caplog: pytest.LogCaptureFixture) -> None:
    """With the default log the cause can be found; with `log=False` the error is the account."""
    with (
        caplog.at_level(logging.INFO, logger="letitcrash"),
        pytest.raises(SupervisorGaveUp),
        start(fragile(Play()), watchdog=None) as root,
    ):
        root.child("a").tell(boom)
        root.wait(timeout=PATIENCE)
    gave_up = next(record for record in caplog.records if "its supervisor gives up" in record.getMessage())
    assert gave_up.exc_info is not None
    assert 'raise ValueError("boom")' in logging.Formatter().format(gave_up)

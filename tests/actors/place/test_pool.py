"""Tasks in processes: a task supervisor with `host=process()`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import (
    ActorCrashed,
    ActorDeadError,
    CrashedExit,
    DeadlockError,
    Lost,
    ManualClock,
    NotReceivable,
    NotSendable,
    PlaceLost,
    RemoteError,
    Started,
)
from actors._place.pool import PoolWorker
from supervisors import (
    MaxChildren,
    SpecError,
    SupervisorRef,
    TaskCancelled,
    child,
    parse_tree,
    process,
    start,
    supervisor,
    tasks,
)
from supervisors._specs.spec import ChildSpec, TaskCall
from tests.actors.place import cast, work
from tests.actors.place.cast import Performer, Stage, hearer, stage, until
from tests.support import in_loop


@asynccontextmanager
async def pool(size: int | None = 2, **options: Any) -> AsyncIterator[tuple[Stage, SupervisorRef]]:
    """A task supervisor with processes."""
    clock = options.pop("clock", None)
    async with stage(**({} if clock is None else {"clock": lambda _: clock})) as s:
        spec = tasks("cpu", **{"host": process(), "pool": size, **options})
        async with start(spec, runtime=s.runtime) as cpu:
            yield s, cpu


def workers(s: Stage) -> list[str]:
    """The processes that were started for tasks, in order."""
    return [each.path for each in s.seen(Started) if each.actor_class is PoolWorker]


# Results


@in_loop
async def test_functions_give_their_results_from_another_process() -> None:
    """Plain and async, with positional and keyword arguments."""
    async with pool() as (s, cpu):
        assert await cpu.run(work.double, 4, plus=1) == 9
        assert await cpu.run(work.async_double, 4) == 8
        assert await cpu.run(partial(work.double, plus=2), 4) == 10
        assert await cpu.run(work.pid) in s.pids()


@in_loop
async def test_a_process_is_used_again() -> None:
    """Also after a function that raised."""
    async with pool() as (s, cpu):
        first = await cpu.run(work.pid)
        with pytest.raises(ValueError, match="no luck"):
            await cpu.run(work.fail)
        assert await cpu.run(work.pid) == first
        assert workers(s) == ["cpu/process-1"]


@in_loop
async def test_an_exception_has_its_traceback_from_there() -> None:
    async with pool() as (_, cpu):
        with pytest.raises(ValueError, match="no luck") as caught:
            await cpu.run(work.fail)
        (note,) = caught.value.__notes__
        assert note.startswith("In process ")
        assert "in fail" in note


@in_loop
async def test_an_exception_that_cannot_be_pickled_is_told_in_words() -> None:
    async with pool() as (s, cpu):
        with pytest.raises(RemoteError, match="very odd"):
            await cpu.run(work.fail_oddly)
        assert len(workers(s)) == 1


@in_loop
async def test_a_system_exit_is_a_crash_of_the_task_and_not_of_its_process() -> None:
    async with pool() as (s, cpu):
        with pytest.raises(ActorCrashed) as caught:
            await cpu.run(work.leave_python)
        assert caught.value.path == "cpu/1"
        assert isinstance(caught.value.__cause__, SystemExit)
        await cpu.run(work.pid)
        assert len(workers(s)) == 1


@in_loop
async def test_a_result_that_cannot_travel_is_an_error_of_its_task() -> None:
    async with pool() as (s, cpu):
        with pytest.raises(NotSendable, match="the answer of type Unsendable"):
            await cpu.run(work.give_unsendable)
        with pytest.raises(NotReceivable, match="an answer"):
            await cpu.run(cast.give_unreadable, None)
        assert len(workers(s)) == 1


@in_loop
async def test_an_argument_that_cannot_be_read_there_is_an_error_of_its_task() -> None:
    async with pool() as (s, cpu):
        with pytest.raises(NotReceivable, match="the function or its arguments"):
            await cpu.run(work.pid, cast.Unreadable())
        assert await cpu.run(work.double, 1) == 2
        assert len(workers(s)) == 1


@in_loop
async def test_refs_are_arguments_as_anywhere() -> None:
    """The same ref twice is one ref there, and what it is told reaches its actor."""
    async with pool() as (s, cpu):
        ref, heard = await hearer(s)
        await cpu.run(work.say, ref, [ref, ref])
        assert await heard.get() == [ref, ref]


# Refusals


@in_loop
async def test_what_cannot_be_sent_is_refused_at_the_call() -> None:
    """Before anything starts: no process, and no task."""

    def inner() -> None:
        pass

    async with pool() as (s, cpu):
        refused: list[tuple[Any, tuple[object, ...]]] = [
            (lambda: 1, ()),
            (inner, ()),
            (partial(inner), ()),
            (work.pid, (threading.Lock(),)),
            (work.pid, (cast.Unsendable(),)),
        ]
        for function, args in refused:
            with pytest.raises(NotSendable):
                cpu.run(function, *args)
        with pytest.raises(NotSendable, match="it cannot be called"):
            cpu.run(7)  # type: ignore[call-overload]
        with pytest.raises(NotSendable, match="a lambda has no name"):
            cpu.map(lambda number: number, [1])
        assert (await cpu.count_children()).specs == 0
        assert s.pids() == set()


class Given:
    """Seems to be of the main module."""


@in_loop
async def test_an_argument_of_an_unguarded_main_module_is_refused_at_the_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The process would run that whole module to find it, and start the program once more."""
    file, main = tmp_path / "program.py", sys.modules["__main__"]
    file.write_text("start()", encoding="utf-8")
    monkeypatch.setattr(main, "__file__", str(file), raising=False)
    monkeypatch.setattr(main, "Given", Given, raising=False)
    monkeypatch.setattr(Given, "__module__", "__main__")
    async with pool() as (s, cpu):
        for argument in (Given, Given(), [partial(work.pid, Given())]):
            with pytest.raises(NotSendable, match="Given is defined in the main module.* Put what starts the program"):
                cpu.run(work.pid, argument)
        assert s.pids() == set()


@in_loop
async def test_an_item_that_cannot_be_sent_is_a_failure_of_its_own() -> None:
    async with pool() as (s, cpu):
        results: list[Any] = []
        async for each in cpu.map(work.pid, [1, cast.Unsendable(), 3], failures="yield"):
            results.append(each)
        assert results[0] in s.pids()
        assert results[2] in s.pids()
        assert isinstance(results[1], NotSendable)


# Bounds


@in_loop
async def test_no_more_processes_run_than_the_pool_allows() -> None:
    """The others wait, in their order."""
    async with pool(2) as (s, cpu):
        ref, heard = await hearer(s)
        running = [cpu.run(work.begin_then_block, ref) for _ in range(2)]
        begun = {(await heard.get())[1] for _ in range(2)}
        waiting = [cpu.run(work.say, ref, number) for number in range(20)]
        assert (await cpu.count_children()).workers == 22
        assert s.pids() >= begun
        assert len(workers(s)) == 2
        for each in running:
            each.cancel()
        await asyncio.gather(*(each for each in waiting))
        assert sorted([await heard.get() for _ in range(20)]) == list(range(20))


@in_loop
async def test_one_process_runs_its_tasks_in_the_order_of_the_calls() -> None:
    async with pool(1) as (s, cpu):
        ref, heard = await hearer(s)
        for each in [cpu.run(work.say, ref, number) for number in range(30)]:
            await each
        assert [heard.get_nowait() for _ in range(30)] == list(range(30))


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(), max_size=12), st.integers(1, 5), st.integers(1, 3))
def test_map_gives_every_result_in_order(numbers: list[int], limit: int, size: int) -> None:
    async def main() -> list[int]:
        async with pool(size) as (_, cpu):
            return [each async for each in cpu.map(work.double, numbers, limit=limit)]

    assert asyncio.run(main()) == [2 * number for number in numbers]


@in_loop
async def test_a_task_supervisor_of_processes_may_be_full() -> None:
    async with pool(1, max_children=1, task_shutdown="brutal_kill") as (s, cpu):
        ref, heard = await hearer(s)
        first = cpu.run(work.begin_then_block, ref)
        await heard.get()
        with pytest.raises(MaxChildren):
            await cpu.run(work.pid)
        first.cancel()


# Deaths


@in_loop
async def test_a_task_whose_process_dies_is_lost_and_the_others_go_on() -> None:
    """The error names the task, and a new process takes the place."""
    async with pool(2) as (s, cpu):
        ref, heard = await hearer(s)
        other = cpu.run(work.begin_then_heed, ref)
        _, pid = await heard.get()
        with pytest.raises(PlaceLost, match="^cpu/2 is lost: process [0-9]+ was killed by SIGKILL$") as caught:
            await cpu.run(work.kill_nine)
        assert (caught.value.path, caught.value.signal) == ("cpu/2", signal.SIGKILL)
        (exit,) = [each for each in s.seen(CrashedExit) if each.path == "cpu/2"]
        assert isinstance(exit.reason, Lost)
        assert await cpu.run(work.pid) not in (pid, 0)
        assert pid in s.pids()
        assert not other.done()


@in_loop
async def test_the_stack_of_a_segfault_is_told_with_the_task() -> None:
    async with pool() as (_, cpu):
        with pytest.raises(PlaceLost, match="SIGSEGV") as caught:
            await cpu.run(work.segfault)
        assert "in segfault" in caught.value.__notes__[0]


@in_loop
async def test_a_lost_task_is_tried_again_as_its_spec_says(tmp_path: Path) -> None:
    async with pool(1, task_restart="transient", task_backoff=None) as (s, cpu):
        assert await cpu.run(work.fail_first, str(tmp_path)) == "at try 3"
        assert len(workers(s)) == 3
        assert [each.incarnation for each in s.seen(CrashedExit) if each.path == "cpu/1"] == [1, 2]


@in_loop
async def test_an_idle_process_that_dies_costs_no_task() -> None:
    """Whether the program has noticed that or not."""
    async with pool(1) as (s, cpu):
        for _ in range(10):
            os.kill(await cpu.run(work.pid), signal.SIGKILL)
            assert await cpu.run(work.double, 2) == 4
        assert [each.path for each in s.seen(CrashedExit) if "process" not in each.path] == []


@in_loop
async def test_a_process_that_does_not_start_fails_the_task_alone() -> None:
    async with pool(2, host=process(preload=["tests.actors.place.threaded"])) as (_, cpu):
        for _ in range(2):
            with pytest.raises(Exception, match="started the thread"):
                await cpu.run(work.pid)


# Cancellation and stop


@pytest.mark.parametrize("function", [work.begin_then_block, work.begin_then_wait], ids=lambda f: f.__name__)
@in_loop
async def test_a_cancelled_task_ends_with_its_process_at_once(function: Any) -> None:
    """The future is settled when the process is gone, and another one takes its place."""
    async with pool(1) as (s, cpu):
        ref, heard = await hearer(s)
        task = cpu.run(function, ref)
        _, pid = await heard.get()
        next_one = cpu.run(work.pid)
        assert task.cancel()
        with pytest.raises(TaskCancelled):
            await task
        assert pid not in s.pids()
        assert await next_one != pid


@in_loop
async def test_a_cancelled_task_that_waits_takes_no_process() -> None:
    async with pool(1) as (s, cpu):
        ref, heard = await hearer(s)
        running = cpu.run(work.begin_then_block, ref)
        await heard.get()
        waiting = cpu.run(work.say, ref, "never")
        waiting.cancel()
        with pytest.raises(TaskCancelled):
            await waiting
        running.cancel()
        await cpu.run(work.say, ref, "then")
        assert await heard.get() == "then"
        assert heard.empty()


@in_loop
async def test_a_stop_lets_tasks_finish_and_tells_them() -> None:
    async with stage() as s:
        ref, heard = await hearer(s)
        spec = tasks("cpu", host=process(), pool=1, task_shutdown="infinity")
        async with start(spec, runtime=s.runtime) as cpu:
            task = cpu.run(work.begin_then_heed, ref)
            await heard.get()
        assert await task == "told"


@in_loop
async def test_a_task_that_does_not_stop_in_time_is_killed() -> None:
    clock = ManualClock()
    async with pool(1, clock=clock, task_shutdown=7) as (s, cpu):
        ref, heard = await hearer(s)
        task, waiting = cpu.run(work.begin_then_block, ref), cpu.run(work.pid)
        await heard.get()
        end = cpu.ended()
        cpu.stop(block=False)
        await until(lambda: s.runtime.find("cpu/1").status().state == "stopping")  # type: ignore[union-attr]
        clock.advance(7)
        await end
        for each in (task, waiting):
            with pytest.raises(ActorDeadError):
                await each


@in_loop
async def test_a_terminated_task_ends_with_its_process() -> None:
    async with pool(1, task_shutdown="brutal_kill") as (s, cpu):
        ref, heard = await hearer(s)
        task = cpu.run(work.begin_then_block, ref)
        _, pid = await heard.get()
        await cpu.terminate_child("1")
        assert pid not in s.pids()
        with pytest.raises(ActorDeadError):
            await task


@in_loop
async def test_a_killed_task_supervisor_leaves_no_process() -> None:
    async with stage() as s:
        ref, heard = await hearer(s)
        async with start(tasks("cpu", host=process(), pool=2), runtime=s.runtime, on_give_up="ignore") as cpu:
            running = [cpu.run(work.begin_then_block, ref) for _ in range(4)]
            await heard.get()
            await heard.get()
            cpu.kill()
            for each in running:
                with pytest.raises(ActorDeadError):
                    await each
            await cpu.ended()
            await until(lambda: len(s.pids()) <= 2)  # what forks them, and a process in advance


@in_loop
async def test_a_task_that_waits_for_its_caller_is_a_deadlock() -> None:
    """Across the processes, in a chain of three."""
    async with stage() as s:
        spec = supervisor("root", tasks("cpu", host=process(), pool=1), child("a", Asking))
        async with start(spec, runtime=s.runtime) as root:
            with pytest.raises(DeadlockError):
                await root.child("a").call("ask")


class Asking(Performer):
    """Runs a task that asks it."""

    async def on_receive(self, message: Any) -> Any:
        return await self.sibling("cpu", SupervisorRef).run(work.asks, self.ref, "back")


# Settings


@in_loop
async def test_the_size_of_a_pool_changes_while_it_runs() -> None:
    async with pool(1) as (s, cpu):
        ref, heard = await hearer(s)
        running = [cpu.run(work.begin_then_block, ref)]
        await heard.get()
        await cpu.update_settings(pool=3)
        running += [cpu.run(work.begin_then_block, ref) for _ in range(2)]
        await heard.get()
        await heard.get()
        assert len(workers(s)) == 3
        await cpu.update_settings(pool=1)
        for each in running:
            each.cancel()
        assert await cpu.run(work.double, 1) == 2


@in_loop
async def test_another_host_takes_the_next_tasks() -> None:
    """The processes of the old one end."""
    async with stage() as s:

        def spec(**options: Any) -> Any:
            return tasks("cpu", host=process(**options), pool=1)

        async with start(supervisor("root", spec()), runtime=s.runtime) as root:
            cpu = root.supervisor("cpu")
            first = await cpu.run(work.pid)
            await root.update_specs(spec(nice=5))
            second = await cpu.run(os.nice, 0)
            assert second == min(19, os.nice(0) + 5)
            await until(lambda: first not in s.pids())


@in_loop
async def test_a_plain_call_of_a_task_supervisor_uses_the_pool() -> None:
    """`start_child(TaskCall(...))`, whose result has no reader."""
    async with pool(1) as (s, cpu):
        ref, heard = await hearer(s)
        await cpu.start_child(TaskCall(work.say, {"to": ref, "what": "by name"}))  # type: ignore[call-overload]
        await cpu.start_child(TaskCall(work.say, (ref, "by place")))  # type: ignore[call-overload]
        assert [await heard.get(), await heard.get()] == ["by name", "by place"]
        assert len(workers(s)) == 1
        with pytest.raises(NotSendable):
            await cpu.start_child(TaskCall(lambda: None))  # type: ignore[call-overload]


@in_loop
async def test_a_size_left_out_is_that_of_the_processors() -> None:
    async with pool(None) as (s, cpu):
        await asyncio.gather(*[cpu.run(work.pid) for _ in range(4 * os.cpu_count())])  # type: ignore[operator]
        assert len(workers(s)) <= len(os.sched_getaffinity(0))


def faults(make: Any) -> str:
    with pytest.raises(SpecError) as caught:
        make()
    return str(caught.value)


def test_options_that_do_not_go_together_are_faults() -> None:
    assert "pool without host=process()" in faults(lambda: tasks("cpu", pool=3))
    assert "pool" in faults(lambda: tasks("cpu", host=process(), pool=0))
    assert "prefetch=4 with tasks" in faults(lambda: tasks("cpu", host=process(prefetch=4)))
    assert "host='thread' with tasks" in faults(lambda: tasks("cpu", host="thread"))  # type: ignore[arg-type]
    assert "host: must be 'loop'" in faults(lambda: tasks("cpu", host="fiber"))  # type: ignore[arg-type]


def test_a_file_says_the_same() -> None:
    tree = parse_tree(
        {
            "id": "root",
            "children": [{"id": "cpu", "kind": "tasks", "host": {"kind": "process", "nice": 5}, "pool": 4}],
        }
    )
    (cpu,) = tree.children
    assert cpu == tasks("cpu", host=process(nice=5), pool=4)
    assert isinstance(cpu.template, ChildSpec)
    assert cpu.template.host == process(nice=5)


def test_a_pool_works_from_threads() -> None:
    with start(tasks("cpu", host=process(), pool=2), log=False) as cpu:
        assert list(cpu.map(work.double, range(10), limit=4)) == [2 * number for number in range(10)]
        assert cpu.run(work.double, 1).get(timeout=30) == 2

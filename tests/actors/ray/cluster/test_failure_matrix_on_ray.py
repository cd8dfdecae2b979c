"""What happens to an actor on a node of Ray, and what its askers, its supervisor and its messages get."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from actors import (
    ActorDeadError,
    DeadLetter,
    Killed,
    Lost,
    PlaceLost,
    Redelivered,
    StartError,
    StartTimeout,
    VersionMismatch,
)
from actors import ray as ray_host
from tests.actors.place import cast
from tests.actors.place.cast import noting, pid, placed, placing, stage, tree
from tests.actors.place.test_failure_matrix import (  # noqa: F401
    ENDS,
    test_a_handler_that_raises_is_a_crash_with_the_traceback_from_there,
    test_a_handler_timeout_ends_the_process_and_the_message_is_known,
    test_a_message_that_cannot_be_read_is_refused_and_the_actor_lives,
    test_a_message_that_cannot_be_sent_is_refused_and_the_actor_lives,
    test_a_message_that_ends_its_process_is_redelivered_then_quarantined,
    test_a_process_that_does_not_stop_in_time_is_killed,
    test_a_process_that_is_killed_while_idle_is_noticed,
    test_an_answer_that_cannot_travel_is_an_error_of_the_asker,
    test_an_asked_message_is_not_delivered_again,
    test_an_exception_that_cannot_be_pickled_is_told_by_its_class_and_text,
    test_arguments_that_cannot_be_pickled_fail_the_start,
    test_kill_ends_a_process_whatever_it_does,
    test_others_go_on_while_a_process_computes,
    test_the_stack_of_a_segfault_is_in_the_error,
)
from tests.actors.ray.cluster.conftest import STORE
from tests.support import in_loop

SHORT = "3 s"
"""The lease of the tests that wait for its end."""


def parent(_: Any) -> int:
    """The process that forks those of the actor: it stays as long as the keeper does."""
    return os.getppid()


def keeper_of(process_id: int) -> int:
    """The process of the Ray actor that has started this one."""
    return parent_of(parent_of(process_id))


def parent_of(process_id: int) -> int:
    """The process that has started this one; 0: it has ended."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])


def tree_of(process_id: int) -> list[int]:
    """A process, and all that it and they have started."""
    parents = {int(each.name): parent_of(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit()}
    found = [process_id]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


class Node:
    """A node of the cluster, and its processes."""

    def __init__(self, cluster: Any, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.node = cluster.add_node(num_cpus=0, resources={name: 2}, object_store_memory=STORE)
        (self.raylet,) = [each.process.pid for each in self.node.all_processes["raylet"]]

    def signal(self, number: int) -> None:
        """Sends a signal to every process of the node."""
        for each in tree_of(self.raylet):
            with suppress(ProcessLookupError):
                os.kill(each, number)

    def remove(self) -> None:
        """Ends the node, in whatever state it is."""
        self.signal(signal.SIGKILL)
        self.cluster.remove_node(self.node, allow_graceful=False)


@pytest.fixture
def side(cluster: Any) -> Iterator[Node]:
    """A node with a resource of its own."""
    node = Node(cluster, f"side-{uuid.uuid4().hex}")
    yield node
    node.remove()


@pytest.mark.parametrize(("message", "number", "code", "how"), ENDS, ids=lambda value: getattr(value, "__name__", ""))
@in_loop
async def test_the_end_of_the_process_is_told_as_by_its_own_machine(
    message: Any, number: Any, code: Any, how: str
) -> None:
    """Guards the reason: Ray itself says the same text for each of these ends."""
    async with tree(placed()) as (s, root):
        a = root.child("a")
        process_id = await a.call(pid)
        down = a.monitor()
        asked = a.ask(message, block=False)
        a.tell(noting(1))
        with pytest.raises(PlaceLost, match=how):
            await asked
        reason = (await down).reason
        assert isinstance(reason, Lost)
        assert (reason.signal, reason.exit_code) == (number, code)
        assert reason.how.startswith(f"process {process_id} on the node ")
        assert reason.how.endswith(how)
        assert reason.max_rss is not None
        assert reason.cpu is not None
        assert await a.call(cast.notes) == [1]
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["lost"]


@in_loop
async def test_the_keeper_of_the_resources_stays_between_incarnations() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        before = await a.call(parent)
        a.tell(cast.segfault)
        assert await a.call(parent) == before
        assert a.incarnation == 2


@in_loop
async def test_a_keeper_that_is_killed_takes_its_process_along_and_is_replaced() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        process_id = await a.call(pid)
        down = a.monitor()
        os.kill(keeper_of(process_id), signal.SIGKILL)
        reason = (await down).reason
        assert isinstance(reason, Lost)
        assert "worker process has died" in reason.how
        assert cast.wait_for_end(process_id)
        assert await a.call("next") == "next"
        assert a.incarnation == 2


@in_loop
async def test_a_frozen_node_is_given_up_after_its_lease_and_not_before(cluster: Any, side: Node) -> None:
    """Guards the lease: Ray itself would take a minute. What waits is handled on another node, and the frozen one never
    acts again.
    """
    async with tree(placed(host=placing(resources={side.name: 1}, lease=SHORT))) as (s, root):
        a = root.child("a")
        process_id = await a.call(pid)
        spare = Node(cluster, side.name)
        try:
            began = monotonic()
            side.signal(signal.SIGSTOP)
            down = a.monitor()
            asked = a.ask("never", block=False)
            a.tell(noting(1))
            with pytest.raises(PlaceLost, match="the node has not answered for 4.5 s"):
                await asked
            assert isinstance((await down).reason, Lost)
            assert monotonic() - began >= 3.0
            assert await a.call(cast.notes, timeout=60) == [1]
            assert a.incarnation == 2
            side.signal(signal.SIGCONT)
            assert cast.wait_for_end(process_id)
            assert [letter.reason for letter in s.seen(DeadLetter)] == ["lost"]
        finally:
            await root.terminate_child("a")
            spare.remove()


@in_loop
async def test_a_node_that_is_killed_is_told_within_its_lease(side: Node) -> None:
    async with tree(placed(host=placing(resources={side.name: 1}, lease=SHORT), restart="temporary")) as (_, root):
        a = root.child("a")
        await a.call(pid)
        down = a.monitor()
        side.signal(signal.SIGKILL)
        assert isinstance((await down).reason, Lost)


@in_loop
async def test_kill_of_an_actor_on_a_frozen_node_ends_with_the_lease(side: Node) -> None:
    async with tree(placed(host=placing(resources={side.name: 1}, lease=SHORT), restart="temporary")) as (_, root):
        a = root.child("a")
        await a.call(pid)
        side.signal(signal.SIGSTOP)
        down = a.monitor()
        a.kill()
        assert (await down).reason == Killed("kill() was called")
        with pytest.raises(ActorDeadError):
            await a.call(1)


@in_loop
async def test_a_start_that_finds_no_room_names_the_resources_that_it_asked_for() -> None:
    async with stage() as s:
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(cast.Performer, host=ray_host(num_gpus=1, resources={"moon": 2}), start_timeout=0.2)
        error = caught.value.__cause__
        assert isinstance(error, StartTimeout)
        assert "it waited for a node of Ray that has num_cpus=1, num_gpus=1, moon=2" in str(error)


@in_loop
async def test_another_version_over_there_fails_the_start_on_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors._ray.carrier.VERSION", "Python 2.7")
    async with stage() as s:
        with pytest.raises(StartError) as caught:
            await s.runtime.spawn(cast.Performer, host=placing())
        assert isinstance(caught.value.__cause__, VersionMismatch)


@in_loop
async def test_what_ray_cannot_prepare_fails_the_start_in_its_words() -> None:
    async with stage() as s:
        with pytest.raises(StartError, match="has no keeper on Ray") as caught:
            await s.runtime.spawn(cast.Performer, host=placing(runtime_env={"working_dir": "/nowhere at all"}))
        assert isinstance(caught.value.__cause__, OSError)


@in_loop
async def test_a_message_that_a_lost_keeper_had_begun_with_counts_as_the_cause() -> None:
    """Guards a message that has Ray's monitor of memory end the node's processes: it must not come again for ever."""
    async with tree(placed(host=placing(prefetch=4), redeliver=1)) as (s, root):
        a = root.child("a")
        process_id = await a.call(pid)
        deadly = partial(end_process, number=keeper_of(process_id))
        a.tell(deadly)
        a.tell(noting(1))
        while not s.seen(Redelivered):
            await asyncio.sleep(0.001)
        assert await a.call(cast.notes, timeout=60) == [1]
        assert [event.message for event in s.seen(Redelivered)] == [deadly]


def end_process(_: Any, number: int) -> None:
    """Ends a process, and waits for its own end; does nothing if the process has ended before."""
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        pass


@in_loop
async def test_values_of_many_megabytes_cross_to_ray_and_back() -> None:
    """Guards what goes through the object store of Ray."""
    async with tree(placed()) as (_, root):
        a = root.child("a")
        for size in (1 << 10, 1 << 20, 1 << 24):
            value = os.urandom(size)
            assert await a.call(value, timeout=60) == value


@in_loop
async def test_a_loop_that_is_blocked_for_longer_than_the_lease_loses_nothing() -> None:
    async with tree(placed(host=placing(lease="2 s"))) as (s, root):
        a = root.child("a")
        before = await a.call(pid)
        until = monotonic() + 4.0
        while monotonic() < until:
            os.sched_yield()  # the handler of another actor, say, computes
        assert await a.call(pid) == before
        assert not s.seen(DeadLetter)


HEADLESS = """
import asyncio, os, signal
from actors import Runtime, StartError, StartTimeout
from supervisors import child, ray, start, supervisor
from tests.actors.ray.cluster.test_failure_matrix_on_ray import tree_of
from tests.actors.place.cast import Performer, leave, pid

def head():
    for each in tree_of(os.getpid()):
        with open(f"/proc/{each}/cmdline") as file:
            if "gcs_server" in file.read().partition("\\0")[0]:
                return each

async def main():
    async with Runtime(log=False, default_timeout=None) as runtime:
        tree = supervisor("root", child("a", Performer, host=ray(num_cpus=0), backoff=None, start_timeout=None))
        async with start(tree, runtime=runtime) as root:
            a = root.child("a")
            first = await a.call(pid)
            os.kill(head(), signal.SIGKILL)
            a.tell(leave)
            assert await a.call(pid) != first
            try:
                await runtime.spawn(Performer, host=ray(num_cpus=0), start_timeout=1)
            except StartError as error:
                print(type(error.__cause__).__name__, a.incarnation, os.environ[{setting!r}])

asyncio.run(main())
"""


def test_the_program_and_its_actors_outlive_the_head_of_the_cluster() -> None:
    """Guards against Ray, which ends a program that does not reach the head for a minute."""
    setting = "RAY_gcs_rpc_server_reconnect_timeout_s"
    done = subprocess.run(
        [sys.executable, "-c", HEADLESS.replace("{setting!r}", repr(setting))],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "StartTimeout 2 2000000" in done.stdout


PROGRAM = """
import asyncio, sys
from actors import Runtime, ray
from tests.actors.place.cast import Performer, pid, spin

async def main():
    async with Runtime(log=False) as runtime:
        host = ray(num_cpus=0, resources={"head": 1}, lease="60 s", address=sys.argv[1])
        a = await runtime.spawn(Performer, host=host)
        print(await a.call(pid), flush=True)
        a.tell(spin)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


def test_after_a_kill_of_the_program_no_process_of_it_is_left_on_ray(cluster: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, cluster.address],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    ) as program:
        assert program.stdout is not None
        process_id = int(program.stdout.readline())
        program.kill()
    assert cast.wait_for_end(process_id)


@in_loop
async def test_a_cluster_elsewhere_without_a_token_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    async with stage() as s:
        with pytest.raises(StartError, match="Set RAY_AUTH_MODE=token") as caught:
            await s.runtime.spawn(cast.Performer, host=ray_host(address="198.51.100.7:6379"))
        assert isinstance(caught.value.__cause__, PermissionError)


@in_loop
async def test_a_second_cluster_fails_the_start_and_names_the_first(cluster: Any) -> None:
    """Guards an actor that would be placed on another cluster than its spec says."""
    async with stage() as s:
        with pytest.raises(StartError, match=f"connected to the Ray cluster at {cluster.address}"):
            await s.runtime.spawn(cast.Performer, host=ray_host(address="127.0.0.1:1"))


@in_loop
async def test_a_stop_ends_the_keepers_and_their_threads() -> None:
    async with tree(placed("a"), placed("b")) as (_, root):
        for id in "ab":
            await root.child(id).call(pid)
        assert len([each for each in threading.enumerate() if "-ray-root/" in each.name]) == 2
        await root.terminate_child("a")
        await root.child("b").call(pid)
    assert not [each for each in threading.enumerate() if "-ray-root/" in each.name]

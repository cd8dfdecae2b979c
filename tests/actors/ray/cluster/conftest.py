"""A Ray cluster of two nodes on this machine, for the tests of this folder. Without Ray they are skipped."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors import ray as ray_host
from tests.actors.place.cast import Hosting, marked

LEASE = "60 s"
"""So long that no load of the machine ends it. The tests of the lease have a shorter one."""
STORE = 80 << 20
CLUSTER = "LETITCRASH_TEST_CLUSTER"
"""The environment variable by which the processes of the cluster are found."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """The cluster. Its head has the resource `head`, and the tests add nodes with others."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    os.environ[CLUSTER] = uuid.uuid4().hex
    args = {"num_cpus": 8, "include_dashboard": False, "object_store_memory": STORE, "resources": {"head": 100}}
    made = Cluster(initialize_head=True, head_node_args=args)
    try:
        ray.init(address=made.address, log_to_driver=False)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


@pytest.fixture(autouse=True)
def placed_on_ray(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the tests place is on the head of the cluster. At the end no process of theirs is left."""
    monkeypatch.setattr(Hosting, "here", False)
    monkeypatch.setattr(Hosting, "make", partial(ray_host, num_cpus=0, resources={"head": 1}, lease=LEASE))
    yield
    assert wait_until_gone() == set()


def wait_until_gone(seconds: float = 20.0) -> set[int]:
    """Waits until no process of an actor is left on the nodes; else returns their ids."""
    until = time.monotonic() + seconds
    while (found := started()) and time.monotonic() < until:
        os.sched_yield()
    return found


def started() -> set[int]:
    """The processes that keepers have started: what forks others, and these."""
    return {each for each in marked(os.environ[CLUSTER], CLUSTER) if "actors._peer.zygote" in command_line(each)}


def command_line(pid: int) -> str:
    """The arguments of a process; empty: it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    except OSError:
        return ""

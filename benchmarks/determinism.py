"""`python -m benchmarks.determinism N`: runs one simulation N times and prints every trace digest there was.

The run has everything in it that could tell two runs apart: all hosts, faults, jitter, a random schedule, and names
that are UUIDs. `sim-determinism` starts this program in processes of its own, each with a hash seed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pykka

from actors import Actor
from actors.testing import Crash, FaultPlan, Kill, Slow, Strategy, simulation
from benchmarks._works import Figures
from supervisors import SupervisorSpec, child, exponential, supervisor

HASH_SEEDS = ("0", "1", "4242")
PROCESSES = 2
"""How many processes run under each hash seed."""
SEED = 5
PLAN = FaultPlan(Crash("root/*", nth=3), Kill("root/worker", nth=2), Slow("root/relay", nth=2, seconds=0.5))


class Count(Actor):
    """Answers with how many messages it had."""

    def __init__(self) -> None:
        self.seen = 0

    def on_receive(self, message: object) -> int:
        """Count."""
        self.seen += 1
        return self.seen


class Relay(Actor):
    """Asks another actor, and passes the answer on."""

    async def on_receive(self, message: object) -> object:
        """Ask."""
        return await self.sibling("count").call(message)


class Worker(Count):
    """Counts in a thread of its own."""

    host = "thread"


class Plain(pykka.ThreadingActor):
    """Pykka's own."""

    def on_receive(self, message: object) -> object:
        """Answer with its name, which is a UUID."""
        return self.actor_urn


def tree() -> SupervisorSpec:
    """One child for each host, restarted with jitter."""
    kinds = (Count, Relay, Worker, Plain)
    return supervisor("root", *(child(kind.__name__.lower(), kind, backoff=exponential(0.05)) for kind in kinds))


def digest() -> str:
    """The trace digest of one run."""
    with simulation(PLAN, seed=SEED, search=Strategy("random", SEED), record=False) as sim:
        root = sim.start(tree())
        for name in ("count", "relay", "worker", "plain"):
            ref = root.child(name)
            sim.workload(lambda number, ref=ref: ref.call(number, timeout=5.0), n=4, every=0.2)  # type: ignore[misc]
        sim.run(until=60)
    sim.require_fired()
    return sim.trace_hash


def measure(size: int) -> Figures:
    """How many different digests `size` runs in each of all processes have."""
    command = [sys.executable, "-m", "benchmarks.determinism", str(size)]
    root = Path(__file__).resolve().parents[1]
    children = [
        subprocess.Popen(
            command, cwd=root, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in HASH_SEEDS
        for _ in range(PROCESSES)
    ]
    told = [each.communicate()[0].split() for each in children]
    if any(each.returncode for each in children) or not all(told):
        raise RuntimeError(f"{sum(bool(each.returncode) for each in children)} of {len(children)} processes failed")
    return {"digests": len({digest for each in told for digest in each})}


def main(runs: int) -> None:
    """Print the digests, each once."""
    print("\n".join(sorted({digest() for _ in range(runs)})))


if __name__ == "__main__":
    main(int(sys.argv[1]))

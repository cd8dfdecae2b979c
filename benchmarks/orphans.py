"""Kills a program with placed actors by `kill -9`, over and over, and looks what of it is left.

    python -m benchmarks.orphans --kills N

In each round a program starts three actors in processes of their own. One waits, one computes, and one holds the
interpreter's lock in C code. The program is killed; from then on the time counts until the last process has ended. A
process that is there after `PATIENCE` seconds is an orphan, and the campaign fails.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from actors import Actor, Runtime, process
from actors._place.process import ProcessCarriers

PATIENCE = 10.0
"""Seconds after which a process that still runs is an orphan."""
GOAL = 0.05
"""Seconds after which none should run."""


class Worker(Actor):
    """Says its process, and then does what it is told."""

    def on_receive(self, message: Any) -> int:
        if message == "compute":
            while True:
                pass
        if message == "hold":
            ctypes.PyDLL(None).sleep(1000)
        return os.getpid()


def program() -> None:
    """The program that is killed."""
    with Runtime(log=False) as runtime:
        refs = [runtime.spawn(Worker, host=process()).get() for _ in range(3)]
        found = [ref.ask("who") for ref in refs]
        processes = runtime.place_hosts["process"].carriers
        assert isinstance(processes, ProcessCarriers)
        refs[1].tell("compute")
        refs[2].tell("hold")
        print(*found, processes.launcher.pid, flush=True)
        sys.stdin.read()


def kill_once() -> float:
    """One round. Returns the seconds until the last process has ended. Raises TimeoutError for an orphan."""
    command = [sys.executable, "-m", "benchmarks.orphans", "--program"]
    here = str(Path(__file__).parents[1])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=here) as running:
        assert running.stdout is not None
        watched = [os.pidfd_open(int(each)) for each in running.stdout.readline().split()]
        running.send_signal(signal.SIGKILL)
        began = perf_counter()
        try:
            for each in watched:
                poll = select.poll()
                poll.register(each, select.POLLIN)
                if not poll.poll(PATIENCE * 1000):
                    raise TimeoutError("a process of a program that was killed runs on")
            return perf_counter() - began
        finally:
            for each in watched:
                os.close(each)


def main() -> None:
    """Runs the campaign, and prints what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many programs are killed")
    parser.add_argument("--program", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.program:
        program()
        return
    took = [kill_once() for _ in range(given.kills)]
    late = sum(each > GOAL for each in took)
    half, most = statistics.median(took) * 1000, max(took) * 1000
    print(f"{given.kills} programs killed, and no process of them is left")
    print(
        f"the last process ended after {half:.1f} ms (median), {most:.1f} ms at most; {late} after {GOAL * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()

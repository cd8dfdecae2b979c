"""Nothing of a program runs when it has ended, however it ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.actors.place.cast import MARK, marked

PROGRAM = """
import sys
sys.path[:] = {path!r}
from actors import Runtime, process
from tests.actors.place import cast
from tests.actors.place.cast import Door, Performer

with Runtime(log=False) as runtime:
    refs = [runtime.spawn(Performer, host=process()).get() for _ in range(3)]
    pids = [ref.ask(cast.pid) for ref in refs]
    refs[0].tell({first})
    refs[1].tell(cast.partial(cast.begin_and, act=cast.stuck_in_c, door={door!r}))
    open({door!r}).read()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("first", ["cast.spin", "cast.fork_helper"])
def test_after_a_kill_of_the_program_no_process_of_it_is_left(first: str, tmp_path: Path) -> None:
    """Guards guarantee 6: also while C code holds the interpreter's lock there."""
    door, mark = str(tmp_path / "door"), uuid.uuid4().hex
    os.mkfifo(door)
    program = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM.format(path=sys.path, door=door, first=first)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, MARK: mark},
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        watched = [os.pidfd_open(pid) for pid in marked(mark)]
        assert len(watched) >= 5  # the program, what forks, and three places
        program.send_signal(signal.SIGKILL)
        for each in watched:
            wait_for_end(each)
            os.close(each)
    nothing_stays(mark)  # one may have begun after the look above


def nothing_stays(mark: str) -> None:
    """The program has ended. A process of it that is there still is killed by the kernel, and has not run since."""
    for pid in marked(mark):
        with suppress(ProcessLookupError):
            wait_for_end(descriptor := os.pidfd_open(pid))
            os.close(descriptor)
    assert marked(mark) == set()


def wait_for_end(descriptor: int) -> None:
    """Waits until the process of this descriptor has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(30_000)


def test_ctrl_c_of_the_program_ends_its_places_in_order(tmp_path: Path) -> None:
    """Guards the terminal: a Ctrl-C reaches the program, and not the places."""
    door, mark = str(tmp_path / "door"), uuid.uuid4().hex
    os.mkfifo(door)
    source = PROGRAM.format(path=sys.path, door=door, first="cast.pid").replace("cast.stuck_in_c", "cast.pid")
    program = subprocess.Popen(
        [sys.executable, "-P", "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, MARK: mark},
        process_group=0,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        os.killpg(program.pid, signal.SIGINT)
        program.wait()
    nothing_stays(mark)

"""Programs that are forked for tests are what new interpreters are."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

linux = pytest.mark.skipif(sys.platform != "linux", reason="a program is a new interpreter where it is not forked")


@pytest.mark.parametrize("code", ["", "import sys; sys.exit(3)", "1 / 0", "import os; os.kill(os.getpid(), 9)"])
def test_a_forked_program_ends_as_a_new_interpreter_does(code: str) -> None:
    done = forked.run(["-c", code])
    new = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (new.returncode, new.stdout)
    assert done.stderr.splitlines()[-1:] == new.stderr.splitlines()[-1:]


@pytest.mark.parametrize("start", [["-c", "PROGRAM"], ["-m", "program"], ["program.py"]], ids=["-c", "-m", "file"])
def test_a_forked_program_has_arguments_folder_and_environment(start: list[str], tmp_path: Path) -> None:
    """What the program says of itself is the same as in a new interpreter."""
    text = (
        "import os, sys\n"
        "print(sys.argv, os.getcwd(), dict(os.environ), sys.path[0], __name__, sys.stdin.read())\n"
        "print(sys.stdout.encoding, sys.stdout.line_buffering, sys.stderr.errors, file=sys.stderr)\n"
    )
    (tmp_path / "program.py").write_text(text)
    command = [text if each == "PROGRAM" else each for each in start] + ["a", "b c"]
    environment = {"PYTHONPATH": "/nowhere", "LC_ALL": "C.UTF-8", "ONE": "1"}
    done = forked.run(command, cwd=tmp_path, env=environment, input="typed")
    new = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        input="typed",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == new.stdout
    assert done.stderr == new.stderr


def test_a_warning_of_a_forked_program_is_an_error_where_that_is_asked() -> None:
    done = forked.run(["-W", "error", "-c", "import warnings; warnings.warn('odd')"])
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "UserWarning: odd")


WAITING = "import signal; print('up', flush=True); signal.pause()"


def test_a_signal_reaches_a_forked_program() -> None:
    program = forked.start(["-c", WAITING], stdout=forked.PIPE, stderr=forked.PIPE)
    assert program.stdout is not None
    assert program.stdout.readline() == "up\n"
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert (program.returncode, errors.splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")


def test_a_signal_that_this_process_ignores_is_ignored_by_a_forked_program() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = forked.run(["-c", "import signal; print(signal.getsignal(signal.SIGHUP).name)"])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert done.stdout == "SIG_IGN\n"


@linux
def test_a_forked_program_is_a_zombie_until_it_is_waited_for() -> None:
    """As a child of this process: its id belongs to no other process before."""
    program = forked.start(["-c", "pass"])
    while program.poll() is None and Path(f"/proc/{program.pid}/stat").read_text().split()[2] != "Z":
        pass
    assert program.wait() == 0
    assert not Path(f"/proc/{program.pid}").exists()


def test_a_forked_program_that_does_not_end_in_time_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run(["-c", WAITING], timeout=0)


def test_a_shell_runs_forked_programs_and_hears_how_they_end(tmp_path: Path) -> None:
    """Their streams are those of the shell: pipes and files work as for any other program."""
    python = shlex.join(forked.command([]))
    script = (
        f"echo typed | {python} -c 'print(input(), 1)' | cat > out; cat out; "
        f"{python} -c 'raise SystemExit(4)'; echo $?; "
        f"{python} -c 'import os; os.kill(os.getpid(), 9)'; echo $?"
    )
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == "typed 1\n4\n137\n"


def test_a_program_goes_on_when_no_test_waits_for_it(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    there = tmp_path / "there"
    program = forked.start(["-c", f"input(); open({str(there)!r}, 'w').close()"], stdin=reader)
    os.close(reader)
    if isinstance(program, forked.Program):
        program.forget()
    os.write(writer, b"\n")
    os.close(writer)
    while not there.exists():
        os.sched_yield()

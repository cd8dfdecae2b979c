"""`letitcrash run` in a process of its own, with real signals. A test waits for a line of output, never for time."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

import supervisors
from tests import forked

PACKAGES = str(Path(supervisors.__file__).parents[1])
GUARD = 120.0
"""Seconds after which a program that hangs is aborted: it dumps its stacks, and its test fails."""

SCRIPT = """
import gc, sys, time, asyncio
from actors import Actor
from supervisors import child, constant, supervisor

class Worker(Actor):
    def on_start(self):
        print(f"up {self.path} {sys.argv}", flush=True)
    def on_stop(self):
        print(f"down {self.path}", flush=True)

class Frozen(Actor):
    def on_stop(self):
        print(f"frozen {gc.get_freeze_count()}", flush=True)

class Chatty(Actor):
    def on_start(self):
        self.tell_after(0.01, "say")
    def on_receive(self, message):
        print("tick" * 1000)
        self.tell_after(0.01, "say")

class Crashing(Actor):
    async def on_continue(self):
        raise ValueError("no [bold]luck[/bold] today \\x1b[31m")

class Failing(Actor):
    def on_start(self):
        raise OSError("no database")

class Quick(Actor):
    async def on_continue(self):
        print("done", flush=True)
        self.stop()

class Stuck(Actor):
    def on_stop(self):
        print("stopping", flush=True)
        time.sleep(1000)

class Holding(Actor):
    def on_continue(self):
        print("holding", flush=True)
        while True:
            pass

class Slow(Actor):
    async def on_start(self):
        print("starting", flush=True)
        await asyncio.sleep(1000)

tree = supervisor("root", child("a", Worker), child("b", Worker))
chatty = supervisor("root", child("a", Chatty))
crashing = supervisor("root", child("good", Worker), child("bad", Crashing, backoff=None), max_restarts=2, period=60)
failing = supervisor("root", child("good", Worker), supervisor("below", child("bad", Failing)))
frozen = supervisor("root", child("a", Frozen))
quick = child("quick", Quick, restart="transient")
stuck = supervisor("root", child("a", Stuck, host="thread", shutdown="infinity"), child("b", Worker))
holding = supervisor("root", child("a", Holding))
slow = supervisor("root", child("a", Slow, start_timeout=None), start_timeout=None)
broken = supervisor("root", child("a", "no_such_module:A"), child("b", "no_such_module:B"))
"""

LEAVING = """
from pathlib import Path

class Leaving(Actor):
    def on_stop(self):
        print("leaving", flush=True)
        Path("left").write_text(self.path)

leaving = supervisor("root", child("a", Leaving))
"""


class Program:
    """A process whose output is read line by line, stderr mixed in unless it is wanted apart.

    `closed` are redirections of a shell, such as `>&-`: the process is then a new interpreter, not a fork.
    """

    def __init__(self, folder: Path, *args: str, closed: str = "", **options: int) -> None:
        environment = {**os.environ, "PYTHONPATH": PACKAGES, "PYTHONFAULTHANDLER": "1"}
        environment.pop("LETITCRASH_LIVE", None)
        streams: dict[str, int] = {"stdin": forked.DEVNULL, "stdout": forked.PIPE, "stderr": forked.STDOUT, **options}
        command = ["-m", "teams", *args]
        self.process: forked.Process
        if closed:
            self.process = subprocess.Popen(
                ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, *command],
                cwd=folder,
                env=environment,
                text=True,
                start_new_session=True,
                stdin=streams["stdin"],
                stdout=streams["stdout"],
                stderr=streams["stderr"],
            )
        else:
            self.process = forked.start(command, cwd=folder, env=environment, **streams)
        self.seen: list[str] = []
        self._guard = threading.Timer(GUARD, self.process.send_signal, [signal.SIGABRT])
        self._guard.daemon = True
        self._guard.start()

    def until(self, text: str) -> str:
        """Reads up to the first line with this text, and returns the line."""
        stream: IO[str] | None = self.process.stdout
        assert stream is not None
        for line in stream:
            self.seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} never came:\n{''.join(self.seen)}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """The exit code, and all of the output."""
        if self.process.stdout is not None:
            self.seen += self.process.stdout.readlines()
        code = self.process.wait()
        self.close()
        output = "".join(self.seen)
        assert code != -signal.SIGABRT, f"it did not end:\n{output}"
        return code, output

    def close(self) -> None:
        self._guard.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Run = Callable[..., Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts `letitcrash run` on one of the script's trees."""
    (tmp_path / "job.py").write_text(SCRIPT)
    programs: list[Program] = []

    def start(target: str, *args: str, closed: str = "", **options: int) -> Program:
        programs.append(Program(tmp_path, "run", target, *args, closed=closed, **options))
        return programs[-1]

    yield start
    for program in programs:
        program.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_tree_in_order_and_exits_with_0(run: Run, number: signal.Signals) -> None:
    """Guards the ordered shutdown: last started, first stopped, and said so."""
    program = run("job.py")
    program.until("root is up")
    program.signal(number)
    code, output = program.end()
    assert code == 0
    assert f"{number.name}: stopping root in order" in output
    assert [text for text in ("down root/b", "down root/a", "root has stopped") if text not in output] == [], output
    assert output.index("down root/b") < output.index("down root/a") < output.index("root has stopped")


def test_a_closed_terminal_stops_the_tree_in_order(run: Run, tmp_path: Path) -> None:
    """Guards the whole of it: the hangup, and output that goes to a terminal that has closed."""
    script = tmp_path / "job.py"
    script.write_text(script.read_text() + LEAVING)
    ours, theirs = pty.openpty()
    # A leader of a session that opens a terminal has it as its own, and is told when it is closed.
    program = run("job.py:leaving", "--plain", closed=f"<{os.ttyname(theirs)}", stdout=theirs, stderr=theirs)
    shown = b""
    while b"root is up" not in shown:
        shown += os.read(ours, 65536)
    os.close(theirs)
    os.close(ours)
    assert program.process.wait() == 0
    assert (tmp_path / "left").read_text() == "root/a"


def test_a_hangup_that_is_ignored_stays_so(run: Run) -> None:
    """Guards nohup: what the program was started with holds."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        program = run("job.py")
    finally:
        signal.signal(signal.SIGHUP, before)
    program.until("root is up")
    program.signal(signal.SIGHUP)
    program.signal(signal.SIGINT)
    code, output = program.end()
    assert code == 0
    assert "SIGINT: stopping root in order" in output
    assert "SIGHUP" not in output


@pytest.mark.parametrize(
    ("first", "second", "code"), [(signal.SIGTERM, signal.SIGINT, 130), (signal.SIGINT, signal.SIGTERM, 143)]
)
def test_a_second_signal_kills_and_exits_with_its_code(
    run: Run, first: signal.Signals, second: signal.Signals, code: int
) -> None:
    """Guards against a stop that never returns: the thread in it is left behind. Another kind counts at once."""
    program = run("job.py:stuck")
    program.until("root is up")
    program.signal(first)
    program.until("stopping\n")
    program.signal(second)
    assert program.end()[0] == code
    assert "killing root" in "".join(program.seen)


def test_a_handler_that_holds_the_loop_does_not_keep_the_process(run: Run) -> None:
    """Guards the last resort: neither stop nor kill reach a loop that is held, so the process leaves without it."""
    program = run("job.py:holding")
    program.until("holding")
    program.signal(signal.SIGINT)
    program.until("SIGINT: stopping")
    program.signal(signal.SIGTERM)
    program.until("SIGTERM again")
    program.signal(signal.SIGQUIT)
    code, output = program.end()
    assert code == 131
    assert "leaving without it" in output


def test_a_signal_during_the_start_is_a_stop_too(run: Run) -> None:
    """Guards the first start: it is cut short, and that is not a failure."""
    program = run("job.py:slow")
    program.until("starting")
    program.signal(signal.SIGTERM)
    program.until("SIGTERM: stopping")
    program.signal(signal.SIGINT)
    assert program.end()[0] == 130


def own_port() -> int:
    """A port below those that the system gives to sockets by itself: no other process gets it while the test runs."""
    for port in range(10_000 + os.getpid() % 10_000, 30_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def test_kill_9_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    """Guards against helper processes, files and ports that only an orderly end would clean up."""
    port = own_port()
    before = {path.name for path in tmp_path.iterdir() if path.name != "__pycache__"}
    program = run("job.py", "--metrics-port", str(port))
    program.until("root is up")
    program.signal(signal.SIGKILL)
    assert program.end()[0] == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.killpg(program.process.pid, 0)
    assert {path.name for path in tmp_path.iterdir() if path.name != "__pycache__"} == before
    again = run("job.py", "--metrics-port", str(port))
    again.until("root is up")
    again.signal(signal.SIGINT)
    assert again.end()[0] == 0


def test_a_tree_that_ends_by_itself_exits_with_0(run: Run) -> None:
    """Guards the normal end."""
    code, output = run("job.py:quick").end()
    assert code == 0
    assert "done" in output
    assert "root has ended: shutdown(auto_shutdown)" in output


def test_a_tree_that_is_up_is_frozen_for_the_garbage_collector(run: Run) -> None:
    program = run("job.py:frozen", closed="2>&1")  # the memory of a fork is frozen before
    program.until("root is up")
    program.signal(signal.SIGINT)
    _, output = program.end()
    found = re.search(r"frozen (\d+)", output)  # a line of the other stream may follow before the end of this one
    assert found is not None
    assert int(found[1]) > 1_000


def test_a_root_that_gave_up_says_what_failed_how_often_and_why(run: Run) -> None:
    """Guards the account: the child, the budget, the number of crashes, the user's own frames, and exit code 1."""
    code, output = run("job.py:crashing").end()
    assert code == 1
    account = output[output.index("root gave up") :]
    assert "child 'bad' needed one restart more than the budget has; 2 are allowed within 60 s" in account
    assert "root/bad crashed 3 times" in account
    assert "job.py" in account
    assert "ValueError: no [bold]luck[/bold] today \\x1b[31m" in account
    assert "/actors/" not in account


def test_a_failing_first_start_says_which_child_and_exits_with_1(run: Run) -> None:
    """Guards rule 2 on the command line: the account names the child at the bottom and its cause."""
    code, output = run("job.py:failing").end()
    assert code == 1
    account = output[output.index("root did not start") :]
    assert "root/below/bad failed: crashed(OSError: no database)" in account
    assert "in on_start" in account
    assert "down root/good" in output


def test_a_bad_tree_is_refused_with_every_fault_before_anything_starts(run: Run) -> None:
    """Guards exit code 2, and that all faults come at once."""
    code, output = run("job.py:broken").end()
    assert code == 2
    assert "2 faults" in output
    assert "root/a: start" in output
    assert "root/b: start" in output


def test_a_bad_file_is_refused_with_faults_and_missing_classes_at_once(run: Run, tmp_path: Path) -> None:
    """Guards that a typo in a file does not hide a class that is not there."""
    (tmp_path / "tree.toml").write_text(
        'id = "root"\n[[children]]\nid = "a"\nstart = "job:Worker"\nrestrt = 1\n'
        '[[children]]\nid = "b"\nstart = "no_such_module:B"\n'
    )
    code, output = run("tree.toml").end()
    assert code == 2
    assert "root/a: restrt: unknown key; did you mean 'restart'?" in output
    assert "root/b: start: importing 'no_such_module' failed" in output


def test_a_tree_in_a_file_finds_the_modules_beside_it(run: Run, tmp_path: Path) -> None:
    """Guards sys.path for files: a tree in a folder names the modules of that folder, wherever it is run from."""
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "beside.py").write_text(SCRIPT)
    (folder / "tree.toml").write_text('id = "root"\n[[children]]\nid = "a"\nstart = "beside:Worker"\n')
    program = run("deep/tree.toml")
    program.until("root is up")
    program.signal(signal.SIGINT)
    assert program.end()[0] == 0


def test_arguments_after_the_dashes_are_the_targets(run: Run) -> None:
    """Guards sys.argv: what `python job.py` would show."""
    program = run("job.py", "--", "--fast", "x")
    assert "['job.py', '--fast', 'x']" in program.until("up root/a")
    program.signal(signal.SIGINT)
    program.end()


def test_metrics_are_served_on_a_free_port_that_is_said(run: Run) -> None:
    """Guards --metrics-port 0, and the metrics of the tree that runs."""
    program = run("job.py", "--metrics-port", "0")
    address = program.until("metrics on http://127.0.0.1:").split()[-1]
    program.until("root is up")
    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    assert 'letitcrash_actors{actor="Worker",state="running"} 2.0' in text
    program.signal(signal.SIGINT)
    assert program.end()[0] == 0


def test_a_metrics_port_in_use_is_said_before_anything_starts(run: Run) -> None:
    """Guards exit code 2 and the address in the message."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = run("job.py", "--metrics-port", str(port)).end()
    assert code == 2
    assert f"cannot serve metrics on 127.0.0.1:{port}" in output
    assert "up root/a" not in output


def test_stdin_may_be_closed(run: Run) -> None:
    """Guards services and `<&-`: nothing of the command line reads stdin."""
    program = run("job.py", closed="<&-")
    program.until("root is up")
    program.signal(signal.SIGINT)
    assert program.end()[0] == 0


def test_stdout_and_stderr_may_be_closed(run: Run, tmp_path: Path) -> None:
    """Guards a daemon without any stream: the tree runs all the same, and its end is the normal one."""
    program = run("job.py:quick", closed=">&- 2>&-")
    assert program.end()[0] == 0


def test_a_pipe_without_a_reader_stops_the_tree_in_order(run: Run) -> None:
    """Guards `| head -1`: no actor crashes for it, no traceback is shown, and the code is that of SIGPIPE."""
    program = run("job.py:chatty", stderr=subprocess.PIPE)
    program.until("tick")
    assert program.process.stdout is not None
    assert program.process.stderr is not None
    program.process.stdout.close()
    errors = program.process.stderr.read()
    assert program.process.wait() == 128 + signal.SIGPIPE
    assert "the reader of the output has closed it" in errors
    assert "crashed" not in errors
    assert "BrokenPipe" not in errors


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")


@needs_full
def test_output_that_cannot_be_written_stops_the_tree_in_order(run: Run) -> None:
    """Guards a full disk: no actor crashes for it, one line says so and why, and the code is 1."""
    with FULL.open("w") as full:
        code, errors = _errors_of(run("job.py:chatty", stdout=full.fileno(), stderr=subprocess.PIPE))
    assert code == 1
    assert errors.count("letitcrash: the output cannot be written: No space left on device; stopping root") == 1
    assert "crashed" not in errors
    assert "Traceback" not in errors


@needs_full
@pytest.mark.parametrize("text", ["print('done')", "print('done', end='')"])
def test_a_last_line_that_cannot_be_written_is_not_a_success(run: Run, tmp_path: Path, text: str) -> None:
    """Guards what is noticed only when the tree has ended by itself, which would exit with 0."""
    script = tmp_path / "job.py"
    script.write_text(script.read_text().replace('print("done", flush=True)', text))
    with FULL.open("w") as full:
        code, errors = _errors_of(run("job.py:quick", stdout=full.fileno(), stderr=subprocess.PIPE))
    assert code == 1
    assert errors.count("the output cannot be written: No space left on device") == 1
    assert "Traceback" not in errors


@needs_full
@pytest.mark.parametrize("command", ["check job.py", "tree job.py", "doctor"])
def test_an_account_that_cannot_be_written_is_said_in_one_line(run: Run, tmp_path: Path, command: str) -> None:
    """Guards the commands that only print."""
    with FULL.open("w") as full:
        program = Program(tmp_path, *command.split(), stdout=full.fileno(), stderr=subprocess.PIPE)
        code, errors = _errors_of(program)
    assert code == 1
    assert errors == "letitcrash: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", [["check", "job.py"], ["tree", "job.py"], ["doctor"]])
@pytest.mark.usefixtures("run")
def test_a_command_whose_reader_has_closed_the_output_exits_with_141(tmp_path: Path, command: list[str]) -> None:
    """As `run` does, and without a word."""
    reads, writes = os.pipe()
    os.close(reads)
    program = Program(tmp_path, *command, stdout=writes, stderr=subprocess.PIPE)
    os.close(writes)
    assert _errors_of(program) == (128 + signal.SIGPIPE, "")


def _errors_of(program: Program) -> tuple[int, str]:
    assert program.process.stderr is not None
    errors = program.process.stderr.read()
    return program.end()[0], errors


def test_output_to_a_pipe_has_neither_colours_nor_cursor_movements(run: Run) -> None:
    """Guards plain lines for files and pipes, whatever an exception's text holds."""
    code, output = run("job.py:crashing", "--log-level", "debug").end()
    assert code == 1
    assert "crashed_exit path=root/bad" in output
    assert "restarted path=root/bad" in output
    assert "\x1b" not in output


def test_the_log_level_is_read_from_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the prefix LETITCRASH_: what an option says, the environment may."""
    monkeypatch.setenv("LETITCRASH_LOG_LEVEL", "error")
    code, output = run("job.py:crashing").end()
    assert code == 1
    assert "crashed_exit path" in output
    assert "restarted path" not in output


def test_the_live_view_shows_the_tree_and_leaves_the_terminal_as_it_was(run: Run) -> None:
    """Guards the view on a terminal: states, prints above it, the user's text as text, and the account at the end."""
    ours, theirs = pty.openpty()
    program = run("job.py:crashing", "--live", stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # how Linux reports the end of a pseudo-terminal
            break
        if not data:
            break
        shown += data
    os.close(ours)
    output = shown.decode()
    assert program.end()[0] == 1
    assert "up root/good" in output
    assert "root gave up" in output
    assert "no [bold]luck[/bold] today" in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l"), "the cursor is shown again"


def test_a_users_actors_module_is_named_before_anything_runs(run: Run, tmp_path: Path) -> None:
    """Guards the generic names: a script beside an `actors.py` of its own is refused with the file's path."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "job.py").write_text(SCRIPT)
    shadow = tmp_path / "deep" / "actors.py"
    shadow.write_text("")
    code, output = run("deep/job.py").end()
    assert code == 2
    assert str(shadow) in output
    assert "rename" in output


def test_the_seam_names_the_file_that_shadows_our_package(tmp_path: Path) -> None:
    """Guards `python script.py`, which finds the shadow before ours: an ImportError, no AttributeError later."""
    (tmp_path / "actors.py").write_text("")
    (tmp_path / "script.py").write_text("import supervisors\n")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ImportError: letitcrash needs its own package 'actors'" in done.stderr
    assert str(tmp_path / "actors.py") in done.stderr


def test_a_missing_extra_is_named_with_what_to_install(tmp_path: Path) -> None:
    """Guards the plain message where typer or rich is not installed."""
    code = "import sys; sys.modules['typer'] = None\nfrom letitcrash.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "letitcrash: the module typer is not installed. Install it with: pip install 'letitcrash[cli]'\n"
    )

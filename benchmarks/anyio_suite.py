"""`python -m benchmarks.anyio_suite`: anyio's own tests of its asyncio backend, on the loop of a simulation.

They are a test by others of "it is an event loop of asyncio". The tests come with the source archive of anyio, which
pip downloads, or are unpacked already (`--archive`, `--tests`). The exit code is 0 if all pass but those that `KNOWN`
names with a reason, 1 if not, 2 when there are none.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (
    "streams/test_buffered.py",
    "streams/test_file.py",
    "streams/test_memory.py",
    "streams/test_stapled.py",
    "streams/test_text.py",
    "test_concurrency_utils.py",
    "test_contextmanagers.py",
    "test_debugging.py",
    "test_eventloop.py",
    "test_fileio.py",
    "test_from_thread.py",
    "test_functools.py",
    "test_futures.py",
    "test_itertools.py",
    "test_lowlevel.py",
    "test_signals.py",
    "test_synchronization.py",
    "test_taskgroups.py",
    "test_tempfile.py",
    "test_to_thread.py",
)
"""The files of anyio's suite that need neither sockets nor processes."""
KNOWN: Mapping[str, str] = {
    "test_is_socket": "makes a socket, which is outside",
    "test_receive_signals": "signals come from outside",
    "test_task_group_cancellation_consume": "signals come from outside",
    "test_task_group_cancellation_open": "signals come from outside",
}
"""The tests that fail in a simulation, each with the reason why that is right."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of the suite: the names of the tests."""

    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[str, ...]
    output: str
    """The output of pytest."""

    @property
    def unexpected(self) -> list[str]:
        """The failures that `KNOWN` does not name."""
        return [name for name in self.failed if name.partition("[")[0] not in KNOWN]


def download(folder: Path) -> Path:
    """Has pip download the source archive of the anyio that is installed. Raises `OSError` if it cannot."""
    version = importlib.metadata.version("anyio")
    command = ["download", "--quiet", "--no-deps", "--no-binary", "anyio", f"anyio=={version}", "--dest", str(folder)]
    done = subprocess.run([sys.executable, "-m", "pip", *command], capture_output=True, text=True, check=False)
    found = sorted(folder.glob("anyio-*.tar.gz"))
    if not found:
        raise OSError(f"pip cannot download the source of anyio {version}: {done.stderr.strip()}")
    return found[-1]


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks the archive; returns the folder with the tests in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next(folder.glob("anyio-*"))


def run(source: Path, extra: Sequence[str] = ()) -> Outcome:
    """Runs the suite that is unpacked in `source`, in a process of its own."""
    report = source / "report.xml"
    plugins = (
        f"-p{name}" for name in ("anyio", "pytest_mock", "benchmarks._anyio_plugin", "no:cacheprovider", "no:xdist")
    )
    # `addopts` and `timeout` are in place of those of the suite, which stops a test after 20 s of a busy machine. To
    # rewrite the asserts takes longer than most of the tests.
    options = ["-o", "addopts=", "-o", "timeout=120", "-W", "default", "--assert=plain", *plugins]
    command = [sys.executable, "-m", "pytest", "-q", *options, f"--junitxml={report}", *extra]
    done = subprocess.run(
        [*command, *(f"tests/{file}" for file in FILES)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    names: dict[str, list[str]] = {"passed": [], "skipped": [], "failed": []}
    if report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            tags = {child.tag for child in case}
            what = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
            names[what].append(str(case.get("name")))
    passed, skipped, failed = (tuple(each) for each in names.values())
    return Outcome(passed, skipped, failed, done.stdout + done.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anyio_suite", description=__doc__)
    parser.add_argument("--archive", type=Path, help="the source archive of anyio, in place of a download")
    parser.add_argument("--tests", type=Path, help="the unpacked source of anyio, in place of an archive")
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="only download the archive into this folder")
    options = parser.parse_args(arguments)
    try:
        if options.fetch is not None:
            print(download(options.fetch))
            return 0
        with tempfile.TemporaryDirectory() as folder:
            source = options.tests or unpack(options.archive or download(Path(folder)), Path(folder))
            outcome = run(source)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    if outcome.unexpected or not outcome.passed:
        print(outcome.output)
    known = [name for name in outcome.failed if name not in outcome.unexpected]
    print(f"anyio's suite: {len(outcome.passed)} passed, {len(outcome.skipped)} skipped, {len(outcome.failed)} failed")
    for name in known:
        print(f"  {name}: {KNOWN[name.partition('[')[0]]}")
    return 1 if outcome.unexpected or not outcome.passed else 0


if __name__ == "__main__":
    sys.exit(main())

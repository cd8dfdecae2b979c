"""The console blocks of the pages: the commands of each page are carried out, in order, in one shell.

`$` begins a command, `# exit N` says how it ends where that is not 0, and lines below a command are its output. The
shell is in a folder with the files of the page and the `examples` of the repository. A command that cannot run in a
test is in `NOT_HERE`, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import supervisors
from tests import forked
from tests.test_docs import PAGES, ROOT, blocks, file_of, script_of, write_files

PACKAGES = str(Path(supervisors.__file__).parents[1])
MARK = "--- exit "
INSTALLS = "installs from a package index; tests/test_installation.py installs the wheel"
SETS_UP = "sets up the environment in which this test runs"
DOCKER = "needs Docker"
POSTGRES = "needs a server at this address; tests/teams/journal runs on Postgres"
STANDARD_LIBRARY = "audits the standard library; tests/examples audits a small folder"
RUNS_ON = "runs until it is stopped; tests/teams/cli/test_run.py stops such trees"
NOT_HERE: Mapping[str, str] = {
    "make run": SETS_UP,
    "make test": SETS_UP,
    "pip install .": INSTALLS,
    "pip install '.[cli]'": INSTALLS,
    "pip install letitcrash": INSTALLS,
    "pip install 'letitcrash[cli]'": INSTALLS,
    "pip install 'letitcrash[testing]'": INSTALLS,
    "pip install 'letitcrash[workflows]'": INSTALLS,
    "pip install 'letitcrash[ray]'": INSTALLS,
    "pip install 'letitcrash[cli,workflows]'": INSTALLS,
    "pip install 'letitcrash[cli,workflows,postgres]'": INSTALLS,
    "docker build -t service .": DOCKER,
    "docker run --name service service": DOCKER,
    "docker stop --time 20 service": DOCKER,
    "pg_dump --format=custom --file=runs.dump postgresql://app@db.example/runs": POSTGRES,
    "pg_restore --clean --if-exists --dbname=postgresql://app@db.example/runs runs.dump": POSTGRES,
    "export LETITCRASH_STORE=postgresql://app@db.example/runs": POSTGRES,
    "letitcrash workflow store migrate": POSTGRES,
    "letitcrash workflow serve support.toml": POSTGRES,
    "letitcrash workflow signal RUN paid 12 --store postgresql://app@db.example/runs": POSTGRES,
    "letitcrash workflow status RUN --store postgresql://app@db.example/runs --wait": POSTGRES,
    "LETITCRASH_MAX_CONCURRENT_WORKFLOWS=50 letitcrash workflow serve shop.toml": RUNS_ON,
    "letitcrash run shop.toml": RUNS_ON,
    "letitcrash run examples/script_tree.py --metrics-port 9100": RUNS_ON,
    "letitcrash run examples/script_tree.py --metrics-port 9100 --log-level warning": RUNS_ON,
    "letitcrash run examples/source_audit.py": STANDARD_LIBRARY,
    "letitcrash run examples/source_audit.py --log-format json --log-level warning": STANDARD_LIBRARY,
}
"""Commands that are not carried out, and why."""
NOT_RUN: Mapping[tuple[str, str], str] = {
    ("docs/how-to/my-container.md", "docker"): "needs Docker",
    ("docs/how-to/my-container.md", "yaml"): "needs Kubernetes",
    ("docs/how-to/my-container.md", "ini"): "needs systemd",
    ("docs/how-to/my-logs.md", "json"): "is a line of a log, and not code",
}
"""Page and language of blocks that are neither run nor a file of the page, and why. `text` is not code."""
AFTER_THE_SCRIPT = {ROOT / "docs" / "how-to" / "retention-and-backup.md"}
"""Pages whose commands look at what the Python blocks have made."""


class Command(NamedTuple):
    """A command of a page."""

    line: str
    code: int
    output: str
    """What it writes to stdout; empty: it is not shown."""


def shown(page: Path) -> Iterator[Command]:
    """The commands of the console blocks."""
    for language, text, _ in blocks(page):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                command, _, remark = line.partition("  # ")
                code = re.fullmatch(r"exit (\d+)", remark)
                yield Command(re.sub(r"\s+# .*", "", command).strip(), int(code[1]) if code else 0, output.strip("\n"))


def commands(page: Path) -> list[Command]:
    """The commands of a page that are carried out."""
    return [each for each in shown(page) if each.line not in NOT_HERE]


WITH_COMMANDS = [page for page in PAGES if commands(page)]


def carried_out(steps: list[Command], folder: Path) -> list[Command]:
    """The same commands with what became of each, in one shell."""
    script = [f'letitcrash() {{ {shlex.join(forked.command(["-m", "letitcrash"]))} "$@"; }}']
    for each in steps:
        script += [each.line, f'echo "{MARK}$?"']
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETITCRASH")}
    said = subprocess.run(
        ["sh", "-c", "\n".join(script)],
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={**environment, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    parts = re.split(rf"^{MARK}(\d+)\n", said.stdout, flags=re.MULTILINE)
    found = [
        Command(each.line, int(code), output.strip("\n"))
        for each, output, code in zip(steps, parts[::2], parts[1::2], strict=False)
    ]
    assert len(found) == len(steps), said.stderr
    assert [each.code for each in found] == [each.code for each in steps], f"{found}\n{said.stderr}"
    return found


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=[str(page.relative_to(ROOT)) for page in WITH_COMMANDS])
def test_every_command_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    write_files(page, tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    if page in AFTER_THE_SCRIPT:
        (tmp_path / "script.py").write_text(script_of(page), encoding="utf-8")
        assert forked.run(["script.py"], cwd=tmp_path).returncode == 0
    steps = commands(page)
    for wanted, got in zip(steps, carried_out(steps, tmp_path), strict=True):
        assert not wanted.output or got.output == wanted.output, wanted.line


def test_every_command_that_is_not_carried_out_is_on_a_page() -> None:
    """Guards the list: an entry goes with the last page that shows its command."""
    lines = {each.line for page in PAGES for each in shown(page)}
    assert NOT_HERE.keys() - lines == set()


def test_every_block_of_code_runs_or_is_on_the_list() -> None:
    """Guards against code that no test sees: a shell block is one of `console`, and another language has a reason."""
    others = {
        (str(page.relative_to(ROOT)), language)
        for page in PAGES
        for language, text, _ in blocks(page)
        if language not in ("python", "console", "toml", "text") and not file_of(language, text)
    }
    assert others == NOT_RUN.keys()

"""Pages about workflows in the shell: the console blocks of each are carried out, in order, in one shell.

`$` begins a command, `# exit N` says how it ends where that is not 0, and lines below a command are its output.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

import supervisors
from tests import forked
from tests.test_docs import ROOT, blocks

PAGES = (
    "how-to/workflows-from-the-shell.md",
    "how-to/deploy-workflows.md",
    "tutorial/7-a-durable-workflow.md",
)
PACKAGES = str(Path(supervisors.__file__).parents[1])
MARK = "--- exit "


class Command(NamedTuple):
    """A command of the page."""

    line: str
    code: int
    output: str
    """What it writes to stdout; empty: it is not shown."""


def commands(page: Path) -> list[Command]:
    """The commands of the console blocks, without those that install something."""
    found = []
    for language, text, _ in blocks(page):
        if language == "console":
            for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                line, _, output = part.partition("\n")
                code = re.search(r"  # exit (\d+)$", line)
                if not line.startswith("pip "):
                    found.append(Command(line, int(code[1]) if code else 0, output))
    return found


@pytest.mark.parametrize("page", [ROOT / "docs" / each for each in PAGES], ids=PAGES)
def test_every_command_of_the_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for language, text, _ in blocks(page):
        name = re.match(r"# ([\w-]+\.\w+)\n", text)
        if language in ("python", "toml") and name:
            (tmp_path / name[1]).write_text(text)
    steps = commands(page)
    assert len(steps) > 5
    script = [f'letitcrash() {{ {shlex.join(forked.command(["-m", "teams"]))} "$@"; }}']
    for each in steps:
        script += [each.line, f'echo "{MARK}$?"']
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LETITCRASH")}
    said = subprocess.run(
        ["sh"],
        input="\n".join(script),
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    parts = re.split(rf"^{MARK}(\d+)\n", said.stdout, flags=re.MULTILINE)
    found = [
        Command(each.line, int(code), output)
        for each, output, code in zip(steps, parts[::2], parts[1::2], strict=False)
    ]
    assert len(found) == len(steps), said.stderr
    for wanted, got in zip(steps, found, strict=True):
        assert got.code == wanted.code, f"{wanted.line}\n{got.output}\n{said.stderr}"
        assert not wanted.output or got.output == wanted.output, wanted.line

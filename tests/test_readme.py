"""What the README shows runs, and what it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_python_block_of_the_readme_runs(number: int, tmp_path: Path) -> None:
    """A reader who pastes a block into a file sees it work: its own assertions hold."""
    script = tmp_path / "block.py"
    script.write_text(BLOCKS[number], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_guarantee_of_the_readme_names_tests_that_exist() -> None:
    """A guarantee is a promise with a test: `file::test` has to be there under that name."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", README)
    assert len(named) >= 20
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing


def test_every_file_the_readme_names_exists() -> None:
    """No example or script that was renamed lives on in the README."""
    named = set(re.findall(r"\b((?:examples|benchmarks|tests)/[\w/]+\.(?:py|toml|md))\b", README))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]

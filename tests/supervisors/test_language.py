"""Plain words in the code of supervisors, and in the errors and events of all packages (see CONTRIBUTING.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_docs import BANNED

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / "supervisors").rglob("*.py"),
    *(ROOT / "actors" / f"{name}.py" for name in ("errors", "events", "reasons", "_record")),
    *(ROOT / "teams").rglob("errors.py"),
    *(ROOT / "teams").rglob("events.py"),
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_code_does_not_use_the_words_that_the_style_bans(file: Path) -> None:
    """Guards docstrings, comments and messages."""
    words = " ".join(file.read_text(encoding="utf-8").lower().split())
    assert not [each for each in BANNED if re.search(rf"\b{each.strip()}\b", words)]

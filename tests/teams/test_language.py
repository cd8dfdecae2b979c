"""Plain language in the code of teams: the words that the style excludes (CONTRIBUTING.md, "Language")."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.test_docs import BANNED

ROOMS = ("protocols", "patterns", "resilience", "recipes", "_files", "_state", "_checks", "cli")


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_of_a_room_uses_the_words_that_the_style_bans(room: str) -> None:
    """Docstrings, comments, messages and names alike."""
    file = importlib.import_module(f"teams.{room}").__file__
    assert file is not None
    # An underscore ends a word, too.
    words = re.compile(rf"(?<![a-z])({'|'.join(map(str.strip, BANNED))})(?![a-z])", re.IGNORECASE)
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(Path(file).parent.rglob("*.py"))
        if path.name not in ("errors.py", "events.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert not found

"""The tests mirror the packages: a folder of tests is named as the room that it tests."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OTHERS = {"tests/actors/ray/cluster", "tests/teams/documents"}
"""Folders within a room: the tests that need a cluster, and documents that tests read."""


def folders(package: str) -> list[str]:
    """The folders of the tests of a package."""
    found = {str(file.parent.relative_to(ROOT)) for file in (ROOT / "tests" / package).rglob("*") if file.is_file()}
    return sorted(each for each in found - OTHERS if "__pycache__" not in each)


@pytest.mark.parametrize("package", ["actors", "supervisors", "teams"])
def test_a_folder_of_tests_is_named_as_the_room_it_tests(package: str) -> None:
    for folder in folders(package):
        room = ROOT / package
        for part in Path(folder).parts[2:]:
            room = next((room / name for name in (f"_{part}", part) if (room / name).is_dir()), room / part)
        assert room.is_dir(), f"{folder} tests no room of {package}"

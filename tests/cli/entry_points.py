"""Our own entry points, for tests of a checkout that is not installed."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path


def provide_entry_points(folder: Path) -> None:
    """Makes a folder one that says what pyproject.toml says, for whoever has it on the path. Nothing to do where the
    package is installed.
    """
    if not importlib.metadata.entry_points(group="understudy.files"):
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        info = folder / "understudy-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: understudy\nVersion: 0\n")
        text = ""
        for group, entries in project["entry-points"].items():
            if group.startswith("understudy"):
                text += "\n".join([f"[{group}]", *(f"{name} = {where}" for name, where in entries.items()), ""])
        (info / "entry_points.txt").write_text(text)

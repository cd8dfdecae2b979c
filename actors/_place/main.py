"""The main module of the program, as another process imports it."""

from __future__ import annotations

import os
import runpy
import sys
import types
from typing import Any


def main_module() -> tuple[str, str] | None:
    """How another process imports the main module of this one: by its name, or by the path of its file."""
    main: Any = sys.modules["__main__"]
    # Its classes bear this name there, and come back under it; multiprocessing does the same.
    sys.modules.setdefault("__mp_main__", main)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return "name", name
    path = getattr(main, "__file__", None)
    return None if path is None else ("path", os.path.abspath(path))  # noqa: PTH100 - without the links resolved


def import_main(main: tuple[str, str] | None) -> None:
    """Runs the main module of the program under another name, as multiprocessing does: what stands under
    `if __name__ == "__main__"` does not run.
    """
    if main is None or "__mp_main__" in sys.modules:
        return
    module = types.ModuleType("__mp_main__")
    how, what = main
    if how == "name":
        content = runpy.run_module(what, run_name="__mp_main__", alter_sys=True)
    else:
        content = runpy.run_path(what, run_name="__mp_main__")
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module

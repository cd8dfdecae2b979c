"""Where Python finds the packages of this distribution. Their names are generic: a file of the user, or another
distribution, may stand in front of one.

Looking for a package does not import it. This module uses nothing of the packages, so it works without them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import NamedTuple

NAME = __name__.partition(".")[0]
"""The name of the project is that of this package: `actors`, which has it for all others, may be foreign."""
PACKAGES = ("actors", "supervisors", "teams")
MARK = f"__{NAME}__"
_MARKED = re.compile(rf"^{MARK} = True$", re.MULTILINE)
_HOME = Path(__file__).parents[1]


class Found(NamedTuple):
    """The result of an import of one name."""

    name: str
    where: str | None
    """The file, or the folder of a namespace package; None: Python finds nothing."""
    is_ours: bool

    @property
    def problem(self) -> str:
        """Why it is not ours, and what to do. One line."""
        needed = f"{NAME} needs its own package {self.name!r}, but Python found"
        if self.where is None:
            return f"{needed} none: install {NAME} again"
        if Path(self.where).parent == _HOME / self.name:
            return (
                f"{needed} that of another distribution in {self.where}: uninstall that one and install {NAME} "
                f"again, or use an environment for each (`{NAME} doctor` names both)"
            )
        return f"{needed} {self.where} first: rename that file or folder, or take its directory off sys.path"


def find(name: str) -> Found:
    """What `import name` gives: the module if it is imported already, otherwise what the path has. Imports nothing."""
    module = sys.modules.get(name)
    if module is not None:
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return Found(
            name, next((str(each) for each in places if each), repr(module)), getattr(module, MARK, False) is True
        )
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # an import hook of the user, or None in sys.modules
        spec = None
    if spec is None:
        return Found(name, None, False)
    where = spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), spec.origin)
    return Found(name, where, _is_marked(spec))


def foreign() -> list[Found]:
    """Those of the packages that are not ours, in the order of `PACKAGES`."""
    return [found for found in map(find, PACKAGES) if not found.is_ours]


def shadows_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files in a folder that stand in front of our packages once the folder is on `sys.path`, with the name of the
    package. The packages of a checkout are ours.
    """
    for name in PACKAGES:
        for file in (folder / f"{name}.py", folder / name / "__init__.py"):
            if file.exists() and not _is_our_file(name, file):
                yield name, file


def _is_our_file(name: str, file: Path) -> bool:
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded is not None and Path(loaded).exists() and file.samefile(loaded):  # in a zipapp it is not a file
        return getattr(sys.modules[name], MARK, False) is True
    try:
        return file.name == "__init__.py" and _MARKED.search(file.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeError):
        return False


def _is_marked(spec: ModuleSpec) -> bool:
    """Whether the source says that it is ours. Without source (frozen, or bytecode alone): whether it stands beside
    this package.
    """
    if spec.loader is None:
        return False  # a namespace package
    # Not every loader gives the source: that of pytest, which rewrites plugins, does not.
    get_source = getattr(spec.loader, "get_source", lambda _: Path(spec.origin or "").read_text(encoding="utf-8"))
    try:
        source = get_source(spec.name)
    except (ImportError, OSError, SyntaxError, UnicodeError):
        return False
    if source is None:
        return spec.origin is not None and os.path.dirname(os.path.dirname(spec.origin)) == str(_HOME)  # noqa: PTH120
    return _MARKED.search(source) is not None

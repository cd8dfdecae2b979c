"""`letitcrash doctor`: what is installed, what is missing, and what stands in front of the packages.

It imports none of the packages, so that it can say what keeps them from being imported.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import signal
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import letitcrash
from letitcrash._packages import NAME, PACKAGES, find, shadows_in

_REQUIRED = re.compile(r"\s*(?P<name>[A-Za-z0-9._-]+)[^;]*(?:;.*\bextra\s*==\s*['\"](?P<extra>[\w-]+)['\"].*)?")
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_WIDTH = 13


class DoctorLine(NamedTuple):
    """One line of the report."""

    subject: str
    text: str
    is_wrong: bool = False


def report(write: Callable[[str], object]) -> bool:
    """Writes the report, line by line. Returns whether nothing is wrong."""
    wrong = 0
    for line in lines():
        mark = "WRONG: " if line.is_wrong else ""
        write(f"{line.subject:<{_WIDTH}} {mark}{line.text}\n")
        wrong += line.is_wrong
    write(f"{'':<{_WIDTH}} {'healthy' if not wrong else 'something is wrong: see the lines above'}\n")
    return not wrong


def lines() -> Iterator[DoctorLine]:
    """Everything that the report says, in its order."""
    yield DoctorLine(NAME, f"{letitcrash.__version__}  {Path(letitcrash.__file__).parent}")
    yield _metadata()
    yield DoctorLine(
        "python",
        f"{platform.python_version()}  {platform.python_implementation()} on {sys.platform}, "
        f"{'without' if not _has_gil() else 'with'} a GIL  {sys.executable}",
    )
    yield from _packages()
    yield from _here()
    yield from _owners()
    yield from _requirements()
    yield _event_loop()
    yield DoctorLine("signals", ", ".join(_signals()))


def _metadata() -> DoctorLine:
    try:
        installed = metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return DoctorLine("installed", "no: a checkout or an archive on the path; so there is no word of its extras")
    if installed != letitcrash.__version__:
        problem = f"version {installed} is installed, but the path leads to {letitcrash.__version__} first"
        return DoctorLine("installed", problem, is_wrong=True)
    return DoctorLine("installed", "yes")


def _has_gil() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def _packages() -> Iterator[DoctorLine]:
    for name in PACKAGES:
        found = find(name)
        yield (
            DoctorLine(name, found.problem, is_wrong=True) if not found.is_ours else DoctorLine(name, f"{found.where}")
        )


def _here() -> Iterator[DoctorLine]:
    """Programs in this folder would find these files first. The script itself does not: its own folder is in front."""
    here = Path.cwd()
    for name, file in shadows_in(here):
        if find(name).where != str(file):  # otherwise it has been told
            problem = f"{file} stands in front of the package for every program of this folder: rename it"
            yield DoctorLine(name, problem, is_wrong=True)


def _owners() -> Iterator[DoctorLine]:
    """Two distributions with one package: the later installation overwrites files of the earlier one, and removing one
    removes files of the other.
    """
    owners = metadata.packages_distributions()
    for name in PACKAGES:
        others = sorted({each for each in owners.get(name, ()) if each != NAME})
        if others:
            problem = f"{' and '.join(others)} installs a package of this name, too: use an environment for each"
            yield DoctorLine(name, problem, is_wrong=True)


def _requirements() -> Iterator[DoctorLine]:
    """The requirements of the distribution, and those that each extra adds."""
    try:
        required = metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        return
    parts: dict[str | None, list[str]] = {None: []}
    for each in required:
        if (match := _REQUIRED.fullmatch(each)) is not None:
            parts.setdefault(match["extra"], []).append(match["name"])
    for extra, names in parts.items():
        versions = {name: _version_of(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        text = ", ".join(f"{name} {version}" for name, version in versions.items() if version is not None)
        if extra is None:
            problem = f"{', '.join(missing)} missing: install {NAME} again"
            yield DoctorLine("needs", problem, is_wrong=True) if missing else DoctorLine("needs", text)
        else:
            said = f"missing {', '.join(missing)}: pip install '{NAME}[{extra}]'" if missing else text
            yield DoctorLine(f"[{extra}]", said)


def _version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _event_loop() -> DoctorLine:
    try:
        loop = asyncio.new_event_loop()
    except Exception as error:  # noqa: BLE001 - the policy of the user, or a limit of the system
        return DoctorLine("event loop", f"cannot be made: {type(error).__name__}: {error}", is_wrong=True)
    selector = getattr(loop, "_selector", None)
    loop.close()
    by = "" if selector is None else f", {type(selector).__name__}"
    return DoctorLine("event loop", f"{type(loop).__module__}.{type(loop).__qualname__}{by}")


def _signals() -> Iterator[str]:
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is None:
            continue
        match signal.getsignal(number):
            case signal.SIG_IGN:
                yield f"{name} ignored"
            case signal.SIG_DFL | signal.default_int_handler:
                continue
            case handler:
                yield f"{name} handled by {getattr(handler, '__qualname__', handler)}"
    yield "the rest as Python sets them" if os.name == "posix" else "of Windows: only SIGINT"

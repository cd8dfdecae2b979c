"""What a figure was measured on: the interpreter's build, the processor, and the one processor all are pinned to."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from pathlib import Path

THRESHOLDS = (100_000, 20, 20)
"""Of the garbage collector, for many short messages: those of `letitcrash run` and `letitcrash workflow serve`."""


def build() -> str:
    """The interpreter with its compiler and what it was optimised with: figures of two builds do not compare."""
    flags = " ".join(
        str(sysconfig.get_config_var(name) or "") for name in ("CONFIG_ARGS", "PY_CORE_CFLAGS", "PY_CORE_LDFLAGS")
    )
    pgo = "with" if "--enable-optimizations" in flags or "-fprofile-use" in flags else "without"
    lto = "with" if "--with-lto" in flags or "-flto" in flags else "without"
    name, version = platform.python_implementation(), platform.python_version()
    return f"{name} {version}, {platform.python_compiler()}, {pgo} PGO, {lto} LTO"


def processor() -> str:
    """The model of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def pinning() -> int | None:
    """The processor that measurements are pinned to: the last this process may use. None: the platform cannot pin."""
    if sys.platform != "linux":
        return None
    return max(os.sched_getaffinity(0))


def where() -> str:
    """A sentence for the head of a table: the build, the processor, and how measurements are pinned."""
    one = pinning()
    pinned = "not pinned: this platform cannot" if one is None else f"each subject pinned to processor {one}"
    return f"{build()}; {processor()}, {pinned}."


def pin() -> None:
    """Pins this process, and every process and thread it starts, to one processor where the platform can.

    Threads that hand over to each other do so several times faster on one processor than on two, and on a busy machine
    ratios between subjects moved by ten.
    """
    if sys.platform == "linux" and (one := pinning()) is not None:
        os.sched_setaffinity(0, {one})

"""Counts what flows cost: `python -m benchmarks._count NAME,NAME` prints a line of JSON for each.

Under `valgrind --tool=callgrind --instr-atstart=no` the second dump of the process named in the line has the machine
instructions of `times` operations. Without valgrind the line has the Python calls. Each flow runs in a fork of its own:
they share the imports, and none sees what another one has warmed up. NAME may be `import`, whose calls are counted.
`python -m benchmarks._count NAME --sequence` prints the calls of one operation in their order.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import mmap
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks._flows import Flow, Repeat, World

OWN = ("actors", "supervisors", "teams")
"""The packages that are our code."""
WARM = 20
"""How many times a flow happens before it is counted: the interpreter adapts its bytecode after eight."""
SETTLED = 50
"""How many turns of the event loop let everything happen that does not wait for time."""

# valgrind's client request on x86-64: five instructions without effect, between moves from and to C's registers.
_REQUEST = bytes.fromhex("4889f8 4889f2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
_RUNNING_ON_VALGRIND = 0x1001
_DUMP, _START = 0x43540000, 0x43540004


class Valgrind:
    """Orders to the valgrind this process runs under."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(_REQUEST)
        kind = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t)
        self._request = kind(ctypes.addressof(ctypes.c_char.from_buffer(self._page)))

    def order(self, number: int) -> int:
        """Makes a client request without arguments. Returns 0 where there is no valgrind."""
        arguments = (ctypes.c_size_t * 6)(number)
        answer: int = self._request(ctypes.addressof(arguments), 0)
        return answer


async def _settle() -> None:
    for _ in range(SETTLED):
        await asyncio.sleep(0)


async def _instructions(flow: Flow, valgrind: Valgrind) -> dict[str, object]:
    async with flow.open() as (_, repeat):
        await repeat(max(WARM, flow.least))
        await _settle()
        gc.collect()
        gc.freeze()  # what the set-up made is not what the flow costs; `letitcrash run` does the same
        valgrind.order(_START)
        valgrind.order(_DUMP)
        await repeat(flow.times)
        valgrind.order(_DUMP)
    return {"dump": os.getpid()}


class Calls:
    """Counts calls of our functions between `__enter__` and `__exit__`. A coroutine that goes on counts as a call."""

    def __init__(self) -> None:
        self.count = 0
        self.functions: set[CodeType] = set()
        specs = [find_spec(package) for package in OWN]
        self._own = tuple(f"{Path(spec.origin).parent}{os.sep}" for spec in specs if spec is not None and spec.origin)

    def __enter__(self) -> Calls:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(self._own):
            self.count += 1
            self.functions.add(frame.f_code)

    @contextmanager
    def in_order(self) -> Iterator[list[str]]:
        """Counts in the block, and has there a line for each call: its function and file, indented by its depth."""
        lines: list[str] = []
        top = sys._getframe()

        def see(frame: FrameType, event: str, argument: object) -> None:
            before = self.count
            self._see(frame, event, argument)
            if self.count > before:
                depth, above = 0, frame.f_back
                while above is not None and above is not top:
                    depth, above = depth + 1, above.f_back
                code = frame.f_code
                lines.append(f"{'  ' * depth}{code.co_qualname}  {os.path.relpath(code.co_filename)}")

        sys.setprofile(see)
        try:
            yield lines
        finally:
            sys.setprofile(None)

    @property
    def files(self) -> int:
        """In how many files the functions are."""
        return len({code.co_filename for code in self.functions})


async def _calls(flow: Flow) -> dict[str, object]:
    async with flow.open() as (world, repeat):
        await repeat(max(WARM, flow.least))
        await _settle()
        alone = await _counted(repeat, flow.least)
        before = turns(world)
        await repeat(flow.least)
        await _settle()
        passed = turns(world) - before
        few, many = [(await _counted(repeat, count * flow.least)).count for count in (WARM, 2 * WARM)]
    return {
        "calls": (many - few) / (WARM * flow.least),
        "alone": alone.count,
        "functions": len(alone.functions),
        "files": alone.files,
        "turns": passed,
    }


async def _sequence(flow: Flow) -> list[str]:
    async with flow.open() as (_, repeat):
        await repeat(max(WARM, flow.least))
        await _settle()
        with Calls().in_order() as lines:
            await repeat(flow.least)
            await _settle()
        return lines


def turns(world: World) -> int:
    """How many times the run queue has let an actor run."""
    return world.runtime.loop_host.turns


async def _counted(repeat: Repeat, times: int) -> Calls:
    with Calls() as calls:
        await repeat(times)
        await _settle()
    return calls


def _import() -> dict[str, object]:
    with Calls() as calls:
        from teams import member, team  # noqa: F401
    functions = len(calls.functions)
    return {"calls": calls.count, "alone": calls.count, "functions": functions, "files": calls.files, "turns": 0}


def main(names: list[str], *, sequence: bool = False) -> None:
    """Counts each flow in a fork, and prints what it found. Exits with 1 at the first that fails."""
    if names == ["import"]:
        print(json.dumps({"flow": "import", **_import()}))
        return
    from benchmarks._flows import FLOWS

    logging.disable(logging.CRITICAL)  # crashes are part of the flows
    if sequence:
        for number, line in enumerate(asyncio.run(_sequence(FLOWS[names[0]])), 1):
            print(f"{number:4} {line}")
        return
    valgrind = Valgrind() if "VALGRIND" in os.environ else None
    if valgrind is not None and not valgrind.order(_RUNNING_ON_VALGRIND):
        raise SystemExit("VALGRIND is set, and this process does not run under valgrind")
    for name in names:
        process = os.fork()
        if not process:
            _report(FLOWS[name], valgrind)
        if os.waitpid(process, 0)[1]:
            raise SystemExit(1)


def _report(flow: Flow, valgrind: Valgrind | None) -> None:
    count: Callable[[], dict[str, object]] = lambda: asyncio.run(_calls(flow))  # noqa: E731
    if valgrind is not None:
        count = lambda: asyncio.run(_instructions(flow, valgrind))  # noqa: E731
    try:
        print(json.dumps({"flow": flow.name, **count()}), flush=True)
    except BaseException:  # noqa: BLE001 - it is printed, and the parent ends
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1].split(","), sequence="--sequence" in sys.argv)

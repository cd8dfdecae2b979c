"""`python -m benchmarks.cost`: what each flow costs in machine instructions, Python calls and files.

Instructions repeat where times do not: on a busy machine, too, the same code gives the same count. They are counted by
valgrind's callgrind: one thread, hash seed 0, a clock that ticks at each reading, the cyclic garbage collector on, with
what the set-up made frozen (as `letitcrash run` does), no log sink and no metrics unless the flow says so. They are
true of one build of the interpreter: `--check` compares them with `ceilings.json` only on the build named there.

| column | meaning |
|---|---|
| instructions | machine instructions of one operation in a row of many, everything included |
| calls | calls of functions of `actors`, `supervisors`, `teams` for one operation in a row of many |
| alone | the same for an operation alone, and how many functions and files they are in |
| turns | how often the run queue lets an actor run for it |
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._flows import FLOWS
from benchmarks._machine import build
from benchmarks._table import table

IMPORT = "import"
STATEMENT = "from teams import member, team"
NAMES = (*FLOWS, IMPORT)
GOALS: Mapping[str, int] = {"start-supervised": 215_000, "restart": 360_000, "pipeline": 1_200_000}
"""The most instructions a flow should take."""
SECONDS = 0.35
"""The most that the import should take on an idle machine."""
CEILINGS = Path(__file__).with_name("ceilings.json")
SLACK = 1.03
"""How much dearer than `ceilings.json` a flow may be."""
_ROOT = Path(__file__).resolve().parent.parent
_CALLGRIND = ("valgrind", "--quiet", "--tool=callgrind")
_HANDED_ON = {
    *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH"),
    *("PYTHONPATH", "PYTHONHASHSEED", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"),
}
"""What the processes that count instructions have of the environment. Where objects lie in memory depends on its size,
and what depends on their addresses takes up to 3 % more instructions or fewer.
"""
_PADDINGS = (1_000, 2_500, 5_000)
"""How much larger the environment is when a flow over its ceiling is counted again; the least count is the cost."""
_IMPORTS = 5
"""How many times the import is timed; the fastest counts."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one operation of a flow. `instructions` is None without valgrind; only the import has `seconds`."""

    calls: float
    alone: int
    functions: int
    files: int
    turns: int
    instructions: int | None = None
    seconds: float | None = None


def why_no_instructions() -> str | None:
    """Why machine instructions cannot be counted here; None if they can be."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"machine instructions are counted on x86-64 only, and this is {platform.machine()}"
    if shutil.which("valgrind") is None:
        return "machine instructions need valgrind, which is not on the path (apt install valgrind)"
    return None


def measure(names: Sequence[str], padding: int = 0, *, instructions: bool) -> dict[str, Cost]:
    """The cost of each flow, in an environment with so many bytes more. Raises RuntimeError with the output of a
    process that failed.
    """
    flows = [name for name in names if name != IMPORT]
    with tempfile.TemporaryDirectory() as folder:
        child = _Children(Path(folder), compiled=IMPORT in names, padding=padding)
        seconds = child.seconds(STATEMENT) - child.seconds("pass") if IMPORT in names else None
        counting = _Callgrind(child, names) if instructions else None
        lines = _lines(child("-m", "benchmarks._count", ",".join(flows))) if flows else []
        found: dict[str, dict[str, Any]] = {line["flow"]: line for line in lines}
        if IMPORT in names:
            found[IMPORT] = {**_lines(child("-m", "benchmarks._count", IMPORT))[0], "seconds": seconds}
        for name, line in found.items():
            del line["flow"]
            if counting is not None:
                line["instructions"] = counting.instructions(name)
    return {name: Cost(**found[name]) for name in names}


class _Children:
    """Starts interpreters that all hash alike. `compiled`: they import bytecode of their own folder, as those of an
    installed package do, whatever the environment says. `padding`: so many bytes more are in the environment of those
    that count instructions.
    """

    def __init__(self, folder: Path, *, compiled: bool, padding: int) -> None:
        self.folder = folder
        self._padding = padding
        self._environment = {**os.environ, "PYTHONHASHSEED": "0"}
        if compiled:
            self._environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
            self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
            _output(self("-c", STATEMENT))

    def __call__(self, *arguments: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
        environment = self._environment
        if under:
            environment = {name: value for name, value in environment.items() if name in _HANDED_ON}
            environment |= {"VALGRIND": "1", "PADDING": "x" * self._padding}
        return subprocess.Popen(
            [*under, sys.executable, *arguments],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def seconds(self, statement: str) -> float:
        """The least time in which a new interpreter has done the statement."""
        taken = []
        for _ in range(_IMPORTS):
            began = time.perf_counter()
            _output(self("-c", statement))
            taken.append(time.perf_counter() - began)
        return min(taken)


def _output(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode} of {process.args!r}:\n{errors}")
    return output


def _lines(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _output(process).splitlines()]


class _Callgrind:
    """The processes that count instructions, which run while the calls are counted."""

    def __init__(self, child: _Children, names: Sequence[str]) -> None:
        self._child = child
        self._folder = child.folder
        flows = ",".join(name for name in names if name != IMPORT)
        self._flows = self._start("flows", "-m", "benchmarks._count", flows, late=True) if flows else None
        self._imports = (
            [self._start("with", "-c", STATEMENT), self._start("without", "-c", "pass")] if IMPORT in names else []
        )
        self._found: dict[str, int] = {}

    def _start(self, name: str, *arguments: str, late: bool = False) -> subprocess.Popen[str]:
        # Forks count in files of their own.
        out = self._folder / (f"{name}.%p" if late else name)
        under = [*_CALLGRIND, f"--callgrind-out-file={out}", f"--instr-atstart={'no' if late else 'yes'}"]
        return self._child(*arguments, under=under)

    def instructions(self, name: str) -> int:
        """Waits for the processes and returns the count of a flow."""
        if not self._found:
            if self._flows is not None:
                for line in _lines(self._flows):
                    flow = FLOWS[line["flow"]]
                    self._found[flow.name] = round(self._total(f"flows.{line['dump']}.2") / flow.times)
            for process in self._imports:
                _output(process)
            if self._imports:
                self._found[IMPORT] = self._total("with") - self._total("without")
        return self._found[name]

    def _total(self, name: str) -> int:
        text = (self._folder / name).read_text()
        found = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        assert found is not None
        return int(found[1])


def dearer(costs: Mapping[str, Cost], kept: Mapping[str, object], here: str) -> list[str]:
    """The flows that got dearer than the ceilings allow, one line each. Instructions: only on the build they were
    kept for.
    """
    flows = kept["flows"]
    assert isinstance(flows, Mapping)
    keys = ["calls", "alone", "files"]
    if kept["build"] == here:
        keys.append("instructions")
    found = []
    for name, cost in costs.items():
        for key in keys:
            now, before = getattr(cost, key), flows[name][key]
            if now is not None and now > before * SLACK:
                found.append(f"{name}: {now:,g} {key}, at most {before * SLACK:,.1f} ({now / before - 1:+.1%})")
    return found


def counted_again(
    costs: Mapping[str, Cost],
    kept: Mapping[str, object],
    here: str,
    count: Callable[[Sequence[str], int], Mapping[str, Cost]],
) -> dict[str, Cost]:
    """The costs, where each figure of a flow over its ceiling is the least of several counts: the store of a durable
    run answers from a thread, and the calls depend on when. `count` counts flows in an environment with so many bytes
    more.
    """
    found = dict(costs)
    for padding in _PADDINGS:
        over = [name for name, cost in found.items() if dearer({name: cost}, kept, here)]
        if not over:
            break
        for name, cost in count(over, padding).items():
            least = {key: min(getattr(cost, key), getattr(found[name], key)) for key in ("calls", "alone", "files")}
            counts = [each.instructions for each in (cost, found[name]) if each.instructions is not None]
            found[name] = replace(found[name], **least, instructions=min(counts, default=None))
    return found


def report(costs: Mapping[str, Cost]) -> str:
    """The table."""
    head = ["flow", "instructions", "goal", "calls", "alone: calls", "functions", "files", "turns", "what it is"]
    about = {name: flow.about for name, flow in FLOWS.items()}
    rows = [
        [
            name,
            "-" if cost.instructions is None else f"{cost.instructions:,}",
            f"{GOALS[name]:,}" if name in GOALS else "-",
            f"{cost.calls:,.1f}",
            f"{cost.alone:,}",
            f"{cost.functions:,}",
            f"{cost.files:,}",
            f"{cost.turns:,}",
            about.get(name, f"`{STATEMENT}`"),
        ]
        for name, cost in costs.items()
    ]
    lines = [build(), "", table(head, rows)]
    if (seconds := costs[IMPORT].seconds if IMPORT in costs else None) is not None:
        lines.append(
            f"\nimport: {seconds:.2f} s beside the interpreter's own start, goal {SECONDS} s on an idle machine"
        )
    return "\n".join(lines)


def document(costs: Mapping[str, Cost]) -> dict[str, object]:
    """The content of `--json` and `--keep`."""
    return {"build": build(), "flows": {name: asdict(cost) for name, cost in costs.items()}}


def main(arguments: Sequence[str]) -> int:
    """Prints the table. Returns 1 with `--check` when something got dearer, 2 when the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", allow_abbrev=False, description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", metavar="NAME,...", help=f"only these: {', '.join(NAMES)}")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 if one is over {CEILINGS.name} by 3 %%")
    parser.add_argument("--keep", action="store_true", help=f"write the figures into {CEILINGS.name}")
    parser.add_argument("--calls", action="store_true", help="count no instructions")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures to FILE")
    options = parser.parse_args(arguments)
    names = list(dict.fromkeys((options.only or ",".join(NAMES)).split(",")))
    if unknown := [name for name in names if name not in NAMES]:
        print(f"--only: no flow {', '.join(map(repr, unknown))}. The flows: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    reason = "--calls was given" if options.calls else why_no_instructions()
    if reason is not None:
        print(f"calls and files only: {reason}", file=sys.stderr)
    costs = measure(names, instructions=reason is None)
    if options.check:
        kept = json.loads(CEILINGS.read_text(encoding="utf-8"))
        costs = counted_again(costs, kept, build(), partial(measure, instructions=reason is None))
    print(report(costs))
    if options.json is not None:
        options.json.write_text(json.dumps(document(costs), indent=2) + "\n", encoding="utf-8")
    if options.keep:
        _keep(costs)
    return _check(costs) if options.check else 0


def _keep(costs: Mapping[str, Cost]) -> None:
    """Puts the figures in place of those of the same flows; those of another build are dropped."""
    without_times = {name: replace(cost, seconds=None) for name, cost in costs.items()}
    new, old = document(without_times), json.loads(CEILINGS.read_text(encoding="utf-8")) if CEILINGS.exists() else {}
    if old.get("build") == new["build"]:
        new["flows"] = {**old["flows"], **new["flows"]}  # type: ignore[dict-item]
    CEILINGS.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")


def _check(costs: Mapping[str, Cost]) -> int:
    kept = json.loads(CEILINGS.read_text(encoding="utf-8"))
    if kept["build"] != build():
        print(f"instructions are not checked: they were kept for {kept['build']}", file=sys.stderr)
    found = dearer(costs, kept, build())
    print("\n".join(f"dearer: {line}" for line in found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

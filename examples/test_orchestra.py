"""A test orchestra: a conductor plans, section leaders delegate, and players run real commands.

    letitcrash run examples/test_orchestra.py

The conductor asks three sections one after another: preparation in order, execution at the same time on a bounded
number of processes, analysis in order. Every player runs a command of the Python at hand: the compiler over the
project's own packages, doctests, a check of the examples, and one test that fails at first and is restarted once.
What fails in one section is in the report and stops no other player; only a failure of the preparation stops it all.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from supervisors import constant
from teams import Failed, goal, member, role, step, team
from teams.patterns import parallel, sequential
from teams.resilience import bulkhead, timeout

ROOT = Path(__file__).resolve().parent.parent


class Played(NamedTuple):
    """The outcome of a command."""

    player: str
    code: int
    said: str


limits = bulkhead(2) | timeout(60.0)
"""At most two processes at a time, none for longer than a minute."""


async def run(player: str, *arguments: str) -> Played:
    """Runs Python with these arguments, from the top of the project."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:  # cancelled: a command does not outlive its player
            process.kill()
            await process.wait()
    said = output.decode(errors="replace").strip().splitlines()
    return Played(player, process.returncode or 0, said[-1] if said else "")


async def environment(score: dict[str, Any]) -> dict[str, Any]:
    """Preparation: is there a Python to play on?"""
    played = await run("environment", "-c", "import sys; print(sys.version.split()[0])")
    if played.code:
        raise RuntimeError(f"no Python to play on: {played.said}")
    return {**score, "python": played.said}


async def configuration(score: dict[str, Any]) -> dict[str, Any]:
    """Preparation: are the packages there?"""
    played = await run("configuration", "-c", "import actors, supervisors, teams; print('three packages')")
    if played.code:
        raise RuntimeError(f"the packages do not import: {played.said}")
    return {**score, "packages": played.said}


async def compiles(score: dict[str, Any]) -> Played:
    """Execution: does every module compile?"""
    code = "import pathlib; n = [compile(p.read_text(), str(p), 'exec') for p in pathlib.Path('teams').rglob('*.py')]"
    return await run("compiles", "-c", f"{code}; print(len(n), 'modules compile')")


async def checks(score: dict[str, Any]) -> Played:
    """Execution: is the tree of an example sound?"""
    return await run("checks", "-m", "teams", "check", "examples/tree_file.toml")


evenings = itertools.count(1)


async def flaky(score: dict[str, Any]) -> Played:
    """Execution: a test that fails the first time, as they do. It crashes, is restarted, and plays again."""
    played = await run("flaky", "-c", f"assert {next(evenings)} > 1, 'not on the first evening'; print('at last')")
    if played.code:
        raise AssertionError(played.said)
    return played


async def analysis(results: dict[str, Any]) -> str:
    """Analysis: one line for each player."""
    lines: list[str] = []
    for name, result in sorted(results.items()):
        if isinstance(result, Failed):
            lines.append(f"{name}: failed, {result.error}")
        else:
            lines.append(f"{name}: {'passed' if result.code == 0 else f'exit {result.code}'}, {result.said}")
    return "\n".join(lines)


players = (compiles, checks, flaky)

tree = team(
    "orchestra",
    role("preparation"),
    role("execution"),
    role("analysis"),
    member("environment", environment, role="preparation"),
    member("configuration", configuration, role="preparation"),
    *(member(each.__name__, each, role="execution", through=limits, backoff=constant(0.05)) for each in players),
    member("analysis", analysis, role="analysis"),
    goal=goal(
        sequential(
            "environment",
            "configuration",
            parallel("compiles", "checks", step("flaky", attempts=2)),
            "analysis",
        ),
        {},
    ),
)

"""Engines in processes of their own, for the tests that kill them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import teams
from tests import forked

PACKAGES = str(Path(teams.__file__).parents[1])


@contextmanager
def process(program: str, *arguments: str) -> Iterator[forked.Process]:
    """A process with this program, which says a line for each thing that it does."""
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    with forked.start(["-c", program, *arguments], stdout=forked.PIPE, env=environment) as running:
        try:
            yield running
        finally:
            running.kill()


def read(running: forked.Process, begun: int, words: int = 2) -> list[list[str]]:
    """The lines until so many say `begun`, or until the end; each as its first words, and the rest in one piece."""
    assert running.stdout is not None
    lines: list[list[str]] = []
    while sum(line[0] == "begun" for line in lines) < begun:
        line = running.stdout.readline()
        if not line:
            break
        lines.append(line.split(maxsplit=words))
    return lines

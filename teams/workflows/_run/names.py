"""The names that steps have in the journal of a run."""

from __future__ import annotations

import re

_PART = re.compile(r"[/#\[~]")
"""Ends the id of a step in the name of a part of it: `research/gather`, `review#2`, `sum[7]`, `pay~2/pause`."""
_ATTEMPT = re.compile(r"~(\d+)$")


def step_of(name: str) -> str:
    """The id of the step of the workflow that an entry is about."""
    return _PART.split(name, maxsplit=1)[0]


def keyed(step: str, attempt: int) -> str:
    """The name of an attempt at a step within its run."""
    return step if attempt <= 1 else f"{step}~{attempt}"


def unkeyed(key: str) -> tuple[str, int]:
    """The step and the attempt of a name within a run."""
    found = _ATTEMPT.search(key) if "~" in key else None
    return (key, 1) if found is None else (key[: found.start()], int(found.group(1)))

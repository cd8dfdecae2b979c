"""What is not shown of the results of steps: in events, and wherever else the result of a step can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

from teams._journal.codec import REDACTED, redact
from teams._journal.errors import NotStorable

_PART = re.compile(r"\[\d+\]|#\d+|~\d+")
"""An item, an iteration or an attempt, in the name of a step: all of them hide the same."""


def whole(step: str) -> str:
    """The name of a step without its items, iterations and attempts."""
    return _PART.sub("", step)


def paths_at(hidden: Mapping[str, tuple[str, ...]], step: str) -> tuple[str, ...]:
    """The paths that are not shown of a step: its own, and those of the steps that it is part of. `hidden` has them by
    the `whole` name.
    """
    if not hidden:
        return ()
    found: dict[str, None] = {}
    name = ""
    for part in whole(step).split("/"):
        name = f"{name}/{part}" if name else part
        found.update(dict.fromkeys(hidden.get(name, ())))
    return tuple(found)


def shown(hidden: Mapping[str, tuple[str, ...]], step: str, result: object) -> object:
    """The result of a step as it is shown."""
    paths = paths_at(hidden, step)
    if not paths:
        return result
    try:
        return redact(result, paths)
    except NotStorable:
        return REDACTED  # in memory it may be anything

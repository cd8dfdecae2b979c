"""The hidden parts of the results of steps: in events, and wherever else the result of a step can be seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PART = re.compile(r"\[\d+\]|#\d+|~\d+")
"""An item, an iteration or an attempt, in the name of a step: all of them hide the same."""


def whole(step: str) -> str:
    """The name of a step without its items, iterations and attempts."""
    return _PART.sub("", step)


def paths_at(hidden: Mapping[str, tuple[str, ...]], step: str) -> tuple[str, ...]:
    """The paths that are not shown of a step: its own, those of the steps that it is part of, and those of the steps
    that it has inside, whose results may be its own, or items of it. `hidden` has them by the `whole` name.
    """
    if not hidden:
        return ()
    found: dict[str, None] = {}
    name = whole(step)
    for each, paths in hidden.items():
        if each == name or name.startswith(f"{each}/"):
            found.update(dict.fromkeys(paths))
        elif each.startswith(f"{name}/"):
            found.update((way, None) for path in paths for way in (path, in_items(path)))
    return tuple(found)


def in_items(path: str) -> str:
    """The same path in each item of a list."""
    rest = path.removeprefix("$")
    return f"$[*]{rest}" if not rest or rest[0] in ".[" else f"$[*].{rest}"


def shown(hidden: Mapping[str, tuple[str, ...]], step: str, result: object) -> object:
    """The result of a step as it is shown."""
    paths = paths_at(hidden, step)
    if not paths:
        return result
    from teams._journal.codec import REDACTED, redact  # `import teams` does without
    from teams._journal.errors import NotStorable

    try:
        return redact(result, paths)
    except NotStorable:
        return REDACTED  # in memory it may be anything

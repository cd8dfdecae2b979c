"""What somebody may have meant who used a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest of the known names, or at all of them."""
    every = sorted(known)
    near = difflib.get_close_matches(name, every, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(every) or 'none'}"

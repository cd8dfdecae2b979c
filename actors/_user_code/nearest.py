"""Hints at what a wrong name may mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_COMPARED = 1000
"""How many known names an unknown one is compared with; a document may have ten thousand of each."""
_LISTED = 60
"""How many known names a hint lists; a member has fifty keys."""


def nearest(name: str, known: Iterable[str], *, otherwise: str = "there is") -> str:
    """A hint at the nearest of the known names, or at all of them."""
    every = sorted(known)
    near = difflib.get_close_matches(name[:100], every[:_COMPARED], n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return f"{otherwise} {', '.join(every[:_LISTED]) or 'none'}{more}"

"""The guard of the package names, which are generic: a user's own `actors.py` may stand in front of ours.

It raises an ImportError that names the file, instead of a later AttributeError. Every package above `actors` takes its
`facade` from here, so the guard runs first.
"""

from __future__ import annotations

import actors

if not getattr(actors, "__letitcrash__", False):
    from letitcrash._packages import find

    raise ImportError(find("actors").problem)

# A foreign `actors` has no such submodule, and its ModuleNotFoundError would hide why.
from actors._facade import facade

__all__ = ["facade"]

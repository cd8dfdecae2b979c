"""Starting trees. The layer above is looked up when a tree is started, and only then: `actors` does not import
`supervisors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, TypeVar

from actors.testing._sim.runtime import SimRuntime

R_co = TypeVar("R_co", covariant=True)


class TreeOf(Protocol[R_co]):
    """For a type checker: a spec of a supervisor, which says the class of the ref of its root."""

    @property
    def ref_class(self) -> type[R_co]:
        """The class of the ref of the root."""


def start_tree(tree: Any, runtime: SimRuntime) -> Any:
    """Starts a tree in the runtime and returns the ref of its root. Raises what `supervisors.start` raises."""
    return import_module("supervisors").start(tree, runtime=runtime).__enter__()

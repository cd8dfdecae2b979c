"""Starting trees. A tree says itself how it is started: no module of `actors` knows what trees are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from actors.testing._sim.shown import shown
from actors.testing.errors import WrongUse

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

R_co = TypeVar("R_co", covariant=True)


@runtime_checkable
class TreeOf(Protocol[R_co]):
    """A tree, such as the spec of a supervisor or of a child. `R_co` is the class of the ref of its root."""

    def start_in(self, runtime: Runtime) -> R_co:
        """Starts the tree in a runtime, which stops it at its own end, and returns the ref of the root when it is up.
        Raises what the start raised.
        """
        ...


def start_tree(tree: TreeOf[R_co], runtime: Runtime) -> R_co:
    """Starts a tree and returns the ref of its root. Raises `WrongUse` if it is not one, and what its start raises."""
    if isinstance(tree, type) or not isinstance(tree, TreeOf):
        raise WrongUse(
            f"sim.start(): a tree is the spec of a supervisor or of a child, got {shown(tree)}. Give it "
            "what `as_tree()` makes of a class, a coroutine function or the path of a file"
        )
    return tree.start_in(runtime)

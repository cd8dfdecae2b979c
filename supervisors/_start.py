"""Starting a tree: from a script, from a coroutine."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TypedDict, Unpack

from supervisors._actors import (
    ClockFactory,
    Crashed,
    Future,
    LoopFactory,
    Runtime,
    Shutdown,
    StartError,
    kind_of,
)
from supervisors._builders import child, supervisor
from supervisors._errors import Fault, SpecError, SupervisionError
from supervisors._file import load_tree
from supervisors._props import props_for
from supervisors._ref import SupervisorRef
from supervisors._spec import ChildSpec, Spec, SupervisorSpec
from supervisors._supervisor import Supervisor, tree_of

Tree = Spec | type | str | os.PathLike[str]
"""What can be started: a spec, an actor class, or the path of a tree in a file."""


class RuntimeOptions(TypedDict, total=False):
    """The options of the runtime a tree gets of its own; meaning and defaults stand at `actors.Runtime`."""

    name: str
    default_timeout: float | None
    watchdog: float | None
    kill_grace: float
    clock: ClockFactory
    loop_factory: LoopFactory
    log: bool


def as_tree(tree: Tree) -> SupervisorSpec:
    """The spec of the root supervisor for what somebody wants started.

    A supervisor's spec is taken as it is, and so is the `tree()` of a subclass of `Supervisor`. A child's spec or an
    actor class becomes the only child of a supervisor `root`, which ends when that child ends for good. A string or
    path is a file (`.toml`, `.yaml`).

    Raises:
        SpecError: every fault of a file or spec; or what is given is none of these
        NotAnActor: the class is none
    """
    if isinstance(tree, SupervisorSpec):
        return tree
    if isinstance(tree, str | os.PathLike):
        return load_tree(tree)
    if isinstance(tree, type) and issubclass(tree, Supervisor):
        return tree_of(tree)
    if isinstance(tree, type):
        kind_of(tree)
        tree = child(tree.__name__.lower(), tree)
    if not isinstance(tree, ChildSpec):
        problem = "not a tree: a tree is a spec, an actor class, or the path of a file"
        raise SpecError(
            [Fault(repr(tree), f"{problem}; what builds one is called first" if callable(tree) else problem)]
        )
    if tree.restart == "permanent":
        return supervisor("root", tree)
    return supervisor("root", tree.model_copy(update={"significant": True}), auto_shutdown="any_significant")


def start(tree: Tree, runtime: Runtime | None = None, **options: Unpack[RuntimeOptions]) -> Start:
    """Brings a tree up: in a `with` block on a loop in a background thread, in `async with` on the running one.

    `with start(tree) as root:` gives the ref of the root supervisor.

    Leaving the block stops the tree in order: last started, first stopped. The tree gets a runtime of its own, made
    with `options`, unless `runtime` is one that runs already. In a script, Ctrl-C during the block stops the tree in
    order, a second one kills it.

    Raises:
        SpecError: the tree cannot work, with all faults
        StartFailed: a child did not come up (supervision rule 2); entering the block raises it, and nothing is left
    """
    return Start(as_tree(tree), runtime, options)


class Start:
    """A tree that is to be started; what `start` returns."""

    def __init__(self, spec: SupervisorSpec, runtime: Runtime | None, options: RuntimeOptions) -> None:
        self.spec = spec
        self._own = runtime is None
        self.runtime = runtime if runtime is not None else Runtime(**options)
        self._root: SupervisorRef | None = None

    def _spawn(self) -> Future[SupervisorRef]:
        props = props_for(self.spec, self.runtime, self.spec.id)
        future, ref = self.runtime.spawn_nowait(props, None, self.spec.id)
        assert isinstance(ref, SupervisorRef)
        self._root = ref
        return future  # type: ignore[return-value]

    def _stop_root(self) -> None:
        if self._root is not None and self._root.is_alive():
            cell = self._root._cell
            self.runtime.control_call(cell.stop, Shutdown("left its block"), cell.props.shutdown)

    def __enter__(self) -> SupervisorRef:
        if self._own:
            self.runtime.__enter__()
        try:
            return self._spawn().get()
        except BaseException as error:  # noqa: BLE001 - whatever it was, what has started is stopped first
            self.__exit__(type(error), error, error.__traceback__)
            account = _account(error)
            raise account from account.__cause__

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._own:
            self.runtime.__exit__(kind, error, traceback)
        elif self._root is not None:
            self._stop_root()
            self._root.wait()

    async def __aenter__(self) -> SupervisorRef:
        if self._own:
            await self.runtime.__aenter__()
        try:
            return await self._spawn()
        except BaseException as error:  # noqa: BLE001 - whatever it was, what has started is stopped first
            await self.__aexit__(type(error), error, error.__traceback__)
            account = _account(error)
            raise account from account.__cause__

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._own:
            await self.runtime.__aexit__(kind, error, traceback)
        elif self._root is not None:
            self._stop_root()
            await self._root.ended()


def _account(error: BaseException) -> BaseException:
    """The supervisor's own account of a failed start, where there is one: it names the child."""
    reason = error.reason if isinstance(error, StartError) else None
    if isinstance(reason, Crashed) and isinstance(reason.exception, SupervisionError):
        return reason.exception
    return error

"""Starts a tree from a script or a coroutine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import traceback as traceback_module
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, TypedDict, Unpack, cast, overload

from actors.spi import (
    AlreadyEntered,
    ClockFactory,
    Crashed,
    ExitReason,
    Future,
    LoopFactory,
    Runtime,
    Shutdown,
    StartError,
    actor_type_of,
    option_faults,
    shown,
    until_settled,
)
from supervisors._specs.builders import child, supervisor
from supervisors._specs.spec import ChildSpec, SupervisorSpec
from supervisors._specs.start_kind import StartKind, kind_of
from supervisors._specs.tree import settled_child
from supervisors._supervisor.actor import Supervisor, tree_of
from supervisors._supervisor.props import props_for
from supervisors._supervisor.ref import SupervisorRef
from supervisors._supervisor.signals import TERMINATED, Termination, terminate
from supervisors.errors import SpecError, SpecFault, SupervisionError, SupervisorEnded

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", bound=SupervisorRef, covariant=True, default=SupervisorRef)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

Tree = ChildSpec | SupervisorSpec[R_co] | type | Callable[..., object] | str | os.PathLike[str]
"""A spec, an actor class, a coroutine function, an asynchronous context manager, or the path of a file with a tree."""


OnGiveUp = Literal["raise", "ignore"]
"""The effect of an abnormal end of the root on the block."""


class RuntimeOptions(TypedDict, total=False):
    """The options of the runtime that a tree gets; `actors.Runtime` explains them."""

    name: str
    default_timeout: float | None
    watchdog: float | None
    kill_grace: float
    clock: ClockFactory
    loop_factory: LoopFactory
    log: bool
    quarantine_messages: int
    quarantine_bytes: int


@overload
def as_tree(tree: SupervisorSpec[R_co]) -> SupervisorSpec[R_co]: ...


@overload
def as_tree(tree: Tree) -> SupervisorSpec: ...


def as_tree(tree: Tree) -> SupervisorSpec:
    """The spec of the root supervisor of a tree.

    The spec of a supervisor is taken as it is, and so is the `tree()` of a subclass of `Supervisor`. The spec of a
    child, an actor class, a coroutine function or an asynchronous context manager becomes the only child of a
    supervisor `root`, which ends with that child. A coroutine function is transient: the tree ends when it returns. A
    string or path is a file (`.toml`, `.yaml`). A plain function needs a spec: `child("poller", poll)`.

    Raises:
        SpecError: with every fault of a file or spec; also if `tree` is none of these
        NotAnActor: the class is not an actor class
    """
    if isinstance(tree, SupervisorSpec):
        return tree
    if isinstance(tree, str | os.PathLike):
        from supervisors._specs.file import load_tree

        return load_tree(tree)
    if isinstance(tree, type) and issubclass(tree, Supervisor):
        return tree_of(tree)
    if not isinstance(tree, ChildSpec):
        tree = _only_child(tree)
    tree = settled_child(tree, f"root/{tree.id}")
    if tree.restart == "permanent":
        return supervisor("root", tree)
    return supervisor("root", tree.model_copy(update={"significant": True}), auto_shutdown="any_significant")


def _only_child(tree: object) -> ChildSpec:
    kind = kind_of(tree)
    if isinstance(tree, type) and kind is not StartKind.RESOURCE:
        actor_type_of(tree)
    if kind in (StartKind.ACTOR, StartKind.COROUTINE, StartKind.RESOURCE):
        name = getattr(tree, "__name__", "")
        id = name.lower().strip("_") if name.isidentifier() else "main"
        return child(id, tree, restart="transient" if kind is StartKind.COROUTINE else "permanent")  # type: ignore[arg-type]
    problem = "not a tree: a tree is a spec, an actor class, a coroutine function, or the path of a file"
    if kind is StartKind.FUNCTION:
        problem += "; call the function that builds the spec, or run a plain function with child()"
    raise SpecError([SpecFault(repr(tree), problem)])


def start(
    tree: Tree[R_co],
    runtime: Runtime | None = None,
    *,
    on_give_up: OnGiveUp = "raise",
    signals: bool | None = None,
    **options: Unpack[RuntimeOptions],
) -> StartContext[R_co]:
    """Starts a tree: in `with` on an event loop in a background thread, in `async with` on the running event loop.

    `with start(tree) as root:` gives the ref of the root supervisor; of a `team()`, that is a `TeamRef`.

    At the end of the block the tree stops in order: last started, first stopped. A cancellation, or several, does not
    cut that short: the block is left when the tree has stopped. The tree gets a runtime of its own,
    made with `options`, unless a `runtime` is given. In a script, Ctrl-C or SIGTERM during the block stops the tree in
    order; a second one kills it. Ctrl-C raises KeyboardInterrupt in the block, SIGTERM raises SystemExit(143); in
    `async with` both cancel the body.

    If the root gives up, crashes or is killed during the block, the block raises an error, as `asyncio.TaskGroup` does
    for a failed task. `async with` cancels the body; `with` raises at its end. A `SystemExit`, a cancellation from
    outside and an orderly end of the tree (`auto_shutdown`, `stop()`) are not replaced by that error. Any other
    exception of the body becomes its `__context__`.

    Args:
        tree: A spec, an actor class, a coroutine function, an asynchronous context manager, or the path of a file.
        runtime: The runtime to use; by default the tree gets its own.
        on_give_up: "raise"; or "ignore": the block goes on without its tree and raises nothing.
        signals: Whether SIGTERM leaves the block. None: if the block is in the main thread, the tree has a runtime of
            its own, and the program has no handler of SIGTERM: one that is set stays. True: also with a `runtime`; it
            is an error where it cannot be. False: never. At the end of the block SIGTERM has its default again. Two
            signals within 0.5 seconds are one, as GNU timeout sends two. Default: None.
        options: Those of `actors.Runtime`, for a runtime of the tree's own. With a `runtime` each of them is a fault.

    Raises:
        SpecError: The tree or the options have faults; it holds all of them. Also, at the start of the block, if
            `signals=True` cannot be followed.
        ChildStartError: A child did not come up (supervision rule 2). Raised at the start of the block; everything that
            had started is stopped first.
        SupervisorGaveUp, SupervisorEnded: The root ended abnormally during the block.
        RuntimeStopped: The runtime lost its event loop during the block.
        AlreadyEntered: What this returns was used for a block before.
    """
    faults = _faults(runtime, on_give_up, signals, options)
    try:
        spec = as_tree(tree)
    except SpecError as error:
        if faults:
            raise SpecError([*error.faults, *faults]) from None
        raise
    if faults:
        raise SpecError(faults)
    return StartContext(cast("SupervisorSpec[R_co]", spec), runtime, options, on_give_up, signals)


def _faults(runtime: object, on_give_up: object, signals: object, options: Mapping[str, object]) -> list[SpecFault]:
    """Every fault of the arguments of `start`, besides those of its tree."""
    faults = []
    if not isinstance(runtime, Runtime | None):
        faults.append(f"runtime: must be a Runtime or None, got {shown(runtime, 60)}")
    if not isinstance(on_give_up, str) or on_give_up not in ("raise", "ignore"):
        faults.append(f"on_give_up: must be 'raise' or 'ignore', got {shown(on_give_up, 60)}")
    if not isinstance(signals, bool | None):
        faults.append(f"signals: must be True, False or None, got {shown(signals, 60)}")
    own = "the given runtime has its own. Give it to Runtime(), or leave runtime out"
    refused = own if isinstance(runtime, Runtime) else None
    faults += option_faults(options, ("runtime", "on_give_up", "signals"), refused)
    return [SpecFault("start()", fault) for fault in faults]


class StartContext(Generic[R_co]):
    """The context manager that `start` returns. Use it for one block: a second one raises `AlreadyEntered`."""

    def __init__(
        self,
        spec: SupervisorSpec[R_co],
        runtime: Runtime | None,
        options: RuntimeOptions,
        on_give_up: OnGiveUp = "raise",
        signals: bool | None = None,
    ) -> None:
        self.spec = spec
        self._own = runtime is None
        self.runtime = runtime if runtime is not None else Runtime(**options)
        self._on_give_up = on_give_up
        self._entered = False
        self._root: R_co | None = None
        self._body: _Body | None = None
        self._termination = Termination(signals, default=self._own)

    def _spawn(self) -> Future[R_co]:
        props = props_for(self.spec, self.runtime, self.spec.id)
        future, ref = self.runtime.spawn_nowait(props, None, self.spec.id)
        assert isinstance(ref, self.spec.ref_class)
        self._root = ref
        return future  # type: ignore[return-value]

    def _kill_soon(self) -> None:
        """Kills the runtime from a signal handler: on the thread of the loop, but between its turns, so it is woken."""
        self.runtime.loop.call_soon_threadsafe(self.runtime.kill)

    def _stop_root(self) -> None:
        if self._root is not None and self._root.is_alive():
            cell = self._root._cell
            self.runtime.control_call(cell.stop, Shutdown("left its block"), cell.props.shutdown)

    def _raise_end(self, error: BaseException | None) -> None:
        """Raises the error of a root that ended abnormally, unless `error`, the exception of the block, is that
        error.
        """
        if self._termination.came and error is None:
            raise SystemExit(TERMINATED) from None  # also of a body that has caught it
        root = self._root
        if root is None or root.is_alive() or root._cell.reason.expected or self._on_give_up == "ignore":
            return
        end = root.ended_error()
        if isinstance(error, SupervisorEnded) and error.reason is root._cell.reason:
            return
        if error is not None:
            if not isinstance(error, Exception):
                return
            end.add_note(f"The block itself raised {_in_words(error)}; it is the __context__ of this error")
        raise end from end.__cause__

    def _refuse_again(self) -> None:
        if self._entered:
            raise AlreadyEntered(f"start() of {self.spec.id!r}", "call start() again for another block")

    def __enter__(self) -> R_co:
        self._refuse_again()
        if self._own:
            self.runtime.__enter__()
        self._entered = True
        try:
            leaving = (StartContext.__exit__.__code__, StartContext._leave.__code__)
            self._termination.install(terminate, self.runtime.kill, *leaving)
            return self._spawn().get()
        except BaseException as error:  # noqa: BLE001 - after any error the started children are stopped first
            self._leave(type(error), error, error.__traceback__)
            account = _account(error)
            raise account from account.__cause__

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(kind, error, traceback)
        self._raise_end(error)

    def _leave(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._own:
                self.runtime.__exit__(kind, error, traceback)
            elif self._root is not None:
                self._stop_root()
                self._root.wait()
        finally:
            self._termination.uninstall()

    async def __aenter__(self) -> R_co:
        self._refuse_again()
        if self._own:
            await self.runtime.__aenter__()
        self._entered = True
        self._body = _Body()
        try:
            self._termination.install(self._body.interrupt, self._kill_soon)
            root = await self._spawn()
        except BaseException as error:  # noqa: BLE001 - after any error the started children are stopped first
            is_ours = self._body.left(error)
            await self._leave_async(type(error), error, error.__traceback__)
            if is_ours:
                raise SystemExit(TERMINATED) from None
            account = _account(error)
            raise account from account.__cause__
        if self._on_give_up == "raise":
            cell = root._cell
            self.runtime.on_loop(partial(self.runtime.when_closed, cell, self._body.root_ended))
        return root

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._body is not None and self._body.left(error):
            kind = error = traceback = None  # the cancellation was ours, and has done its work
        await self._leave_async(kind, error, traceback)
        self._raise_end(error)

    async def _leave_async(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._own:
                await self.runtime.__aexit__(kind, error, traceback)
            elif self._root is not None:
                self._stop_root()
                await until_settled(self._root.ended())
        finally:
            self._termination.uninstall()


class _Body:
    """The task that runs the body of an `async with` block. It is cancelled if the root ends abnormally, and by
    SIGTERM.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._cancellations = task.cancelling()
        self._interrupted = False
        self._over = False

    def root_ended(self, reason: ExitReason) -> None:
        """The root has terminated. Runs on the loop thread of the runtime, which may be another one."""
        if not reason.expected:
            self.interrupt()

    def interrupt(self) -> None:
        """Cancels the body, unless it is over. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop of the body is closed
            # Not at once, even on the same loop: a task that cancels itself is cancelled at a later `await` only.
            self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        if not self._over and not self._interrupted:
            self._interrupted = self._task.cancel()

    def left(self, error: BaseException | None) -> bool:
        """The body has ended with this error. Returns whether that is our cancellation alone."""
        self._over = True
        if not self._interrupted:
            return False
        left = self._task.uncancel()
        return isinstance(error, asyncio.CancelledError) and left <= self._cancellations


def _in_words(error: BaseException) -> str:
    """An exception in one line, with its file and line."""
    places = traceback_module.extract_tb(error.__traceback__)
    where = f" at {places[-1].filename}:{places[-1].lineno}" if places else ""
    try:
        return f"{traceback_module.format_exception_only(error)[-1].strip()}{where}"
    except BaseException:  # noqa: BLE001 - the `str` of an exception of the user may raise
        return f"{type(error).__qualname__}{where}"


def _account(error: BaseException) -> BaseException:
    """The error of the supervisor in a failed start, if there is one: it names the child."""
    reason = error.reason if isinstance(error, StartError) else None
    if isinstance(reason, Crashed) and isinstance(reason.exception, SupervisionError):
        return reason.exception
    return error

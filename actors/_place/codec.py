"""Values on their way between two processes: pickled one by one, so that each fault has its value.

Refs are pickled by the path of their actor. An exception travels with its traceback as a note; one that cannot be
pickled, or not be read, becomes a `RemoteError`.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from actors._core.actor import Actor
from actors._core.ref import ActorRef
from actors._user_code.text import TEXT, described, is_ctrl_c, said, type_name
from actors.errors import NotReceivable, NotSendable, RemoteError
from actors.reasons import Crashed, ExitReason, Killed, Lost, RestartLimitExceeded

EncodedError = tuple[bytes | None, str, str, str]
"""The pickled exception, the name of its class, its text, and its traceback."""
MOST_BYTES = (1 << 32) - (1 << 16)
"""The most bytes of a value: its frame says its length in 32 bits."""
RefKey = tuple[str, type | None, type | None]
"""The path of an actor, its class, and the class of its ref; None for a class that another process cannot import."""


class Codec:
    """Pickles and reads values. `key_of` makes the key of a ref, `ref_of` finds the ref of a key; both may raise."""

    def __init__(self, key_of: Callable[[ActorRef[Any]], RefKey], ref_of: Callable[[RefKey], ActorRef[Any]]) -> None:
        self._key_of = key_of
        self._ref_of = ref_of

    def dumps(self, path: str, what: Callable[[], str], value: object) -> bytes:
        """The value as bytes. Raises `NotSendable`, in the words of `what`."""
        stream = io.BytesIO()
        try:
            _Pickler(stream, self._key_of).dump(value)
        except NotSendable:
            raise
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise NotSendable(path, what(), described(error)) from error
        if stream.tell() > MOST_BYTES:
            raise NotSendable(path, what(), "it has more than 4 GiB")
        return stream.getvalue()

    def loads(self, path: str, what: str, data: bytes) -> Any:
        """The value of these bytes. Raises `NotReceivable`, in the words of `what`."""
        try:
            return _Unpickler(io.BytesIO(data), self._ref_of).load()
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise NotReceivable(path, what, described(error)) from error

    def encode_error(self, path: str, error: BaseException) -> EncodedError:
        """An exception, which may be one that cannot be pickled."""
        try:
            body: bytes | None = self.dumps(path, lambda: "", error)
        except NotSendable:
            body = None
        try:
            trace = "".join(traceback.format_exception(error))
        except Exception:  # noqa: BLE001 - the text of an exception of the user's
            trace = ""
        return body, type_name(error), said(error, TEXT), trace

    def decode_error(self, path: str, encoded: EncodedError, place: str) -> BaseException:
        """The exception, with the traceback of its process as a note."""
        body, kind, text, trace = encoded
        error: BaseException | None = None
        if body is not None:
            with contextlib.suppress(NotReceivable):
                error = self.loads(path, "an exception", body)
        if not issubclass(type(error), BaseException):  # as `except` does: `__class__` may raise
            error = RemoteError(path, kind, text)
        assert error is not None
        if trace:
            with contextlib.suppress(Exception):  # the class may have an idea of its own of notes
                BaseException.add_note(error, f"In {place}:\n{trace.rstrip()}")
        return error

    def encode_reason(self, path: str, reason: ExitReason) -> tuple[str, Any]:
        """The reason of an exit. One that holds what cannot be pickled is told by its text."""
        exception = getattr(reason, "exception", None)
        if isinstance(reason, RestartLimitExceeded):
            fields = (reason.path, reason.child, reason.max_restarts, reason.period)
            return "gave_up", (fields, self.encode_reason(path, reason.cause))
        if isinstance(exception, BaseException):
            return "lost" if isinstance(reason, Lost) else "crashed", self.encode_error(path, exception)
        try:
            return "reason", self.dumps(path, lambda: "the reason of an exit", reason)
        except NotSendable as error:
            return "crashed", self.encode_error(path, error)

    def decode_reason(self, path: str, what: str, body: Any, place: str) -> ExitReason:
        """The reason of an exit that was sent from this place."""
        if what in ("crashed", "lost"):
            return (Lost if what == "lost" else Crashed)(self.decode_error(path, body, place))
        if what == "gave_up":
            fields, (kind, inner) = body
            above, child, most, period = fields
            return RestartLimitExceeded(above, child, most, period, self.decode_reason(path, kind, inner, place))
        try:
            found = self.loads(path, "the reason of an exit", body)
        except NotReceivable as error:
            return Crashed(error)
        return found if isinstance(found, ExitReason) else Killed(f"{place} said so")


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, key_of: Callable[[ActorRef[Any]], RefKey]) -> None:
        super().__init__(stream, 5)
        self._key_of = key_of

    def persistent_id(self, value: Any) -> RefKey | None:
        # By its class: a value of the user's may raise whatever it is asked.
        return self._key_of(value) if issubclass(type(value), ActorRef) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, ref_of: Callable[[RefKey], ActorRef[Any]]) -> None:
        super().__init__(stream)
        self._ref_of = ref_of

    def persistent_load(self, key: Any) -> ActorRef[Any]:
        return self._ref_of(key)


def importable(kind: type[Any]) -> type | None:
    """The class, if another process finds it by its name; else None."""
    return _importable(cast("Any", kind))


@lru_cache(maxsize=1024)
def _importable(kind: Any) -> type | None:
    found: Any = sys.modules.get(kind.__module__)
    for step in kind.__qualname__.split("."):
        found = getattr(found, step, None)
    return found if found is kind else None


def key_for(ref: ActorRef[Any]) -> RefKey:
    """The key of a ref of this process. That of a supervisor is one of an actor there: its children are not known."""
    kind = ref._cell.props.kind
    supervises = getattr(kind.actor_class, "manages_lifecycle", False)
    ref_type = None if supervises or kind.ref_type is ActorRef else importable(kind.ref_type)
    return ref._cell.path, None if kind.actor_class is Actor else importable(kind.actor_class), ref_type

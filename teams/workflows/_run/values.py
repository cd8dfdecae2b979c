"""The values of runs as JSON: what JSON can say, and what the members of patterns answer with (a verdict, a plan, the
failure of a branch). These are written with their name, `{"$is": "Approved", ...}`; no other class is ever made from
what a store holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json

from teams._dispatch.gather import Failed
from teams._journal.codec import LIMIT, decode, enclosed, encode, recorded, unrecorded
from teams._journal.errors import NotReadable, NotStorable
from teams._journal.rows import JournalEntry
from teams._members.handoff import Decline
from teams._members.target import Can
from teams.patterns import Approved, Plan, Refined, Rejected, Subtask
from teams.workflows._quality.domain import QUALITY, Scores
from teams.workflows._run.artifact import Artifact, MadeArtifact

IS = "$is"
_SMALL = 32
"""The most items of a dict that is looked at before it is written."""
_EXACT = 2**63 - 1
_SCALARS = frozenset((str, int, float, bool, type(None)))
_KNOWN: Mapping[type, tuple[str, ...]] = {
    Approved: ("note",),
    Rejected: ("feedback",),
    Refined: ("result", "approved", "iterations", "feedback"),
    Plan: ("subtasks",),
    Subtask: ("work", "to", "name"),
    Can: ("capability",),
    Decline: ("reason",),
    Artifact: ("name", "data", "kind"),
    Scores: ("domain", "score", "scores", "threshold", "low", "missing"),
}
"""The fields of each class that is written with its name."""
_MAKERS: Mapping[str, Callable[..., Any]] = {
    **{each.__name__: each for each in _KNOWN},
    "Refined": lambda feedback, **fields: Refined(feedback=tuple(feedback), **fields),
    "Scores": lambda low, missing, **fields: Scores(low=tuple(low), missing=tuple(missing), **fields),
    "Failed": lambda error: Failed.by(unrecorded(encode(error))),
    "dict": lambda items: {key: _restored(value) for key, value in items},
}


@lru_cache(maxsize=1_000)
def _adapter(returns: Any) -> TypeAdapter[Any]:
    return TypeAdapter(returns)


def adapter(returns: Any) -> TypeAdapter[Any] | None:
    """What writes and reads values of this type; None: what is said above."""
    return None if returns is None else _adapter(returns)


def write(value: object, returns: Any = None, limit: int = LIMIT) -> bytes:
    """A value as JSON, of at most so many bytes. Raises NotStorable, PayloadTooLarge."""
    if returns is not None:
        return encode(value, _adapter(returns), limit=limit)
    with contextlib.suppress(RecursionError):  # it contains itself, or is far too deep: `encode` says where
        value = _said(value, "$")
    return encode(value, limit=limit)


def read(data: bytes | None, returns: Any = None) -> Any:
    """The value that was written. Raises NotReadable."""
    if data is None:
        return None
    return _restored(decode(data)) if returns is None else decode(data, _adapter(returns))


def written(value: object, returns: Any = None, limit: int = LIMIT) -> tuple[bytes, Any]:
    """A value as JSON, and as another process reads it. Raises NotStorable, PayloadTooLarge."""
    if returns is None and _is_simple(value):
        data = to_json(value)
        if len(data) <= limit:
            return data, dict(value) if type(value) is dict else value
    data = write(value, returns, limit)
    try:
        return data, read(data, returns)
    except NotReadable as error:
        raise NotStorable("$", f"what is written cannot be read back: {error.what}") from None


def _is_simple(value: object) -> bool:
    """Whether JSON has this value as it is: a short scalar, or a small dict of them."""
    kind = type(value)
    if kind is dict:
        return len(value) <= _SMALL and all(  # type: ignore[arg-type]
            type(key) is str and key.isascii() and key != IS and type(each) is not dict and _is_simple(each)
            for key, each in value.items()  # type: ignore[attr-defined]
        )
    if kind is str:
        return value.isascii()  # type: ignore[attr-defined, no-any-return]
    if kind is int:
        return -_EXACT <= value <= _EXACT  # type: ignore[operator]
    return value is None or kind is bool


def _said(value: object, path: str) -> object:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list or kind is tuple:
        return [_said(each, f"{path}[{number}]") for number, each in enumerate(value)]  # type: ignore[arg-type, var-annotated]
    if kind is dict:
        found = {key: _said(each, f"{path}.{key}") for key, each in value.items()}  # type: ignore[attr-defined]
        return {IS: "dict", "items": [[key, each] for key, each in found.items()]} if IS in found else found
    fields = _KNOWN.get(kind)
    if fields is not None:
        return {IS: kind.__name__, **{name: _said(getattr(value, name), f"{path}.{name}") for name in fields}}
    if isinstance(value, Failed):
        return {IS: "Failed", "error": decode(recorded(value.error))}
    return value


def _restored(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_restored(each) for each in value]
    if kind is not dict:
        return value
    name = value.get(IS)
    if name is None:
        return {key: _restored(each) for key, each in value.items()}
    maker = _MAKERS.get(name)
    if maker is None:
        raise NotReadable(f"{name!r} is not a kind of value")
    fields = {key: each for key, each in value.items() if key != IS}
    if name in ("Failed", "dict"):
        return maker(**fields)
    return maker(**{key: _restored(each) for key, each in fields.items()})


def scores_in(entries: Iterable[JournalEntry]) -> dict[str, Scores]:
    """The scores that are written of a run, by the step whose result they are of, as the run names it: `draft`,
    `draft#2`, `draft[7]`.
    """
    found: dict[str, Scores] = {}
    for entry in entries:
        if entry.kind == "done" and entry.step.endswith(f"/{QUALITY}"):
            match read(entry.body):
                case Approved(Scores() as scores) | Rejected(Scores() as scores):
                    found[entry.step.removesuffix(f"/{QUALITY}")] = scores
    return found


def artifacts_in(entries: Iterable[JournalEntry]) -> tuple[MadeArtifact, ...]:
    """The artifacts that are written of a run, in the order in which they were made. One that is handed on from step to
    step counts once, for the step that made it.
    """
    found: dict[bytes, MadeArtifact] = {}
    for entry in entries:
        for key, made in artifacts_of(entry):
            found.setdefault(key, made)
    return tuple(found.values())


def artifacts_of(entry: JournalEntry) -> Iterator[tuple[bytes, MadeArtifact]]:
    """The artifacts that an entry has, each with what makes it the same as another one."""
    if entry.kind == "done" and entry.body is not None and b'"Artifact"' in entry.body:
        for name, kind, data in _artifacts(decode(entry.body)):
            step = entry.step if entry.attempt <= 1 else f"{entry.step}~{entry.attempt}"
            made = MadeArtifact(entry.run, step, name, kind, _restored(data), len(enclosed(data)), entry.at / 1e6)
            yield enclosed([name, kind, data]), made


def _artifacts(written: Any) -> Iterator[tuple[str, str, Any]]:
    """Name, kind and data of each artifact anywhere in what is written; not of those in the data of another."""
    match written:
        case {"$is": "Artifact", "name": str(name), "kind": str(kind), "data": data}:
            yield name, kind, data
        case dict():
            for each in written.values():
                yield from _artifacts(each)
        case list():
            for each in written:
                yield from _artifacts(each)

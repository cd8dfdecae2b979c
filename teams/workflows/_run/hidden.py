"""What runs do not show: the paths of `redact`, in histories, statuses, artifacts and streams. Pure.

The definition of a run says it for the steps of its workflow. What is played inside a step, and code, have it written
as an entry (`NOTE`) before the first of their steps begins. Events have it by `teams._runs.hidden`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from teams._journal.codec import ValuePlace, decode, enclosed, path_steps, redact, redact_at
from teams._journal.errors import NotReadable
from teams._journal.rows import JournalEntry
from teams._runs.hidden import paths_at
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import WaitForSignal
from teams.workflows._language.refs import Ref
from teams.workflows._language.template import parse_template
from teams.workflows._quality.domain import is_of_quality

NOTE = "(redact)"
"""The end of the name of an entry that says what the steps of a part of a run do not show."""
_UNDO = " (undo)"


def note_of(paths: Mapping[str, tuple[str, ...]], signals: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The body of an entry that says it."""
    return {"redact": {step: [*each] for step, each in paths.items()}, "signals": {s: [*p] for s, p in signals.items()}}


def signals_in(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The paths that are not shown of signals, by their names."""
    found: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        if node.redact and isinstance(node.what, WaitForSignal):
            found[node.what.signal] = (*found.get(node.what.signal, ()), *node.redact)
    return found


class Hidden:
    """The hidden parts of a run. It reads the entries of the run, in order."""

    def __init__(self, definition: bytes | None = None) -> None:
        """`definition` is the text of its workflow in the store."""
        self._document = _document(definition)
        self._paths: dict[str, tuple[str, ...]] = {}
        self._signals: dict[str, tuple[str, ...]] = {}
        self._skipped: set[str] = set()
        for step in _steps(self._document):
            if paths := tuple(step.get("redact", ())):
                self._paths[step["id"]] = paths
                if "wait" in step:
                    self._add_signal(step["wait"], paths)

    def __bool__(self) -> bool:
        return bool(self._paths or self._signals)

    def _add_signal(self, name: str, paths: Iterable[str]) -> None:
        self._signals[name] = tuple(dict.fromkeys((*self._signals.get(name, ()), *paths)))

    def entries(self, entries: Iterable[JournalEntry]) -> list[JournalEntry]:
        """Entries as they are shown. What a later one says is hidden of an earlier one, too."""
        listed = list(entries)
        for each in listed:
            self.read(each)
        return [self.entry(each) for each in listed]

    def read(self, entry: JournalEntry) -> None:
        """Reads what an entry says of what is not shown."""
        if entry.kind == "skipped":
            self._skipped.add(entry.step)
        if entry.kind != "kept" or not entry.step.endswith(NOTE):
            return
        match decode(entry.body or b"null"):
            case {"redact": dict() as steps, "signals": dict() as signals}:
                self._paths.update((step, tuple(paths)) for step, paths in steps.items())
                for name, paths in signals.items():
                    self._add_signal(name, paths)

    def entry(self, entry: JournalEntry) -> JournalEntry:
        """An entry as it is shown."""
        self.read(entry)
        if not self or entry.body is None:
            return entry
        try:
            said = decode(entry.body)
        except NotReadable:
            return entry
        shown = self._said(entry, said)
        return entry if shown is said else entry._replace(body=enclosed(shown))

    def _said(self, entry: JournalEntry, said: Any) -> Any:
        paths = paths_at(self._paths, entry.step.removesuffix(_UNDO))
        match entry.kind, said:
            case "done", _ if paths and not is_of_quality(entry.step):
                return redact(said, paths)
            case "asked", {"asks": {"default": default} as asks} if paths and default is not None:
                return {**said, "asks": {**asks, "default": redact(default, paths)}}
            case "signalled" | "answered", {"value": value} if paths:
                return {**said, "value": redact(value, paths)}
            case "kept", {"message": {"kind": kind, "name": str(name), "body": body} as message}:
                of_it = self._signals.get(name, ()) if kind == "signal" else paths_at(self._paths, name)
                return {"message": {**message, "body": redact(body, of_it)}} if of_it else said
            case "kept", {"value": dict() as parts} if paths:
                return {**said, "value": {name: redact(each, paths) for name, each in parts.items()}}
            case "kept", {"results": dict() as results} if paths:
                return {**said, "results": redact({name: redact(each, paths) for name, each in results.items()}, paths)}
        return said

    # The result of a run

    def result(self, body: bytes | None) -> bytes | None:
        """The result of the run as it is shown, when its entries were read: that of its last step, for one. Where
        several steps may have made it, what one of them hides is hidden of it.
        """
        places = [*self._of_result()] if self and body is not None else []
        if body is None or not places:
            return body
        return enclosed(redact_at(decode(body), places))

    def _of_result(self) -> Iterator[ValuePlace]:
        document = self._document
        if not document:
            yield from self._below(None)
        elif "output" in document:
            yield from self._of_output(document["output"], ())
        elif "steps" in document:
            done = [each["id"] for each in _steps(document) if each["id"] not in self._skipped]
            yield from self._below(done[-1]) if done else ()
        else:
            for step in _steps(document):
                for place in self._below(step["id"]):
                    yield place
                    yield step["id"], *place

    def _below(self, id: str | None) -> Iterator[ValuePlace]:
        """The places that a step or a part of it does not show; None: any step. Its result may be a list of such."""
        for step, paths in self._paths.items():
            if id is None or step == id or step.startswith(f"{id}/"):
                for path in paths:
                    place = tuple(path_steps(path))
                    yield place
                    yield None, *place

    def _of_output(self, source: Any, at: tuple[str | int, ...]) -> Iterator[ValuePlace]:
        match source:
            case str():
                template = parse_template(source)
                for ref in template.refs:
                    for place in self._below(ref.root):
                        yield from _in(ref, place, at, whole=template.is_one_reference)
            case dict():
                for key, each in source.items():
                    yield from self._of_output(each, (*at, key))
            case list():
                for number, each in enumerate(source):
                    yield from self._of_output(each, (*at, number))


def _in(ref: Ref, place: ValuePlace, at: tuple[str | int, ...], *, whole: bool) -> Iterator[ValuePlace]:
    """Where a place of a step's result is in a value that has a reference to that result at `at`."""
    if all(one is None or one == other for one, other in zip(place, ref.steps, strict=False)):
        yield (*at, *place[len(ref.steps) :]) if whole else at


def _document(definition: bytes | None) -> Mapping[str, Any]:
    try:
        found = json.loads(definition or b"{}")
    except ValueError:  # a pattern, of which there is only a text
        return {}
    return found if isinstance(found, Mapping) else {}


def _steps(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return document.get("steps") or document.get("tasks") or ()

"""The arguments of the commands about workflows: engines in files and modules, values, times."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from actors._user_code.text import printable
from supervisors import SpecError, SpecFault, SupervisorSpec
from supervisors.spi import nearest, read_document
from teams._files.form import seconds
from teams._journal.codec import decode
from teams._journal.errors import NotReadable
from teams.cli._target import TargetError, load_target
from teams.cli._workflow_outcome import note
from teams.workflows._engine.config import environment_values
from teams.workflows._engine.file import load_engine
from teams.workflows._engine.parts import is_engine, settings_of, with_config
from teams.workflows._graph.workflow import Workflow
from teams.workflows.errors import NoSuchWorkflow

_FILES = (".toml", ".yaml", ".yml", ".py")


def is_file(text: str) -> bool:
    """Whether a word of the command line names a file or an attribute of a module, and not a run or a workflow."""
    return Path(text.partition(":")[0]).suffix.lower() in _FILES or ":" in text


def load_engine_target(target: str) -> SupervisorSpec:
    """The engine that a target of `letitcrash run` leads to. What the environment says counts before the target.

    Raises:
        TargetError: it leads to none
        SpecError: the engine, or the environment, has faults; all of them
    """
    given = environment_values()
    for each in given.remarks:
        note(each)
    found = load_target(target, read=partial(load_engine, over=given))
    if not is_engine(found):
        raise TargetError(target, "is not an engine: expected one made by engine(), or a file with workflows")
    if given.faults:
        raise SpecError(given.faults)
    return with_config(found, given.values)


def import_from_here() -> None:
    """Modules of the current folder can be imported, as for `letitcrash run`."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def workflow_named(spec: SupervisorSpec, target: str, name: str | None) -> str:
    """The name of a workflow of the engine: the given one, or the only one. Raises NoSuchWorkflow, TargetError."""
    known = tuple(settings_of(spec).workflows)
    if name is None and len(known) != 1:
        raise TargetError(target, f"has the workflows {', '.join(known)}: say which, with --workflow")
    if name is not None and name not in known:
        raise NoSuchWorkflow(name, known)
    return known[0] if name is None else name


def flow_named(spec: SupervisorSpec, target: str, name: str | None) -> Workflow:
    """The same as a value. Raises TargetError, too, where it is a pattern, which has no graph."""
    found = settings_of(spec).workflows[workflow_named(spec, target, name)]
    if not isinstance(found, Workflow):
        raise TargetError(target, f"workflow {name!r} is a pattern: it has no graph")
    return found


def read_value(option: str, text: str | None) -> Any:
    """The value of `JSON|@file|-`; None where nothing is given. Raises SpecError."""
    if text is None:
        return None
    if text == "-" and sys.stdin is None:
        raise SpecError([SpecFault(option, "cannot be read: the standard input is closed")])
    if text == "-":
        return _decoded(option, _read(option, text, sys.stdin.read))
    if text.startswith("@"):
        return _decoded(option, _read(option, text, partial(Path(text[1:]).read_text, encoding="utf-8")))
    return _decoded(option, text, """; quote texts for the shell: '"text"'""")


def _read(option: str, said: str, read: Callable[[], str]) -> str:
    """What a file or the standard input holds. `said` is how the option names it. Raises SpecError."""
    try:
        return read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SpecError([SpecFault(option, f"{printable(said)} cannot be read: {why}")]) from None


def _decoded(option: str, source: str, hint: str = "") -> Any:
    try:
        return decode(source.encode("utf-8", "surrogatepass"))
    except NotReadable as error:
        raise SpecError([SpecFault(option, f"is not JSON: {error.what}{hint}")]) from None


def read_stubs(path: str | None) -> Mapping[str, Any]:
    """The stubs in a JSON, TOML or YAML file: a mapping from steps to results. Raises SpecError."""
    if path is None:
        return {}
    if Path(path).suffix.lower() != ".json":
        return read_document(path, "stub")
    found = _decoded("--stub", _read("--stub", path, partial(Path(path).read_text, encoding="utf-8")))
    if not isinstance(found, dict):
        raise SpecError([SpecFault("--stub", f"must be a mapping from steps to results, got {type(found).__name__}")])
    return found


def one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    """A word of a few. Raises SpecError."""
    if value not in known:
        raise SpecError([SpecFault(option, f"there is no {printable(value)!r}; {nearest(value, known)}")])
    return value


def since(text: str | None, now: int) -> int | None:
    """A time as UTC microseconds: ISO 8601 with an offset, or how long ago: "90s", "5m", "24h". Raises SpecError."""
    if text is None:
        return None
    try:
        return max(0, now - round(seconds(text) * 1e6))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("it needs an offset")
    except ValueError:
        problem = f"must be a time such as 2026-01-31T08:00:00Z, or how long ago: 90s, 5m, 24h; got {printable(text)!r}"
        raise SpecError([SpecFault("--since", problem)]) from None
    return round(at.timestamp() * 1e6)

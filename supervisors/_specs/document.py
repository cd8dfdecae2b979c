"""Documents: the mapping in a TOML or YAML file. Each fault has its place in the file.

A file may hold anything: `read_document` returns a mapping or raises SpecError. So a file has limits (size, depth, and
the number of values that YAML aliases repeat), a duplicate key is a fault, and only the YAML tags of plain data are
allowed.

The place of a fault is the file, with line and column if they are known: `tree.yaml:3:5`.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.spi import MissingExtra, described, needs_extra, shown
from supervisors.errors import SpecError, SpecFault

if TYPE_CHECKING:
    import yaml

_BYTES = 1 << 20
"""The most bytes of a file: enough for a tree of some thousand children."""
_DEPTH = 100
"""The most levels of mappings and lists: a supervisor takes two."""
_VALUES = 100_000
"""How many values there may be, those that an alias repeats counted each time."""
_TOO_MANY = f"the document has more than {_VALUES} values, aliases counted each time"

_NUMBER = 100
"""The most characters of a number or a date: YAML reads `1:00:00` as seconds, slowly if it is long."""

_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
_TEXTS = frozenset({f"{_YAML}str", f"{_YAML}binary"})


def read_document(path: str | os.PathLike[str], holds: str = "tree") -> Mapping[str, object]:
    """The mapping in a `.toml`, `.yaml` or `.yml` file. `holds` says in faults what it describes.

    Raises:
        SpecError: the file cannot be read or parsed, or does not hold a mapping
    """
    name = str(path)
    try:
        text = _text(Path(path))
    except (OSError, ValueError) as error:
        raise _refused(name, f"cannot be read: {_problem(error)}") from None
    match Path(path).suffix.lower():
        case ".toml":
            content = _toml(text, name)
        case ".yaml" | ".yml":
            content = _yaml(text, name)
        case other:
            raise _refused(name, f"a {holds} is in a .toml, .yaml or .yml file, not {other or 'this'!r}")
    if not isinstance(content, dict) or (not content and holds == "tree"):
        what = f"holds {_kind(content)}" if content is not None and content != {} else "is empty"
        expected = {"tree": "a supervisor", "engine": "an engine"}.get(holds, f"a {holds}")
        raise _refused(name, f"{what}, expected the keys of {expected}")
    if (where := _too_deep(content)) is not None:
        raise _refused(name, f"is nested deeper than {_DEPTH} levels, below {where}")
    return content


def _refused(path: str, problem: str) -> SpecError:
    return SpecError([SpecFault(path, problem)])


def _text(file: Path) -> str:
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):  # opening a pipe would wait for its writer
        raise ValueError("it is a folder" if stat.S_ISDIR(mode) else "it is not a regular file")
    with file.open("rb") as stream:
        data = stream.read(_BYTES + 1)
    if len(data) > _BYTES:
        raise ValueError(f"it is longer than {_BYTES >> 20} MiB")
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def _problem(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = bytes(error.object[: error.start]).count(b"\n") + 1
        return f"it is not UTF-8 (at line {line}, byte 0x{error.object[error.start]:02x})"
    return str(error)


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}.get(
        type(value), type(value).__name__
    )


def _too_deep(content: object) -> str | None:
    """The key below which the nesting is too deep."""
    level: list[tuple[str, object]] = [("", content)]
    for _ in range(_DEPTH):
        level = [pair for where, value in level for pair in _inside(where, value)]
        if not level:
            return None
    return level[0][0].partition(".")[0]


def _inside(where: str, value: object) -> Iterator[tuple[str, object]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        if isinstance(each, dict | list):
            yield where or str(key), each


# TOML


_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_LONG_KEY = re.compile(rf"(?:^|[{{,])[ \t\[]*(?:{_PART}){{{_DEPTH}}}", re.MULTILINE)
"""Each part of a dotted key is a level. tomllib takes minutes for a key with as many parts as a file has room for."""


def _toml(text: str, path: str) -> object:
    if (key := _LONG_KEY.search(text)) is not None:
        where = key[0].lstrip("{,[ \t\n").partition(".")[0].strip()
        raise _refused(path, f"is nested deeper than {_DEPTH} levels, below {where}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _refused(path, f"is nested deeper than {_DEPTH} levels") from None
    except ValueError as error:  # a number with too many digits for Python is not a TOMLDecodeError
        raise _refused(path, f"is not TOML: {error}") from None


# YAML


def _yaml(text: str, path: str) -> object:
    try:
        with needs_extra():
            import yaml
    except MissingExtra as error:
        raise _refused(path, f"a YAML file needs an extra: {error}") from None
    try:
        loader, node = _composed(text, path)
    except _TooMuch as error:
        raise SpecError([error.fault]) from None
    except RecursionError:
        raise _refused(path, f"is nested deeper than {_DEPTH} levels") from None
    except yaml.reader.ReaderError as error:
        line, column = _at(text, error.position)
        problem = f"a character that YAML forbids, {chr(int(error.character))!r}"
        raise _refused(path, f"is not YAML: {problem} (at line {line}, column {column})") from None
    except Exception as error:  # noqa: BLE001 - the parser raises more than YAMLError, such as for "\UFFFFFFFF"
        raise _refused(path, f"is not YAML: {_yaml_problem(error)}") from None
    if node is None:
        return None
    builder = _Builder(loader, path)
    try:
        content = builder.value(node, 0)
    except _TooMuch as error:
        raise SpecError([*builder.faults, error.fault]) from None
    if builder.faults:
        raise SpecError(builder.faults)
    return content


def _composed(text: str, path: str) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    """The nodes of a document, and the loader that constructs values of them.

    The events come from libyaml where PyYAML has it, which is ten times as fast. A document with a fault is parsed
    again without it, so that messages are the same everywhere.
    """
    with needs_extra():
        import yaml

    class Loader(yaml.SafeLoader):
        left = 2 * _VALUES  # a key and its value are two nodes

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise _TooMuch(SpecFault(f"{path}:{mark.line + 1}:{mark.column + 1}", _TOO_MANY))
            return super().compose_node(parent, index)

    loader = Loader(text)
    if yaml.__with_libyaml__:
        fast, parser = Loader(text), yaml.CSafeLoader(text)
        for name in ("check_event", "peek_event", "get_event"):
            setattr(fast, name, getattr(parser, name))
        with suppress(yaml.YAMLError):
            return fast, fast.get_single_node()
    return loader, loader.get_single_node()


def _at(text: str, position: int) -> tuple[int, int]:
    """Line and column, both >= 1."""
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


def _yaml_problem(error: Exception) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    context = getattr(error, "context", None)
    told = ", ".join(each for each in (context, problem) if each) or described(error)
    return told if mark is None else f"{told} (at line {mark.line + 1}, column {mark.column + 1})"


class _TooMuch(Exception):
    """A document with more values or levels than a tree can need: reading stops here."""

    def __init__(self, fault: SpecFault) -> None:
        super().__init__(fault)
        self.fault = fault


class _Builder:
    """Makes plain data of the nodes of a document.

    PyYAML's own constructor takes the last of two equal keys, and has no limit for what aliases and merge keys repeat.
    """

    def __init__(self, loader: yaml.SafeLoader, path: str) -> None:
        self.faults: list[SpecFault] = []
        self._loader = loader
        self._path = path
        self._left = _VALUES
        self._open: set[yaml.Node] = set()

    def value(self, node: Any, depth: int) -> Any:
        """The value of a node; None, with a fault, if it has none."""
        self._left -= 1
        if self._left < 0:
            raise _TooMuch(self._fault(node, _TOO_MANY))
        if depth > _DEPTH:
            raise _TooMuch(self._fault(node, f"is nested deeper than {_DEPTH} levels"))
        if node in self._open:
            self._add(node, "an alias that contains itself")
            return None
        if node.id == "scalar":
            return self._scalar(node)
        wanted = f"{_YAML}{'map' if node.id == 'mapping' else 'seq'}"
        if node.tag != wanted:
            self._add(node, f"the tag {_short(node.tag)} is not allowed in a tree")
            return None
        self._open.add(node)
        try:
            if node.id == "mapping":
                return self._mapping(node, depth)
            return [self.value(each, depth + 1) for each in node.value]
        finally:
            self._open.discard(node)

    def _scalar(self, node: Any) -> Any:
        if node.tag not in _TEXTS and len(node.value) > _NUMBER:
            self._add(node, f"{shown(node.value, 60)} is not a valid {_short(node.tag)}")
            return None
        try:
            return self._loader.construct_object(node, deep=True)
        except Exception as error:  # noqa: BLE001 - the string of a number, a date or a tag may be anything
            problem = getattr(error, "problem", None) or f"{shown(node.value, 60)} is not a valid {_short(node.tag)}"
            self._add(node, str(problem))
            return None

    def _mapping(self, node: Any, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        lines: dict[Hashable, int] = {}
        for key_node, value_node in node.value:
            key = _MERGE if key_node.tag == _MERGE else self._key(key_node)
            if key in lines:
                self._add(key_node, f"duplicate key {shown(key_node.value)}, first at line {lines[key]}")
            lines[key] = key_node.start_mark.line + 1
            if key is _MERGE:
                self._merge(value_node, depth, merged)
            else:
                made[key] = self.value(value_node, depth + 1)
        return {**merged, **made}

    def _key(self, node: Any) -> Any:
        if node.id != "scalar":
            self._add(node, f"a key must be a string, got a {node.id}")
            return None
        return self._scalar(node)

    def _merge(self, node: Any, depth: int, merged: dict[Any, Any]) -> None:
        """The keys that `<<` adds to a mapping; of several mappings, the first with a key counts."""
        several = node.value if node.id == "sequence" else [node]
        for each in several:
            if each.id != "mapping":
                self._add(each, "<< must be followed by an alias of a mapping, or a list of these")
                continue
            for key, value in (self.value(each, depth + 1) or {}).items():
                merged.setdefault(key, value)

    def _add(self, node: Any, problem: str) -> None:
        self.faults.append(self._fault(node, problem))

    def _fault(self, node: Any, problem: str) -> SpecFault:
        mark = node.start_mark
        return SpecFault(f"{self._path}:{mark.line + 1}:{mark.column + 1}", problem)


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_YAML)}" if tag.startswith(_YAML) else shown(tag)

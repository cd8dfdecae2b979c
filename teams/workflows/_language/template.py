"""Values with references in them, such as the input of a step.

| text | becomes |
|---|---|
| `"$classify.category"` | the value, of any type |
| `"Dear ${input.name}"` | a string; a value that is not a string is written as JSON |
| `"$$5"` | `"$5"` |
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from teams.workflows._language.expression import DEEPEST, parse_ref
from teams.workflows._language.refs import MISSING, NAME, Ref, resolve
from teams.workflows.errors import BadExpression, MissingValue

LONGEST_TEXT = 100_000
"""Characters of one text."""
MOST_VALUES = 10_000
"""Values in one template."""

_MARK = re.compile(rf"\$\$|\$\{{([^}}]*)(\}}?)|\$(?={NAME.pattern})")


class NotATemplate(ValueError):
    """A part of a value cannot stand in a template; `where` leads to it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why


@dataclass(frozen=True, slots=True)
class InputTemplate:
    """A value of strings, numbers, lists and mappings, with references in its strings."""

    source: Any = None
    """The value as it was written."""
    refs: tuple[Ref, ...] = field(default=(), compare=False)
    """Every reference in it, in order."""
    _made: Any = field(default=None, repr=False, compare=False)

    @property
    def is_one_reference(self) -> bool:
        """Whether it is a reference, whose value it becomes."""
        return isinstance(self._made, Ref)

    def render(self, env: Mapping[str, object]) -> Any:
        """The value. A reference to a skipped step is None. Raises MissingValue for one that leads nowhere."""
        return _rendered(self._made, env)


@dataclass(frozen=True, slots=True)
class _Text:
    """A string with references in it."""

    parts: tuple[str | Ref, ...]


def parse_template(value: object) -> InputTemplate:
    """The template of a value.

    Raises:
        BadExpression: a string in it has a fault
        NotATemplate: it holds something else than strings, numbers, booleans, None, lists, and mappings with string
            keys, or it is too deep or too large
    """
    refs: list[Ref] = []
    source, made = _Reader(refs.append).read(value, "", 0)
    return InputTemplate(source, tuple(refs), made)


def template_with_roots(template: InputTemplate, roots: Mapping[str, str]) -> InputTemplate:
    """The template with other names of what its references start from."""
    if not any(ref.root in roots for ref in template.refs):
        return template
    return parse_template(_with_roots(template.source, roots))


def _with_roots(source: Any, roots: Mapping[str, str]) -> Any:
    if isinstance(source, list):
        return [_with_roots(each, roots) for each in source]
    if isinstance(source, dict):
        return {key: _with_roots(each, roots) for key, each in source.items()}
    if not isinstance(source, str) or "$" not in source:
        return source
    if source[1:2] not in ("{", "$") and _MARK.match(source):
        return str(parse_ref(source).with_root(roots))

    def renamed(mark: re.Match[str]) -> str:
        return mark[0] if mark[1] is None else f"${{{parse_ref(mark[1]).with_root(roots)}}}"

    return _MARK.sub(renamed, source)


class _Reader:
    """Reads one template; each reference goes to `found`."""

    def __init__(self, found: Callable[[Ref], object]) -> None:
        self._found = found
        self._left = MOST_VALUES

    def read(self, value: object, where: str, depth: int) -> tuple[Any, Any]:
        """A copy of what was written, and its parsed form."""
        self._left -= 1
        if depth > DEEPEST:
            raise NotATemplate(where, f"is nested deeper than {DEEPEST} levels")
        if self._left < 0:
            raise NotATemplate(where, f"has more than {MOST_VALUES} values")
        if isinstance(value, str):
            return value, self._text(value, where)
        if value is None or isinstance(value, bool | int | float):
            if isinstance(value, float) and not math.isfinite(value):
                raise NotATemplate(where, f"must be a finite number, got {value!r}")
            return value, value
        if isinstance(value, list | tuple):
            read = [self.read(each, f"{where}[{index}]", depth + 1) for index, each in enumerate(value)]
            return [source for source, _ in read], [made for _, made in read]
        if isinstance(value, Mapping):
            sources, mades = {}, {}
            for key, each in value.items():
                if not isinstance(key, str):
                    raise NotATemplate(where, f"the key {key!r} must be a string")
                sources[key], mades[key] = self.read(each, f"{where}.{key}" if where else key, depth + 1)
            return sources, mades
        raise NotATemplate(
            where, f"must be a string, a number, true, false, null, a list or a mapping, got {type(value).__name__}"
        )

    def _text(self, text: str, where: str) -> object:
        if "$" not in text:
            return text
        if len(text) > LONGEST_TEXT:
            raise NotATemplate(where, f"is longer than {LONGEST_TEXT} characters")
        if text[1:2] not in ("{", "$") and _MARK.match(text):
            return self._ref(text, 0, len(text))
        parts: list[str | Ref] = []
        at = 0
        for mark in _MARK.finditer(text):
            parts.append(text[at : mark.start()])
            at = mark.end()
            if mark[0] == "$$":
                parts.append("$")
            elif mark[1] is None:
                raise BadExpression(
                    text, mark.start(), "a reference inside a string is written ${...}, and a dollar $$"
                )
            elif not mark[2]:
                raise BadExpression(text, mark.start(), "'${' has no closing '}'")
            else:
                parts.append(self._ref(text, mark.start(1), mark.end(1)))
        parts.append(text[at:])
        kept = tuple(each for each in parts if each != "")
        return _Text(kept) if any(isinstance(each, Ref) for each in kept) else "".join(map(str, kept))

    def _ref(self, text: str, at: int, end: int) -> Ref:
        try:
            ref = parse_ref(text, at, end)
        except BadExpression as error:
            if at:
                raise
            why = f"{error.why}; a reference inside a string is written ${{...}}, and a dollar $$"
            raise BadExpression(text, error.position, why) from None
        self._found(ref)
        return ref


def _rendered(made: Any, env: Mapping[str, object]) -> Any:
    if isinstance(made, Ref):
        return _value(made, env)
    if isinstance(made, _Text):
        return "".join(each if isinstance(each, str) else _written(_value(each, env)) for each in made.parts)
    if isinstance(made, list):
        return [_rendered(each, env) for each in made]
    if isinstance(made, dict):
        return {key: _rendered(each, env) for key, each in made.items()}
    return made


def _value(ref: Ref, env: Mapping[str, object]) -> object:
    found = resolve(ref, env)
    if found is MISSING:
        raise MissingValue(str(ref))
    return found


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value).decode()

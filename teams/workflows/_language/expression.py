"""Conditions as trees: what a string says. Parsing takes time in proportion to the length of the text.

    expr := or;  or := and (("or"|"||") and)*;  and := not (("and"|"&&") not)*;  not := ("not"|"!") not | cmp
    cmp  := term (("=="|"!="|"<"|"<="|">"|">="|"in"|"not in"|"contains") term)?
    term := literal | path | list | "(" expr ")" | ("size"|"has") "(" path ")"
    path := "$"? name ("." name | "[" (int|string) "]")*;   literal := 'text' | "text" | number | true | false | null

`default` alone always holds. After a `$`, a word of the grammar is a name, too. There are no calls of functions and no
regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from teams.workflows._language.refs import NAME, Ref, quoted
from teams.workflows.errors import BadExpression

LONGEST = 2000
"""Characters of a string."""
_GROWTH = 6
"""What is printed is at most so many times as long: `a||b` becomes `$a or $b`, `1e15` its digits."""
DEEPEST = 32
"""Levels of parentheses, lists and `not`."""

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in", "contains"]
OPS: tuple[Comparison, ...] = get_args(Comparison)
Function = Literal["size", "has"]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A literal."""

    value: str | int | float | bool | None

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return quoted(self.value)
        if self.value is None:
            return "null"
        return str(self.value).lower() if isinstance(self.value, bool) else repr(self.value)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list."""

    items: tuple[Expression, ...]

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class Of:
    """`size(path)` or `has(path)`."""

    function: Function
    ref: Ref

    def __str__(self) -> str:
        return f"{self.function}({self.ref})"


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison."""

    op: Comparison
    left: Expression
    right: Expression

    def __str__(self) -> str:
        return f"{_within(self.left, _TERMS)} {self.op} {_within(self.right, _TERMS)}"


@dataclass(frozen=True, slots=True)
class Negated:
    """`not`."""

    inner: Expression

    def __str__(self) -> str:
        return f"not {_within(self.inner, (*_TERMS, Compared, Negated))}"


@dataclass(frozen=True, slots=True)
class Every:
    """`and` of two or more."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(_within(each, (*_TERMS, Compared, Negated)) for each in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """`or` of two or more."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(_within(each, (*_TERMS, Compared, Negated, Every)) for each in self.parts)


@dataclass(frozen=True, slots=True)
class Always:
    """`default`."""

    def __str__(self) -> str:
        return "default"


Expression: TypeAlias = Fixed | Ref | Listed | Of | Compared | Negated | Every | Some | Always
"""The tree of a condition. `str` writes it, and parsing that gives an equal tree."""

_TERMS = (Fixed, Ref, Listed, Of)


def _within(part: Expression, bare: tuple[type, ...]) -> str:
    return f"{part}" if isinstance(part, bare) else f"({part})"


def paths(expression: Expression) -> Iterator[Ref]:
    """Every reference in a condition, in order."""
    match expression:
        case Ref():
            yield expression
        case Of(_, ref):
            yield ref
        case Listed(parts) | Every(parts) | Some(parts):
            for each in parts:
                yield from paths(each)
        case Compared(_, left, right):
            yield from paths(left)
            yield from paths(right)
        case Negated(inner):
            yield from paths(inner)


def roots(expression: Expression) -> frozenset[str]:
    """The names that the references of a condition start from."""
    return frozenset(each.root for each in paths(expression))


def with_roots(expression: Expression, roots: Mapping[str, str]) -> Expression:
    """The condition with other names of what its references start from."""
    match expression:
        case Ref():
            return expression.with_root(roots)
        case Of(function, ref):
            return Of(function, ref.with_root(roots))
        case Listed(parts):
            return Listed(tuple(with_roots(each, roots) for each in parts))
        case Every(parts):
            return Every(tuple(with_roots(each, roots) for each in parts))
        case Some(parts):
            return Some(tuple(with_roots(each, roots) for each in parts))
        case Compared(op, left, right):
            return Compared(op, with_roots(left, roots), with_roots(right, roots))
        case Negated(inner):
            return Negated(with_roots(inner, roots))
    return expression


def parse(text: str) -> Expression:
    """The tree of a condition. Raises BadExpression, which points at the first fault."""
    if text.strip() == "default":
        return Always()
    found = _Parser(text).whole()
    if len(text) > LONGEST // _GROWTH and len(f"{found}") > LONGEST:
        raise BadExpression(text, len(text), f"is longer than {LONGEST} characters when it is written with words")
    return found


def parse_ref(text: str, at: int = 0, end: int | None = None) -> Ref:
    """The reference that a part of a string is, as in a condition; the `$` may be left out. Raises BadExpression."""
    return _Parser(text, at, end).whole_ref()


# Tokens


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    rf"""[ \t\r\n]*(?:
      (?P<ref>\${NAME.pattern})
    | (?P<word>{NAME.pattern})
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!()\[\],.])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_OPERATORS = {"and", "or", "not", "in", "contains"}
KEYWORDS = frozenset({*_CONSTANTS, *_OPERATORS, "default"})
"""Words that are not names in a condition, unless a `$` stands before them."""
_INSTEAD = {
    "=": "write == to compare",
    "&": "write 'and'",
    "|": "write 'or'",
    "_": "names that begin with _ cannot be reached",
    "$": "a name must follow $",
    "{": "write $name, without braces",
    "'": "the string has no closing quote",
    '"': "the string has no closing quote",
}

_BINDING: dict[str, int] = {"or": 1, "||": 1, "and": 2, "&&": 2, **{str(op): 4 for op in OPS}}
"""How strongly an operator binds; `not` has 3."""
_NOT = 3


class _Parser:
    """A Pratt parser over the tokens of one text."""

    def __init__(self, text: str, at: int = 0, end: int | None = None) -> None:
        self.text = text
        self._end = len(text) if end is None else end
        if self._end - at > LONGEST:
            raise BadExpression(text, at + LONGEST, f"is longer than {LONGEST} characters")
        self._depth = 0
        self._token = self._read(at)

    def whole(self) -> Expression:
        found = self._expression(0)
        self._must_end()
        return found

    def whole_ref(self) -> Ref:
        found = self._path()
        self._must_end()
        return found

    def _must_end(self) -> None:
        if self._token.kind != "end":
            raise self._bad(f"unexpected {self._token.text!r}; {self._wanted()}")

    def _wanted(self) -> str:
        token = self._token
        if token.text in OPS:
            return "comparisons cannot follow each other, join them with 'and'"
        if token.kind == "sign" and token.text == "(":
            return "there are no functions except size() and has()"
        return "an operator such as ==, in, and, or must stand here"

    # Tokens

    def _read(self, at: int) -> _Token:
        match = _TOKEN.match(self.text, at, self._end)
        if match is None:
            while at < self._end and self.text[at] in " \t\r\n":
                at += 1
            character = self.text[at]
            raise BadExpression(self.text, at, _INSTEAD.get(character, f"unexpected {character!r}"))
        kind = str(match.lastgroup)
        return _Token(kind, match[kind], match.start(kind))

    def _take(self) -> _Token:
        """The token, and goes on to the next."""
        token = self._token
        self._token = self._read(token.at + len(token.text))
        return token

    def _took(self, *signs: str) -> bool:
        """Goes on if the token is one of these signs or words."""
        if self._token.kind in ("sign", "word") and self._token.text in signs:
            self._take()
            return True
        return False

    def _must(self, sign: str, what: str) -> None:
        if not self._took(sign):
            raise self._bad(f"{sign!r} must stand here, {what}")

    def _bad(self, why: str) -> BadExpression:
        return BadExpression(self.text, self._token.at, why)

    # Expressions

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._bad(f"is nested deeper than {DEEPEST} levels")

    def _expression(self, least: int) -> Expression:
        """The expression whose operators bind more strongly than `least`."""
        left = self._prefix()
        while (binding := _BINDING.get(op := self._operator(), 0)) > least:
            if binding == _BINDING["=="]:
                left = self._comparison(op, left)
                if self._operator() in OPS:
                    raise self._bad(self._wanted())
            else:
                left = self._joined(left, binding)
        return left

    def _operator(self) -> str:
        token = self._token
        if token.kind not in ("sign", "word"):
            return ""
        if token.kind == "word" and token.text == "not":
            after = self._read(token.at + len(token.text))
            return "not in" if after.kind == "word" and after.text == "in" else ""
        return token.text

    def _joined(self, first: Expression, binding: int) -> Expression:
        """All that the same operator joins, so that a long chain is not deep."""
        parts = [first]
        while _BINDING.get(self._operator()) == binding:
            self._take()
            parts.append(self._expression(binding))
        return Every(tuple(parts)) if binding == _BINDING["and"] else Some(tuple(parts))

    def _comparison(self, op: str, left: Expression) -> Expression:
        for _ in op.split():
            self._take()
        right = self._expression(_BINDING["=="])
        return Compared(next(each for each in OPS if each == op), left, right)

    def _prefix(self) -> Expression:
        token = self._token
        if (token.kind, token.text) in (("word", "not"), ("sign", "!")):
            self._take()
            self._deeper()
            inner = self._expression(_NOT)
            self._depth -= 1
            return Negated(inner)
        return self._term()

    def _term(self) -> Expression:
        token = self._token
        if token.kind == "string":
            return Fixed(self._string())
        if token.kind == "number":
            return Fixed(self._number())
        if token.kind == "word" and token.text in _CONSTANTS:
            self._take()
            return Fixed(_CONSTANTS[token.text])
        if self._took("("):
            self._deeper()
            inner = self._expression(0)
            self._depth -= 1
            self._must(")", "as '(' was opened")
            return inner
        if self._took("["):
            return self._list()
        if token.kind == "word" and token.text in ("size", "has") and self._calls():
            self._take()
            self._must("(", f"after {token.text}")
            ref = self._path()
            self._must(")", f"after the reference of {token.text}")
            return Of("size" if token.text == "size" else "has", ref)
        return self._path()

    def _calls(self) -> bool:
        after = self._read(self._token.at + len(self._token.text))
        return after.kind == "sign" and after.text == "("

    def _list(self) -> Expression:
        self._deeper()
        items: list[Expression] = []
        while not self._took("]"):
            if items:
                self._must(",", "or ']' to end the list")
                if self._took("]"):
                    break
            items.append(self._expression(_BINDING["=="]))
        self._depth -= 1
        return Listed(tuple(items))

    def _string(self) -> str:
        token = self._token

        def plain(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPED:
                at = token.at + 1 + match.start()
                raise BadExpression(self.text, at, f"unknown escape {match[0]!r}; there are {' '.join(_KNOWN)}")
            return _ESCAPED[match[1]]

        found = _ESCAPE.sub(plain, token.text[1:-1])
        self._take()
        return found

    def _number(self) -> int | float:
        token = self._take()
        if token.text.lstrip("-").isdecimal():
            return int(token.text)
        number = float(token.text)
        if number in (float("inf"), float("-inf")):
            raise BadExpression(self.text, token.at, "is too large for a number")
        return number

    def _path(self) -> Ref:
        token = self._token
        if token.kind == "ref":
            root = token.text[1:]
        elif token.kind == "word" and token.text not in KEYWORDS:
            root = token.text
        else:
            what = "the text ends here" if token.kind == "end" else f"got {token.text!r}"
            hint = "; default stands alone" if token.text == "default" else ""
            raise self._bad(f"a value or a reference must stand here, {what}{hint}")
        self._take()
        steps: list[str | int] = []
        while True:
            if self._took("."):
                if self._token.kind != "word":
                    raise self._bad("a name must follow the '.'; write [0] for a number")
                steps.append(self._take().text)
            elif self._took("["):
                steps.append(self._index())
                self._must("]", "after the number or the string")
            else:
                return Ref(root, tuple(steps))

    def _index(self) -> str | int:
        token = self._token
        if token.kind == "string":
            return self._string()
        if token.kind != "number" or not token.text.isdecimal():
            raise self._bad("a number >= 0 or a string must stand in the brackets")
        self._take()
        return int(token.text)


_KNOWN = [f"\\{each}" for each in _ESCAPED]

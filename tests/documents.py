"""Documents that somebody might write: sound ones with something changed, and others."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hypothesis import strategies as st

SCALARS: list[Any] = [
    None,
    True,
    0,
    -1,
    3,
    10**30,
    10**9,
    1.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a/b",
    "\x1b[31m",
    "é\u202e",
    "x" * 3000,
    datetime.date(2020, 1, 1),
    b"\xff",
    "json:loads",
    "json:nope",
    "nope:x",
    "..x:y",
    "actors:Actor",
    "permanent",
    "one_for_all",
    "simple_one_for_one",
    "infinity",
    "30s",
    "a..b",
]
"""Values that mean something somewhere, or nothing anywhere."""
ODD_KEYS: list[Any] = [1, True, None, 1.5, "", "memberz", "\x1b", datetime.date(2020, 1, 1)]


@st.composite
def changed(draw: st.DrawFn, sound: Mapping[str, Any], keys: Sequence[str]) -> dict[Any, Any]:
    """A sound document with up to three places changed: another value, a key that is missing, new, or another."""
    document: dict[Any, Any] = copy.deepcopy(dict(sound))
    some_key = st.sampled_from([*keys, *ODD_KEYS])
    values = st.recursive(
        st.sampled_from(SCALARS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(some_key, inner, max_size=4),
        max_leaves=6,
    )
    for _ in range(draw(st.integers(1, 3))):
        node: Any = document
        while True:
            places: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not places:
                break
            place = draw(st.sampled_from(places))
            if isinstance(node[place], dict | list) and draw(st.integers(0, 3)):
                node = node[place]
                continue
            change = draw(st.sampled_from(["value", "less", "more"]))
            if change == "value":
                node[place] = draw(values)
            elif change == "less":
                del node[place]
            elif isinstance(node, dict):
                node[draw(some_key)] = draw(values)
            else:
                node.append(copy.deepcopy(node[place]))
            break
    return document


BITS = [
    *("\0", "\t", "&a ", "*a", "<<: *a\n", "!!int ", "!!set ", "!x ", "---\n", "%YAML 9\n", "? ", ": ", "- ", "[", "}"),
    *("'", '"', '"""', "\\", "|\n", "#", "\x1b", "\x85", "\ufeff", "1e999", "0o9", "1:2:3", "2024-13-45", "=", "~"),
    *("@", "\r", "\n\n  ", "[[", "]]", '"\\UFFFFFFFF"', "1979-05-27T07:32:00Z", "{a: {a: ", "\ud800"),
]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """A text with bits added, bits missing, lines twice; perhaps no UTF-8."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["more", "less", "twice"]))
        if kind == "more":
            text = text[:place] + draw(st.sampled_from(BITS)) + text[place:]
        elif kind == "less":
            text = text[:place] + text[place + draw(st.integers(1, 8)) :]
        else:
            line = text[text.rfind("\n", 0, place) + 1 : text.find("\n", place) + 1]
            text = text[:place] + line + text[place:]
    return text.encode("utf-8", "surrogatepass")


def as_yaml(document: object) -> bytes:
    """The document as YAML, whatever its keys are."""
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode("utf-8")

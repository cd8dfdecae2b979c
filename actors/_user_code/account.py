"""Accounts of exceptions: a traceback with the frames of the user's own code, whatever chain the exception brings.

`traceback` shows all of a chain, and its cost grows with a group that holds a group twice. An account is bounded: of a
chain it shows both ends, of a group the first members, of each traceback the frames nearest to the error.
"""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from actors._name import PACKAGES
from actors._user_code.text import (
    LONGEST,
    TEXT,
    attribute,
    block,
    cut,
    described,
    is_ctrl_c,
    printable,
    said,
    type_name,
)

_FRAMES = 6
"""Frames of the user's own code shown of one traceback: those nearest to the error say what is wrong."""
_EVERY = 30
"""Frames shown where those of libraries are wanted, too."""
_STACK = 12
"""Frames shown of a stack."""
_ENDS = 4
"""How many exceptions of a chain are shown at each end."""
_MEMBERS = 5
"""How many members of a group are shown."""
_EXCEPTIONS = 32
"""How many exceptions one account shows."""
_DEPTH = 3
"""How deep groups are shown."""
_EXPLAINED = (SyntaxError, NameError, AttributeError, ImportError)
_LONGEST = 2 * TEXT
"""Characters of what one exception says."""

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"

_HOME = Path(__file__).parents[2]
_INTERNAL = (
    "<frozen",
    *(f"{_HOME / name}{os.sep}" for name in PACKAGES),
    *(sysconfig.get_path(each) + os.sep for each in ("stdlib", "platstdlib", "purelib", "platlib")),
)


def is_internal(filename: str) -> bool:
    """Whether the code of this file is ours or of an installed package, and not the user's."""
    return filename.startswith(_INTERNAL)


def account(error: BaseException, *, libraries: bool = False) -> str:
    """The traceback of an exception, with the frames of the user's own code, or with those of `libraries` and ours,
    too. Several lines, printable.
    """
    try:
        return "\n".join(_lines(error, _Room(libraries), 0))
    except BaseException as raised:
        if is_ctrl_c(raised):
            raise
        return described(error, TEXT)


def users_frame(frame: FrameType | None) -> str:
    """The position of the user's code that a thread runs: `file:line in function`. Without such code on the stack: the
    innermost frame.
    """
    here = frame
    while here is not None and is_internal(here.f_code.co_filename):
        here = here.f_back
    here = here or frame
    if here is None:
        return ""
    place = cut(f":{here.f_lineno} in {here.f_code.co_qualname}", LONGEST // 2)
    file = printable(here.f_code.co_filename)
    room = LONGEST - len(place)
    return (file if len(file) <= room else f"...{file[3 - room :]}") + place  # of a long path, the end says more


def users_stack(frame: FrameType | None) -> str:
    """The stack of a thread from the first frame of the user's own code on: how it came to where it is."""
    stack = [(step, line) for step, line in traceback.walk_stack(frame)][::-1] if frame is not None else []
    users = [index for index, (step, _) in enumerate(stack) if not is_internal(step.f_code.co_filename)]
    kept = stack[users[0] if users else 0 :][-_STACK:]
    return "\n".join(block(line.rstrip("\n")) for line in traceback.StackSummary.extract(iter(kept)).format())


def _of(error: BaseException, name: str) -> Any:
    """An attribute of an exception, read past its class, which may redefine the name."""
    return vars(BaseException)[name].__get__(error)


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    """The exception that this one followed, as Python shows it, and how."""
    cause: BaseException | None = _of(error, "__cause__")
    if cause is not None:
        return cause, _CAUSE
    context: BaseException | None = None if _of(error, "__suppress_context__") else _of(error, "__context__")
    return context, _CONTEXT


class _Room:
    """The room that is left in an account."""

    def __init__(self, libraries: bool) -> None:
        self.libraries = libraries
        self.exceptions = _EXCEPTIONS


def _lines(error: BaseException, room: _Room, depth: int) -> Iterator[str]:
    """The chain of an exception, the first one first."""
    chain: list[tuple[BaseException, str]] = []
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        before, how = _before(step)
        chain.append((step, how))
        step = before
    chain.reverse()
    middle = len(chain) - 2 * _ENDS
    for index, (each, how) in enumerate(chain):
        if middle > 0 and _ENDS <= index < _ENDS + middle:
            if index == _ENDS:
                yield from ("", f"... and {middle} more exceptions, each followed by the next", "")
            continue
        if index and not (middle > 0 and index == _ENDS + middle):
            yield from ("", how, "")
        yield from _single(each, room, depth)


def _single(error: BaseException, room: _Room, depth: int) -> Iterator[str]:
    room.exceptions -= 1
    frames = _frames(_of(error, "__traceback__"), room.libraries)
    if frames:
        yield "Traceback (most recent call last):"
        yield from frames
    yield from _only(error).split("\n")
    if not isinstance(error, BaseExceptionGroup):
        return
    members: tuple[BaseException, ...] = vars(BaseExceptionGroup)["exceptions"].__get__(error)
    told = 0
    for member in members[:_MEMBERS]:
        if room.exceptions <= 0 or depth == _DEPTH:
            break
        told += 1
        yield f"  + {told} of {len(members)}"
        yield from (f"  | {line}" for line in _lines(member, room, depth + 1))
    if told < len(members):
        yield f"  + {len(members) - told} more"


def _frames(step: TracebackType | None, libraries: bool) -> list[str]:
    kept: deque[TracebackType] = deque(maxlen=_EVERY if libraries else _FRAMES)
    while step is not None:
        if libraries or not is_internal(step.tb_frame.f_code.co_filename):
            kept.append(step)
        step = step.tb_next
    summary = traceback.StackSummary.from_list([traceback.extract_tb(each, limit=1)[0] for each in kept])
    return [block(line.rstrip("\n")) for line in summary.format()]


def _only(error: BaseException) -> str:
    """The text of an exception without its traceback. For some classes Python adds more: the line of a syntax error,
    a similar name. It looks at the whole chain for that, so only where it is short.
    """
    if isinstance(error, _EXPLAINED) and is_small(error):
        return block("".join(traceback.format_exception_only(error)).rstrip("\n"), _LONGEST)
    text = said(error, _LONGEST, block)
    name = f"{_module_of(error)}{type_name(error)}"
    told = [f"{name}: {text}" if text else name]
    notes = attribute(error, "__notes__")
    if isinstance(notes, list):
        told += [block(each) for each in notes[:_MEMBERS] if isinstance(each, str)]
    return "\n".join(told)


def _module_of(error: BaseException) -> str:
    module = attribute(type(error), "__module__")
    return "" if not isinstance(module, str) or module in ("builtins", "__main__") else f"{cut(module)}."


def is_small(error: BaseException, most: int = _EXCEPTIONS) -> bool:
    """Whether at most so many exceptions hang together with this one, counted as often as each is reached: code that
    follows them all takes as long.
    """
    waiting = [error]
    for _ in range(most):
        if not waiting:
            return True
        each = waiting.pop()
        waiting += [found for name in ("__cause__", "__context__") if (found := _of(each, name)) is not None]
        if isinstance(each, BaseExceptionGroup):
            waiting += vars(BaseExceptionGroup)["exceptions"].__get__(each)
    return not waiting

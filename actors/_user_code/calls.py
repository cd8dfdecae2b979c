"""Calls that Python itself would refuse with a TypeError: builders refuse them with their own error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from actors._user_code.nearest import nearest
from actors._user_code.text import cut, shown

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=type[BaseModel])
CallRefusal = Callable[[object, list[str], Callable[[], object] | None], Exception]
"""Makes the error of a wrong call, from its first argument, its faults, and a call with the other arguments, which
finds their faults. None: an argument is missing, so nothing can be called.
"""

BY_POSITION = "is not an option. Give each by position: write * before a list"
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def strict(
    refused: CallRefusal,
    term: str,
    options: type | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Makes a function raise an error of its own where Python would raise TypeError: for an option that it does not
    have, and for an argument that is given twice, is one too many or is missing.

    Args:
        refused: Makes the error.
        term: What an option is called, "key" or "option".
        options: The typed dictionary of its `**options`. None: it has none, or any option is allowed. Default: None.
        elsewhere: Options of other functions, each with the reason why it is not one here. Default: None.
    """

    def decorate(function: F) -> F:
        code = cast("Any", function).__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        own = frozenset(names).union(() if options is None else cast("Any", options).__optional_keys__)
        takes_any = options is None and bool(code.co_flags & inspect.CO_VARKEYWORDS)

        @wraps(function)
        def called(*args: Any, **given: Any) -> Any:
            if takes_any or given.keys() <= own:
                try:
                    return function(*args, **given)
                except TypeError as error:
                    trace = error.__traceback__
                    if trace is None or trace.tb_next is not None:
                        raise  # from inside of the function: the call itself was right
            parameters = list(inspect.signature(function).parameters.values())
            first = args[0] if args else given.get(parameters[0].name, "?") if parameters else None
            unknown = {} if takes_any else {key: _why(key, term, own, parameters, elsewhere or {}) for key in given}
            raise refused(first, *_apart(function, parameters, unknown, args, given))

        return cast("F", called)

    return decorate


def _why(
    key: str, term: str, own: frozenset[str], parameters: list[inspect.Parameter], elsewhere: Mapping[str, str]
) -> str | None:
    """Why this is not an option; None: it is one."""
    if key in own:
        return None
    if any(each.name == key for each in parameters if each.kind is each.VAR_POSITIONAL):
        return BY_POSITION
    return elsewhere.get(key) or f"unknown {term}; {nearest(key, own, otherwise=f'known {term}s:')}"


def _apart(
    function: Callable[..., Any],
    parameters: list[inspect.Parameter],
    unknown: Mapping[str, str | None],
    args: tuple[Any, ...],
    given: Mapping[str, Any],
) -> tuple[list[str], Callable[[], object] | None]:
    """What is wrong with a call, and the call without that."""
    positional = [each for each in parameters if each.kind in _POSITIONAL]
    problems = [f"{cut(key, 60)}: {why}" for key, why in unknown.items() if why is not None]
    good = {key: value for key, value in given.items() if unknown.get(key) is None}
    for each in positional[: len(args)]:
        if each.name in good:
            problems.append(f"{each.name}: is given by position and by name. Give it once")
            del good[each.name]
    if len(args) > len(positional) and not any(each.kind is each.VAR_POSITIONAL for each in parameters):
        known = ", ".join(each.name for each in positional) or "none"
        extra = shown(args[len(positional)], 60)
        problems.append(f"has {len(args)} arguments by position, of which {extra} is one too many; it takes {known}")
        args = args[: len(positional)]
    missing = [
        each.name
        for number, each in enumerate(parameters)
        if each.default is each.empty and each.kind in _NAMED and number >= len(args) and each.name not in good
    ]
    problems += (f"{name}: is missing" for name in missing)
    return problems, None if missing else lambda: function(*args, **good)


def strict_fields(refused: Callable[[type[BaseModel], ValidationError | str], Exception]) -> Callable[[M], M]:
    """Makes the constructor of a model raise an error of its own, made by `refused` from the model and what is wrong.
    Nothing changes where pydantic validates: `model_validate`, and a model in a model.
    """

    def decorate(model: M) -> M:
        def __init__(self: BaseModel, *args: object, **fields: Any) -> None:
            if args:
                raise refused(type(self), "takes its fields by name")
            try:
                BaseModel.__init__(self, **fields)
            except ValidationError as error:
                raise refused(type(self), error) from None

        __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pydantic need not call it to validate
        setattr(model, "__init__", __init__)  # noqa: B010 - a type checker still sees the fields
        return model

    return decorate

"""Options that cannot work: `OptionError` with all faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from actors._user_code.calls import strict, strict_fields
from actors._user_code.nearest import nearest
from actors._user_code.text import cut, shown
from actors.errors import OptionError

F = TypeVar("F", bound=Callable[..., Any])


def takes_options(what: str) -> Callable[[F], F]:
    """Makes a function raise OptionError where Python would raise TypeError for its call. `what` names the function."""

    def refused(first: object, problems: list[str], rest: Callable[[], object] | None) -> OptionError:
        try:
            if rest is not None:
                rest()
        except OptionError as error:
            problems += error.faults
        return OptionError(what, tuple(dict.fromkeys(problems)))

    return strict(refused, "option")


def faults_in(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """The faults of the options of such a model, a sentence each."""
    faults = []
    for each in error.errors(include_url=False):
        option = ".".join(map(str, each["loc"])) or "host"
        if each["type"] == "extra_forbidden":
            known = [name for name in model.model_fields if name != "kind"]
            faults.append(f"{cut(option, 60)}: unknown option; {nearest(option, known, otherwise='known options:')}")
        else:
            message = each["msg"].replace("Input should be", "must be")
            if each["type"] == "greater_than":  # only times have such a limit
                message = "must be more than 0 seconds"
            faults.append(f"{option}: {message}, got {shown(each['input'], 60)}")
    return list(dict.fromkeys(faults))


def _refused(model: type[BaseModel], wrong: ValidationError | str) -> OptionError:
    faults = [wrong] if isinstance(wrong, str) else faults_in(wrong, model)
    return OptionError(f"{model.__name__}()", tuple(faults))


option_model = strict_fields(_refused)
"""Makes the constructor of a model raise OptionError."""

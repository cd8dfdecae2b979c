"""Makes faults with a readable path of the errors of pydantic (supervision rule 24)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from actors.spi import cut, nearest, shown, strict_fields
from supervisors.errors import SpecError, SpecFault

M = TypeVar("M", bound=BaseModel)

_TAGS = frozenset({"constant", "linear", "exponential"})
"""Names that pydantic adds to a location: the member of a union that it tried. They are not in the spec."""


_MOST = 100
"""How many faults of one model are reported."""


def unknown_key(path: str, key: str, known: Iterable[str]) -> SpecFault:
    """The fault of a key that no spec has, with the nearest that exists."""
    return SpecFault(path, f"{cut(key, 60)}: unknown key; {nearest(key, known, otherwise='known keys:')}")


def faults_of(error: ValidationError, path: str, model: type[BaseModel]) -> Iterator[SpecFault]:
    """Every fault in `error`, one for each place that is wrong."""
    details = error.errors(include_url=False)
    if len(details) > _MOST:
        yield SpecFault(path, f"has {len(details)} faults, of which the first {_MOST} follow")
    for detail in details[:_MOST]:
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, SpecError):
            # The check of combinations in the model: its faults have their place below this one.
            where = _where(detail["loc"])
            prefix = f"{where}: " if where else ""
            yield from (SpecFault(path + fault.path, prefix + fault.message) for fault in inner.faults)
        else:
            yield _fault(detail, path, model)


def _fault(detail: ErrorDetails, path: str, model: type[BaseModel]) -> SpecFault:
    raw = detail["loc"]
    where = _where(raw)
    if detail["type"] == "extra_forbidden":
        known = _keys(model, raw)
        return unknown_key(path, where, known)
    if detail["type"] == "invalid_key":
        return SpecFault(path, f"the key {shown(detail['input'])} must be a string: quote it")
    message = in_words(detail)
    if detail["type"] != "missing":
        message += f", got {shown(detail['input'], 60)}"
    return SpecFault(path, f"{where}: {message}" if where else message)


_WORDS = {
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer of fewer digits",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be finite",
    "bool_type": "must be True or False",
    "bool_parsing": "must be True or False",
    "string_type": "must be a string",
    "greater_than": "must be more than {gt:g} seconds",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "callable_type": "must be callable",
    "model_type": "must be an instance of {class_name}, or a mapping of its fields",
    "is_instance_of": "must be an instance of {class}",
    "is_subclass_of": "must be a subclass of {class}",
    "none_required": "must be None",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list or a tuple",
    "set_type": "must be a set",
    "frozen_set_type": "must be a set",
    "union_tag_not_found": "needs the key {discriminator}",
    "union_tag_invalid": "{discriminator} must be one of {expected_tags}",
}
"""What is wrong, by the kind of pydantic's error; the fields in braces are those of its context."""


def in_words(detail: ErrorDetails) -> str:
    """What is wrong, in the words of this project and not of pydantic, which speaks of inputs."""
    words = _WORDS.get(detail["type"])
    if words is not None:
        return words.format_map(detail.get("ctx", {}))
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message.replace("Input should be", "must be").replace("Input should", "must")


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location if step not in _TAGS)


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The known keys at the place of an unknown one, which may be in a nested model."""
    found = list(model.model_fields)
    if len(location) == 1:
        return found
    for candidate in _nested(model, str(location[0])):
        tag = candidate.model_fields.get("kind")
        if tag is None or tag.default in location:
            found = list(candidate.model_fields)
    return [".".join([str(location[0]), key]) for key in found]


def _nested(model: type[BaseModel], field: str) -> Iterator[type[BaseModel]]:
    """The models that a field may hold."""
    waiting: list[Any] = [model.model_fields[field].annotation] if field in model.model_fields else []
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each
        waiting.extend(getattr(each, "__args__", ()))


def attempt(model: type[M], path: str, values: Mapping[str, object], faults: list[SpecFault]) -> M | None:
    """The model, or None with every fault appended to `faults`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        faults.extend(faults_of(error, path, model))
        return None


def checked(model: type[M], path: str, values: Mapping[str, object]) -> M:
    """The model. Raises SpecError with every fault."""
    faults: list[SpecFault] = []
    made = attempt(model, path, values, faults)
    if made is None:
        raise SpecError(faults)
    return made


def _refused(model: type[BaseModel], wrong: ValidationError | str) -> SpecError:
    place = f"{model.__name__}()"
    return SpecError([SpecFault(place, wrong)] if isinstance(wrong, str) else list(faults_of(wrong, place, model)))


spec_model = strict_fields(_refused)
"""Makes the constructor of a model raise SpecError with all faults, as its builder does."""

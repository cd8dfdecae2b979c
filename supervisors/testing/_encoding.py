"""Specs as plain values, for replay blobs. Reading them imports the modules of their actor classes, as starting a tree
from a file does, and runs nothing else.

What a spec has by default is left out, so that blobs stay short. A class is `{"class": "module:Name"}`, and text stays
text; in arguments a tuple is `{"tuple": [...]}` and a mapping `{"dict": {...}}`, and a list stays a list.
"""

from __future__ import annotations

from collections.abc import Mapping

from supervisors._specs.faults import checked
from supervisors._specs.fields import LOCATION
from supervisors._specs.resolve import resolve
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors._specs.start_kind import StartKind, kind_of
from supervisors.errors import SpecError, SpecFault
from supervisors.testing._errors import NotEncodable

Json = Mapping[str, object]

_SPECS: Mapping[str, type[Spec]] = {"child": ChildSpec, "supervisor": SupervisorSpec}
_CALLED = ("on_failure", "on_give_up")


def spec_as_json(spec: Spec, path: str) -> Json:
    """The values from which `spec_from_json` makes this spec. Raises `NotEncodable` for functions, objects and local
    classes.
    """
    fields = type(spec).model_fields
    given = {name for name, value in spec if value != fields[name].default}
    if called := [*given.intersection(_CALLED), *(["mailbox.priority"] if _sorts(spec) else ())]:
        raise NotEncodable(f"{path}: {called[0]} is a function, and a blob runs none")
    values: dict[str, object] = {"spec": "supervisor" if isinstance(spec, SupervisorSpec) else "child"}
    for name in sorted(given):
        value = getattr(spec, name)
        match name:
            case "children":
                values[name] = [spec_as_json(child, f"{path}/{child.id}") for child in value]
            case "template":
                values[name] = spec_as_json(value, f"{path}/{value.id}")
            case "start" | "supervisor_class" if not isinstance(value, str):
                values[name] = _class_as_json(value, f"{path}: {name}")
            case "initial":
                values[name] = [_as_json(each, f"{path}: initial") for each in value]
            case "args":
                values[name] = _as_json(value, f"{path}: args")
            case _:
                values[name] = spec.model_dump(mode="json", include={name})[name]
    return values


def _sorts(spec: Spec) -> bool:
    return isinstance(spec, ChildSpec) and spec.mailbox.priority is not None


def _class_as_json(value: object, place: str) -> Json:
    is_actor = isinstance(value, type) and kind_of(value) is StartKind.ACTOR
    name = f"{value.__module__}:{value.__qualname__}" if is_actor else repr(value)  # type: ignore[attr-defined]
    if LOCATION.fullmatch(name) is None:
        raise NotEncodable(f"{place} {name} cannot be found by its name: give a class at the top of a module")
    return {"class": name}


def _as_json(value: object, place: str) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_as_json(each, place) for each in value]
    if type(value) is tuple:
        return {"tuple": [_as_json(each, place) for each in value]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _as_json(each, place) for key, each in value.items()}}
    raise NotEncodable(f"{place} holds {value!r}: a blob holds plain values (numbers, text, lists, tuples, mappings)")


def spec_from_json(values: Json, path: str = "root") -> Spec:
    """Reads what `spec_as_json` wrote.

    Raises:
        SpecError: what is there makes no spec, or a class is not found any more
    """
    model = _SPECS.get(str(values.get("spec")))
    if model is None:
        raise SpecError([SpecFault(path, f"spec: {values.get('spec')!r} is neither of {', '.join(_SPECS)}")])
    given = {name: _value(name, value, path) for name, value in values.items() if name != "spec"}
    spec = checked(model, path, given)
    # What is left out is a default of the spec, and not of the class.
    return spec.as_settled() if isinstance(spec, ChildSpec) and isinstance(spec.start, type) else spec


def _value(name: str, value: object, path: str) -> object:
    match name, value:
        case "children", list() as listed:
            return tuple(_below(each, path) for each in listed)
        case "template", _:
            return _below(value, path)
        case "initial", list() as listed:
            return tuple(_from_json(each, path) for each in listed)
        case "args", _:
            return _from_json(value, path)
        case _, {"class": str() as location}:
            found = resolve(path, location)
            if isinstance(found, SpecFault):
                raise SpecError([found])
            if kind_of(found) is not StartKind.ACTOR:
                raise SpecError(
                    [SpecFault(path, f"start: {location} is not an actor class, and a blob runs nothing else")]
                )
            return found
        case _:
            return value


def _below(value: object, path: str) -> Spec:
    if not isinstance(value, Mapping):
        raise SpecError([SpecFault(path, f"must be the values of a spec, got {value!r}")])
    return spec_from_json(value, f"{path}/{value.get('id')}")


def _from_json(value: object, path: str) -> object:
    match value:
        case list():
            return [_from_json(each, path) for each in value]
        case {"tuple": list() as items}:
            return tuple(_from_json(each, path) for each in items)
        case {"dict": dict() as items}:
            return {key: _from_json(each, path) for key, each in items.items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise SpecError([SpecFault(path, f"args: {value!r} is not a value that a blob can hold")])

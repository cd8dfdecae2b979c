"""Trees from nested mappings, as in a TOML, YAML or JSON file. All faults of the tree come at once (rule 24)."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from actors.spi import PlaceSpec, described, shown
from supervisors._specs.builders import TASK, make_child, make_supervisor
from supervisors._specs.combinations import inner_fault, significant_under_never
from supervisors._specs.fields import LOCATION
from supervisors._specs.resolve import misfit, resolve
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.errors import SpecError, SpecFault

_OF_A_SUPERVISOR = (
    "children",
    "template",
    "strategy",
    "partitions",
    "kind",
    "max_children",
    "initial",
    "auto_shutdown",
)
"""Keys of supervisors only: a mapping with one of them and without `start` is a supervisor."""


def parse_tree(tree: Mapping[str, object]) -> SupervisorSpec:
    """The tree in nested mappings; the outermost one is a supervisor. Imports nothing.

    Raises SpecError with every fault of the whole tree, each with its full path.
    """
    if not isinstance(tree, Mapping):
        raise SpecError([SpecFault("root", f"must be a mapping with the keys of a supervisor, got {shown(tree)}")])
    if not tree:
        raise SpecError([SpecFault("root", "is empty, expected the keys of a supervisor, such as id and children")])
    faults: list[SpecFault] = []
    root = _supervisor(_id(tree, "root"), tree, faults)
    if root is None or faults:
        raise SpecError(faults)
    return root


def unresolved(spec: Spec, path: str | None = None, *, is_template: bool = False) -> tuple[SpecFault, ...]:
    """The faults of every "module:name" that is not found or cannot run on its host, of every class that has wrong
    defaults for options, and of every class or function that does not take its `args`. Imports these modules. The
    instances of a template may get further arguments.
    """
    return tuple(_unresolved(spec, spec.id if path is None else path, is_template, None, {}, None))


def _unresolved(
    spec: Spec,
    path: str,
    is_template: bool,
    auto_shutdown: str | None,
    known: dict[tuple[object, ...], str | None],
    around: PlaceSpec | None,
) -> Iterator[SpecFault]:
    """`known` has what is known of each class with arguments of one shape: thousands of children may be alike.
    `around`: the host of the supervisor above that has a process of its own.
    """
    if isinstance(spec, SupervisorSpec):
        # A partitioned supervisor has its template once for each partition: one check is enough.
        below = spec.children if spec.template is None else (spec.template,)
        for each in below:
            yield from _unresolved(
                each,
                f"{path}/{each.id}",
                spec.is_dynamic,
                spec.auto_shutdown,
                known,
                around or spec.host,
            )
    elif spec.start is not None:
        try:
            found = spec.settled(path)
            start = found.resolve(path)
        except SpecError as error:
            yield from error.faults
        else:
            if (problem := significant_under_never(found, auto_shutdown)) is not None:
                yield SpecFault(path, problem)
            host = found.host or getattr(start, "host", None)
            if around is not None and (problem := inner_fault(start, found.host)) is not None:
                yield SpecFault(path, f"host={around}() of its supervisor: {problem}")
            if around is not None or isinstance(host, PlaceSpec):
                try:
                    pickle.dumps(found.args if isinstance(start, type) else (start, found.args), 5)
                except Exception as error:  # noqa: BLE001 - the __reduce__ of a value of the user's raises anything
                    where = host if isinstance(host, PlaceSpec) else around
                    yield SpecFault(path, f"args: cannot be pickled for host={where}(): {described(error)}")
            shape = (id(start), is_template, frozenset(spec.args) if isinstance(spec.args, Mapping) else len(spec.args))
            if shape not in known:
                known[shape] = misfit(start, spec.args, more=is_template)
            if (problem := known[shape]) is not None:
                yield SpecFault(path, problem)


def settled_child(spec: ChildSpec, path: str) -> ChildSpec:
    """The spec with the defaults of its class, or as it is if the class is not found: its start will say why."""
    try:
        return spec.settled(path)
    except SpecError:
        return spec


def settled_tree(spec: SupervisorSpec, path: str) -> SupervisorSpec:
    """The tree with the defaults of the classes in it, where these are found. Imports every "module:Class"."""
    if spec.template is not None:
        template = _settled(spec.template, f"{path}/{spec.template.id}")
        partitions = tuple(template.renamed(each.id) for each in spec.children)
        return spec.changed(template=template, children=partitions)
    return spec.changed(children=tuple(_settled(each, f"{path}/{each.id}") for each in spec.children))


def _settled(spec: Spec, path: str) -> Spec:
    return settled_tree(spec, path) if isinstance(spec, SupervisorSpec) else settled_child(spec, path)


def unresolved_in(values: Mapping[str, object], path: str = "") -> Iterator[SpecFault]:
    """The same for nested mappings that may have other faults, which `parse_tree` reports."""
    path = path or _id(values, "root")
    start = values.get("start")
    if isinstance(start, str) and LOCATION.fullmatch(start):
        found = resolve(path, start)
        if isinstance(found, SpecFault):
            yield found
    listed, template = values.get("children"), values.get("template")
    children = list(listed) if isinstance(listed, Sequence) and not isinstance(listed, str) else []
    for index, each in enumerate(children):
        if isinstance(each, Mapping):
            yield from unresolved_in(each, f"{path}/{_id(each, f'[{index}]')}")
    if isinstance(template, Mapping):
        yield from unresolved_in(template, f"{path}/{_id(template, 'template')}")


def _id(values: Mapping[str, object], otherwise: str) -> str:
    id = values.get("id")
    return id if isinstance(id, str) and id else otherwise


def _spec(path: str, values: object, faults: list[SpecFault]) -> Spec | None:
    if not isinstance(values, Mapping):
        faults.append(SpecFault(path, f"must be a mapping with the keys of a child, got {shown(values)}"))
        return None
    if "start" not in values and not any(key in values for key in _OF_A_SUPERVISOR):
        faults.append(SpecFault(path, "needs start (a worker) or children (a supervisor)"))
        return None
    if "start" in values:
        return make_child(path, values, faults)
    return _supervisor(path, values, faults)


def _supervisor(path: str, values: Mapping[str, object], faults: list[SpecFault]) -> SupervisorSpec | None:
    """A supervisor and everything below it. A fault below does not hide one here."""
    given = {"kind": _kind(values), **values}
    if given["kind"] in ("dynamic", "tasks"):
        given.setdefault("strategy", "simple_one_for_one")
    before = len(faults)
    if "template" in values:
        given["template"] = _template(path, values["template"], faults) or TASK
    listed = values.get("children", ())
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        given["children"] = _children(path, listed, faults)
    below = faults[before:]
    spec = make_supervisor(path, given, faults)
    return None if below else spec


def _kind(values: Mapping[str, object]) -> str:
    if "partitions" in values:
        return "partition"
    return "dynamic" if "template" in values else "static"


def _template(path: str, values: object, faults: list[SpecFault]) -> Spec | None:
    """The template. Its id may be left out, because its instances have ids of their own."""
    if isinstance(values, Mapping):
        values = {"id": "template", **values}
        return _spec(f"{path}/{_id(values, 'template')}", values, faults)
    return _spec(f"{path}/template", values, faults)


def _children(path: str, listed: Sequence[object], faults: list[SpecFault]) -> tuple[Spec, ...]:
    """The children without faults, in order. Repeated ids are found here, because the supervisor's own check does not
    see children with other faults.
    """
    ids = [_id(each, f"[{index}]") if isinstance(each, Mapping) else f"[{index}]" for index, each in enumerate(listed)]
    made = [_spec(f"{path}/{id}", each, faults) for id, each in zip(ids, listed, strict=True)]
    sound = [spec for spec in made if spec is not None]
    repeated = {id for id, count in Counter(ids).items() if count > 1}
    shown = {id for id, count in Counter(spec.id for spec in sound).items() if count > 1}
    faults += [
        SpecFault(
            f"{path}/{id}",
            f"id: {ids.count(id)} children of one supervisor have it; ids must be unique there",
        )
        for id in sorted(repeated - shown)
    ]
    return tuple(sound)

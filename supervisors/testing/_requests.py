"""The API of a running supervisor in the model (rules 16, 23 and 25)."""

from __future__ import annotations

from collections.abc import Sequence

from supervisors._engine.children import ChildCounts, ChildInfo
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors._supervisor.messages import (
    CountChildren,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    UpdateSettings,
    UpdateSpecs,
    WhichChildren,
)
from supervisors._supervisor.task import CancelTask
from supervisors.testing._member import LIVE, Life, ModelChild, Want
from supervisors.testing._model import Mode, SupervisorModel
from supervisors.testing._settings import settings_asked
from supervisors.testing._updating import WHAT, update


def heard(model: SupervisorModel, number: int, request: object) -> None:
    """The supervisor begins to handle a request."""
    match request:
        case StartChild(what=ChildSpec() | SupervisorSpec() as spec) if model.ordered:
            _start(model, number, spec)
        case StartChild(what=ChildSpec() | SupervisorSpec()):
            model.asks.add(number, "start_child(<spec>)", 24, "SpecError", "MaxChildren", *_all_refused(model))
        case StartChild() if not model.ordered:
            _start_instance(model, number)
        case TerminateChild(id=id):
            _terminate(model, number, id)
        case CancelTask(promise=promise):
            if promise.cell is not None and promise.cell.id in model.members:
                _terminate(model, number, promise.cell.id)
        case RestartChild(id=id, running=running):
            _restart(model, number, id, running=running)
        case DeleteChild(id=id):
            _delete(model, number, id)
        case GetChildSpec(id=id):
            _show_spec(model, number, id)
        case WhichChildren() | CountChildren():
            model.asks.add(number, type(request).__name__, 23, "ok")
        case UpdateSpecs(specs=specs) if model.mode is not Mode.ENDING and _significant_in_vain(model, specs):
            model.asks.add(number, WHAT, 22, "SpecError")
        case UpdateSpecs(specs=specs) if model.mode is not Mode.ENDING and not _fits(model, specs):
            model.asks.add(number, WHAT, 24, "SpecError")
        case UpdateSpecs(specs=specs):
            update(model, number, specs)
        case UpdateSettings(settings=settings):
            settings_asked(model, number, settings)
        case _:
            model.asks.add(number, type(request).__name__, 23, "*")


def _fits(model: SupervisorModel, specs: Sequence[Spec]) -> bool:
    """Whether the specs have ids of their own, or are the one template, and are not the spec of the supervisor."""
    own = model.spec
    if [spec.id for spec in specs if isinstance(spec, SupervisorSpec)] == [own.id] and len(specs) == 1:
        return own.id in {child.id for child in own.children}
    return len({spec.id for spec in specs}) == len(specs) if model.ordered else len(specs) == 1


def _significant_in_vain(model: SupervisorModel, specs: Sequence[Spec]) -> bool:
    """Whether a spec is significant under `auto_shutdown="never"` (rule 22)."""
    return model.spec.auto_shutdown == "never" and any(spec.significant for spec in specs)


def _start(model: SupervisorModel, number: int, spec: ChildSpec | SupervisorSpec) -> None:
    what, path = f"start_child({spec.id!r})", f"{model.path}/{spec.id}"
    found = model.members.get(spec.id)
    if model.mode is Mode.ENDING:
        model.asks.add(number, what, 23, "*")
    elif _significant_in_vain(model, [spec]):
        model.asks.add(number, what, 22, "SpecError")
    elif found is not None:
        model.asks.add(number, what, 16 if found.waits else 23, *_present(found), child=path)
    else:
        model.asks.add(number, what, 1, child=path)
        model.add(spec.id, spec, number)


def _show_spec(model: SupervisorModel, number: int, id: str) -> None:
    member = model.members.get(id)
    said = "NotFound" if member is None else "ok"
    results = () if member is None or not model.ordered else (member.spec,)
    model.asks.add(number, f"get_child_spec({id!r})", 23, said, *_all_refused(model), results=results)


def _all_refused(model: SupervisorModel) -> Sequence[str]:
    """The answers of a supervisor that ends: it refuses every request."""
    return ["*"] if model.mode is Mode.ENDING else []


def _present(member: ModelChild) -> Sequence[str]:
    """The refusals of a `start_child` for a child that exists already."""
    if member.life is Life.DOWN:
        if member.want is Want.FIRST:
            return "AlreadyPresent", "AlreadyStarted"
        return ("AlreadyPresent",)
    if member.life is Life.UP and not (member.to_stop or member.to_end):
        return ("AlreadyStarted",)
    return "AlreadyPresent", "AlreadyStarted"


def _start_instance(model: SupervisorModel, number: int) -> None:
    limit, children = model.spec.max_children, model.members.values()
    promised = len(children) + len(model.newcomers)
    leaving = sum(each.life is Life.STOPPING or each.to_end for each in children)
    if model.mode is Mode.ENDING:
        model.asks.add(number, "start_child()", 23, "*")
    elif limit is not None and promised - leaving >= limit:
        model.asks.add(number, "start_child()", 25, "MaxChildren")
    elif limit is not None and promised >= limit:
        model.give_in("start_child at max_children while a child stops")
    else:
        model.asks.add(number, "start_child()", 1)
        model.newcomers.append(number)


def _terminate(model: SupervisorModel, number: int, id: str) -> None:
    what, member = f"terminate_child({id!r})", model.members.get(id)
    if model.mode is Mode.ENDING:
        model.asks.add(number, what, 23, "*")
        return
    if member is None:
        model.asks.add(number, what, 23, "NotFound", *([] if model.ordered else ["ok"]))
        return
    model.asks.add(number, what, 16 if member.waits else 23)
    if model.update is not None and model.update.concerns(member):
        model.update.loose = True
    member.enders.append(number)
    if member.request is not None:
        model.asks.allow(member.request, "*")
        member.request = None
    wanted = Want.DROP if model.drops(member) or member.want is Want.DROP else Want.REST
    if member.life is Life.DOWN:
        if member.waits:
            # The rules do not say which of the two states a declined child shows that waited for another start.
            member.at_rest = (*member.at_rest, "stopped")
        # A child at rest stays as it is, even if an update has made it temporary.
        model.settle_down(member, Want.REST if member.want is Want.REST else wanted)
        return
    member.want = wanted
    member.to_stop = False
    member.to_end = member.life is not Life.STOPPING
    if model.group is not None:
        # The rules do not say whether the group still waits for the delay of a member that will not return.
        for failed, due in model.group.dues.items():
            if failed == id:
                model.group.dues[id] = due._replace(earliest=0.0)


def _restart(model: SupervisorModel, number: int, id: str, *, running: bool) -> None:
    what, member = f"restart_child({id!r})", model.members.get(id)
    if running and member is not None and member.life is not Life.DOWN:
        # The rules do not say how such a restart combines with a group restart or an update.
        model.give_in("restart_child of a child that runs")
        model.asks.add(number, what, 23, "*")
        return
    if model.mode is Mode.ENDING:
        model.asks.add(number, what, 23, "*")
    elif member is None:
        model.asks.add(number, what, 23, "NotFound")
    elif member.life is Life.DOWN and member.want is Want.REST:
        model.asks.add(number, what, 1, child=f"{model.path}/{id}")
        member.want, member.request, member.kept = Want.FIRST, number, True
        member.uptime.run(model.now, False)
    else:
        model.asks.add(number, what, 16 if member.waits else 23, *_busy(member))


def _busy(member: ModelChild) -> Sequence[str]:
    """The refusals of `restart_child` and `delete_child` for a child that is not at rest."""
    if member.life is Life.DOWN and member.want is not Want.FIRST:
        return ("ChildRestarting",)
    if member.life is Life.UP and not (member.to_stop or member.to_end):
        return ("ChildRunning",)
    return "ChildRunning", "ChildRestarting"


def _delete(model: SupervisorModel, number: int, id: str) -> None:
    what, member = f"delete_child({id!r})", model.members.get(id)
    if model.mode is Mode.ENDING:
        model.asks.add(number, what, 23, "*")
    elif member is None:
        model.asks.add(number, what, 23, "NotFound")
    elif member.life is Life.DOWN and member.want is Want.REST:
        model.asks.add(number, what, 23, "ok")
        model.settle_down(member, Want.DROP)
    else:
        model.asks.add(number, what, 16 if member.waits else 23, *_busy(member))


def shown(model: SupervisorModel, value: object) -> None:
    """The supervisor shows its children (rule 13)."""
    if model.mode is Mode.ENDING:
        return
    members = list(model.members.values())
    match value:
        case ChildCounts():
            if value.specs != len(members):
                model.disagree(23, f"{len(members)} children", f"{value.specs} in count_children")
            up = sum(each.life is Life.UP for each in members)
            sure = not any(each.to_stop or each.to_end or each.life in LIVE - {Life.UP} for each in members)
            if sure and value.active != up:
                model.disagree(23, f"{up} active children", f"{value.active} in count_children")
        case tuple() as infos if all(isinstance(info, ChildInfo) for info in infos):
            _listed(model, members, infos)


def _listed(model: SupervisorModel, members: list[ModelChild], infos: tuple[ChildInfo, ...]) -> None:
    wanted, found = [each.id for each in members], [info.id for info in infos]
    in_order = model.ordered and not (model.update is not None and model.update.leaving)
    if wanted != found and (in_order or set(wanted) != set(found)):
        model.disagree(
            23, f"the children {', '.join(wanted) or 'none'}", f"{', '.join(found) or 'none'} in which_children"
        )
        return
    by_id = {info.id: info for info in infos}
    for member in members:
        info = by_id[member.id]
        states = visible(member, model.now)
        if info.state.value not in states:
            model.disagree(13, f"{member.id} is {' or '.join(states)}", info.state.value)
        due = model.due_of(member)
        together = model.group is not None and model.group.due.holds(info.until or 0.0)
        past = due.earliest <= model.now and (info.until or 0.0) <= model.now
        open_to = (
            model.grouped and member.request is not None
        )  # whether first starts that wait at the same time wait together
        if info.until is not None and member.waits and not (due.holds(info.until) or together or past or open_to):
            model.disagree(12, f"{member.id} backs off until {due.earliest:.9g} s", f"until {info.until:.9g} s")


def visible(member: ModelChild, now: float) -> Sequence[str]:
    """The states that it may show."""
    match member.life, member.want:
        case Life.UP, _:
            return ("running", "stopping") if member.to_stop or member.to_end else ("running",)
        case Life.STOPPING, _:
            return ("stopping",)
        case Life.STARTING, _:
            if member.to_stop or member.to_end:
                return "starting", "restarting", "stopping"
            if member.restarting and member.ever_up:
                return ("restarting",)
            return ("starting", "restarting") if member.ever_up or member.attempt else ("starting",)
        case _, Want.AGAIN:
            return ("backing_off",) if member.due.earliest > now else ("backing_off", "restarting")
        case _, Want.GROUP:
            return "backing_off", "restarting"
        case _, Want.FIRST:
            return "starting", "restarting", "backing_off", "stopped"
        case _:
            return member.at_rest

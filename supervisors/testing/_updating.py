"""The effect of `update_specs` in the model (rule 23, and rule 17 for the grace of the children that it stops)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from supervisors._engine.reconcile import Reconciliation
from supervisors._specs.spec import Spec
from supervisors.testing._account import Account
from supervisors.testing._delays import AT_ONCE
from supervisors.testing._member import LIVE, Life, ModelChild, Want
from supervisors.testing._model import Mode, SupervisorModel
from supervisors.testing._update import SpecsUpdate, difference

WHAT = "update_specs"


def update(model: SupervisorModel, number: int, specs: Sequence[Spec]) -> None:
    """The supervisor begins to handle a request that it does not refuse."""
    if model.mode is Mode.ENDING:
        model.asks.add(number, WHAT, 23, "*")
    elif not model.ordered:
        _another_template(model, number, specs[0])
    else:
        if (busy := _why_not_now(model)) is not None:
            model.give_in(f"update_specs {busy}")
        if model.silent is None:
            _begin(model, number, specs)
        else:
            model.brought.update((spec.id, spec) for spec in specs)


def _why_not_now(model: SupervisorModel) -> str | None:
    """Another change under way, if the rules do not say how the two combine."""
    members = list(model.members.values())
    if model.mode is not Mode.RUNNING:
        return "during the supervisor's own start"
    if model.update is not None:
        return "during another update_specs"
    if any(each.request is not None or each.enders or each.to_end for each in members):
        return "during another request"
    if model.group is not None and any(each.to_stop or each.life is Life.STARTING for each in members):
        return "while a group restart stops or starts children"
    if any(each.want is Want.FIRST or each.life is Life.STOPPING for each in members):
        return "while a child stops or waits for its first start"
    return None


def _another_template(model: SupervisorModel, number: int, spec: Spec) -> None:
    """A dynamic supervisor starts later children from another template; the present ones go on."""
    if model.newcomers:
        model.give_in("update_specs while a child of the old template is about to start")
    model.template = spec
    # The rules do not say whether an equal template counts as adopted.
    answers = Reconciliation((), (), (spec.id,), ()), Reconciliation((), (), (), ())
    model.asks.add(number, WHAT, 23, "ok", results=answers)


def _begin(model: SupervisorModel, number: int, specs: Sequence[Spec]) -> None:
    wanted = {spec.id: spec for spec in specs}
    old = list(model.members.values())
    change = difference({each.id: each.spec for each in old}, specs)
    stops = [each for each in old if each.life in LIVE and each.id in change.removed + change.restarted]
    starts = [each for each in old if each.id in change.restarted and (each.waits or each.life in LIVE)]
    model.asks.add(number, WHAT, 23, results=(change,))
    for member in old:
        if member.id in change.removed:
            _remove(model, member)
        elif member.id in change.restarted:
            _replace(model, member, wanted[member.id])
        elif member.id in change.adopted:
            _adopt(member, wanted[member.id])
    starts += [model.add(id, wanted[id]) for id in change.added]
    model.reorder(wanted)
    model.update = SpecsUpdate(number, stops, starts, loose=model.group is not None)
    model.may_be_done()


def _remove(model: SupervisorModel, member: ModelChild) -> None:
    if member.life is Life.DOWN:
        model.settle_down(member, Want.DROP)
    else:
        member.want, member.to_stop = Want.DROP, True


def _replace(model: SupervisorModel, member: ModelChild, spec: Spec) -> None:
    """A child that will run something else. At rest it stays so; if it waits for a restart, it waits no longer, but
    for the others of its group: the update may be the very repair it waits for.
    """
    _take_over(member, spec)
    if member.life is Life.DOWN and not member.waits:
        return
    if member.life is Life.DOWN:
        member.stalled = 0  # with the wait its failures are forgotten
    member.to_stop = member.life is not Life.DOWN
    if model.group is not None:
        model.group.dues.pop(member.id, None)
    member.want, member.restarting, member.due = Want.GROUP, True, AT_ONCE
    member.count_anew()


def _adopt(member: ModelChild, spec: Spec) -> None:
    """A child that goes on with another policy, which is in force at once."""
    _take_over(member, spec)
    if member.life in LIVE:
        member.lives_by = spec
    if member.life is Life.STARTING:
        # The rules do not say whether a new time limit applies to the start under way.
        limits = [math.inf if limit is None else limit for limit in (member.start_limit, spec.start_timeout)]
        member.start_limit = max(limits)


def _take_over(member: ModelChild, spec: Spec) -> None:
    own = spec.own_restarts
    if own != member.spec.own_restarts:
        member.own, member.stalled = Account.of(own), 0
    member.spec = spec

"""A change of the settings of a supervisor in the model (rule 23): in force at once, without a restart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from supervisors._specs.spec import SupervisorSpec
from supervisors.testing._account import Account
from supervisors.testing._member import Life, ModelChild, Want
from supervisors.testing._model import Mode, SupervisorModel

SETTINGS = ("strategy", "max_restarts", "period", "auto_shutdown", "max_children", "on_failure", "on_give_up")


def settings_asked(model: SupervisorModel, number: int, given: Mapping[str, object]) -> None:
    """The supervisor begins to handle the request for these settings."""
    what = "update_settings"
    if model.mode is Mode.ENDING:
        model.asks.add(number, what, 23, "*")
        return
    in_vain = given.get("auto_shutdown") == "never" and any(each.spec.significant for each in model.members.values())
    if in_vain or not given.keys() <= set(SETTINGS) or not _is_of_its_kind(model, given):
        model.asks.add(number, what, 22, "SpecError")
        return
    differ = tuple(name for name in SETTINGS if name in given and given[name] != getattr(model.spec, name))
    model.asks.add(number, what, 23, "ok", results=(differ,))
    _take(model, model.spec.model_copy(update=dict(given)))


def _is_of_its_kind(model: SupervisorModel, given: Mapping[str, object]) -> bool:
    """Whether a supervisor of its kind may have these."""
    if model.ordered:
        return given.get("max_children") is None and given.get("strategy") != "simple_one_for_one"
    return given.get("auto_shutdown", "never") == "never" and given.get("strategy") in (None, "simple_one_for_one")


def adopted(model: SupervisorModel, spec: SupervisorSpec) -> None:
    """Its own supervisor has given it a spec with other settings, or a dynamic one another template."""
    if not model.ordered and spec.template != model.template:
        if model.newcomers:
            model.give_in("another template while a child of the old one is about to start")
        model.template = spec.template
    _take(model, spec)


def _take(model: SupervisorModel, spec: SupervisorSpec) -> None:
    """Puts the settings of this spec in force."""
    moves = model.group is not None or model.update is not None or model.mode is not Mode.RUNNING
    at_peace = (each.life is Life.UP or (each.life is Life.DOWN and each.want is Want.REST) for each in _all(model))
    if spec.strategy != model.spec.strategy and (moves or not all(at_peace)):
        model.give_in("another strategy while something is under way")
    _change_budget(model, spec)
    model.spec = model.spec.model_copy(update={name: getattr(spec, name) for name in SETTINGS})


def _change_budget(model: SupervisorModel, spec: SupervisorSpec) -> None:
    """The restarts in the window stay there, by the old period."""
    if model.account is None or spec.period is None:
        model.account = Account.of(spec)
    elif not model.account.change(spec.max_restarts, spec.period, model.now):
        model.give_in("a restart leaves the window as its period changes, but for a rounding")


def _all(model: SupervisorModel) -> Iterable[ModelChild]:
    return model.members.values()

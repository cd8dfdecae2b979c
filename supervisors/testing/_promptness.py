"""The demands of the rules that must be met at once, before time moves on."""

from __future__ import annotations

from collections.abc import Iterator

from supervisors.testing._delays import ROUNDING, Span
from supervisors.testing._member import Life, ModelChild, Want
from supervisors.testing._model import Mode, SupervisorModel

Overdue = tuple[int, str]
"""The number of the rule, and the missing action."""


def settle(model: SupervisorModel, until: float) -> None:
    """Time moves on from `model.now` to `until`, and nothing happens between. Raises `ReferenceDisagreement` for the
    first thing that is missing: what was due at once, or at any moment before `until`.
    """
    if model.mode in (Mode.UNBORN, Mode.OVER) or model.silent is not None:
        return
    for rule, missing in _overdue(model, until - ROUNDING):
        model.disagree(rule, missing, "nothing of the kind, and time moves on")


def _overdue(model: SupervisorModel, passed: float) -> Iterator[Overdue]:
    for ask in model.asks.overdue():
        yield ask.rule, f"an answer to {ask.what}"
    for member in model.members.values():
        yield from _limits(member, passed)
        kept = model.mode is Mode.ENDING and model.keeps(member.id)
        if member.life is Life.DOWN and member.want is Want.REST and member.incarnation and not member.closed | kept:
            yield 18, f"{member.id} closed: it is at rest"
    for member in model.dropped.values():
        # While the supervisor ends, the cell of a child that comes again with it waits for that.
        if not (model.mode is Mode.ENDING and model.keeps(member.id)):
            yield 18, f"{member.id} closed: it has terminated"
    yield from _ending(model) if model.mode is Mode.ENDING else _going_on(model, passed)


def _limits(member: ModelChild, passed: float) -> Iterator[Overdue]:
    if member.killed:
        return
    if member.life is Life.STOPPING and member.grace is not None and member.stop_at is not None:
        if member.stop_at + member.grace <= passed:
            yield 17, f"{member.id} killed: it did not stop within {member.grace} s"
    limit = member.start_limit
    if member.life is Life.STARTING and limit is not None and member.start_at + limit <= passed:
        yield 4, f"the start of {member.id} has failed: it took longer than {limit} s"


def _ending(model: SupervisorModel) -> Iterator[Overdue]:
    live = [each for each in model.members.values() if each.life is not Life.DOWN]
    if not live:
        assert model.end is not None
        yield model.end.rule, f"the supervisor ends: {model.end.text}"
    for member in live:
        turn = member is model.last_standing() if model.ordered else member.life is not Life.STOPPING
        if turn and (not model.ordered or all(each.life is not Life.STOPPING for each in live)):
            yield 17, f"{member.id} told to stop: the supervisor ends"


def _going_on(model: SupervisorModel, passed: float) -> Iterator[Overdue]:
    first = model.next_to_stop()
    # Whether a group restart waits for a start that was asked for, or whose turn it was, and that it does not stop, is
    # not said: OTP does.
    comes_up = any(
        each.life is Life.STARTING and (each.request is not None or each.in_order) and not each.to_stop
        for each in model.members.values()
    )
    if first is not None and not _is_stopping(model) and not comes_up:
        yield (6 if model.update is None else 23), f"{first.id} told to stop: it is its turn"
    busy = model.ordered and _is_busy(model) and not _group_waits(model, passed)
    for member in model.members.values():
        if member.to_end and not busy:
            yield 23, f"{member.id} told to stop"
        if member.waits and member.due.latest <= passed:
            if member.want is Want.AGAIN:
                yield 11, f"{member.id} started again: its delay was over at {member.due.latest:.9g} s"
            elif member.request is not None and not busy and model.due_with_others(member).latest <= passed:
                yield 23, f"{member.id} started as asked"
    following = model.next_in_order()
    # The rules do not say whether a first start that will be tried again waits for a group that waits, too.
    if following is not None and _with_group(model, following).latest <= passed:
        if not _is_stopping(model) and all(each.life is not Life.STARTING for each in model.members.values()):
            yield (1 if model.group is None else 6), f"{following.id} started: it is its turn"
    if model.newcomers and not busy:
        yield 23, "a child of the template started as asked"
    if model.mode is Mode.STARTING and following is None and not model.still_coming() and not _is_busy(model):
        yield 1, "the supervisor has started: all its children have"


def _with_group(model: SupervisorModel, member: ModelChild) -> Span:
    due = model.due_of(member)
    return due if model.group is None or member.want is Want.GROUP else due.maybe(model.group.due)


def _is_stopping(model: SupervisorModel) -> bool:
    return any(each.life is Life.STOPPING for each in model.members.values())


def _group_waits(model: SupervisorModel, passed: float) -> bool:
    """Whether a group restart only waits for its delay: requests are served meanwhile (rule 12)."""
    if model.group is None or model.group.due.earliest <= passed:
        return False
    return not any(each.to_stop or each.life in (Life.STARTING, Life.STOPPING) for each in model.members.values())


def _is_busy(model: SupervisorModel) -> bool:
    """Whether it stops and starts children one after another: what a request wants may have to wait for its turn."""
    if model.group is not None or model.update is not None or _is_stopping(model):
        return True
    return any(
        each.life is Life.STARTING or (each.want is Want.FIRST and each.request is None)
        for each in model.members.values()
    )

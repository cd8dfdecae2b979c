"""Trials as values: what a blob keeps of one, and what it refuses."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from actors import MailboxSpec
from actors.testing import StaleReplay
from supervisors import child, dynamic_supervisor, supervisor
from supervisors.testing import NotEncodable, ScriptedAction, ScriptedActor, Trial, trials

SMALL = Trial(supervisor("root", child("a", ScriptedActor)), (ScriptedAction(1.0, "root/a", "crash"),))


def blob_of(values: object) -> str:
    """A blob with these values, whatever they are."""
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(values).encode())).decode()


def values_of(blob: str) -> list[Any]:
    """What is in a blob."""
    values: list[Any] = json.loads(zlib.decompress(base64.urlsafe_b64decode(blob)))
    return values


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(trials())
def test_a_trial_is_the_same_after_it_was_written_down_and_read_again(trial: Trial) -> None:
    """Guards replay: every spec, line, fault and number comes back, and equal means equal classes, too."""
    assert Trial.decode(trial.encode()) == trial


def test_lists_tuples_and_mappings_in_arguments_keep_their_types() -> None:
    """Guards against JSON, which has one kind of sequence: an actor may look at the difference."""
    args = {"plain": [1, 2.5, None, True], "pair": ("a", ("b",)), "map": {"tuple": [1], "dict": {}}}
    trial = Trial(
        supervisor("root", child("a", ScriptedActor, args=args), dynamic_supervisor("d", child("t", ScriptedActor)))
    )
    assert Trial.decode(trial.encode()) == trial


def test_a_blob_holds_a_class_by_its_name_and_no_code() -> None:
    """Guards against pickle, which runs what it reads."""
    assert values_of(SMALL.encode())[1]["children"][0]["start"] == {"class": "supervisors.testing:ScriptedActor"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: [1, *values[1:]], "version 1"),
        (lambda values: values[:-1], "cannot be understood"),
        (lambda values: [values[0], {"spec": "child", "id": "a"}, *values[2:]], "start"),
        (lambda values: [values[0], {**values[1], "spec": "task"}, *values[2:]], "'task' is neither"),
        (lambda values: [values[0], {**values[1], "strateg": "x"}, *values[2:]], "did you mean 'strategy'"),
        (lambda values: [*values[:2], [[1.0, "root/a", "dance", None]], *values[3:]], "dance"),
        (lambda values: [*values[:3], [{"fault": "Flood"}], *values[4:]], "Flood"),
        (lambda values: {"a": 1}, "not a replay blob|version 'a'"),
    ],
)
def test_a_blob_that_says_nothing_any_more_is_refused_with_the_reason(change: Any, said: str) -> None:
    """Guards what a user meets after an upgrade: one typed error, a ValueError, that names what is wrong."""
    with pytest.raises(StaleReplay, match=said) as found:
        Trial.decode(blob_of(change(values_of(SMALL.encode()))))
    assert isinstance(found.value, ValueError)


@pytest.mark.parametrize("location", ["supervisors.testing:Gone", "no_such_module:ScriptedActor", "os:getcwd"])
def test_a_class_that_is_not_there_or_is_no_actor_is_refused_by_name(location: str) -> None:
    """Guards the resolver: a blob names actor classes and nothing else."""
    values = values_of(SMALL.encode())
    values[1]["children"][0]["start"] = {"class": location}
    with pytest.raises(StaleReplay, match=location.partition(":")[0]):
        Trial.decode(blob_of(values))


@pytest.mark.parametrize("blob", ["", "AAAA", SMALL.encode()[:-9], "x" + SMALL.encode(), "gASVAAAA"])
def test_damage_is_refused(blob: str) -> None:
    """Guards against half a blob out of a log."""
    with pytest.raises(StaleReplay, match="not a replay blob"):
        Trial.decode(blob)


def test_what_a_blob_cannot_hold_is_refused_when_it_is_written() -> None:
    """Guards against blobs that could never be read: functions, objects and classes without a place in a module."""

    class Local(ScriptedActor):
        pass

    for tree, said in (
        (supervisor("root", child("a", Local)), "root/a: start .*Local"),
        (supervisor("root", child("a", ScriptedActor, args={"starts": {1, 2}})), "root/a: args"),
        (supervisor("root", child("a", ScriptedActor), on_failure=print), "root: on_failure is a function"),
        (supervisor("root", child("a", ScriptedActor, mailbox=MailboxSpec(priority=len))), "root/a: mailbox.priority"),
    ):
        with pytest.raises(NotEncodable, match=said):
            Trial(tree).encode()

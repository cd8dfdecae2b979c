"""Records: events and exit reasons are values, without a decorator on each class."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import pytest

from actors import Crashed, ExitReason, Killed, LifecycleEvent, Normal, Shutdown


class Brewed(LifecycleEvent, level="info"):
    """An event of a user."""

    cups: int
    sort: str = "green"


class Spilt(Brewed):
    """An event derived from it."""

    error: BaseException | None = None


def test_a_field_is_an_annotation_given_by_position_or_by_keyword() -> None:
    """Guards events of users: a class and its annotations suffice."""
    assert Brewed("root/a", 1.5, 2) == Brewed(path="root/a", at=1.5, cups=2, sort="green")
    assert [field.name for field in fields(Spilt)] == ["path", "at", "cups", "sort", "error"]
    with pytest.raises(TypeError, match="cups"):
        Brewed("root/a", 1.5)  # type: ignore[call-arg]


def test_the_level_is_the_argument_of_the_class_and_inherited() -> None:
    """Guards the logs."""
    assert (LifecycleEvent.level, Brewed.level, Spilt.level) == ("debug", "info", "info")


def test_records_of_different_classes_are_never_equal() -> None:
    """Guards `==`: the same fields do not make a stop of a kill."""
    assert Shutdown("x") != Killed("x")
    assert Brewed("a", 1.0, 2) != Spilt("a", 1.0, 2)
    assert Normal() != "normal"


@pytest.mark.parametrize("record", [Normal(), Shutdown("why"), Crashed(ValueError("v")), Brewed("root/a", 1.5, 2)])
def test_a_record_survives_pickling_copying_and_hashing(record: ExitReason | LifecycleEvent) -> None:
    """Guards records that cross a process or are a key."""
    for copy in (pickle.loads(pickle.dumps(record)), replace(record)):
        assert copy == record
        assert hash(copy) == hash(record)
        assert repr(copy) == repr(record)


def test_a_record_matches_a_pattern_by_position_and_by_keyword() -> None:
    """Guards `match`, which is how reasons are told apart."""
    match Spilt("root/a", 1.5, 2, error=ValueError("v")):
        case Brewed(path, _, cups, sort="green"):
            assert (path, cups) == ("root/a", 2)
        case _:
            pytest.fail("no match")

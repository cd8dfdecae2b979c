"""Errors of supervision: picklable, with fields, and a text that names value, place and remedy."""

from __future__ import annotations

import pickle

import pytest

from actors import Crashed
from supervisors import errors

SAMPLES = [
    errors.SpecError([errors.SpecFault("root/w", "restart: bad"), errors.SpecFault("root", "period: bad")]),
    errors.AlreadyStarted("/root", "w", None),
    errors.AlreadyPresent("/root", "w"),
    errors.ChildRunning("/root", "w"),
    errors.ChildRestarting("/root", "w"),
    errors.NotFound("/root", "w"),
    errors.ResourceEnded("/root/w"),
    errors.MaxChildren("/root", 3),
    errors.ChildStartError("/root/w", Crashed(ValueError("no database"))),
    errors.ShuttingDown("/root"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_with_their_fields(error: errors.SupervisionError) -> None:
    """Errors cross process borders; guards against constructors that pickle cannot call."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert [getattr(copy, name) for name in error.fields] == [getattr(error, name) for name in error.fields]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_errors_name_the_place_in_the_tree(error: errors.SupervisionError) -> None:
    """A message without a path cannot be acted on in a tree of hundreds."""
    assert "root" in str(error)


def test_the_text_of_a_spec_error_lists_every_fault() -> None:
    """Rule 24: all faults at once, each with its path."""
    text = str(SAMPLES[0])
    assert "2 faults" in text
    assert "root/w: restart: bad" in text
    assert "root: period: bad" in text


def test_a_failed_start_carries_its_cause() -> None:
    """Rule 2: the error names the child and carries its cause, as `__cause__` for the traceback."""
    failed = errors.ChildStartError("/root/w", Crashed(ValueError("no database")))
    assert isinstance(failed.__cause__, ValueError)
    assert "/root/w" in str(failed)
    assert "no database" in str(failed)

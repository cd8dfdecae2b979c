"""The options of `start` and `Runtime` are checked before anything starts, all at once, in words of this project."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

from actors import OptionError, Runtime
from actors.spi import option_faults
from supervisors import SpecError, start, supervisor
from tests.supervisors.cast import Play, worker

WRONG: list[tuple[str, object, str]] = [
    ("kill_grace", math.nan, "must be a number of seconds from 0 to 1e9, got nan"),
    ("kill_grace", math.inf, "must be a number of seconds from 0 to 1e9, got inf"),
    ("kill_grace", 1e300, "must be a number of seconds from 0 to 1e9, got 1e+300"),
    ("kill_grace", -1, "must be a number of seconds from 0 to 1e9, got -1"),
    ("kill_grace", "x", "must be a number of seconds from 0 to 1e9, got 'x'"),
    ("kill_grace", None, "must be a number of seconds from 0 to 1e9, got None"),
    ("kill_grace", True, "must be a number of seconds from 0 to 1e9, got True"),
    ("default_timeout", "x", "must be a number of seconds from 0 to 1e9, or None for no deadline, got 'x'"),
    ("default_timeout", math.nan, "must be a number of seconds from 0 to 1e9, or None for no deadline, got nan"),
    ("watchdog", 0, "must be a number of seconds above 0 and up to 1e9, or None for no watchdog, got 0"),
    ("watchdog", "x", "must be a number of seconds above 0 and up to 1e9, or None for no watchdog, got 'x'"),
    ("watchdog", math.nan, "must be a number of seconds above 0 and up to 1e9, or None for no watchdog, got nan"),
    ("log", "x", "must be True or False, got 'x'"),
    ("log", None, "must be True or False, got None"),
    ("random", 5, "must be a random.Random or None, got 5"),
    ("clock", 5, "must be a function that makes a clock for a loop, got 5"),
    ("loop_factory", 5, "must be a function that makes an event loop, or None, got 5"),
    ("name", 5, "must be a string or None, got 5"),
    ("bogus", 1, "unknown option, got 1; known options: "),
    ("kill_grcae", 1, "unknown option, got 1; did you mean 'kill_grace'?"),
]
wrong = pytest.mark.parametrize(("option", "value", "said"), WRONG, ids=lambda value: repr(value)[:20])


@wrong
def test_a_wrong_option_of_a_start_is_refused_with_its_value(option: str, value: object, said: str) -> None:
    """At the call of `start`, and not at the end of the block."""
    with pytest.raises(SpecError) as caught:
        start(worker(Play(), "a"), **{option: value})  # type: ignore[arg-type]
    (fault,) = caught.value.faults
    assert fault.path == "start()"
    assert fault.message.startswith(f"{option}: {said}")


@wrong
def test_a_wrong_option_of_a_runtime_is_refused_with_its_value(option: str, value: object, said: str) -> None:
    """The same check. Code that catches Python's own errors of such calls catches this one."""
    with pytest.raises(OptionError) as caught:
        Runtime(**{option: value})  # type: ignore[arg-type]
    (fault,) = caught.value.faults
    assert fault.startswith(f"{option}: {said}")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("signals", "x", "must be True, False or None, got 'x'"),
        ("signals", 1, "must be True, False or None, got 1"),
        ("on_give_up", [], r"must be 'raise' or 'ignore', got []"),
        ("runtime", 5, "must be a Runtime or None, got 5"),
        ("signal", True, "unknown option, got True; did you mean 'signals'?"),
    ],
)
def test_what_start_alone_takes_is_checked_with_the_options(option: str, value: object, said: str) -> None:
    """Its own arguments are as good a place for a slip."""
    with pytest.raises(SpecError) as caught:
        start(worker(Play(), "a"), **{option: value})  # type: ignore[arg-type]
    assert [str(fault) for fault in caught.value.faults] == [f"start(): {option}: {said}"]


def test_options_beside_a_runtime_that_is_given_are_refused_at_once() -> None:
    """That runtime has its own: they would have no effect."""
    given: dict[str, Any] = {"kill_grace": 1, "log": "x", "kill_grcae": 1}
    with pytest.raises(SpecError) as caught:
        start(worker(Play(), "a"), Runtime(log=False), on_give_up="never", **given)  # type: ignore[arg-type]
    assert [fault.message for fault in caught.value.faults] == [
        "on_give_up: must be 'raise' or 'ignore', got 'never'",
        "kill_grace: the given runtime has its own. Give it to Runtime(), or leave runtime out",
        "log: the given runtime has its own. Give it to Runtime(), or leave runtime out",
        "kill_grcae: unknown option, got 1; did you mean 'kill_grace'?",
    ]


def test_all_faults_of_options_and_tree_are_raised_at_once() -> None:
    """Bad input is told once, and not fault by fault."""
    wrong: dict[str, Any] = {"tree": 5, "kill_grace": -1, "log": "x", "signals": "x", "bogus": 1}
    with pytest.raises(SpecError) as caught:
        start(**wrong)
    places = [(fault.path, fault.message.partition(":")[0]) for fault in caught.value.faults]
    assert places[0][0] == "5"
    assert places[1:] == [("start()", each) for each in ("signals", "kill_grace", "log", "bogus")]
    with pytest.raises(OptionError) as refused:
        Runtime(kill_grace=-1, log="x", bogus=1)  # type: ignore[arg-type]
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["kill_grace", "log", "bogus"]


def test_every_option_of_a_runtime_has_a_check() -> None:
    """A new one is not forgotten: none is unknown, and every default is right."""
    parameters = list(inspect.signature(Runtime).parameters.values())[:-1]
    assert option_faults({each.name: each.default for each in parameters}) == []


def test_limits_of_the_options_are_right_values() -> None:
    """Seconds may be integers, and 0 where that can be waited for."""
    tree = supervisor("root", worker(Play(), "a"))
    with start(tree, kill_grace=0, default_timeout=0, watchdog=1e9, log=False, name="n") as root:
        assert root.runtime.kill_grace == 0

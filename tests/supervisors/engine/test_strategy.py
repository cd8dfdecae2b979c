"""Decision tables (rules 5, 6 and 21), exhaustively."""

from __future__ import annotations

import pytest

from actors import Crashed, ExitReason, Killed, NoProc, Normal, RestartLimitExceeded, Shutdown
from supervisors._engine.strategy import EXIT_ACTIONS, GROUPS, ExitAction, group, shuts_down
from supervisors._specs.fields import AutoShutdownMode, Restart, RestartStrategy

EXPECTED: list[ExitReason] = [Normal(), Shutdown(), Shutdown("detail")]
ABNORMAL: list[ExitReason] = [
    Crashed(ValueError()),
    Killed(),
    NoProc(),
    RestartLimitExceeded("/s", "c", 1, 5.0, Killed()),
]


@pytest.mark.parametrize("reason", EXPECTED, ids=str)
@pytest.mark.parametrize(
    ("restart", "answer"), [("permanent", "restart"), ("transient", "keep"), ("temporary", "drop")]
)
def test_an_expected_exit(restart: Restart, reason: ExitReason, answer: ExitAction) -> None:
    """The first two columns of the table."""
    assert EXIT_ACTIONS[restart, reason.expected] == answer


@pytest.mark.parametrize("reason", ABNORMAL, ids=lambda reason: reason.kind)
@pytest.mark.parametrize(
    ("restart", "answer"), [("permanent", "restart"), ("transient", "restart"), ("temporary", "drop")]
)
def test_an_abnormal_exit(restart: Restart, reason: ExitReason, answer: ExitAction) -> None:
    """The last column; giving up is abnormal, so a transient supervisor that did is restarted."""
    assert EXIT_ACTIONS[restart, reason.expected] == answer


@pytest.mark.parametrize(
    ("strategy", "members", "is_a_group"),
    [
        ("one_for_one", "b", False),
        ("simple_one_for_one", "b", False),
        ("one_for_all", "abc", True),
        ("rest_for_one", "bc", True),
    ],
)
def test_who_restarts_when_b_of_a_b_c_does(strategy: RestartStrategy, members: str, is_a_group: bool) -> None:
    """Rule 6."""
    assert "".join(group(strategy, "abc", 1)) == members
    assert (strategy in GROUPS) is is_a_group


@pytest.mark.parametrize("significant", [True, False])
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("mode", ["never", "any_significant", "all_significant"])
def test_when_the_end_of_a_child_ends_the_supervisor(mode: AutoShutdownMode, others: int, significant: bool) -> None:
    """Rule 21: any, or the last significant child; an insignificant one never."""
    expected = significant and (mode == "any_significant" or (mode == "all_significant" and others == 0))
    assert shuts_down(mode, significant=significant, others_alive=others) is expected

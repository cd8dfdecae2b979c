"""The table of what grows with what: every row can be measured, and the rows of all packages are in it."""

from __future__ import annotations

import pytest

from benchmarks import growth


@pytest.mark.parametrize("name", growth.chosen("subscribe") + growth.chosen("mailbox") + growth.chosen("random"))
def test_a_row_is_a_line_of_the_table(name: str) -> None:
    head, rule, line = growth.lines([name], (3, 4))
    assert head == "| operation | 3 | 4 |"
    assert rule == "|---|---|---|"
    assert line.startswith(f"| {name} | ")
    assert line.count("|") == 4


def test_rows_of_every_package_are_in_the_table() -> None:
    for of in ("mailbox", "restart", "pool"):
        assert growth.chosen(of)


def test_an_unknown_row_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert growth.main(["--only", "nothing like it"]) == 2
    assert "drop_oldest" in capsys.readouterr().err

"""What each flow costs stays under the ceilings: calls everywhere, instructions where valgrind can count them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks import cost
from benchmarks._flows import FLOWS
from benchmarks._machine import build

KEPT = json.loads(cost.CEILINGS.read_text(encoding="utf-8"))
FREE = cost.Cost(calls=2.0, alone=8, functions=8, files=4, turns=1, instructions=1_000)
COUNTED = ("tell", "call", "ring", "start-supervised", "restart", "pipeline")
"""The flows whose instructions are counted here; `make cost` counts them all."""


def test_no_flow_makes_more_calls_than_its_ceiling(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost.main(["--check", "--calls", "--only", ",".join(FLOWS)]) == 0, capsys.readouterr().err


@pytest.mark.timeout(600)  # valgrind is fifty times as slow as the processor
def test_no_flow_takes_more_instructions_than_its_ceiling(capsys: pytest.CaptureFixture[str]) -> None:
    if (reason := cost.why_no_instructions()) is not None:
        pytest.skip(reason)
    if KEPT["build"] != build():
        pytest.skip(f"the ceilings were kept for {KEPT['build']}")
    assert cost.main(["--check", "--only", ",".join(COUNTED)]) == 0, capsys.readouterr().err


def test_every_flow_has_a_ceiling() -> None:
    assert set(KEPT["flows"]) == set(cost.NAMES)


def test_what_is_dearer_than_its_ceiling_is_named() -> None:
    kept = {"build": "a", "flows": {"tell": kept_of(FREE)}}
    assert cost.dearer({"tell": replace(FREE, calls=2.05, instructions=1_030)}, kept, "a") == []
    assert cost.dearer({"tell": replace(FREE, calls=3.0, instructions=1_040)}, kept, "a") == [
        "tell: 3 calls, at most 2.1 (+50.0%)",
        "tell: 1,040 instructions, at most 1,030.0 (+4.0%)",
    ]


def test_a_flow_over_its_ceiling_is_counted_again_and_the_least_counts() -> None:
    kept = {"build": "a", "flows": {"tell": kept_of(FREE), "call": kept_of(FREE)}}
    counts = iter([(2.0, 1_050), (9.0, 1_020)])
    asked = []

    def count(names: Sequence[str], padding: int) -> dict[str, cost.Cost]:
        asked.append((tuple(names), padding))
        calls, instructions = next(counts)
        return {name: replace(FREE, calls=calls, instructions=instructions) for name in names}

    costs = {"tell": replace(FREE, calls=3.0, instructions=1_040), "call": FREE}
    found = cost.counted_again(costs, kept, "a", count)
    assert found == {"tell": replace(FREE, instructions=1_020), "call": FREE}
    assert [names for names, _ in asked] == [("tell",)] * 2
    assert len({padding for _, padding in asked}) == 2
    assert cost.counted_again(found, kept, "a", count) == found


def test_a_flow_that_is_over_its_ceiling_each_time_is_dearer() -> None:
    kept = {"build": "a", "flows": {"tell": kept_of(FREE)}}
    counts = iter([1_050, 1_060, 1_070])

    def count(names: Sequence[str], padding: int) -> dict[str, cost.Cost]:
        return {"tell": replace(FREE, instructions=next(counts))}

    found = cost.counted_again({"tell": replace(FREE, instructions=1_040)}, kept, "a", count)
    assert cost.dearer(found, kept, "a") == ["tell: 1,040 instructions, at most 1,030.0 (+4.0%)"]
    assert next(counts, None) is None


def test_instructions_of_another_build_are_not_compared() -> None:
    kept = {"build": "a", "flows": {"tell": kept_of(FREE)}}
    assert cost.dearer({"tell": replace(FREE, instructions=10_000)}, kept, "b") == []


def test_without_valgrind_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert cost.main(["--only", "tell"]) == 0
    shown = capsys.readouterr()
    assert "valgrind" in shown.err
    assert "tell" in shown.out


def test_an_unknown_flow_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost.main(["--only", "tel"]) == 2
    assert "call-from-handler" in capsys.readouterr().err


def kept_of(found: cost.Cost) -> dict[str, float | None]:
    """The fields that a ceiling is kept of."""
    return {"calls": found.calls, "alone": found.alone, "files": found.files, "instructions": found.instructions}

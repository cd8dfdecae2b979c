"""The figure of the simulation's determinism: it counts traces, and different runs have different ones."""

from __future__ import annotations

import pytest

from benchmarks import determinism


def test_every_process_and_hash_seed_has_the_same_digest() -> None:
    """Six processes, three hash seeds, one trace."""
    assert determinism.measure(2) == {"digests": 1}


def test_another_seed_is_another_digest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The digest sees the schedule and the jitter: it is not the same because it says nothing."""
    determinism.main(2)
    first = capsys.readouterr().out.split()
    monkeypatch.setattr(determinism, "SEED", determinism.SEED + 1)
    determinism.main(1)
    assert len(first) == 1
    assert capsys.readouterr().out.split() != first


def test_a_process_that_fails_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """No digest from a process is not one digest less."""
    monkeypatch.setattr(determinism, "HASH_SEEDS", ("none",))  # no such seed: the interpreter refuses to start
    with pytest.raises(RuntimeError, match=f"{determinism.PROCESSES} of {determinism.PROCESSES} processes failed"):
        determinism.measure(1)

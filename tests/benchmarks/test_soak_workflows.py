"""The campaign that kills processes with durable runs: small ones, and that it notices what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import soak_workflows
from benchmarks.soak_workflows import Campaign
from teams._journal.open_store import open_store
from tests.teams.journal.cast import place


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_processes_lose_no_step_of_a_durable_run(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with place(kind, tmp_path) as there:
        code = soak_workflows.main(["--kills", "4", "--processes", "2", "--lease", "1", "--store", there.url])
        told = capsys.readouterr().out
        assert code == 0, told
        assert told.startswith(f"4 kills of {1 if kind == 'sqlite' else 2} processes in ")
        store = open_store(there.url)
        assert store.counts().keys() == {"done"}
        store.close()


def test_a_run_that_was_acknowledged_and_is_not_there_is_noticed(tmp_path: Path) -> None:
    with place("sqlite", tmp_path) as there:
        campaign = Campaign(there.url, 1, 1.0, 1)
        with soak_workflows.beside(there.url) as connection:
            connection.exec_driver_sql("CREATE TABLE noted (run TEXT)")
        campaign.heard("acknowledged 1 some-run\n")
        campaign.heard("step some-run spread\n")
        campaign.heard('result 1 ["wrong"]\n')
        campaign.judge()
        assert len(campaign.faults) == 3

"""Settings of an engine in the environment: the commands read them, before the file and after the options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.teams.cli.workflows import AGENTS, Letitcrash, folder, letitcrash

__all__ = ["folder", "letitcrash"]

MODULE = """
from teams.workflows import do, engine, workflow

def work(value):
    return value

spec = engine("engine", workflow("w", do("a", work)), store="sqlite:///module.db", max_concurrent_workflows=3)
"""


def test_the_environment_counts_before_a_file(letitcrash: Letitcrash, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "100 runs at a time" in letitcrash("check", "support.toml").out
    monkeypatch.setenv("MAX_CONCURRENT_WORKFLOWS", "8")
    assert "8 runs at a time" in letitcrash("check", "support.toml").out
    monkeypatch.setenv("LETITCRASH_MAX_CONCURRENT_WORKFLOWS", "7")
    monkeypatch.setenv("LETITCRASH_STORE", "sqlite:///variable.db")
    said = letitcrash("check", "support.toml").out
    assert "7 runs at a time" in said
    assert "store: sqlite:///variable.db" in said


def test_the_environment_counts_before_an_engine_in_a_module(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "module_engine.py").write_text(MODULE)
    monkeypatch.delenv("LETITCRASH_STORE")
    said = letitcrash("check", "module_engine:spec").out
    assert "3 runs at a time" in said
    assert "store: sqlite:///module.db" in said
    monkeypatch.setenv("LETITCRASH_MAX_CONCURRENT_WORKFLOWS", "7")
    monkeypatch.setenv("LETITCRASH_STORE", "sqlite:///variable.db")
    said = letitcrash("check", "module_engine:spec").out
    assert "7 runs at a time" in said
    assert "store: sqlite:///variable.db" in said
    assert (
        "store: sqlite:///option.db" in letitcrash("check", "module_engine:spec", "--store", "sqlite:///option.db").out
    )


def test_the_mode_of_the_environment_is_that_of_tasks_which_say_none(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tasks.toml").write_text('workflow = "w"\ntasks = [{ id = "a", sleep = 1 }, { id = "b", sleep = 1 }]\n')
    monkeypatch.setenv("ORCHESTRATION_MODE", "parallel")
    found = json.loads(letitcrash("check", "tasks.toml", "--json").out)
    assert found["workflows"]["w"]["execution"] == "auto"
    assert "execution" not in json.loads(letitcrash("check", "support.toml", "--json").out)["workflows"]["support"]


@pytest.mark.parametrize("target", ["support.toml", "module_engine:spec"])
def test_faults_of_the_environment_end_with_2(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (folder / "module_engine.py").write_text(MODULE)
    (folder / "support.toml").write_text((folder / "support.toml").read_text().replace('"desk_agents:process"', "3"))
    monkeypatch.setenv("LETITCRASH_PARALLEL_THRESHOLD", "none")
    monkeypatch.setenv("LETITCRASH_DEFAULT_TIMEOUT", "-1")
    said = letitcrash("plan", target)
    assert said.code == 2
    assert "LETITCRASH_PARALLEL_THRESHOLD: must be an integer >= 1, got 'none'" in said.err
    assert "LETITCRASH_DEFAULT_TIMEOUT: must be seconds above 0" in said.err
    assert ("processor" in said.err) is (target == "support.toml")


def test_a_fault_of_the_environment_is_not_said_of_the_file(
    letitcrash: Letitcrash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETITCRASH_MAX_CONCURRENT_WORKFLOWS", "many")
    said = letitcrash("plan", "support.toml")
    assert said.code == 2
    assert "environment: LETITCRASH_MAX_CONCURRENT_WORKFLOWS: must be an integer >= 1, got 'many'" in said.err
    assert "support.toml" not in said.err


def test_a_run_of_a_stored_workflow_has_the_timeout_of_the_environment(
    letitcrash: Letitcrash, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "desk_agents.py").write_text(AGENTS)
    assert letitcrash("start", "support.toml", "--input", "{}").code == 0
    monkeypatch.setenv("DEFAULT_TIMEOUT_SECONDS", "soon")
    said = letitcrash("start", "support", "--input", "{}")
    assert said.code == 2
    assert "DEFAULT_TIMEOUT_SECONDS: must be seconds above 0" in said.err


def test_what_has_no_effect_is_a_remark(letitcrash: Letitcrash, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION_POOL_SIZE", "20")
    said = letitcrash("check", "support.toml")
    assert said.code == 0
    assert said.err == (
        "letitcrash: CONNECTION_POOL_SIZE has no effect: an engine has one connection to its store, and all its runs "
        "share its commits\n"
    )

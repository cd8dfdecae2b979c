"""`letitcrash workflow plan`: what a run will take, without running it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.teams.cli.workflows import Letitcrash, folder, letitcrash, no_store

__all__ = ["folder", "letitcrash", "no_store"]

ORDERS = """
workflow = "orders"

[engine]
store = "sqlite:///orders.db"

[agents]
planner = "order_agents:same"
payer = "order_agents:same"
store = "order_agents:same"
mailer = "order_agents:same"

[[tasks]]
id = "planner"
agent = "planner"
estimated_duration = 3

[[tasks]]
id = "payment"
agent = "payer"
dependencies = ["planner"]
estimated_duration = 5

[[tasks]]
id = "inventory"
agent = "store"
dependencies = ["planner"]
estimated_duration = [2, 4, 6]

[[tasks]]
id = "shipping"
agent = "mailer"
dependencies = ["payment", "inventory"]
estimated_duration = 5

[[tasks]]
id = "email"
agent = "mailer"
dependencies = ["payment", "inventory"]
estimated_duration = 4

[[tasks]]
id = "sms"
agent = "mailer"
dependencies = ["payment", "inventory"]
estimated_duration = 3
"""


@pytest.fixture(autouse=True)
def orders(folder: Path) -> None:
    """A file with the order workflow of the documents, and its agents."""
    (folder / "orders.toml").write_text(ORDERS, encoding="utf-8")
    (folder / "order_agents.py").write_text("def same(value):\n    return value\n", encoding="utf-8")


@pytest.mark.usefixtures("no_store")
def test_the_plan_has_the_figures_and_starts_nothing(letitcrash: Letitcrash, folder: Path) -> None:
    said = letitcrash("plan", "orders.toml")
    assert said.code == 0, said.err
    assert "one after another   24 s" in said.out
    assert "scheduled           13 s, no schedule is shorter than 13 s" in said.out
    assert "critical path       planner -> payment -> shipping" in said.out
    assert not list(folder.glob("*.db"))


def test_capacity_and_estimates_change_the_plan(letitcrash: Letitcrash) -> None:
    said = letitcrash("plan", "orders.toml", "--capacity", "mailer=1", "--estimate", "sms=1,2,9", "--json")
    found = json.loads(said.out)
    assert found["estimated_scheduled_time"] == 3 + 5 + 5 + 4 + 3
    sms = next(each for each in found["tasks"] if each["id"] == "sms")
    assert sms["estimate"] == {"low": 1, "likely": 2, "high": 9, "source": "given"}
    assert "uncertain" in {each["kind"] for each in found["risks"] if each["step"] == "sms"}


def test_a_mermaid_chart_is_drawn(letitcrash: Letitcrash) -> None:
    said = letitcrash("plan", "orders.toml", "--format", "mermaid")
    assert said.out.startswith("gantt\n")
    assert "section mailer" in said.out


def test_a_sleep_that_never_ends_is_planned(letitcrash: Letitcrash, folder: Path) -> None:
    (folder / "nap.toml").write_text('workflow = "nap"\n[[steps]]\nid = "nap"\nsleep = 1e308\n', encoding="utf-8")
    said = letitcrash("plan", "nap.toml")
    assert said.code == 0, said.err
    assert "scheduled           1e+12 s" in said.out


def test_every_wrong_option_is_told_at_once(letitcrash: Letitcrash) -> None:
    said = letitcrash("plan", "orders.toml", "--capacity", "mailer", "--estimate", "sms=fast", "--estimate", "=1")
    assert said.code == 2
    assert said.err.count("--estimate: must be STEP=SECONDS") == 2
    assert "--capacity: must be MEMBER=NUMBER, got 'mailer'" in said.err


def test_an_unknown_step_or_member_is_told_with_the_nearest(letitcrash: Letitcrash) -> None:
    said = letitcrash("plan", "orders.toml", "--capacity", "maler=2", "--estimate", "paymnt=1")
    assert said.code == 2
    assert "not a step of the workflow" in said.err
    assert "payment" in said.err
    assert "mailer" in said.err


def test_recorded_runs_are_the_estimates(letitcrash: Letitcrash) -> None:
    for _ in range(2):
        started = letitcrash("start", "orders.toml", "--input", "1", "--wait")
        assert started.code == 0, started.err
    found = json.loads(letitcrash("plan", "orders.toml", "--learn", "--json").out)
    assert {each["estimate"]["source"] for each in found["tasks"]} == {"2 recorded runs of this step"}


def test_the_plan_says_how_results_are_checked(letitcrash: Letitcrash, folder: Path) -> None:
    checked = ORDERS + 'quality_domain = "SERVICE"\nquality_threshold = 0.8\non_low = "retry"\n'
    (folder / "orders.toml").write_text(checked, encoding="utf-8")
    said = letitcrash("plan", "orders.toml")
    criteria = "response_accuracy 0.8, service_reliability 0.95, user_satisfaction 0.75, whole 0.8"
    assert f"quality sms: SERVICE: {criteria}; then retry" in said.out
    found = json.loads(letitcrash("plan", "orders.toml", "--json").out)["quality_validation_plan"]
    assert found["sms"]["domain"] == "SERVICE"
    assert found["sms"]["criteria"]["user_satisfaction"] == 0.75
    assert (found["sms"]["threshold"], found["sms"]["on_low"]) == (0.8, "retry")

"""An order of a shop as a workflow, planned and run in two modes: one step after another, and side by side. The times
are printed beside each other: 24 s and 13 s.

    python examples/ecommerce_order.py

The agents are functions that wait as long as a service would take; in a program of yours they call it. The runs go on
virtual time, so this takes a moment. Needs the extra `letitcrash[testing]`.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Literal

from actors.testing import simulation
from supervisors import SupervisorSpec
from teams import member
from teams.planning import WorkflowPlan, plan
from teams.workflows import EngineRef, Workflow, do, engine, workflow

Mode = Literal["sequential", "ready"]
Times = dict[str, tuple[float, float]]
"""When each step began and ended, in seconds since the begin of the run."""

PRICES = {"lamp": 40, "desk": 210}
ORDER = {"customer": "ann@example.org", "phone": "+49 30 901820", "items": {"lamp": 2, "desk": 1}}
TITLES: dict[Mode, str] = {"sequential": "sequential", "ready": "parallel"}


# Agents: functions that get a mapping, and return what JSON can say


async def planner(order: dict[str, Any]) -> dict[str, Any]:
    """The price of the order, and its number of parcels."""
    await asyncio.sleep(3)
    total = sum(PRICES[name] * count for name, count in order["items"].items())
    return {"total": total, "parcels": sum(order["items"].values())}


async def payment(asked: dict[str, Any]) -> str:
    await asyncio.sleep(5)
    return f"paid {asked['total']} EUR"


async def inventory(asked: dict[str, Any]) -> dict[str, int]:
    """The stock that is left."""
    await asyncio.sleep(4)
    return {name: 10 - count for name, count in asked["items"].items()}


async def shipping(asked: dict[str, Any]) -> list[str]:
    """A label for each parcel."""
    await asyncio.sleep(5)
    return [f"parcel {number} of {asked['parcels']}" for number in range(1, asked["parcels"] + 1)]


async def email(asked: dict[str, Any]) -> str:
    await asyncio.sleep(4)
    return f"{asked['to']}: {asked['paid']}"


async def sms(asked: dict[str, Any]) -> str:
    await asyncio.sleep(3)
    return f"{asked['to']}: your order is on its way"


AGENTS = {
    "planner": planner,
    "payment": payment,
    "inventory": inventory,
    "shipping": shipping,
    "email": email,
    "sms": sms,
}


def order_workflow(mode: Mode) -> Workflow:
    """The workflow of an order. References and `after` say what a step needs; `mode` says how the steps run."""
    return workflow(
        "ecommerce_order",
        tasks=[
            do("planner", "planner", input="$input", metadata={"estimated_duration": 3}),
            do("payment", "payment", input="$planner", metadata={"estimated_duration": 5}),
            do(
                "inventory",
                "inventory",
                input={"items": "$input.items"},
                after="planner",
                metadata={"estimated_duration": 4},
            ),
            do(
                "shipping",
                "shipping",
                input={"parcels": "$planner.parcels"},
                after=("payment", "inventory"),
                metadata={"estimated_duration": 5},
            ),
            do(
                "email",
                "email",
                input={"to": "$input.customer", "paid": "$payment"},
                after="inventory",
                metadata={"estimated_duration": 4},
            ),
            do(
                "sms",
                "sms",
                input={"to": "$input.phone"},
                after=("payment", "inventory"),
                metadata={"estimated_duration": 3},
            ),
        ],
        output={"paid": "$payment", "left": "$inventory", "labels": "$shipping"},
        execution=mode,
    )


def engine_of(flow: Workflow, store: str) -> SupervisorSpec[EngineRef]:
    """The engine of the shop, with its runs in this store."""
    return engine("shop", *(member(name, work) for name, work in AGENTS.items()), flow, store=store)


tree = engine_of(order_workflow("ready"), "sqlite:///orders.db")


def played(flow: Workflow) -> tuple[Any, Times]:
    """The result of a run in virtual time, and when its steps ran."""
    with simulation() as sim:
        eng = sim.start(engine_of(flow, "memory:"))
        run = eng.start_workflow(flow.name, ORDER).get()
        result = run.get(timeout=60)
        entries = [each for each in run.history().get() if each.kind in ("began", "done")]
    first = min(each.at for each in entries)
    at = {(each.step, each.kind): (each.at - first) / 1e6 for each in entries}
    return result, {step: (at[step, "began"], at[step, "done"]) for step in flow.graph.by_id}


def planned_seconds(planned: WorkflowPlan, mode: Mode) -> float:
    return planned.estimated_total_time if mode == "sequential" else planned.estimated_scheduled_time


def main() -> int:
    modes: tuple[Mode, ...] = ("sequential", "ready")
    flows: dict[Mode, Workflow] = {mode: order_workflow(mode) for mode in modes}
    results, times = zip(*(played(flow) for flow in flows.values()), strict=True)
    print(f"{'':<10}{''.join(f'{TITLES[mode]:>14}' for mode in modes)}".rstrip())
    for step in flows["ready"].graph.by_id:
        spans = (f"{begin:.0f} to {end:.0f} s" for begin, end in (each[step] for each in times))
        print(f"{step:<10}{''.join(f'{span:>14}' for span in spans)}")
    wanted = [planned_seconds(plan(flow), mode) for mode, flow in flows.items()]
    took = [max(end for _, end in each.values()) for each in times]
    print(f"{'planned':<10}{''.join(f'{each:>12.0f} s' for each in wanted)}")
    print(f"{'ran':<10}{''.join(f'{each:>12.0f} s' for each in took)}")
    choice = plan(flows["ready"]).choice
    print(f"side by side: {1 - took[1] / took[0]:.0%} less time; the planner says {choice.reason}, {choice.detail}")
    print(f"both: {results[0]}" if results[0] == results[1] else f"the results differ: {results}")
    return int(results[0] != results[1] or took != wanted)


if __name__ == "__main__":
    sys.exit(main())

"""Who is measured: every subject with its isolation, what it does not do, and how often it does each work.

A subject does exactly the works it gives a size. Peers in the same process get the same size where the length of a
queue or the number of live objects costs (Python's cyclic garbage collector looks at them again and again); otherwise
sizes differ because speeds differ by four orders of magnitude: each is about half a second of that subject's work,
and every figure is per message, actor or cycle.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks._works import Measure


@dataclass(frozen=True, slots=True)
class Subject:
    """One column of the comparison.

    `entry` is `module:attribute` of its mapping from work to function. `module` (what must be importable) and
    `program` (what must be on the path) decide whether it is installed; `install` says how to get it.
    """

    name: str
    entry: str
    isolation: str
    lacks: str
    sizes: Mapping[str, int]
    module: str | None = None
    program: str | None = None
    distribution: str | None = None
    install: str = ""

    def missing(self) -> str | None:
        """Why the subject cannot be measured here, and how to get it; None if it can be."""
        absent = (self.module is not None and importlib.util.find_spec(self.module) is None) or (
            self.program is not None and shutil.which(self.program) is None
        )
        return f"not installed ({self.install})" if absent else None

    def version(self) -> str | None:
        """The installed version, where the subject is a Python distribution."""
        if self.distribution is None:
            return None
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def measures(self) -> Mapping[str, Measure]:
        """Import the subject, as a measuring child does. Raises ImportError where it is not installed."""
        module, _, attribute = self.entry.partition(":")
        found: Mapping[str, Measure] = getattr(importlib.import_module(module), attribute)
        return found


def _pip(name: str, module: str, distribution: str, entry: str, isolation: str, lacks: str, **sizes: int) -> Subject:
    return Subject(
        name=name,
        entry=f"benchmarks.peers.{entry}",
        isolation=isolation,
        lacks=lacks,
        sizes=_named(sizes),
        module=module,
        distribution=distribution,
        install=f"pip install {distribution}",
    )


def _ours(name: str, entry: str, lacks: str, *, module: str = "actors", install: str = "pip install -e .") -> Subject:
    return Subject(
        name=name,
        entry=f"benchmarks.ours:{entry}",
        isolation="task",
        lacks=lacks,
        sizes=_OURS_SIZES if entry == "WORKS" else {work: n for work, n in _OURS_SIZES.items() if work != "ask"},
        module=module,
        distribution="letitcrash",
        install=install,
    )


def _named(sizes: Mapping[str, int]) -> Mapping[str, int]:
    """The sizes by the works' own names, which have dashes where keywords cannot."""
    return {work.replace("_", "-"): size for work, size in sizes.items()}


_OURS_SIZES = _named(
    {
        "tell": 200_000,
        "call": 50_000,
        "ask": 5_000,
        "ring": 500_000,
        "fan_in": 200_000,
        "spawn": 2_000,
        "start": 2_000,
        "crowd": 100_000,
        "million": 1_000_000,
        "restart": 300,
        "restart_group": 100,
        "restart_crowd": 300,
        "stop": 10_000,
        "detection": 500,
    }
)

SUBJECTS: Mapping[str, Subject] = {
    subject.name: subject
    for subject in (
        _ours("ours", "WORKS", "-"),
        _ours("ours-bare", "BARE", "lifecycle events and metrics are off"),
        _ours("ours-uvloop", "UVLOOP", "as ours, on uvloop", module="uvloop", install="pip install uvloop"),
        Subject(
            name="ours-simulation",
            entry="benchmarks.simulation:WORKS",
            isolation="task",
            lacks="the runtime in `actors.testing`, one thread, virtual time",
            sizes={"sim-messages": 40_000, "sim-worlds": 300, "sim-time": 100_000, "sim-determinism": 1_000},
            module="greenlet",
            distribution="letitcrash",
            install="pip install 'letitcrash[testing]'",
        ),
        Subject(
            name="teams",
            entry="benchmarks.teams:WORKS",
            isolation="task",
            lacks="-",
            sizes=_named(
                {
                    "team_handoff": 500,
                    "team_broadcast": 30,
                    "team_fanout": 30,
                    "team_pipeline": 10_000,
                    "team_pool": 1_000,
                }
            ),
            module="teams",
            distribution="letitcrash",
            install="pip install -e .",
        ),
        Subject(
            name="teams-round-robin",
            entry="benchmarks.teams:ROUND_ROBIN",
            isolation="task",
            lacks="as teams, each piece of work for the next member in turn, whatever its load",
            sizes={"team-pool": 1_000},
            module="teams",
            distribution="letitcrash",
            install="pip install -e .",
        ),
        _pip(
            "pykka",
            "pykka",
            "pykka",
            "pykka_:WORKS",
            "thread",
            "no supervisor, no metrics; `await` of a future blocks the loop; restart is by hand from "
            "on_failure, with a new ref and an empty mailbox; detection is the time to on_failure; an ask "
            "after a death may wait for ever",
            tell=200_000,
            call=10_000,
            ask=10_000,
            ring=40_000,
            fan_in=200_000,
            spawn=2_000,
            start=2_000,
            restart=300,
            stop=2_000,
            detection=500,
            team_broadcast=5,
        ),
        Subject(
            name="asyncio",
            entry="benchmarks.peers.bare_asyncio:WORKS",
            isolation="task",
            lacks="not an actor library but the floor: a queue and a task, with a hand-written supervisor "
            "loop that has no budget, no backoff, no events; what is handed on has no owner, nothing is delivered "
            "twice or again",
            sizes=_named(
                {
                    "tell": 200_000,
                    "call": 50_000,
                    "ask": 5_000,
                    "ring": 100_000,
                    "fan_in": 200_000,
                    "spawn": 2_000,
                    "start": 2_000,
                    "crowd": 100_000,
                    "restart": 1_000,
                    "restart_crowd": 1_000,
                    "stop": 10_000,
                    "detection": 1_000,
                    "team_handoff": 2_000,
                    "team_broadcast": 50,
                    "team_fanout": 50,
                    "team_pipeline": 10_000,
                }
            ),
        ),
        _pip(
            "otpylib",
            "otpylib",
            "otpylib",
            "otpylib_:WORKS",
            "task",
            "no blocking ask, no backoff; children have no shutdown time, and a supervisor told to stop does "
            "not wait for them; a one_for_all cycle takes longer with each that came before it, so that its "
            "figure is that of the middle one of N",
            tell=50_000,
            call=10_000,
            ring=40_000,
            fan_in=50_000,
            spawn=5_000,
            restart=200,
            restart_group=50,
            restart_crowd=50,
            detection=200,
        ),
        _pip(
            "autogen-core",
            "autogen_core",
            "autogen-core",
            "autogen:WORKS",
            "task",
            "no blocking ask, no supervision, no restart: a failed handler leaves agent and state as they "
            "were; tell is publish to a topic; spawn is lazy, by the first message; what is handed on is published and "
            "has no owner, an event whose handler fails is lost",
            tell=5_000,
            call=5_000,
            ring=5_000,
            fan_in=5_000,
            spawn=5_000,
            team_handoff=100,
            team_broadcast=5,
            team_fanout=5,
        ),
        _pip(
            "thespian-simple",
            "thespian",
            "thespian",
            "thespian_:SIMPLE",
            "none (caller's thread)",
            "synchronous, deep-copies each message, cannot be awaited; a crash is a retry and a "
            "PoisonMessage, the actor and its state stay; no supervision policy",
            tell=100_000,
            ask=50_000,
            ring=20_000,
            fan_in=50_000,
            spawn=10_000,
        ),
        _pip(
            "thespian-tcp",
            "thespian",
            "thespian",
            "thespian_:TCP",
            "process",
            "cannot be awaited; an exception is retried and the actor stays, only a dead process reaches "
            "the parent; restart is by hand; memory is resident, shared pages counted in each process",
            tell=5_000,
            ask=1_000,
            ring=1_000,
            fan_in=4_000,
            spawn=50,
            restart=10,
        ),
        _pip(
            "xoscar-inproc",
            "xoscar",
            "xoscar",
            "xoscar_:INPROC",
            "task",
            "no blocking ask, no mailbox: a call is the method under a lock, a tell is a task whose errors "
            "are lost; no supervision in the process",
            tell=20_000,
            call=10_000,
            ring=10_000,
            fan_in=20_000,
            spawn=5_000,
        ),
        _pip(
            "xoscar-process",
            "xoscar",
            "xoscar",
            "xoscar_:PROCESS",
            "process",
            "no blocking ask, no supervision policy: a dead process is started again with all its actors, "
            "states lost; ring and fan-in stay inside that process, where a tell over a local ref is a "
            "method call in a task, on uvloop if present",
            tell=10_000,
            call=2_000,
            ring=5_000,
            fan_in=10_000,
            spawn=5_000,
            restart=2,
        ),
        _pip(
            "ray",
            "ray",
            "ray",
            "ray_:WORKS",
            "process",
            "no supervision tree: max_restarts per actor, no backoff, no group; no ring, for a process per "
            "hop takes half a minute to start; memory is resident, shared pages counted in each process",
            tell=5_000,
            call=1_000,
            ask=1_000,
            fan_in=4_000,
            spawn=8,
            restart=2,
        ),
        _pip(
            "mode",
            "mode",
            "mode-streaming",
            "mode_:WORKS",
            "task",
            "services, not actors: no mailbox, no messages; the answer is the restarted service having started",
            restart=300,
            restart_group=100,
            detection=500,
        ),
        Subject(
            name="otp",
            entry="benchmarks.peers.otp:WORKS",
            isolation="process (Erlang's own)",
            lacks="not Python; no backoff, no ledger, a restart loses the queue; logger off; actors of spawn "
            "and million are bare processes, not supervised; memory is what the VM says; its supervisor "
            "walks the restarts of the last period at each restart: a cycle grows with how many precede it",
            sizes=_named(
                {
                    "tell": 1_000_000,
                    "call": 200_000,
                    "ring": 1_000_000,
                    "fan_in": 1_000_000,
                    "start": 100_000,
                    "million": 1_000_000,
                    "restart": 300,
                    "restart_group": 100,
                    "restart_crowd": 300,
                    "stop": 10_000,
                    "detection": 500,
                }
            ),
            program="erlc",
            install="apt install erlang-base",
        ),
    )
}

"""The door of the distribution `letitcrash`: its version, its command, and the names most programs need.

The three packages `actors`, `supervisors` and `teams` have generic names; this one has a name of its own. So what other
programs load - the command, the plugin of pytest, the entries of Hypothesis - stands here, and looks first whether the
packages are ours. `letitcrash doctor` says what stands in front of them.

`from letitcrash import Actor, child, supervisor, start` gives the objects of `actors`, `supervisors` and `teams`, which
have many more. Importing this package imports none of them; they load when a name is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors import Actor, ActorDeadError, ActorRef, Message, Metrics, Runtime, StateMachine, bounded, handles, sleep
    from supervisors import (
        SpecError,
        Supervisor,
        SupervisorRef,
        budget,
        check,
        child,
        constant,
        dynamic_supervisor,
        exponential,
        load_tree,
        partition_supervisor,
        start,
        supervisor,
        tasks,
    )
    from teams import Context, TeamMetrics, TeamRef, goal, load_team, member, role, step, team

__version__ = "0.1.0"

__all__ = [
    "Actor",
    "ActorDeadError",
    "ActorRef",
    "Context",
    "Message",
    "Metrics",
    "Runtime",
    "SpecError",
    "StateMachine",
    "Supervisor",
    "SupervisorRef",
    "TeamMetrics",
    "TeamRef",
    "bounded",
    "budget",
    "check",
    "child",
    "constant",
    "dynamic_supervisor",
    "exponential",
    "goal",
    "handles",
    "load_team",
    "load_tree",
    "member",
    "partition_supervisor",
    "role",
    "sleep",
    "start",
    "step",
    "supervisor",
    "tasks",
    "team",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """The public name of one of the packages. Makes the lazy facade at the first use: it is code of `actors`.

        Raises:
            AttributeError: this package has no such name
            ImportError: one of the packages is not ours
        """
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from letitcrash._packages import foreign

        if shadowed := foreign():
            raise ImportError(shadowed[0].problem)
        from actors._facade import facade

        load, _ = facade(
            __name__,
            {
                "actors": [
                    "Actor",
                    "ActorDeadError",
                    "ActorRef",
                    "Message",
                    "Metrics",
                    "Runtime",
                    "StateMachine",
                    "bounded",
                    "handles",
                    "sleep",
                ],
                "supervisors": [
                    "SpecError",
                    "Supervisor",
                    "SupervisorRef",
                    "budget",
                    "check",
                    "child",
                    "constant",
                    "dynamic_supervisor",
                    "exponential",
                    "load_tree",
                    "partition_supervisor",
                    "start",
                    "supervisor",
                    "tasks",
                ],
                "teams": ["Context", "TeamMetrics", "TeamRef", "goal", "load_team", "member", "role", "step", "team"],
            },
        )
        globals()["__getattr__"] = load
        return load(name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})

"""Testing workflows: engines that are killed, on a disk with faults, in a simulation. Needs `letitcrash[testing]`.

General layout: `_faults` are the faults of a disk and of processes as values, `_disk` is the store that has them, and
`_processes` are the engines on it. `_sketch` are small workflows in words of their own with the work of their steps,
`_reference` says what comes of one, `_world` is one run of engines as a value, `_judge` says what holds of the disk
when it is over, and `_strategies` generate all of these. The package imports `actors.testing` through its seam alone.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.workflows.testing._disk import Committed, Connection, Disk
    from teams.workflows.testing._errors import PromiseBroken
    from teams.workflows.testing._faults import (
        DiskFault,
        FailCommit,
        LeaseEnds,
        Reboot,
        SlowCommit,
        StoreGone,
        UnknownCommit,
    )
    from teams.workflows.testing._processes import Processes
    from teams.workflows.testing._reference import Expected, expected
    from teams.workflows.testing._sketch import Hopeless, Ledger, Piece, Sketch
    from teams.workflows.testing._strategies import disk_faults, sketches, worlds
    from teams.workflows.testing._world import EngineAction, World, WorldOutcome

__all__ = [
    "Committed",
    "Connection",
    "Disk",
    "DiskFault",
    "EngineAction",
    "Expected",
    "FailCommit",
    "Hopeless",
    "LeaseEnds",
    "Ledger",
    "Piece",
    "Processes",
    "PromiseBroken",
    "Reboot",
    "Sketch",
    "SlowCommit",
    "StoreGone",
    "UnknownCommit",
    "World",
    "WorldOutcome",
    "disk_faults",
    "expected",
    "sketches",
    "worlds",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.workflows.testing._disk": ["Committed", "Connection", "Disk"],
            "teams.workflows.testing._errors": ["PromiseBroken"],
            "teams.workflows.testing._faults": [
                "DiskFault",
                "FailCommit",
                "LeaseEnds",
                "Reboot",
                "SlowCommit",
                "StoreGone",
                "UnknownCommit",
            ],
            "teams.workflows.testing._processes": ["Processes"],
            "teams.workflows.testing._reference": ["Expected", "expected"],
            "teams.workflows.testing._sketch": ["Hopeless", "Ledger", "Piece", "Sketch"],
            "teams.workflows.testing._strategies": ["disk_faults", "sketches", "worlds"],
            "teams.workflows.testing._world": ["EngineAction", "WorldOutcome", "World"],
        },
        needs={
            "greenlet": [
                "teams.workflows.testing._disk",
                "teams.workflows.testing._errors",
                "teams.workflows.testing._faults",
                "teams.workflows.testing._processes",
                "teams.workflows.testing._strategies",
                "teams.workflows.testing._world",
            ]
        },
    )

"""Testing workflows: a disk for the simulation with faults and processes that are killed."""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.workflows.testing._disk import Committed, Connection, Disk
    from teams.workflows.testing._faults import (
        DiskFault,
        FailCommit,
        LeaseEnds,
        Reboot,
        SlowCommit,
        StoreGone,
        UnknownCommit,
    )

__all__ = [
    "Committed",
    "Connection",
    "Disk",
    "DiskFault",
    "FailCommit",
    "LeaseEnds",
    "Reboot",
    "SlowCommit",
    "StoreGone",
    "UnknownCommit",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.workflows.testing._disk": ["Committed", "Connection", "Disk"],
            "teams.workflows.testing._faults": [
                "DiskFault",
                "FailCommit",
                "LeaseEnds",
                "Reboot",
                "SlowCommit",
                "StoreGone",
                "UnknownCommit",
            ],
        },
    )

"""Test your own tree: faults and schedules as values, on virtual time."""

from actors.testing._simulation import simulation

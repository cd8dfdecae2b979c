"""A tree in a file: the classes that tree_file.toml names.

    python examples/tree_file.py
    letitcrash check examples/tree_file.toml
    letitcrash run examples/tree_file.toml

The sensor sends a reading every 20 ms. A reading that is not a number crashes it; it begins again after that reading.
With the last reading it ends, and, being significant, so does the tree.
"""

from __future__ import annotations

import sys
from pathlib import Path

from actors import Actor, ExitReason, Message, handles
from supervisors import start


class Reading(Message):
    """A temperature."""

    celsius: float
    incarnation: int


class Sample:
    """Time for the next reading."""


class Log(Actor):
    """Prints readings, and their mean at the end."""

    def on_start(self) -> None:
        self.readings: list[float] = []

    @handles
    def note(self, reading: Reading) -> None:
        self.readings.append(reading.celsius)
        print(f"{reading.celsius:.1f} °C (sensor incarnation {reading.incarnation})")

    def on_stop(self) -> None:
        if self.readings:
            mean = sum(self.readings) / len(self.readings)
            print(f"{len(self.readings)} readings, mean {mean:.1f} °C")


class Sensor(Actor):
    """Reads what it was given."""

    def __init__(self, readings: list[float | str]) -> None:
        self.readings = readings
        self.position = 0

    def on_start(self) -> None:
        self.tell_every(0.02, Sample())

    @handles
    def sample(self, _: Sample) -> None:
        if self.position == len(self.readings):
            self.stop()
            return
        raw = self.readings[self.position]
        self.position += 1
        log = self.runtime.whereis("log")
        assert log is not None
        log.tell(Reading(celsius=float(raw), incarnation=self.incarnation))

    def carry_over(self, reason: ExitReason) -> int:
        return self.position

    def on_restore(self, carried: int) -> None:
        self.position = carried


def main() -> int:
    """Starts the tree in the file next to this one, and waits for its end."""
    with start(Path(__file__).with_suffix(".toml"), log=False) as root:
        reason = root.wait()
    return 0 if reason is not None and reason.expected else 1


if __name__ == "__main__":
    sys.exit(main())

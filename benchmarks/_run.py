"""One measurement in a process of its own: `python -m benchmarks._run SUBJECT WORK N` prints its outcome."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from benchmarks._machine import pin
from benchmarks._outcome import Outcome
from benchmarks._subjects import SUBJECTS


def measure(name: str, work: str, size: int) -> Outcome:
    """Do `work` `size` times on the subject `name`; an exception of the subject is a failed outcome."""
    subject = SUBJECTS[name]
    if absent := subject.missing():
        return Outcome("missing", detail=absent)
    try:
        return Outcome("ok", subject.measures()[work](size))
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its row
        return Outcome("failed", detail=f"{type(error).__name__}: {error}")


def main(name: str, work: str, size: int) -> None:
    """Measure on one processor, and write the outcome to the standard output, which nothing else reaches meanwhile.

    Crashes are part of the work, and some peers log or print each: the reader of that would be measured, too.
    """
    pin()
    logging.disable(logging.CRITICAL)
    with os.fdopen(os.dup(1), "w") as told:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        told.write(measure(name, work, size).to_line() + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

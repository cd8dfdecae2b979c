"""OTP: the measured work is in `otp.erl`, compiled into a temporary folder and run in a node of its own.

Where the measurement is pinned to one processor, the node has one scheduler: others would only wait for it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks._machine import pinning
from benchmarks._subjects import SUBJECTS
from benchmarks._works import Figures, Measure

_SOURCE = Path(__file__).with_suffix(".erl")
_PROCESSES = 2_000_000
"""The node's limit: more than the largest work starts."""


def _on_node(work: str) -> Measure:
    def measure(size: int) -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["erlc", "-o", folder, str(_SOURCE)], check=True, capture_output=True, text=True)
            schedulers = [] if pinning() is None else ["+S", "1:1"]
            order = f"otp:main('{work}', {size})."
            node = subprocess.run(
                ["erl", *schedulers, "+P", str(_PROCESSES), "-noshell", "-pa", folder, "-eval", order],
                # A node that dies writes a crash dump where it stands.
                cwd=folder,
                stdin=subprocess.DEVNULL,
                check=True,
                capture_output=True,
                text=True,
            )
        figures: Figures = json.loads(node.stdout)
        return figures

    return measure


WORKS: Mapping[str, Measure] = {work: _on_node(work) for work in SUBJECTS["otp"].sizes}

"""The benchmarks are in no wheel: their folder is found beside tests/, after whatever is installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

"""Plain text tables: no dependency, every column as wide as its widest cell."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """`rows` under `head`, columns two spaces apart; each row has as many cells as the head."""
    lines = [list(head), ["-" * len(cell) for cell in head], *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines[1] = ["-" * width for width in widths]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def quantity(value: float | None, unit: str) -> str:
    """`value` with three significant digits and its unit, scaled where that reads better; "-" for None."""
    if value is None:
        return "-"
    if unit == "us":
        return _spell(value, ((1e6, "s"), (1e3, "ms"), (0, "us")))
    if unit == "KiB/actor":
        return _spell(value, ((1024, "MiB/actor"), (0, unit)))
    return _spell(value, ((1e6, f"M {unit}"), (1e3, f"k {unit}"), (0, unit)))


def _spell(value: float, steps: Sequence[tuple[float, str]]) -> str:
    step, unit = next((step, unit) for step, unit in steps if abs(value) >= step)
    scaled = value / step if step else value
    return f"{scaled:.{2 if abs(scaled) < 10 else 1 if abs(scaled) < 100 else 0}f} {unit}"

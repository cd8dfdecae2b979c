"""Sums of numbers that people write: of those they write, not of the nearest that floats can hold."""

from __future__ import annotations

import math
from fractions import Fraction

Exact = Fraction | float
"""A fraction; or infinity, which is none."""


def exact(number: Fraction | float) -> Exact:
    """The number as it is written.

    The float 0.1 is a little more than a tenth: ten of them are less than 1.0 when they are added up as floats, and
    more when they are added up as what they are. Whoever writes 0.1 means a tenth, and its shortest text says so.
    """
    if isinstance(number, int | Fraction):
        return Fraction(number)
    return Fraction(str(float(number))) if math.isfinite(number) else number


def plain(number: Exact) -> float:
    """The number for people: whole where it is, else the nearest float."""
    if not isinstance(number, Fraction):
        return number
    whole = number.denominator == 1 or number > 2**53  # beyond, floats have no decimals, and end somewhere
    return round(number) if whole else float(number)

"""Fault plans and schedules as values, and how they are drawn."""

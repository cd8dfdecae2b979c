"""Time: when schedules start runs."""

"""Sinks of lifecycle events: logs and metrics."""

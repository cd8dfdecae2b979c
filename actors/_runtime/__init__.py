"""Shared by all actors: the runtime, its names and groups, and its watchdog."""

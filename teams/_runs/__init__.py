"""Runs: how a pattern is played, step by step, and remembered."""

"""Patterns: what a team does with a piece of work, composed from the protocols."""

"""Resilience: policies around a call, composable with `|`, and grants of shared resources."""

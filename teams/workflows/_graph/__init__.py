"""Workflows as values: nodes, graphs, the builders and files that make them, and their pictures."""

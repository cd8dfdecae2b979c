"""Hosts, which run cells: the event loop, or a thread of its own."""

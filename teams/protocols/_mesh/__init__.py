"""Peers without a leader: intentions, and the adaptive mesh."""

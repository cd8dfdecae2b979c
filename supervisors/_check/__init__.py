"""Surprises that a sound spec may still hold."""

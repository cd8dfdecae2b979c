"""Specs: what a tree is made of, as values, from code, mappings and files."""

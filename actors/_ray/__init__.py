"""Actors on the nodes of a Ray cluster. Imported with the first of them; `ray` is imported with the first start."""

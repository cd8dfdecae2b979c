"""Actors on the nodes of a Ray cluster. Imported with the first of them; `ray` itself is imported with the first start."""

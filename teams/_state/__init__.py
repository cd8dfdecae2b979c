"""State that outlives its actor: shared state, event sourcing, and stores."""

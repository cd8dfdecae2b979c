"""Quality: what results are scored by, and what follows when a score is low."""

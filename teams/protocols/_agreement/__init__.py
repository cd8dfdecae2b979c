"""How several agree: decisions, discussions, conflicts."""

"""Members of a team: who they are, what they can do, and what they return."""

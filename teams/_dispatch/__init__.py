"""The coordinator: how work finds a member, and comes back."""

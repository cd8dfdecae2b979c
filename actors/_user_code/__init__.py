"""What code of the user's may do to us: how it is shown, reported and contained."""

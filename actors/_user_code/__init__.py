"""Values and exceptions of the user's code: they are shown, reported and contained here."""

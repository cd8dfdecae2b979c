"""What a sound spec can still surprise with."""

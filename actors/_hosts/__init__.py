"""What runs a cell: the event loop, or a thread of its own."""

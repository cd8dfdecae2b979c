"""The actor itself: cells, mailboxes, refs, messages, and the loop that handles them."""

"""The supervisor actor, its API and its ledger, and the start of a tree."""

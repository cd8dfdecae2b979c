"""The journal of durable runs: rows, their encoding, and stores. Knows nothing of runs, teams and actors."""

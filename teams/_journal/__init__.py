"""What durable runs write down: rows, their encoding, and stores. Knows nothing of runs, teams and actors."""

"""The simulated world: loop, clock, hosts, threads, and the fences around them."""

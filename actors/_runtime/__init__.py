"""What actors share: the runtime, its names and groups, and its watchdog."""

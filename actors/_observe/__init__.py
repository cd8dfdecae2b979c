"""What looks on: logs and metrics."""

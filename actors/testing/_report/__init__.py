"""What a run is judged by, and how a failure is told and replayed."""
